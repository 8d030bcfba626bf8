"""Volumetric super-resolution: an anisotropic stack becomes isotropic with a model that has seen 2D images only."""
