"""Model folders and published checkpoints, read into a ready model."""
