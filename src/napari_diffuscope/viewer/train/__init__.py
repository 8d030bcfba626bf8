"""The dock Train."""
