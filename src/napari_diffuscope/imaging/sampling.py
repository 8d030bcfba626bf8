"""Windows that stand for a whole plane."""

from __future__ import annotations

import numpy as np


def window_starts(length: int, edge: int, *, most: int, overlapping: bool) -> list[int]:
    """Where windows along an axis begin, spread evenly from end to end.

    Parameters
    ----------
    length
        Of the axis.
    edge
        Of the windows; an axis that is shorter is one window.
    most
        Windows.
    overlapping
        Whether there are so many that they cover the axis, or so few that they do not overlap.
    """
    edge = min(edge, length)
    count = -(-length // edge) if overlapping else length // edge
    return [round(float(place)) for place in np.linspace(0, length - edge, min(count, most))]
