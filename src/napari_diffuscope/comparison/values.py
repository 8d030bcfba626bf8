"""Pixels that can be measured: finite, of a size that numbers can hold, and not all alike."""

from __future__ import annotations

import numpy as np

from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.measure.arrays import vanishes

LARGEST, SMALLEST = 1e37, 1e-37
"""Beyond these, squares and products of pixels leave what computers can hold, and no detector records such numbers."""


def usable(pixels: np.ndarray, name: str) -> np.ndarray:
    """The pixels.

    Raises
    ------
    DiffuscopeError
        If some are NaN or infinite, or of a size that no detector records.
    """
    largest = float(np.abs(pixels).max()) if pixels.size else 0.0
    if not np.isfinite(largest):
        raise DiffuscopeError(
            f"{quoted(name)} has pixels that are NaN or infinite here, or does not fill the field: replace them, or "
            "choose a part without."
        )
    if largest > LARGEST or 0 < largest < SMALLEST:
        raise DiffuscopeError(
            f"The largest pixel of {quoted(name)} is {largest:.3g}, which is no intensity: replace what stands for "
            "missing pixels, or bring the image to other units."
        )
    return pixels


def structured(pixels: np.ndarray, name: str) -> np.ndarray:
    """Usable pixels that are not all alike.

    Raises
    ------
    DiffuscopeError
        As for :func:`usable`, or if all pixels are alike, but for rounding.
    """
    low, high = (float(end) for end in (usable(pixels, name).min(), pixels.max()))
    if vanishes(high - low, max(abs(low), abs(high))):
        raise DiffuscopeError(
            f"All pixels of {quoted(name)} are {low:g} here: there is nothing to resolve, and no noise to measure."
        )
    return pixels
