"""Simulated specimens, optics and cameras, in physical units."""
