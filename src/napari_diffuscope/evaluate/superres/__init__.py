"""Evaluation of super-resolution."""
