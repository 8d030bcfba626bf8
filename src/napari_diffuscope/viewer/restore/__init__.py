"""The window of restoration."""
