"""Contrast limits that suit a plane and then stay."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def steady_limits(plane: np.ndarray, *, from_zero: bool = False) -> tuple[float, float] | None:
    """Contrast limits that suit a plane: all but its most extreme pixels; ``None`` where it has none."""
    values = plane[np.isfinite(plane)]
    if values.size == 0:
        return None
    low, high = (float(value) for value in np.percentile(values, (0.1, 99.9)))
    low = 0.0 if from_zero else low
    return (low, high) if high > low else (low, low + max(1e-6, abs(low)))


def joined(ranges: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Smallest range that holds all of them."""
    return min(float(r[0]) for r in ranges), max(float(r[1]) for r in ranges)
