"""Medians over images, and whether two methods differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from napari_diffuscope.evaluate.tables import KEY, Row

ALL = "all"


@dataclass(frozen=True)
class Spread:
    """Median, quartiles and mean over images.

    Parameters
    ----------
    count
        Number of images.
    median, low, high, mean
        Of the finite values; ``low`` and ``high`` are the 25th and 75th percentile.
    """

    count: int
    median: float
    low: float
    high: float
    mean: float


def spread_of(values: Iterable[float]) -> Spread | None:
    """Spread of the finite values, or ``None`` without any."""
    array = np.array(list(values), dtype=np.float64)
    array = array[np.isfinite(array)]
    if not array.size:
        return None
    low, median, high = np.percentile(array, [25, 50, 75])
    return Spread(array.size, float(median), float(low), float(high), float(array.mean()))


@dataclass(frozen=True)
class Comparison:
    """One method against another on equal cases.

    Parameters
    ----------
    count
        Number of cases.
    wins
        In how many the first is better.
    difference
        Median of first minus second.
    p
        Of Mood's median test (``scipy.stats.median_test``), which ignores that the cases are paired; NaN where
        it is not defined.
    p_sign
        Of the two-sided sign test on the paired differences.
    """

    count: int
    wins: int
    difference: float
    p: float
    p_sign: float


def compared(ours: Sequence[float], other: Sequence[float]) -> Comparison:
    """Compare values of equal cases; larger is better."""
    first, second = np.asarray(ours, dtype=np.float64), np.asarray(other, dtype=np.float64)
    gap = first - second
    untied = int(np.count_nonzero(gap))
    wins = int(np.count_nonzero(gap > 0))
    sign = float(stats.binomtest(wins, untied).pvalue) if untied else float("nan")
    return Comparison(len(gap), wins, float(np.median(gap)), median_test(first, second), sign)


def median_test(first: np.ndarray, second: np.ndarray) -> float:
    """p-value of Mood's median test; NaN where all values lie on one side of the common median."""
    values = np.concatenate([first, second])
    middle = np.median(values)
    above = int(np.count_nonzero(values > middle))
    if above == 0 or above == values.size:
        return float("nan")
    return float(stats.median_test(first, second).pvalue)


def conditions(rows: Iterable[Row]) -> list[tuple[str, str, str]]:
    """Source, noise and level of rows, in the order of their first appearance, sources together."""
    unordered = list(dict.fromkeys((row["source"], row["noise"], row["level"]) for row in rows))
    sources = list(dict.fromkeys(source for source, _, _ in unordered))
    noises = list(dict.fromkeys(noise for _, noise, _ in unordered))
    order = ("low", "medium", "high")
    return sorted(
        unordered,
        key=lambda c: (
            sources.index(c[0]),
            noises.index(c[1]),
            order.index(c[2]) if c[2] in order else len(order),
        ),
    )


def by_case(rows: Iterable[Row], measure: str, chosen: Callable[[Row], bool]) -> dict[tuple[str, ...], float]:
    """A measure of each case among the chosen rows."""
    return {tuple(row[part] for part in KEY): float(row[measure]) for row in rows if chosen(row)}
