"""Pixels that are no image: hot and dead ones, float outliers, and small things far brighter than all the rest.

A network that is shown them spoils what is around them over its whole reach. They are found here, in float32 planes
``(Y, X)``, and filled from their neighbours before the network; what becomes of them afterwards is for the method.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from napari_diffuscope.imaging.intensity_map import IntensityMap

RING = 3
"""Distance at which a pixel is compared with its surroundings: beyond the point spread function of a sharp image."""

TAIL, TIMES = 99.5, 4.0
"""A defect stands out by this many times what this percentage of the pixels differs at most over that distance."""

LEAST_HEIGHT = 3.0
"""And by so much in network values: what is lower does no harm."""

SHARE = 0.25
"""Neighbours of a defect reach at most so much of its height. A point blurred by optics shares half with them."""

MOST_TOGETHER = 4
"""Pixels of a cluster of defects, at most."""

BRIGHT, SKIRT = 24.0, 4.0
"""Network values: what exceeds the first, with all that is connected to it above the second, is too bright."""

MOST_QUANTILE = 2**18
"""Differences that a percentile is taken of (about)."""


@dataclass(frozen=True)
class Heights:
    """By how much a defect stands out from all pixels around it, at least.

    Parameters
    ----------
    hot, dead
        Intensities, positive; infinite where nothing is looked for.
    """

    hot: float = float("inf")
    dead: float = float("inf")


def typical_difference(plane: np.ndarray) -> float:
    """What nearly all pixels of a plane differ at most over :data:`RING` pixels; 0 for planes too small to tell.

    Parameters
    ----------
    plane
        float32 ``(Y, X)``; pixels that are not finite do not count.
    """
    if min(plane.shape) <= 2 * RING:
        return 0.0
    step = -(-plane.size // MOST_QUANTILE)
    rows = plane[::step].astype(np.float64)
    with np.errstate(invalid="ignore"):
        differences = np.abs(rows[:, RING:] - rows[:, :-RING]).ravel()
    differences = differences[np.isfinite(differences)]
    return float(np.percentile(differences, TAIL)) if differences.size else 0.0


def heights_of(difference: float, line: IntensityMap) -> Heights:
    """Heights of defects, from :func:`typical_difference` and the map of the plane."""
    height = max(TIMES * difference, LEAST_HEIGHT * line.scale)
    return Heights(height, height)


def isolated_defects(plane: np.ndarray, heights: Heights) -> np.ndarray | None:
    """Where single pixels, or clusters of up to four, stand out as nothing does that went through optics.

    Whether a pixel is one depends on the pixels up to twice :data:`RING` around it alone.

    Parameters
    ----------
    plane
        float32 ``(Y, X)``; pixels that are not finite are no defects.
    heights
        See :class:`Heights`.

    Returns
    -------
    ndarray or None
        bool ``(Y, X)``; ``None`` where there are none.
    """
    if min(plane.shape) <= 2 * RING:
        return None
    mask = None
    span = float(plane.max()) - float(plane.min())  # no pixel stands out by more; NaN where one has no value
    for sign, height in ((1, heights.hot), (-1, heights.dead)):
        if not np.isfinite(height) or span <= height:
            continue
        places = _standing_out(plane, sign, height)
        if places is not None:
            mask = np.zeros(plane.shape, bool) if mask is None else mask
            mask[places] = True
    return mask


def _standing_out(plane: np.ndarray, sign: int, height: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Places of defects of one sign."""
    reach = np.fmax if sign > 0 else np.fmin
    border = -np.inf if sign > 0 else np.inf
    padded = np.pad(plane, RING, constant_values=border)
    lines = reach(padded[:, : -2 * RING], padded[:, 2 * RING :])  # left and right
    around = reach(lines[: -2 * RING], lines[2 * RING :])  # the corners
    around = reach(around, lines[RING:-RING])
    around = reach(around, padded[: -2 * RING, RING:-RING])
    around = reach(around, padded[2 * RING :, RING:-RING])
    with np.errstate(invalid="ignore", over="ignore"):
        candidates = sign * (plane - around) > height
    candidates &= np.isfinite(plane)
    if not candidates.any():
        return None
    places = np.nonzero(candidates)
    alone = _alone(plane.astype(np.float64) * sign, candidates, places, height)
    return (places[0][alone], places[1][alone]) if alone.any() else None


def _alone(
    plane: np.ndarray, candidates: np.ndarray, places: tuple[np.ndarray, ...], height: float
) -> np.ndarray:
    """Which of the candidates, now all bright, do not share their light with their neighbours."""
    values = _windows(np.where(np.isfinite(plane), plane, np.nan), places, RING, np.nan)
    also = _windows(candidates, places, RING, False)
    few = also.sum(axis=(1, 2)) <= MOST_TOGETHER
    values[also] = np.nan
    values[~few] = 0.0  # decided already
    inner = values[:, RING - 1 : RING + 2, RING - 1 : RING + 2].reshape(len(values), -1)
    wide = values[:, 1:-1, 1:-1].reshape(len(values), -1)
    seen = np.isfinite(inner).any(1)
    inner[~seen] = wide[~seen] = 0.0
    ground, beside = np.nanmedian(wide, axis=1), np.nanmax(inner, axis=1)
    peak = plane[places]
    return np.asarray(few & seen & (peak - ground > height) & (beside - ground < SHARE * (peak - ground)))


def _windows(plane: np.ndarray, places: tuple[np.ndarray, ...], reach: int, border: float) -> np.ndarray:
    """Squares around pixels, ``(N, 2 reach + 1, 2 reach + 1)``."""
    padded = np.pad(plane, reach, constant_values=border)
    offsets = np.arange(2 * reach + 1)
    return np.asarray(padded[places[0][:, None, None] + offsets[:, None], places[1][:, None, None] + offsets])


def level(line: IntensityMap, value: float) -> float:
    """Intensity of a network value, at most what float32 can hold."""
    return min(line.offset + value * line.scale, float(np.finfo(np.float32).max))


def bright_objects(plane: np.ndarray, line: IntensityMap) -> np.ndarray | None:
    """Where things lie that are far brighter than all the rest.

    Parameters
    ----------
    plane
        float32 ``(Y, X)``, without isolated defects.
    line
        Map of the rest.

    Returns
    -------
    ndarray or None
        bool ``(Y, X)``; ``None`` where there are none.
    """
    with np.errstate(invalid="ignore"):
        core = plane > level(line, BRIGHT)
        core &= np.isfinite(plane)
        if not core.any():
            return None
        pieces, _ = ndimage.label(plane > level(line, SKIRT), np.ones((3, 3)))
    bright = np.zeros(pieces.max() + 1, bool)
    bright[pieces[core]] = True
    return np.asarray(bright[pieces] & np.isfinite(plane))


def filled(plane: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """The plane with missing pixels taken from the nearest one that is there."""
    nearest = ndimage.distance_transform_edt(missing, return_distances=False, return_indices=True)
    return np.asarray(plane[tuple(nearest)])


def bridged(plane: np.ndarray, defects: np.ndarray) -> np.ndarray:
    """A copy whose isolated defects are the median of the finite pixels around them."""
    places = np.nonzero(defects)
    around = _windows(np.where(defects | ~np.isfinite(plane), np.nan, plane), places, 2, np.nan)
    around = around.reshape(len(around), -1)
    empty = ~np.isfinite(around).any(1)
    around[empty] = 0.0
    result = plane.copy()
    result[places] = np.nanmedian(around, axis=1)
    if empty.any():
        alone = np.zeros(plane.shape, bool)
        alone[places[0][empty], places[1][empty]] = True
        result = filled(result, alone | ~np.isfinite(result))
        result[~np.isfinite(plane)] = plane[~np.isfinite(plane)]
    return result
