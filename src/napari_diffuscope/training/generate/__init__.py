"""Training of generators: images of some classes, of which new ones are made."""
