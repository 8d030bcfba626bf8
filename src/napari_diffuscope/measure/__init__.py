"""Measures of images and of results."""
