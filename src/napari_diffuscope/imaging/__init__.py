"""Axes and pixel sizes, intensity, tiles, files."""

import logging

# tifffile tells of damaged files by its logger, and without a handler Python prints that. What matters is said in our
# own sentences; a program that wants these lines too sets up logging and gets them.
logging.getLogger("tifffile").addHandler(logging.NullHandler())
