"""Generated images beside real ones: what each resembles most, whether it may be a copy, and how real they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_diffuscope.measure.copies import PERCENTILE, Nearest, rank_statistic
from napari_diffuscope.measure.memorisation import SMALLEST, Memorisation
from napari_diffuscope.measure.patches import covering, spread_over
from napari_diffuscope.measure.real_images import RealImages, read_real_images
from napari_diffuscope.measure.realism import Comparison, Described, described, joined
from napari_diffuscope.measure.training_images import TrainingImages, read_training_images
from napari_diffuscope.methods.generate.keeping import entry
from napari_diffuscope.weights.place import REAL_IMAGES_FILE, TRAINING_IMAGES_FILE

MOST_WINDOWS = 16
"""Training patches of what is written at a time that are compared: each takes a part of a second."""

PICTURED = 5
"""Images whose closest match is shown."""


@dataclass(frozen=True)
class Pair:
    """An image, or the window of it that counts, beside the training image that it is most like."""

    number: int
    nearest: Nearest
    pixels: np.ndarray


class Judge:
    """Compares the images of a run with real ones, as they are finished.

    Parameters
    ----------
    memory
        The training images, if the model carries them.
    real
        What real images are like, if the model says so.
    label
        Class that was asked for, ``None`` for a mixture or none.
    shown
        Where it puts the number of each image and what it says of it; of an image in parts, what holds so far.
    """

    def __init__(
        self,
        memory: Memorisation | None,
        real: RealImages | None,
        label: int | None,
        shown: list[tuple[int, Nearest]],
    ) -> None:
        self.memory, self.real, self.label, self._shown = memory, real, label, shown
        self.nearest: dict[int, Nearest] = {}
        self.pictures: list[Pair] = []
        self._larger = False
        self._described: list[Described] = []

    @classmethod
    def of(
        cls, source: Path | None, weights: Sequence[float] | None, shape: tuple[int, int], shown: Any
    ) -> Judge | None:
        """The judge of a model's images, ``None`` where it carries nothing to judge by, or the images are too small.

        Parameters
        ----------
        source
            Folder of the model.
        weights
            Of its classes.
        shape
            Height and width of the images.
        shown
            A list that is filled.
        """
        known, real = _carried(source)
        if known is not None and min(shape) // known.factor < SMALLEST:
            known = None
        if real is not None and min(shape) < real.patch:
            real = None
        if known is None and real is None:
            return None
        label = next((number for number, weight in enumerate(weights or ()) if weight == 1), None)
        return cls(None if known is None else Memorisation(known), real, label, shown)

    def take(self, number: int, pixels: np.ndarray) -> None:
        """Compare a finished image ``(Y, X)``, or a part of it."""
        if self.real is not None and min(pixels.shape) >= self.real.patch:
            edge = self.real.patch
            windows = spread_over(covering(pixels.shape, edge), MOST_WINDOWS)
            self._described.append(described(np.stack([pixels[window] for window in windows])))
        if self.memory is None or min(pixels.shape) // self.memory.known.factor < SMALLEST:
            return
        self._larger |= max(pixels.shape) > self.memory.known.patch
        nearest = self.memory.nearest(pixels, label=self.label, most=MOST_WINDOWS)
        self._picture(number, nearest, pixels)
        if (before := self.nearest.get(number)) is not None:
            nearest = _of_both(before, nearest)
        self.nearest[number] = nearest
        self._shown.append((number, nearest))

    def _picture(self, number: int, nearest: Nearest, pixels: np.ndarray) -> None:
        assert self.memory is not None
        patch, (y, x) = self.memory.known.patch, nearest.window
        pair = Pair(number, nearest, np.array(pixels[y : y + patch, x : x + patch]))
        self.pictures = sorted([*self.pictures, pair], key=lambda one: -one.nearest.score)[:PICTURED]

    def entries(self) -> list[dict[str, Any]]:
        """What is said of each image, JSON-able."""
        return [entry(number, self.nearest[number]) for number in sorted(self.nearest)]

    def statistic(self) -> float | None:
        """C_T of the whole set, see `napari_diffuscope.measure.copies.rank_statistic`; ``None`` where it is unknown.

        It compares images of the size of a training image alone: the nearest of many windows is nearer.
        """
        if self.memory is None or self._larger:
            return None
        groups = self.memory.known.kept_distances
        kept = groups if self.label is None else groups[self.label : self.label + 1]
        distances = [nearest.distance for nearest in self.nearest.values()]
        value = rank_statistic(distances, [one for group in kept for one in group])
        return None if np.isnan(value) else value

    @property
    def windows(self) -> int:
        """Windows of the size of a training image that are compared with real ones."""
        return sum(map(len, self._described))

    def realism(self) -> dict[str, Comparison]:
        """The images beside real ones, by the name of the set; empty where that cannot be said."""
        if self.real is None or not self._described:
            return {}
        return self.real.compared(joined(self._described), self.label)


def _carried(source: Path | None) -> tuple[TrainingImages | None, RealImages | None]:
    """What a model folder carries of the images that it learned from, and of what real images are like."""
    if source is None or not source.is_dir():
        return None, None
    known, real = source / TRAINING_IMAGES_FILE, source / REAL_IMAGES_FILE
    return (
        read_training_images(known) if known.is_file() else None,
        read_real_images(real) if real.is_file() else None,
    )


def _of_both(one: Nearest, other: Nearest) -> Nearest:
    """Of two parts of an image, judged as the best of as many windows."""
    best = one if one.score >= other.score else other
    percentile = one.percentile * other.percentile / 100
    return replace(
        best,
        percentile=percentile,
        distance=min(one.distance, other.distance),
        flagged=percentile > PERCENTILE,
    )
