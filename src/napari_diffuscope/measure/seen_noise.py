"""The noise of a plane as a network is shown it, in two numbers: how strong it is, and its colour."""

from __future__ import annotations

import math
from itertools import product

import numpy as np

from napari_diffuscope.imaging.sampling import window_starts
from napari_diffuscope.measure.noise_model import LEAST_EDGE, noise_correlation, typical_noise

WINDOW, MOST_WINDOWS = 256, 4
"""Edge in pixels of the windows that are looked at, and how many along each axis: more would tell nothing more."""

LEVEL, COLOUR = "noise_level", "noise_colour"


def seen_noise(plane: np.ndarray) -> dict[str, float]:
    """How strong the noise of a plane is, and whether neighbours share it; from the plane alone.

    Structures hardly count: the strength is that of the median of small blocks, and the colour is measured where
    differences are least. Both depend on the whole plane, whatever part of it is worked on.

    Parameters
    ----------
    plane
        ``(Y, X)``, finite, in values of the network.

    Returns
    -------
    dict
        ``noise_level``: decadic logarithm of the standard deviation of differences along the diagonal;
        ``noise_colour``: correlation of the noise of neighbours along Y or X, whichever is further from 0, from -1
        to 1: 0 is white. Empty where a plane is too small to tell (below 32 pixels), or has no noise.
    """
    if min(plane.shape) < LEAST_EDGE:
        return {}
    rows, columns = (
        window_starts(length, WINDOW, most=MOST_WINDOWS, overlapping=True) for length in plane.shape
    )
    windows = [plane[y : y + WINDOW, x : x + WINDOW] for y, x in product(rows, columns)]
    strength = typical_noise(windows)
    if not strength > 0:
        return {}
    along = [noise_correlation(windows, axis, 1)[0] for axis in (0, 1)]
    return {LEVEL: math.log10(strength), COLOUR: max(along, key=abs)}
