"""The networks. Torch only."""
