"""The window of shapes."""
