"""Training of super-resolution."""
