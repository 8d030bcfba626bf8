"""Training of restoration."""
