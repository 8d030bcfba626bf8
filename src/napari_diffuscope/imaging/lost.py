"""Planes of one value between planes that show the same: frames that a camera, or a file, has lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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


def is_lost(plane: int, count: int, shows: Callable[[int], bool], read: Callable[[int], np.ndarray]) -> bool:
    """Whether a plane of a stack was lost; an empty one at its ends, or between things that end there, was not.

    Parameters
    ----------
    plane, count
        Its number, and how many planes there are.
    shows
        Whether a plane has more than one value.
    read
        Gives a plane ``(Y, X)``; asked for two at most, where one has to be looked for.
    """
    if shows(plane):
        return False
    below = next((at for at in range(plane - 1, max(plane - REACH, 0) - 1, -1) if shows(at)), None)
    above = next((at for at in range(plane + 1, min(plane + REACH + 1, count)) if shows(at)), None)
    return below is not None and above is not None and show_the_same(read(below), read(above))


def lost_planes(planes: Sequence[np.ndarray]) -> list[int]:
    """Numbers of the lost planes of a stack, by :func:`is_lost`."""
    shows = [bool(np.ptp(plane) > 0) for plane in planes]
    every = range(len(planes))
    return [at for at in every if is_lost(at, len(planes), shows.__getitem__, planes.__getitem__)]
