"""Evaluation of shapes."""
