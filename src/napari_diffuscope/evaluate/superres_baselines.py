"""Classical ways to put planes between measured ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

SMOOTHINGS = (0.4, 0.6, 0.8, 1.0, 1.4, 2.0)
"""Standard deviations in pixels that smoothing tries."""


@dataclass(frozen=True)
class Found:
    """A volume, and the setting that it was made with."""

    volume: np.ndarray
    setting: str = ""


def nearest(measured: np.ndarray, factor: int, truth: np.ndarray) -> Found:
    """The nearest measured plane, the one before where two are equally near."""
    place = np.arange(len(truth)) / factor
    return Found(measured[np.ceil(place - 0.5).astype(int)])


def linear(measured: np.ndarray, factor: int, truth: np.ndarray) -> Found:
    """Linear interpolation."""
    return Found(_spline(measured, factor, len(truth), 1))


def cubic(measured: np.ndarray, factor: int, truth: np.ndarray) -> Found:
    """Cubic spline along z, natural at the ends."""
    return Found(_spline(measured, factor, len(truth), 3))


def smoothed_linear(measured: np.ndarray, factor: int, truth: np.ndarray) -> Found:
    """Linear interpolation of planes smoothed in themselves, by the width that comes nearest to the truth.

    A real user has no truth to choose by: this is more than any can do. Measured planes are put back.
    """
    from scipy.ndimage import gaussian_filter

    missing = np.arange(len(truth)) % factor > 0
    best, least, chosen = None, np.inf, 0.0
    for sigma in SMOOTHINGS:
        made = _spline(gaussian_filter(measured, (0, sigma, sigma)), factor, len(truth), 1)
        error = float(np.square(made[missing] - truth[missing]).mean())
        if error < least:
            best, least, chosen = made, error, sigma
    assert best is not None
    best[::factor] = measured
    return Found(best, f"sigma {chosen:g}")


def _spline(measured: np.ndarray, factor: int, planes: int, degree: int) -> np.ndarray:
    from scipy.interpolate import CubicSpline

    place = np.arange(planes) / factor
    if degree == 3 and len(measured) > 2:
        made: np.ndarray = CubicSpline(np.arange(len(measured)), measured, bc_type="natural")(place)
        return made.astype(np.float32)
    low = np.minimum(place.astype(int), len(measured) - 2)
    weight = (place - low).astype(np.float32)[:, None, None]
    found: np.ndarray = measured[low] * (1 - weight) + measured[low + 1] * weight
    return found


BASELINES: dict[str, Callable[[np.ndarray, int, np.ndarray], Found]] = {
    "nearest": nearest,
    "linear": linear,
    "cubic": cubic,
    "smoothed linear": smoothed_linear,
}
"""By name: each takes the measured planes, the factor and the truth ``(Z, Y, X)``."""
