"""Trials of the denoiser: what one change to its network or its input is worth after equally long training."""
