"""Whether a generated image is a copy of one that the generator learned from.

Two scores, each beside what images score that were kept out of the training: the zero-mean normalised cross-correlation
with the training images over all shifts, four turns and both mirror images, and the distance to the nearest training
patch in features. Images that were kept out are new for certain, and resemble the training as far as their kind does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from scipy import fft

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.arrays import real_array
from napari_diffuscope.measure.copies import PERCENTILE, Copies, Nearest, rank_statistic
from napari_diffuscope.measure.features import (
    IntensityFeatures,
    SpectrumFeatures,
    StandardisedFeatures,
    TextureFeatures,
)
from napari_diffuscope.measure.patches import covering, spread_over
from napari_diffuscope.measure.training_images import TrainingImages

__all__ = ["Copies", "Memorisation", "Nearest", "rank_statistic"]

FLAT = 0.02
"""Standard deviation, of roots from 0 to 1, below which a window is background and resembles nothing."""

MOST_WINDOWS = 512
"""Training patches that are described by features."""

SMALLEST = 8
"""Pixels that an image needs along each axis after averaging down."""


class Memorisation:
    """Compares images with those that a generator learned from.

    Parameters
    ----------
    known
        The training images.
    """

    def __init__(self, known: TrainingImages) -> None:
        self.known = known
        self._sums: dict[tuple[int, int], list[np.ndarray]] = {}
        self._features: dict[int, tuple[StandardisedFeatures, np.ndarray]] = {}

    def nearest(self, image: object, *, label: int | None = None, most: int | None = None) -> Nearest:
        """What an image resembles most.

        Parameters
        ----------
        image
            ``(Y, X)`` in the units of the training. One that is larger than a training patch is compared window by
            window, and the window counts that resembles the training most.
        label
            Its class, so that it is judged by what was kept out of that class; ``None`` for all classes together.
        most
            At most so many windows, spread over it; all by default.
        """
        pixels = real_array(image, "the image", dimensions=(2,))
        if min(pixels.shape) // self.known.factor < SMALLEST:
            raise DiffuscopeError(
                f"Images of {pixels.shape[0]} x {pixels.shape[1]} pixels are too small to compare with the training: "
                f"{SMALLEST * self.known.factor} are the least."
            )
        windows = covering(pixels.shape, self.known.patch)
        windows = windows if most is None else spread_over(windows, most)
        found = [
            self._of_window(self.known.reduced(pixels[rows, columns]), (rows.start, columns.start))
            for rows, columns in windows
        ]
        best = max(found, key=lambda one: one.score)
        least = min(one.distance for one in found)
        return self._judged(replace(best, distance=least), label, len(windows))

    def copies(self, images: Sequence[np.ndarray], labels: Sequence[int | None] | None = None) -> Copies:
        """Compare a set of images."""
        if not len(images):
            raise DiffuscopeError("There is no image to compare with the training.")
        of_each = [None] * len(images) if labels is None else list(labels)
        nearest = [self.nearest(image, label=label) for image, label in zip(images, of_each, strict=True)]
        kept = [self._kept(self.known.kept_distances, label) for label in sorted(set(of_each), key=str)]
        return Copies(tuple(nearest), rank_statistic([one.distance for one in nearest], np.concatenate(kept)))

    def calibrated(self, images: Sequence[np.ndarray], labels: Sequence[int]) -> TrainingImages:
        """The training images with the scores of images that were kept out.

        Parameters
        ----------
        images, labels
            Images of the size of a training patch, and their classes.
        """
        found = [self.nearest(image, label=label) for image, label in zip(images, labels, strict=True)]
        count = max(len(self.known.classes), 1)
        by_class = [
            [one for one, label in zip(found, labels, strict=True) if label == number]
            for number in range(count)
        ]
        return replace(
            self.known,
            kept_scores=tuple(tuple(round(one.score, 4) for one in group) for group in by_class),
            kept_distances=tuple(tuple(round(one.distance, 4) for one in group) for group in by_class),
        )

    def limit(self, label: int | None = None) -> float:
        """Score above which an image is flagged; infinite where nothing was kept out."""
        scores = self._kept(self.known.kept_scores, label)
        return float(np.percentile(scores, PERCENTILE)) if scores.size else float("inf")

    @cached_property
    def _transforms(self) -> list[tuple[tuple[int, int], np.ndarray]]:
        """Padded shape and Fourier transform of each field."""
        made = []
        for one in self.known.roots:
            shape = (fft.next_fast_len(one.shape[0], real=True), fft.next_fast_len(one.shape[1], real=True))
            made.append((shape, fft.rfft2(one, shape)))
        return made

    def _of_window(self, window: np.ndarray, start: tuple[int, int]) -> Nearest:
        spread = float(window.std())
        score, number, place, turns, mirrored = -1.0, 0, (0, 0), 0, False
        if spread > FLAT:
            unit = (window - window.mean()) / (spread * np.sqrt(window.size))
            for mirror in (False, True):
                for turn in range(4):
                    template = np.rot90(unit[:, ::-1] if mirror else unit, turn)
                    found, field, where = self._best(template)
                    if found > score:
                        score, number, place, turns, mirrored = found, field, where, turn, mirror
        patch = self._patch(number, place, window.shape, turns, mirrored)
        factor, distance = self.known.factor, self._distance(window, patch)
        return Nearest(
            score, np.nan, distance, np.nan, False, self.known.names[number], self.known.labels[number],
            (place[0] * factor, place[1] * factor), turns, mirrored, start, self.known.values(patch),
        )  # fmt: skip

    def _best(self, template: np.ndarray) -> tuple[float, int, tuple[int, int]]:
        """Largest correlation with any field, its number and the place there."""
        deviations = self._deviations(template.shape)
        best = (-1.0, 0, (0, 0))
        transforms: dict[tuple[int, int], np.ndarray] = {}
        for number, (shape, transform) in enumerate(self._transforms):
            if not deviations[number].size:
                continue
            if shape not in transforms:
                transforms[shape] = np.conj(fft.rfft2(template.astype(np.float32), shape))
            rows, columns = deviations[number].shape
            products = fft.irfft2(transform * transforms[shape], shape)[:rows, :columns] / deviations[number]
            place = int(products.argmax())
            if products.flat[place] > best[0]:
                best = (min(float(products.flat[place]), 1.0), number, (place // columns, place % columns))
        return best

    def _deviations(self, shape: tuple[int, int]) -> list[np.ndarray]:
        """Norm of each window of each field without its mean; infinite for background."""
        if shape not in self._sums:
            self._sums[shape] = [_window_norms(one, shape) for one in self.known.roots]
        return self._sums[shape]

    def _patch(
        self, number: int, place: tuple[int, int], shape: tuple[int, int], turns: int, mirrored: bool
    ) -> np.ndarray:
        rows, columns = shape if turns % 2 == 0 else shape[::-1]
        found = self.known.roots[number][place[0] : place[0] + rows, place[1] : place[1] + columns]
        turned = np.rot90(found, -turns)
        return np.asarray(turned[:, ::-1] if mirrored else turned)

    def _distance(self, window: np.ndarray, match: np.ndarray) -> float:
        """To the nearest training patch in features; patches lie in a grid, and one where the image fits best."""
        side = min(window.shape)
        features, known = self._described(side)
        own, there = features(np.stack([window[:side, :side], match[:side, :side]]))
        return float(np.sqrt(min(((known - own) ** 2).sum(1).min(), ((there - own) ** 2).sum())))

    def _described(self, side: int) -> tuple[StandardisedFeatures, np.ndarray]:
        """What describes patches of a size, and that of the training patches."""
        if side not in self._features:
            patches = [
                one[place] for one in self.known.roots for place in covering(one.shape, side, overlap=True)
            ]
            fitting = [patch for patch in patches if patch.shape == (side, side)]
            step = -(-len(fitting) // MOST_WINDOWS)
            bands = max(2, min(10, side // 4))
            parts = (IntensityFeatures(), SpectrumFeatures(bands), TextureFeatures((1.0, 2.0)))
            stack = np.stack(fitting[::step])
            self._features[side] = StandardisedFeatures.of(stack, parts)
        return self._features[side]

    def _judged(self, one: Nearest, label: int | None, windows: int) -> Nearest:
        """Beside what was kept out: of many windows the best is higher by chance, and judged as the best of as many."""
        scores, distances = (
            self._kept(kept, label) for kept in (self.known.kept_scores, self.known.kept_distances)
        )
        if not scores.size:
            return one
        percentile = 100 * float((scores < one.score).mean()) ** windows
        return replace(
            one,
            percentile=percentile,
            distance_percentile=100 * (1 - float((distances >= one.distance).mean()) ** windows),
            flagged=one.score > self.limit(label) if windows == 1 else percentile > PERCENTILE,
        )

    def _kept(self, kept: Sequence[Sequence[float]], label: int | None) -> np.ndarray:
        chosen = kept if label is None else kept[label : label + 1]
        values = [value for group in chosen for value in group]
        if not values and label is not None:  # none of this class: judged by all
            values = [value for group in kept for value in group]
        return np.asarray(values, np.float64)


def _window_norms(field: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Root of the sum of squares of every window without its mean, ``(Y - y + 1, X - x + 1)`` float32."""
    if field.shape[0] < shape[0] or field.shape[1] < shape[1]:
        return np.empty((0, 0), np.float32)
    count = shape[0] * shape[1]

    def sums(values: np.ndarray) -> np.ndarray:
        table = np.pad(values.astype(np.float64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
        y, x = shape
        return np.asarray(table[y:, x:] - table[:-y, x:] - table[y:, :-x] + table[:-y, :-x])

    squares = np.maximum(sums(field**2) - sums(field) ** 2 / count, 0)
    norms = np.sqrt(squares)
    norms[norms < FLAT * np.sqrt(count)] = np.inf
    return norms.astype(np.float32)
