"""Axes and pixel sizes, intensity, tiles, files."""
