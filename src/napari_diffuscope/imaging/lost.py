"""Planes of one value between planes that show the same: frames that a camera, or a file, has lost."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from napari_diffuscope.imaging.shrink import averaged_down

ALIKE = 0.3
"""Correlation from which on two planes show the same, so that a plane between them shows it too."""

CELLS = 32
"""Parts along the shorter side of a plane whose means are correlated."""

REACH = 4
"""Planes on each side among which one with an image must lie, for what was lost to be told from it."""


def show_the_same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two planes ``(Y, X)`` correlate, where both have values and noise is averaged away."""
    shrink = max(1, min(one.shape) // CELLS)
    coarse = [averaged_down(np.asarray(plane, np.float32), shrink) for plane in (one, other)]
    both = np.isfinite(coarse[0]) & np.isfinite(coarse[1])
    a, b = (np.asarray(plane[both], np.float64) for plane in coarse)
    if a.size < 2:
        return False
    a, b = a - a.mean(), b - b.mean()
    power = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return power > 0 and float((a * b).sum()) > ALIKE * power


def lost_planes(planes: Sequence[np.ndarray]) -> list[int]:
    """Numbers of the lost planes of a stack; empty ones at its ends, or between things that end there, are none."""
    shown = [number for number, plane in enumerate(planes) if np.ptp(plane) > 0]
    lost: list[int] = []
    for low, high in pairwise(shown):
        between = range(low + 1, high)
        near = [at for at in between if at - low <= REACH and high - at <= REACH]
        if near and show_the_same(planes[low], planes[high]):
            lost += near
    return lost
