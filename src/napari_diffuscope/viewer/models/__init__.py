"""The dock Models."""
