"""Generated images beside those that the model learned from: what each resembles most, and whether it may be a copy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_diffuscope.measure.copies import COPYING, Nearest, rank_statistic
from napari_diffuscope.measure.memorisation import SMALLEST, Memorisation
from napari_diffuscope.measure.training_images import read_training_images
from napari_diffuscope.methods.generate.keeping import entry
from napari_diffuscope.weights.place import TRAINING_IMAGES_FILE

MOST_WINDOWS = 16
"""Training patches in an image up to which it is compared: each takes a part of a second."""

NAMED = 5
"""Numbers of images that a sentence names."""


class Judge:
    """Compares the images of a run with the training images of the model, as they are finished.

    Parameters
    ----------
    memory
        The training images.
    label
        Class that was asked for, ``None`` for a mixture or none.
    shown
        Where it puts the number of each image and what it says of it.
    """

    def __init__(self, memory: Memorisation, label: int | None, shown: list[tuple[int, Nearest]]) -> None:
        self._memory, self._label, self.shown = memory, label, shown

    @classmethod
    def of(
        cls, source: Path | None, weights: Sequence[float] | None, shape: tuple[int, int], shown: Any
    ) -> Judge | None:
        """The judge of a model's images, ``None`` where it carries no training images or the images are too large.

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
        index = source / TRAINING_IMAGES_FILE if source is not None and source.is_dir() else None
        if index is None or not index.is_file():
            return None
        known = read_training_images(index)
        rows, columns = (-(-length // known.patch) for length in shape)
        if rows * columns > MOST_WINDOWS or min(shape) // known.factor < SMALLEST:
            return None
        label = next((number for number, weight in enumerate(weights or ()) if weight == 1), None)
        return cls(Memorisation(known), label, shown)

    def take(self, number: int, pixels: np.ndarray) -> None:
        """Compare a finished image ``(Y, X)``."""
        self.shown.append((number, self._memory.nearest(pixels, label=self._label)))

    def entries(self) -> list[dict[str, Any]]:
        """What is said of each image, JSON-able."""
        return [entry(number, nearest) for number, nearest in sorted(self.shown, key=lambda one: one[0])]

    def statistic(self) -> float | None:
        """C_T of the whole set, see `napari_diffuscope.measure.copies.rank_statistic`; ``None`` where it is unknown."""
        groups = self._memory.known.kept_distances
        kept = groups if self._label is None else groups[self._label : self._label + 1]
        distances = [nearest.distance for _, nearest in self.shown]
        value = rank_statistic(distances, [one for group in kept for one in group])
        return None if np.isnan(value) else value

    def sentence(self) -> str:
        """What the user must be told, empty where nothing."""
        flagged = sorted(number for number, nearest in self.shown if nearest.flagged)
        statistic = self.statistic()
        said = ""
        if flagged:
            names = ", ".join(map(str, flagged[:NAMED])) + ", …" * (len(flagged) > NAMED)
            said = (
                f"{len(flagged)} of {len(self.shown)} images (number {names}) are more like a training image than "
                "99 % of the real images are that were kept out: compare them, they may be copies."
            )
        if statistic is not None and statistic < COPYING:
            said += " As a whole they are nearer to the training than new images are."
        return said.strip()
