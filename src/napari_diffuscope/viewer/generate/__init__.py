"""The dock Generate."""
