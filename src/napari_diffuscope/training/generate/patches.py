"""Patches of fields, turned, mirrored, resized and bent: what a generator learns from.

Turning and mirroring leave no trace, for a specimen may lie in any direction. Resizing and bending would: how much
was done is told to the network, which is asked for images of nothing done.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates, spline_filter
from torch.utils.data import Dataset

from napari_diffuscope.training.generate.fields import POWER, Field
from napari_diffuscope.training.task import Arrays

SIZES = 0.25
"""Largest change of size, as a logarithm."""

BENDING = 5.0
"""Largest bending: standard deviation of the shift of a pixel, in pixels."""

BENDING_WIDTH = 24.0
"""Pixels over which bending changes: structures keep their width."""

CHANGED = 0.5
"""Share of the patches that are resized and bent."""

TOLD = 0.5
"""Share of the patches whose density is told."""

TRIES = 8
"""A patch that is all but empty is drawn again so often."""

EMPTY = 0.01
"""Density below which a patch is all but empty."""

BRIGHT = 0.125
"""Share of the brightest value from which on a pixel counts for the density."""


@dataclass(frozen=True)
class Range:
    """Values of the training as the network sees them: twice the root, less what makes their mean 0.

    Parameters
    ----------
    highest
        Brightest value.
    middle
        Root of a share of it that stands for 0. Images are mostly background: were that far from 0, the network would
        have to make up all of it from a constant, and averages of its weights make it too dark.
    """

    highest: float
    middle: float = 0.5

    @property
    def limits(self) -> tuple[float, float]:
        """What stands for 0 and for the brightest value."""
        return -2 * self.middle, 2 - 2 * self.middle

    def network(self, pixels: np.ndarray) -> np.ndarray:
        """Values for the network, float32."""
        root = np.clip(pixels / self.highest, 0, 1) ** (1 / POWER)
        return np.asarray(2 * (root - self.middle), np.float32)

    def values(self, network: np.ndarray) -> np.ndarray:
        """Values in the units of the training, float32."""
        root = np.clip(network / 2 + self.middle, 0, None)
        return np.asarray(self.highest * root**POWER, np.float32)


def range_of(fields: Sequence[Field]) -> Range:
    """The range of fields, all classes alike: up to their brightest value, with a mean of 0 (to two digits)."""
    highest = max(float(field.pixels.max()) for field in fields)
    sums: dict[int, list[float]] = {}
    for field in fields:
        roots = (field.pixels / highest) ** (1 / POWER)
        sums.setdefault(field.label, []).append(float(roots.mean()))
    return Range(highest, round(float(np.mean([np.mean(means) for means in sums.values()])), 2))


def density_of(patch: np.ndarray, highest: float) -> float:
    """Share of the pixels that are brighter than an eighth of the brightest value of the training."""
    return float((patch > BRIGHT * highest).mean())


class PatchPieces(Dataset[Arrays]):
    """One patch by number, decided by the seed.

    Parameters
    ----------
    fields
        To draw from: each class alike, and of a class each field by its area.
    classes
        Number of classes; 0 for none.
    patch
        Edge in pixels.
    values
        What the network sees of values.
    densities
        Densities that stand for -1 and 1; ``None`` where none is told.
    seed
        Of everything.

    Notes
    -----
    A member is the patch ``(1, 1, P, P)`` in the range of the network, the weights of its class
    ``(1, max(classes, 1))`` and its numbers ``(1, 4)``.
    """

    def __init__(
        self,
        fields: Sequence[Field],
        *,
        classes: int,
        patch: int,
        values: Range,
        densities: tuple[float, float] | None,
        seed: int,
    ) -> None:
        self.fields, self.classes, self.patch = tuple(fields), classes, patch
        self.range, self.densities, self.seed = values, densities, seed
        self.splines = [spline_filter(field.pixels, order=3, output=np.float32) for field in self.fields]
        self.labels = sorted({field.label for field in self.fields})
        self.by_label = {
            label: [place for place, field in enumerate(self.fields) if field.label == label]
            for label in self.labels
        }

    def __getitem__(self, number: int) -> Arrays:
        rng = np.random.default_rng([self.seed, 1, number])
        label = self.labels[rng.integers(len(self.labels))]
        pixels, size, bending = self.drawn(rng, label)
        weights = np.zeros((1, max(self.classes, 1)), np.float32)
        if self.classes and rng.uniform() >= 0.1:
            weights[0, label] = 1
        numbers = np.array([[*self._told(rng, pixels), size, bending]], np.float32)
        return self.range.network(pixels)[None, None], weights, numbers

    def drawn(self, rng: np.random.Generator, label: int) -> tuple[np.ndarray, float, float]:
        """A patch of a class in its own units, and how it was resized and bent, from -1 to 1 and from 0 to 1."""
        for _ in range(TRIES):
            pixels, size, bending = self._moved(rng, label)
            if density_of(pixels, self.range.highest) >= EMPTY:
                break
        return pixels, size, bending

    def _told(self, rng: np.random.Generator, pixels: np.ndarray) -> tuple[float, float]:
        if self.densities is None or rng.uniform() >= TOLD:
            return 0.0, 0.0
        low, high = self.densities
        place = 2 * (density_of(pixels, self.range.highest) - low) / (high - low) - 1
        return 1.0, float(np.clip(place, -1, 1))

    def _moved(self, rng: np.random.Generator, label: int) -> tuple[np.ndarray, float, float]:
        places = self.by_label[label]
        area = np.array([self.fields[place].pixels.size for place in places], float)
        spline = self.splines[places[rng.choice(len(places), p=area / area.sum())]]
        changed = rng.uniform() < CHANGED
        size = rng.uniform(-1, 1) if changed else 0.0
        bending = rng.uniform() if changed else 0.0
        points = _grid(rng, spline.shape, self.patch, math.exp(-SIZES * size))
        if changed:
            points += BENDING * bending * _waves(rng, self.patch)
        found = map_coordinates(spline, points, order=3, mode="mirror", prefilter=False)
        return np.maximum(found, 0), size, bending


def _grid(rng: np.random.Generator, shape: Sequence[int], patch: int, step: float) -> np.ndarray:
    """Where in a field the pixels of a patch lie ``(2, P, P)``: inside, as far as it is large enough."""
    quarter = rng.uniform() < 0.5
    angle = rng.integers(4) * math.pi / 2 if quarter else rng.uniform(0, 2 * math.pi)
    cosine, sine = math.cos(angle), math.sin(angle)
    half = (patch - 1) / 2
    reach = half * step * (abs(cosine) + abs(sine))
    centre = [
        rng.uniform(reach, edge - 1 - reach) if edge - 1 > 2 * reach else (edge - 1) / 2 for edge in shape
    ]
    if quarter and step == 1:
        centre = [round(value - half) + half for value in centre]  # on pixels: nothing is interpolated
    y, x = step * (np.indices((patch, patch)) - half)
    x = x * rng.choice((-1, 1))
    return np.stack([centre[0] + cosine * y - sine * x, centre[1] + sine * y + cosine * x])


def _waves(rng: np.random.Generator, patch: int) -> np.ndarray:
    """Smooth shifts ``(2, P, P)`` of unit deviation."""
    waves = np.stack(
        [gaussian_filter(rng.standard_normal((patch, patch)), BENDING_WIDTH, mode="wrap") for _ in range(2)]
    )
    return np.asarray((waves - waves.mean((1, 2), keepdims=True)) / waves.std((1, 2), keepdims=True))


def windows_of(field: np.ndarray, patch: int, step: int) -> np.ndarray:
    """All windows of a field at a distance of about ``step`` pixels, those at its borders included: ``(N, P, P)``."""
    starts = [
        np.unique(np.linspace(0, edge - patch, max(1, -(-(edge - patch) // step) + 1)).round().astype(int))
        for edge in field.shape
    ]
    return np.stack([field[y : y + patch, x : x + patch] for y in starts[0] for x in starts[1]])
