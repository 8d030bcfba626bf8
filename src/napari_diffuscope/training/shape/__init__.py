"""Training of shapes."""
