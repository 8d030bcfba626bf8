"""What threads and spots in an image are like: how wide, how many."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_diffuscope.measure.arrays import real_array

SHARE = 0.25
"""What is brighter than this share of the bright structures (99.5th percentile) belongs to a structure."""


def filament_width(image: object) -> float:
    """Mean width of the structures of an image in pixels: twice their area over the length of their outline.

    For threads that is their width where they are brighter than a quarter of the bright structures; for discs half of
    their diameter. NaN where there is no structure.

    Parameters
    ----------
    image
        ``(Y, X)``, background near 0.
    """
    filled = _structures(real_array(image, "the image", dimensions=(2,)))
    if not filled.any():
        return float("nan")
    # Edges between pixels overestimate a slanting outline by 4/π on average over all directions.
    across = sum(int(np.count_nonzero(np.diff(filled.astype(np.int8), axis=axis))) for axis in (0, 1))
    return 2 * float(filled.sum()) / max(across * np.pi / 4, 1.0)


def filament_density(image: object) -> float:
    """Share of the pixels of an image that belong to a structure."""
    return float(_structures(real_array(image, "the image", dimensions=(2,))).mean())


def spot_density(image: object, *, sigma: float = 1.0) -> float:
    """Number of bright spots per 100 × 100 pixels: local maxima of the smoothed image that belong to a structure.

    Parameters
    ----------
    image
        ``(Y, X)``, background near 0.
    sigma
        Of the smoothing in pixels.
    """
    pixels = real_array(image, "the image", dimensions=(2,))
    smooth = ndimage.gaussian_filter(pixels, sigma)
    peaks = (smooth == ndimage.maximum_filter(smooth, 3)) & _structures(pixels)
    return float(peaks.sum()) / pixels.size * 1e4


def _structures(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(pixels > max(SHARE * float(np.percentile(pixels, 99.5)), 1e-6))
