"""What a shape network is told of a cell: its outline, its grey values, and where a voxel lies. Free of torch."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt

from napari_diffuscope.errors import DiffuscopeError

SIDE = 64
"""Voxels along each edge of the window of a model that does not say otherwise; plane 32 lies in the image plane."""

CHANNELS = ("mask", "image", "height", "distance")
"""Channels of the condition of our own networks, in order."""

PERCENTILES = (1.0, 99.0)
"""Grey values of a cell that become 0 and 1."""


def image_in_mask(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Grey values of one cell, stretched to 0 … 1 by the pixels of the cell alone; the same in training and use.

    Parameters
    ----------
    image
        ``(Y, X)``, any unit; neighbours and background outside the mask have no influence.
    mask
        ``(Y, X)`` bool: the cell.

    Returns
    -------
    ndarray
        ``(Y, X)`` float32: 0 at the 1st percentile of the cell's pixels, 1 at the 99th, clipped; 0.5 in a cell of one
        grey value and at pixels that are not finite; 0 outside the mask.

    Raises
    ------
    DiffuscopeError
        If the mask is empty or of another shape than the image.
    """
    image, mask = np.asarray(image, np.float64), np.asarray(mask, bool)
    if image.shape != mask.shape:
        raise DiffuscopeError(
            f"The image of a cell has shape {image.shape}, but its mask {mask.shape}; they must agree."
        )
    values = image[mask]
    if not values.size:
        raise DiffuscopeError("The mask of a cell is empty; outline the cell first.")
    seen = np.isfinite(values)
    low, high = np.percentile(values[seen], PERCENTILES) if seen.any() else (0.0, 0.0)
    result = np.zeros(image.shape, np.float32)
    if high > low:
        result[mask] = np.clip((np.where(seen, values, (low + high) / 2) - low) / (high - low), 0, 1)
    else:
        result[mask] = 0.5
    return result


def shape_conditions(image01: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The condition of our own networks.

    Parameters
    ----------
    image01
        ``(64, 64)`` in 0 … 1, as :func:`image_in_mask` gives it. Models of other windows get ``(S, S)``.
    mask
        ``(64, 64)`` bool.

    Returns
    -------
    ndarray
        ``(4, 64, 64, 64)`` float32, axes channel, z, y, x, in the order of :data:`CHANNELS`:
        the mask as -1 and 1; the image as -1 … 1 in the mask and 0 outside it, all planes alike;
        the height ``(z - 32) / 32``, which is 0 in the image plane; the distance to the outline in half windows,
        positive in the mask, clipped to -1 … 1, all planes alike.

    Raises
    ------
    DiffuscopeError
        If the two do not have one shape, or are no square of an even number of pixels.
    """
    image01, mask = _window(image01, mask)
    side = len(mask)
    middle = side // 2
    result = np.empty((len(CHANNELS), side, side, side), np.float32)
    result[0] = np.where(mask, 1, -1)
    result[1] = np.where(mask, 2 * image01 - 1, 0)
    result[2] = ((np.arange(side, dtype=np.float32) - middle) / middle)[:, None, None]
    result[3] = signed_distance(mask) / middle
    np.clip(result, -1, 1, out=result)
    return result


def signed_distance(mask: np.ndarray) -> np.ndarray:
    """Distance of pixel centres to the outline in pixels, positive in the mask; beyond the window nothing is cell."""
    inside = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    if not mask.any():
        return np.full(mask.shape, -float(max(mask.shape)))
    outside = distance_transform_edt(~mask)
    return np.asarray(np.where(mask, inside - 0.5, 0.5 - outside))


def published_conditions(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The condition of DISPR: outline, and image times outline, repeated along z.

    Parameters
    ----------
    image
        ``(64, 64)`` in 0 … 1: 8-bit grey values divided by 255.
    mask
        ``(64, 64)`` bool.

    Returns
    -------
    ndarray
        ``(2, 64, 64, 64)`` float32 in 0 … 1, axes channel, z, y, x.
    """
    image, mask = _window(image, mask)
    planes = np.stack([mask.astype(np.float32), image * mask])
    return np.repeat(planes[:, None], len(mask), axis=1)


def _window(image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    image, mask = np.asarray(image, np.float32), np.asarray(mask, bool)
    if image.shape != mask.shape or mask.ndim != 2 or mask.shape[0] != mask.shape[1] or mask.shape[0] % 2:
        raise DiffuscopeError(
            f"A shape network sees windows of {SIDE} x {SIDE} pixels, not {image.shape} and {mask.shape}."
        )
    return image, mask
