"""From probabilities to an object: threshold, agreement with the mask, connected pieces. Free of torch."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_diffuscope.methods.shape.settings import ShapeSettings, Threshold

LEAST_RANGE = 1e-4
"""Probabilities that differ by less are equal: single precision leaves about 1e-7, and Otsu's method needs 256 classes
between them."""

FADE = 4.0
"""Planes over which the correction of plane S / 2 fades, as the standard deviation of a Gaussian."""


def threshold_of(probability: np.ndarray, kind: Threshold, own: float = 0.5) -> float:
    """Probability from which on a voxel belongs to the cell.

    Parameters
    ----------
    probability
        ``(Z, Y, X)`` in 0 … 1.
    kind
        ``model``: ``own``. ``half``: 0.5.
        ``otsu``: the value that best parts the probabilities into two classes; Otsu, IEEE Trans. Syst.
        Man Cybern. 9, 62 (1979). A volume of one value, but for rounding, has no two classes and gets 0.5.
    own
        Of the model.
    """
    if kind == "model":
        return own
    if kind == "half" or np.ptp(probability) < LEAST_RANGE:
        return 0.5
    from skimage.filters import threshold_otsu

    return float(threshold_otsu(probability))


def agreement(occupied: np.ndarray, mask: np.ndarray) -> float:
    """Intersection over union of the middle plane of an object with the mask of the cell."""
    middle = occupied[len(occupied) // 2]
    union = int((middle | mask).sum())
    return float((middle & mask).sum() / union) if union else 0.0


def matched(probability: np.ndarray, mask: np.ndarray, threshold: float) -> np.ndarray:
    """Probabilities whose middle plane, at a threshold, is the mask.

    Where plane S / 2 says otherwise than the mask, it is moved just beyond the threshold, and the planes above
    and below are moved along by less and less, so that no sheet of a single voxel is left.
    """
    side = len(probability)
    beyond = 0.1 * min(threshold, 1 - threshold)
    middle = probability[side // 2]
    low, high = np.float32(threshold - beyond), np.float32(threshold + beyond)
    change = np.where(mask, np.maximum(high - middle, 0), np.minimum(low - middle, 0))
    distance = np.arange(side) - side // 2
    weight = np.exp(-0.5 * (distance / FADE) ** 2).astype(np.float32)
    found: np.ndarray = np.clip(probability + weight[:, None, None] * change, 0, 1).astype(np.float32)
    return found


def binarised(
    probability: np.ndarray, mask: np.ndarray, settings: ShapeSettings, own: float = 0.5
) -> tuple[np.ndarray, np.ndarray, float]:
    """The object in a volume of probabilities.

    Parameters
    ----------
    probability
        ``(S, S, S)`` in 0 … 1.
    mask
        ``(S, S)`` bool: the cell in the image plane.
    settings
        ``threshold``, ``largest`` and ``match_mask`` count.
    own
        Threshold of the model for such a volume.

    Returns
    -------
    occupied : ndarray
        bool.
    probability : ndarray
        As given, or corrected by the mask.
    threshold : float
        That was used.
    """
    threshold = threshold_of(probability, settings.threshold, own)
    if settings.match_mask:
        probability = matched(probability, mask, threshold)
    occupied = probability > threshold
    if settings.largest:
        occupied = _pieces_at(occupied, mask) if settings.match_mask else largest_piece(occupied)
    return occupied, probability, threshold


def largest_piece(occupied: np.ndarray) -> np.ndarray:
    """The largest piece whose voxels share faces."""
    pieces, count = ndimage.label(occupied)
    if count < 2:
        return occupied
    sizes = np.bincount(pieces.ravel())
    return np.asarray(pieces == 1 + int(np.argmax(sizes[1:])))


def _pieces_at(occupied: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The pieces that meet the mask, whose middle plane stays as it is."""
    pieces, _ = ndimage.label(occupied)
    met = np.unique(pieces[len(pieces) // 2][mask])
    return np.isin(pieces, met[met > 0])
