"""Whether a predicted deviation is honest: how often the truth lies where it should, and by what factor not.

A method that draws samples gives, at each pixel, their mean and their standard deviation. If the truth is one
more draw from the same distribution, then for Gaussian samples ``(truth - mean) / (deviation · sqrt(1 + 1/N))``
follows Student's t distribution with N - 1 degrees of freedom (the predictive interval). That is held against
the truth here, pixel by pixel. It says nothing of whether errors of neighbouring pixels belong together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.arrays import real_array, same_shape
from napari_diffuscope.measure.deviations import LEVELS

LEAST, MOST, BINS = 1e-5, 1e5, 16384
"""Standardised errors are counted in bins of their logarithm, each 0.14 % wide."""

SCALES = (1e-2, 1e2)
"""Factors that are believed; beyond them, deviation and error have nothing to do with each other."""


def coverage(
    truth: object,
    mean: object,
    deviation: object,
    *,
    samples: int,
    scale: float = 1.0,
    levels: Sequence[float] = LEVELS,
    half_widths: Sequence[float] | None = None,
) -> dict[float, float]:
    """Share of pixels whose truth lies in the predictive interval, for each nominal share.

    The interval is ``mean ± t(level) · scale · deviation · sqrt(1 + 1/samples)`` with the two-sided quantile of
    Student's t distribution with ``samples - 1`` degrees of freedom.

    Parameters
    ----------
    truth, mean, deviation
        Real arrays of one shape, any number of dimensions. The deviation is the standard deviation over the
        samples with ``ddof=1``. A truth that is noisy itself lies outside too often.
    samples
        Number of samples behind mean and deviation, 2 or more.
    scale
        Factor on the deviation.
    levels
        Nominal shares, between 0 and 1.
    half_widths
        Half widths of the intervals in deviations, one for each level, where they were measured; they take the place
        of ``t(level) · sqrt(1 + 1/samples)``.

    Returns
    -------
    dict
        Nominal share → found share, in the order of ``levels``.
    """
    errors = standardised_errors(truth, mean, deviation, samples=samples)
    quantiles = _quantiles(samples, levels)
    if half_widths is not None:
        quantiles = np.array([_positive(width) for width in half_widths]) / math.sqrt(1 + 1 / samples)
    quantiles = quantiles * _positive(scale)
    return {level: float((errors <= q).mean()) for level, q in zip(levels, quantiles, strict=True)}


def fit_scale(
    truth: object, mean: object, deviation: object, *, samples: int, levels: Sequence[float] = LEVELS
) -> float:
    """Factor on the deviation that brings the coverage nearest to nominal.

    Nearest is the least sum of squared differences between found and nominal shares over the levels. Above 1
    the deviation is too small (the method is too sure), below 1 too large. For several images see
    :class:`CoverageCounter`.
    """
    counter = CoverageCounter(samples=samples, levels=levels)
    counter.add(truth, mean, deviation)
    return counter.scale()


class CoverageCounter:
    """Coverage and scale over many images, without keeping them; every image has the same weight.

    Parameters
    ----------
    samples
        Number of samples behind every mean and deviation, 2 or more.
    levels
        Nominal shares, between 0 and 1.
    """

    def __init__(self, *, samples: int, levels: Sequence[float] = LEVELS) -> None:
        self.levels = tuple(levels)
        self.samples = samples
        self.images = 0
        self._quantiles = _quantiles(samples, levels)
        self._edges = np.linspace(math.log(LEAST), math.log(MOST), BINS + 1)
        self._shares = np.zeros(BINS + 2)

    def add(self, truth: object, mean: object, deviation: object) -> None:
        """Count one image: real arrays of one shape, as for :func:`coverage`."""
        errors = standardised_errors(truth, mean, deviation, samples=self.samples).ravel()
        with np.errstate(divide="ignore"):
            places = np.digitize(np.log(errors), self._edges)
        self._shares += np.bincount(places, minlength=BINS + 2) / errors.size
        self.images += 1

    def coverage(self, scale: float = 1.0) -> dict[float, float]:
        """Nominal share → found share, to within the pixels of one bin (0.14 % of the error)."""
        return dict(zip(self.levels, map(float, self._found(_positive(scale))), strict=True))

    def scale(self) -> float:
        """Factor on the deviation that brings :meth:`coverage` nearest to nominal."""
        nominal = np.array(self.levels)

        def misfit(log_scale: float) -> float:
            return float(np.sum((self._found(math.exp(log_scale)) - nominal) ** 2))

        # Every level rises with the scale, but their sum of squares may have a few minima: look, then refine.
        grid = np.linspace(math.log(SCALES[0]), math.log(SCALES[1]), 400)
        best = int(np.argmin([misfit(value) for value in grid]))
        if best in (0, len(grid) - 1):
            raise DiffuscopeError(
                "No factor between 0.01 and 100 brings the deviation near the errors found: "
                "mean, deviation and truth may be in different units, or the deviation is 0 almost everywhere."
            )
        bounds = (grid[best - 1], grid[best + 1])
        return math.exp(optimize.minimize_scalar(misfit, bounds=bounds, method="bounded").x)

    def _found(self, scale: float) -> np.ndarray:
        if self.images == 0:
            raise DiffuscopeError("No image has been counted yet: add one first.")
        below = np.cumsum(self._shares[:-1]) / self.images
        return np.interp(np.log(self._quantiles * scale), self._edges, below)


@dataclass(frozen=True)
class DeviationBins:
    """Predicted deviation against found error, in bins of the predicted deviation.

    Parameters
    ----------
    deviation
        Root of the mean squared predicted deviation in each bin, in the units of the image, rising.
    error
        Root of the mean squared error in each bin; equal to ``deviation`` for an honest one.
    count
        Pixels in each bin.
    calibration_error
        Mean of ``|error - deviation|`` over pixels (expected calibration error), in the units of the image.
    relative_error
        Mean of ``|error - deviation| / deviation`` over bins (ENCE); infinite if a bin has deviation 0.
    """

    deviation: np.ndarray
    error: np.ndarray
    count: np.ndarray
    calibration_error: float
    relative_error: float


def error_by_deviation(
    truth: object, mean: object, deviation: object, *, bins: int = 10, samples: int | None = None
) -> DeviationBins:
    """Root mean squared error against root mean squared deviation, in bins of equally many pixels.

    Parameters
    ----------
    truth, mean, deviation
        Real arrays of one shape. A deviation measured on few samples is itself scattered; sorting by it puts
        pixels with a deviation too small by chance into the first bins and too large into the last, so that
        the curve is flatter than the diagonal even for an honest method. Take 16 samples or more.
    bins
        Number of bins; pixels of equal deviation may fall into different bins.
    samples
        Number of samples behind mean and deviation. If given, the deviation is multiplied by
        ``sqrt(1 + 1/samples)``, since the mean of few samples has an error of its own.

    References
    ----------
    Levi, Gispan, Giladi, Fetaya, "Evaluating and calibrating uncertainty prediction in regression tasks",
    Sensors 22, 5540 (2022), equations 7 and 8.
    """
    error, spread = _error_and_spread(truth, mean, deviation, samples)
    if not 1 <= bins <= error.size:
        raise DiffuscopeError(f"bins must be between 1 and the {error.size} pixels, not {bins}.")
    order = np.argsort(spread.ravel(), kind="stable")
    groups = np.array_split(order, bins)
    rms_error = np.sqrt([np.mean(error.ravel()[group] ** 2) for group in groups])
    rms_spread = np.sqrt([np.mean(spread.ravel()[group] ** 2) for group in groups])
    count = np.array([len(group) for group in groups])
    gap = np.abs(rms_error - rms_spread)
    relative = float(np.mean(gap / rms_spread)) if rms_spread.min() > 0 else math.inf
    return DeviationBins(rms_spread, rms_error, count, float(np.average(gap, weights=count)), relative)


def standardised_errors(truth: object, mean: object, deviation: object, *, samples: int) -> np.ndarray:
    """``|truth - mean| / (deviation · sqrt(1 + 1/samples))``; infinite where only the deviation is 0."""
    _enough(samples)
    error, spread = _error_and_spread(truth, mean, deviation, samples)
    if not spread.any():
        raise DiffuscopeError("The deviation is 0 everywhere: it holds no uncertainty that could be checked.")
    size = np.abs(error)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(size == 0, 0.0, size / spread)


def _error_and_spread(
    truth: object, mean: object, deviation: object, samples: int | None
) -> tuple[np.ndarray, np.ndarray]:
    names = ("the truth", "the mean", "the deviation")
    true, middle, spread = (
        real_array(values, name, dimensions=())
        for values, name in zip((truth, mean, deviation), names, strict=True)
    )
    same_shape(true, middle, "the truth and the mean")
    same_shape(true, spread, "the truth and the deviation")
    if spread.min() < 0:
        raise DiffuscopeError("The deviation has negative pixels; it must be a standard deviation.")
    if samples is not None:
        _enough(samples)
        spread = spread * math.sqrt(1 + 1 / samples)
    return true - middle, spread


def _enough(samples: int) -> None:
    if samples < 2:
        raise DiffuscopeError(f"A deviation needs 2 samples or more, not {samples}.")


def _positive(scale: float) -> float:
    if not (math.isfinite(scale) and scale > 0):
        raise DiffuscopeError(f"The scale of the deviation must be a positive number, not {scale}.")
    return scale


def _quantiles(samples: int, levels: Sequence[float]) -> np.ndarray:
    """Half widths of the intervals in units of the spread: quantiles of |t|."""
    _enough(samples)
    if not levels or not all(0 < level < 1 for level in levels):
        raise DiffuscopeError(f"Levels must be shares between 0 and 1, not {tuple(levels)}.")
    quantiles: np.ndarray = stats.t.ppf((1 + np.asarray(levels)) / 2, samples - 1)
    return quantiles
