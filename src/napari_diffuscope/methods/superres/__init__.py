"""Volumetric super-resolution: an anisotropic stack becomes isotropic with a model of 2D slices."""
