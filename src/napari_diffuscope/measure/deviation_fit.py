"""Fits deviations of samples to errors: a curve through deviations, and terms in numbers measured on each image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.deviations import LEVELS, Curve, Term, factor_of, on_curve

JUDGED = (0.68, 0.9, 0.95)
"""Shares by which is judged how much wider or narrower the intervals of an image should be."""

ROUNDS, SKIPPED = 4, 4
"""How often curve and terms are fitted in turn, and of how many pixels one is looked at for the terms."""

RIDGE = 0.5
"""Images that would speak for no term at all: keeps terms small that few images speak for."""

ONE_DEVIATION = 0.68
"""Share of the true values within one fitted deviation."""

LEAST_RATIO = 1.001
"""Of neighbouring points of a curve, so that it rises."""

Drawn = tuple[np.ndarray, np.ndarray]
"""Absolute errors of an image and its deviations, of one shape, in values of the network."""


def fit_curve(
    images: Sequence[Drawn],
    *,
    samples: int,
    points: int = 8,
    shares: Sequence[float] = LEVELS,
    measures: Sequence[Mapping[str, float]] = (),
    terms: Mapping[str, int] | None = None,
) -> Curve:
    """Match deviations with errors on images whose truth is known; every image has the same weight.

    In bins of deviations the fitted ones follow the size of error below which 68 % lie; all are multiplied by one
    number so that they are standard deviations: their root mean square is that of the errors, in the (geometric) mean
    of the images. The half widths of intervals are quantiles of the errors in fitted deviations, over all pixels.
    What single images need wider or narrower intervals than all is fitted by terms in numbers measured on them, by
    least squares in logarithms, in turn with the curve.

    Parameters
    ----------
    images
        Of each, errors and deviations.
    samples
        Behind each deviation; the mean of few has an error of its own, which is no part of the deviation.
    points
        Of the curve, at most: bins of equal weight.
    shares
        Of the true values that intervals hold, rising.
    measures
        Of each image, numbers by name.
    terms
        Which numbers count, and by how many points each, two or more, spread evenly between the ends of what was
        measured.

    Raises
    ------
    DiffuscopeError
        If errors or deviations are 0 almost everywhere.
    """
    fitted = _terms(measures, terms or {})
    few = [(error.ravel()[::SKIPPED], spread.ravel()[::SKIPPED]) for error, spread in images]
    for _ in range(ROUNDS if fitted else 0):
        scaled = _scaled(few, fitted, measures)
        curve = _curve(scaled, samples, points, shares)
        fitted = _corrected(fitted, measures, [_needed(image, curve) for image in scaled])
    curve = _curve(_scaled(images, fitted, measures) if fitted else images, samples, points, shares)
    return replace(curve, terms=fitted)


def _scaled(
    images: Sequence[Drawn], terms: Sequence[Term], measures: Sequence[Mapping[str, float]]
) -> list[Drawn]:
    """Errors without the factors of the terms."""
    return [
        (error / factor_of(terms, each), spread)
        for (error, spread), each in zip(images, measures, strict=True)
    ]


def _curve(images: Sequence[Drawn], samples: int, points: int, shares: Sequence[float]) -> Curve:
    """The curve alone."""
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


def _terms(measures: Sequence[Mapping[str, float]], points: Mapping[str, int]) -> tuple[Term, ...]:
    """Terms that change nothing yet; none for a number that is the same of all images, or of none."""
    begun = []
    for name, count in points.items():
        values = [each[name] for each in measures if name in each]
        if values and max(values) - min(values) > 1e-6:
            places = np.linspace(min(values), max(values), count)
            begun.append(Term(name, tuple(map(float, places)), (1.0,) * count))
    return tuple(begun)


def _needed(image: Drawn, curve: Curve) -> float:
    """Logarithm of how much wider than on the curve the intervals of an image should be, mean over shares."""
    error, deviation, _ = _pooled([image])
    ratio = error / on_curve(deviation, curve.deviation, curve.fitted)
    widths = dict(zip(curve.shares, curve.widths, strict=True))
    judged = [share for share in JUDGED if share in widths] or list(widths)
    return float(np.mean([math.log(max(float(np.quantile(ratio, s)), 1e-9) / widths[s]) for s in judged]))


def _corrected(
    terms: Sequence[Term], measures: Sequence[Mapping[str, float]], needed: Sequence[float]
) -> tuple[Term, ...]:
    """Terms that also follow what is still needed; their mean over the images stays 1, which the curve sees to."""
    columns = []
    for term in terms:
        for number in range(len(term.points)):
            hat = np.eye(len(term.points))[number]
            values = [
                float(np.interp(each[term.measure], term.points, hat)) if term.measure in each else math.nan
                for each in measures
            ]
            columns.append(np.nan_to_num(np.array(values) - np.nanmean(values)))
    matrix = np.stack(columns, axis=1)
    square = matrix.T @ matrix + RIDGE * np.eye(matrix.shape[1])
    steps = np.linalg.solve(square, matrix.T @ (np.array(needed) - np.mean(needed)))
    corrected, first = [], 0
    for term in terms:
        step = steps[first : first + len(term.points)]
        first += len(term.points)
        corrected.append(_moved(term, step, measures))
    return tuple(corrected)


def _moved(term: Term, step: np.ndarray, measures: Sequence[Mapping[str, float]]) -> Term:
    """A term times the exponential of a step at each point, its geometric mean over the images 1."""
    logarithms = np.log(term.factors) + step
    values = [each[term.measure] for each in measures if term.measure in each]
    centre = float(np.mean(np.interp(values, term.points, logarithms)))
    return replace(term, factors=tuple(float(factor) for factor in np.exp(logarithms - centre)))


def _common_factor(
    images: Sequence[tuple[np.ndarray, np.ndarray]], points: Sequence[float], fitted: Sequence[float]
) -> float:
    """Root mean square of errors over that of fitted deviations, geometric mean over images."""
    ratios = [
        np.sqrt(np.mean(np.square(error)) / np.mean(np.square(on_curve(deviation, points, fitted))))
        for error, deviation in images
    ]
    return float(np.exp(np.mean(np.log(ratios))))


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
