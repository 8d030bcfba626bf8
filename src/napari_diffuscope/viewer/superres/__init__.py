"""The window of super-resolution."""
