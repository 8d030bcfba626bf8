"""How sure a mean over cells is, and a difference between two methods on the same cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SHARE = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean with its percentile interval.

    Parameters
    ----------
    mean
        Of the values.
    low, high
        Ends of the 95 % interval.
    count
        Number of values.
    """

    mean: float
    low: float
    high: float
    count: int

    def text(self, digits: int, *, signed: bool = False) -> str:
        """``mean [low, high]``."""
        sign = "+" if signed else ""
        return " ".join(
            (f"{self.mean:{sign}.{digits}f}", f"[{self.low:{sign}.{digits}f}, {self.high:{sign}.{digits}f}]")
        )


def mean_interval(values: Sequence[float], *, resamples: int = 10_000, seed: int = 0) -> Interval:
    """Mean of values and the interval that the means of resampled values lie in (Efron's percentile bootstrap).

    Parameters
    ----------
    values
        One for each cell; at least one.
    resamples
        How often as many cells are drawn with replacement.
    seed
        Of the draws.
    """
    array = np.asarray(values, np.float64)
    rng = np.random.default_rng(seed)
    means = array[rng.integers(len(array), size=(resamples, len(array)))].mean(1)
    low, high = np.percentile(means, [50 * (1 - SHARE), 50 * (1 + SHARE)])
    return Interval(float(array.mean()), float(low), float(high), len(array))


def paired_interval(
    ours: Sequence[float], other: Sequence[float], *, resamples: int = 10_000, seed: int = 0
) -> Interval:
    """Mean difference, ours minus the other's, on the same cells; cells are resampled with both their values."""
    if len(ours) != len(other):
        raise ValueError(f"{len(ours)} and {len(other)} values are no pairs")
    return mean_interval(np.asarray(ours) - np.asarray(other), resamples=resamples, seed=seed)
