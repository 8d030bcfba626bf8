"""Evaluation of restoration."""
