"""Images averaged down, which takes away their noise."""

from __future__ import annotations

import numpy as np


def averaged_down(plane: np.ndarray, factor: int) -> np.ndarray:
    """Averages over blocks of ``factor`` by ``factor`` pixels, float32.

    Parameters
    ----------
    plane
        ``(Y, X)``; what is left over at the far edges is cut off.
    factor
        1 or more.
    """
    height, width = (size // factor * factor for size in plane.shape)
    blocks = plane[:height, :width].reshape(height // factor, factor, width // factor, factor)
    return np.asarray(blocks.mean((1, 3), dtype=np.float32))
