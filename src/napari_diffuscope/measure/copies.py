"""What is said of generated images and the images that they resemble most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PERCENTILE = 99.0
"""Images that resemble the training more than this share of those kept out are flagged."""

COPYING = -3.0
"""A set whose statistic is below this is nearer to its training images than new images are."""


@dataclass(frozen=True)
class Nearest:
    """What an image resembles most among the training images.

    Parameters
    ----------
    score
        Largest correlation, -1 to 1: 1 is a copy.
    percentile
        Percent of the images kept out that score less; NaN where none were kept.
    distance
        To the nearest training patch in features.
    distance_percentile
        Percent of the images kept out that are nearer; NaN where none were kept.
    flagged
        Whether ``score`` is above the 99th percentile of the images kept out: look at both.
    name, label
        Of the field that it resembles.
    place
        First row and column there, in pixels of the training.
    turns, mirrored
        Quarter turns, after mirroring, that bring the image into that place.
    window
        Place in the image that was compared, where it is larger than a training patch.
    patch
        The training image there, brought to how the image lies, in the units of the training, averaged down.
    """

    score: float
    percentile: float
    distance: float
    distance_percentile: float
    flagged: bool
    name: str
    label: int
    place: tuple[int, int]
    turns: int
    mirrored: bool
    window: tuple[int, int]
    patch: np.ndarray


@dataclass(frozen=True)
class Copies:
    """How many of a set of images are copies.

    Parameters
    ----------
    nearest
        Of each image.
    statistic
        C_T, the standardised Mann-Whitney statistic of distances to the training, of the images against those kept
        out: 0 where they are alike, below -3 where the images are nearer (Meehan, Chaudhuri, Dasgupta, AISTATS 2020).
    """

    nearest: tuple[Nearest, ...]
    statistic: float

    @property
    def flagged(self) -> int:
        """Number of images above the 99th percentile of those kept out."""
        return sum(one.flagged for one in self.nearest)

    @property
    def share(self) -> float:
        """Share of the images above the 99th percentile of those kept out."""
        return self.flagged / len(self.nearest)

    @property
    def copying(self) -> bool:
        """Whether the set as a whole is nearer to the training than new images are."""
        return self.statistic < COPYING

    def closest(self, count: int = 5) -> tuple[int, ...]:
        """Numbers of the images that resemble the training most, the first most of all."""
        order = sorted(range(len(self.nearest)), key=lambda number: -self.nearest[number].score)
        return tuple(order[:count])


def rank_statistic(generated: Sequence[float], kept: Sequence[float] | np.ndarray) -> float:
    """C_T: standardised Mann-Whitney statistic of two sets of distances; negative where the first are smaller.

    Parameters
    ----------
    generated, kept
        Distances to the training, of generated images and of images that were kept out.

    Returns
    -------
    float
        NaN where one set is empty, or all distances are equal.
    """
    first, second = np.asarray(generated, np.float64), np.asarray(kept, np.float64)
    if not (first.size and second.size):
        return float("nan")
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([first, second]))
    m, n = first.size, second.size
    above = float(ranks[:m].sum()) - m * (m + 1) / 2
    _, ties = np.unique(ranks, return_counts=True)
    total = m + n
    variance = m * n / 12 * (total + 1 - float((ties**3 - ties).sum()) / (total * (total - 1)))
    return float((above - m * n / 2) / np.sqrt(variance)) if variance > 0 else float("nan")
