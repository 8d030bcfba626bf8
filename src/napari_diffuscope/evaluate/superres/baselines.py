"""Classical ways to put planes between measured ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from napari_diffuscope.simulate.optics import FWHM_PER_SIGMA

MOST_ITERATIONS = 40
SMOOTHINGS = (0.4, 0.6, 0.8, 1.0, 1.4, 2.0)
"""Standard deviations in pixels that smoothing tries."""


@dataclass(frozen=True)
class Filled:
    """A volume, and the setting that it was made with."""

    volume: np.ndarray
    setting: str = ""


def nearest(measured: np.ndarray, factor: int, truth: np.ndarray) -> Filled:
    """The nearest measured plane, the one before where two are equally near."""
    place = np.arange(len(truth)) / factor
    return Filled(measured[np.ceil(place - 0.5).astype(int)])


def linear(measured: np.ndarray, factor: int, truth: np.ndarray) -> Filled:
    """Linear interpolation."""
    return Filled(_spline(measured, factor, len(truth), 1))


def cubic(measured: np.ndarray, factor: int, truth: np.ndarray) -> Filled:
    """Cubic spline along z, natural at the ends."""
    return Filled(_spline(measured, factor, len(truth), 3))


def smoothed_linear(measured: np.ndarray, factor: int, truth: np.ndarray) -> Filled:
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
    return Filled(best, f"sigma {chosen:g}")


def sharpened_linear(measured: np.ndarray, factor: int, truth: np.ndarray, *, fwhm: float) -> Filled:
    """Linear interpolation, then Richardson-Lucy along z with the true blur, stopped where it is nearest to the truth.

    Parameters
    ----------
    measured, factor, truth
        As for the others.
    fwhm
        Full width at half maximum of the Gaussian blur along z, in pixels of the truth.
    """
    from scipy.ndimage import gaussian_filter1d

    def blurred(volume: np.ndarray) -> np.ndarray:
        return np.asarray(gaussian_filter1d(volume, fwhm / FWHM_PER_SIGMA, axis=0, mode="reflect"))

    missing = np.arange(len(truth)) % factor > 0
    dark = float(measured.min()) - 1e-3 * float(np.ptp(measured))  # light must be positive
    light = _spline(measured, factor, len(truth), 1) - dark
    guess, best, least, chosen = light, light, np.inf, 0
    for iteration in range(MOST_ITERATIONS + 1):
        error = float(np.square(guess[missing] + dark - truth[missing]).mean())
        if error < least:
            best, least, chosen = guess, error, iteration
        guess = guess * blurred(light / np.maximum(blurred(guess), 1e-6))
    return Filled(best + dark, f"{chosen} iterations")


def _spline(measured: np.ndarray, factor: int, planes: int, degree: int) -> np.ndarray:
    from scipy.interpolate import CubicSpline

    place = np.arange(planes) / factor
    if degree == 3 and len(measured) > 2:
        spline = CubicSpline(np.arange(len(measured)), measured, bc_type="natural")
        return np.asarray(spline(place), dtype=np.float32)
    low = np.minimum(place.astype(int), len(measured) - 2)
    weight = (place - low).astype(np.float32)[:, None, None]
    return np.asarray(measured[low] * (1 - weight) + measured[low + 1] * weight)


BASELINES: dict[str, Callable[[np.ndarray, int, np.ndarray], Filled]] = {
    "nearest": nearest,
    "linear": linear,
    "cubic": cubic,
    "smoothed linear": smoothed_linear,
}
"""By name: each takes the measured planes, the factor and the truth ``(Z, Y, X)``."""

SHARPENED = "Richardson-Lucy"
"""Name of :func:`sharpened_linear`, which is only tried on thick planes."""


def baselines(fwhm: float) -> dict[str, Callable[[np.ndarray, int, np.ndarray], Filled]]:
    """Those that suit planes of this thickness in pixels."""
    return {**BASELINES, SHARPENED: partial(sharpened_linear, fwhm=fwhm)} if fwhm else BASELINES
