"""Deviations of samples matched with errors: a curve through deviations, and the half widths of intervals.

The spread of samples is that of a model, not that of its errors. Where the truth is known, it can be measured how large
errors are at each deviation, and which multiples of it hold 68, 90 or 95 % of them, whatever their distribution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from napari_diffuscope.errors import DiffuscopeError

LEVELS = (0.5, 0.68, 0.8, 0.9, 0.95)
"""Nominal shares at which intervals are tried."""

ONE_DEVIATION = 0.68
"""Share of the true values within one fitted deviation."""

LEAST_RATIO = 1.001
"""Of neighbouring points of a curve, so that it rises."""


@dataclass(frozen=True)
class Curve:
    """How deviations were matched with errors.

    Parameters
    ----------
    deviation, fitted
        Points of the curve, both rising.
    shares, widths
        Half widths of the intervals that hold these shares of the errors, in fitted deviations.
    """

    deviation: tuple[float, ...]
    fitted: tuple[float, ...]
    shares: tuple[float, ...]
    widths: tuple[float, ...]


def on_curve(deviation: np.ndarray, points: Sequence[float], fitted: Sequence[float]) -> np.ndarray:
    """Deviations on a curve that is straight between its points in logarithms, and in proportion beyond its ends.

    Parameters
    ----------
    deviation
        Not negative, any shape; 0 stays 0 and NaN stays NaN.
    points, fitted
        The curve, both positive and rising.

    Returns
    -------
    np.ndarray
        Of the type of ``deviation``. Each number depends on its own deviation alone.
    """
    known = np.log(np.asarray(points, np.float64))
    with np.errstate(divide="ignore"):
        logarithms = np.log(deviation.astype(np.float64))
    factor = np.exp(np.interp(logarithms, known, np.log(np.asarray(fitted, np.float64)) - known))
    return np.asarray(deviation * factor, deviation.dtype)


def half_widths(
    shares: Sequence[float], widths: Sequence[float], *, of: int, samples: int
) -> tuple[float, ...]:
    """Half widths of intervals around the mean of ``samples`` samples, from those measured with ``of`` samples.

    A deviation from fewer samples is less certain, and so is their mean: as in the predictive interval of a normal
    distribution, whose half width is ``t · sqrt(1 + 1/N)`` deviations with Student's t at N - 1 degrees of freedom.
    """

    def usual(count: int, share: float) -> float:
        return float(stdtrit(count - 1, (1 + share) / 2)) * math.sqrt(1 + 1 / count)

    return tuple(
        width * (usual(samples, share) / usual(of, share))
        for share, width in zip(shares, widths, strict=True)
    )


def fit_curve(
    images: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    samples: int,
    points: int = 8,
    shares: Sequence[float] = LEVELS,
) -> Curve:
    """Match deviations with errors on images whose truth is known; every image has the same weight.

    In bins of deviations the fitted ones follow the size of error below which 68 % lie; all are multiplied by one
    number so that they are standard deviations: their root mean square is that of the errors, in the (geometric) mean
    of the images. The half widths of intervals are quantiles of the errors in fitted deviations, over all pixels.

    Parameters
    ----------
    images
        For each image its absolute errors and its deviations, of one shape, in values of the network.
    samples
        Behind each deviation; the mean of few has an error of its own, which is no part of the deviation.
    points
        Of the curve, at most: bins of equal weight.
    shares
        Of the true values that intervals hold, rising.

    Raises
    ------
    DiffuscopeError
        If errors or deviations are 0 almost everywhere.
    """
    error, deviation, weight = _pooled(images)
    order = np.argsort(deviation, kind="stable")
    error, deviation, weight = error[order], deviation[order], weight[order]
    bins = np.minimum((np.cumsum(weight) / weight.sum() * points).astype(int), points - 1)
    known, fitted = [], []
    for number in np.unique(bins):
        inside = bins == number
        known.append(_quantile(deviation[inside], weight[inside], 0.5))
        fitted.append(_quantile(error[inside], weight[inside], ONE_DEVIATION))
    if min(*known, *fitted) <= 0:
        raise DiffuscopeError(
            "Errors or deviations are 0 at many pixels, so that nothing can be fitted; calibrate on other images."
        )
    known, fitted = _rising(known), _rising(fitted)
    common = _common_factor(images, known, fitted) / math.sqrt(1 + 1 / samples)
    fitted = [value * common for value in fitted]
    ratio = error / on_curve(deviation, known, fitted)
    widths = [_quantile(ratio, weight, share) for share in shares]
    return Curve(tuple(known), tuple(fitted), tuple(shares), tuple(_rising(widths)))


def _common_factor(
    images: Sequence[tuple[np.ndarray, np.ndarray]], points: Sequence[float], fitted: Sequence[float]
) -> float:
    """Root mean square of errors over that of fitted deviations, geometric mean over images."""
    ratios = [
        np.sqrt(np.mean(np.square(error)) / np.mean(np.square(on_curve(deviation, points, fitted))))
        for error, deviation in images
    ]
    return float(np.exp(np.mean(np.log(ratios))))


def conformal(needed: Sequence[float], share: float) -> float | None:
    """What is enough for a share of further images like these, from what each of these needed.

    The smallest value that at least ``share · (n + 1)`` of the n images did not exceed: a further image that is drawn
    as they were needs no more with at least this probability. ``None`` where there are too few images to say.

    References
    ----------
    Vovk, Gammerman, Shafer, *Algorithmic Learning in a Random World*, Springer (2005).
    """
    place = math.ceil(share * (len(needed) + 1))
    return float(sorted(needed)[place - 1]) if place <= len(needed) else None


def _pooled(images: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Errors, deviations and weights of the pixels of all images that have a deviation."""
    errors, deviations, weights = [], [], []
    for error, deviation in images:
        usable = (deviation > 0) & np.isfinite(error)
        errors.append(error[usable].astype(np.float64))
        deviations.append(deviation[usable].astype(np.float64))
        weights.append(np.full(errors[-1].size, 1 / max(errors[-1].size, 1)))
    pooled = tuple(np.concatenate(parts) for parts in (errors, deviations, weights))
    if not pooled[0].size:
        raise DiffuscopeError("The deviation is 0 everywhere: it holds no uncertainty that could be matched.")
    return pooled  # type: ignore[return-value]


def _quantile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    """Value below which a share of the weight lies."""
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order])
    place = int(np.searchsorted(below, share * below[-1]))
    return float(values[order[min(place, len(order) - 1)]])


def _rising(values: Sequence[float]) -> list[float]:
    """Values that rise: each at least a little above the one before."""
    risen: list[float] = []
    for value in values:
        risen.append(max(value, risen[-1] * LEAST_RATIO) if risen else value)
    return risen
