"""Measures of 3D objects: features, errors against a truth, and surfaces."""
