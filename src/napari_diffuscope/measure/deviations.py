"""Deviations of samples matched with errors: a curve through deviations, and the half widths of intervals.

The spread of samples is that of a model, not that of its errors. Where the truth is known, it can be measured how large
errors are at each deviation, and which multiples of it hold 68, 90 or 95 % of them, whatever their distribution.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

LEVELS = (0.5, 0.68, 0.8, 0.9, 0.95)
"""Nominal shares at which intervals are tried."""


@dataclass(frozen=True)
class Term:
    """A factor on the fitted deviation that follows a number measured on each image.

    Parameters
    ----------
    measure
        Name of the number.
    points, factors
        Numbers, rising, and their factors; between them factors are straight in their logarithm, beyond they stay.
    """

    measure: str
    points: tuple[float, ...]
    factors: tuple[float, ...]


@dataclass(frozen=True)
class Curve:
    """How deviations were matched with errors.

    Parameters
    ----------
    deviation, fitted
        Points of the curve, both rising.
    shares, widths
        Half widths of the intervals that hold these shares of the errors, in fitted deviations.
    terms
        Factors on the fitted deviation.
    """

    deviation: tuple[float, ...]
    fitted: tuple[float, ...]
    shares: tuple[float, ...]
    widths: tuple[float, ...]
    terms: tuple[Term, ...] = ()


def factor_of(terms: Iterable[Any], measures: Mapping[str, float]) -> float:
    """Product of the factors of an image; a term whose number could not be measured counts as 1.

    Parameters
    ----------
    terms
        :class:`Term`, or what has the same fields.
    measures
        Numbers of the image by name.
    """
    logarithm = 0.0
    for term in terms:
        if term.measure in measures:
            logarithm += float(np.interp(measures[term.measure], term.points, np.log(term.factors)))
    return math.exp(logarithm)


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
    from scipy.special import stdtrit  # long to load, and asked for only where error bars are spoken of

    def usual(count: int, share: float) -> float:
        return float(stdtrit(count - 1, (1 + share) / 2)) * math.sqrt(1 + 1 / count)

    return tuple(
        width * (usual(samples, share) / usual(of, share))
        for share, width in zip(shares, widths, strict=True)
    )


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
