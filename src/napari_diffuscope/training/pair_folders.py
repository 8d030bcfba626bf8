"""Pairs of a low and a high quality image of the same field, from folders of files with equal names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch.utils.data import Dataset

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.intensity import IntensityMap
from napari_diffuscope.imaging.stack_intensity import measure_intensities
from napari_diffuscope.measure.arrays import vanishes
from napari_diffuscope.training.pair_files import Pair, find_pairs
from napari_diffuscope.training.pair_noise import noise_share, same_note, swapped_note
from napari_diffuscope.training.reading import opened, reading_notes
from napari_diffuscope.training.recipe import DEFAULT_VALIDATION_SHARE, Data
from napari_diffuscope.training.task import Arrays

LIKE = (0.7, 1.4)
"""Slopes between which low and high are taken to have the same units."""

NEAR = 0.2
"""How far apart their backgrounds may be then, as a share of the low image's range."""

LINEAR = 0.9
"""Correlation of coarse pixels, median of all pairs, from which on a line tells how low follows from high."""

UNLIKE = 0.2
"""Correlation of coarse pixels below which two images are called no pair."""

COARSE = 4
"""Edge in pixels of the blocks that are compared, to average noise and small shifts out."""

Match = Literal["same", "percentiles", "fit"]


@dataclass(frozen=True)
class Pairs:
    """Planes in the network's range, ``(2, Y, X)`` float32: low, then high.

    Parameters
    ----------
    training, kept
        To train on and to validate on.
    notes
        What the user must be told.
    facts
        What the model card says of them.
    """

    training: Sequence[np.ndarray]
    kept: Sequence[np.ndarray]
    notes: tuple[str, ...]
    facts: dict[str, Any]


class PairBatches(Dataset[Arrays]):
    """Batch number ``i`` for any ``i``: crops of pairs, decided by the seed and the number.

    Parameters
    ----------
    planes
        Pairs ``(2, Y, X)``, each drawn as often as its area says.
    batch, patch
        Patches per batch, and their edge.
    seed
        Of everything.
    varied
        Whether crops are flipped, turned and their intensities shifted a little.
    """

    def __init__(
        self, planes: Sequence[np.ndarray], *, batch: int, patch: int, seed: int, varied: bool = False
    ) -> None:
        self.planes, self.batch, self.patch, self.seed, self.varied = planes, batch, patch, seed, varied
        areas = np.array([float(plane[0].size) for plane in planes])
        self._chances = areas / areas.sum()

    def __getitem__(self, number: int) -> Arrays:
        rng = np.random.default_rng([self.seed, number])
        both = np.stack([self._draw(rng) for _ in range(self.batch)])
        low, high = both[:, :1], both[:, 1:]
        return low, high, np.sqrt(np.square(low - high).mean((1, 2, 3)) + 1e-8)

    def _draw(self, rng: np.random.Generator) -> np.ndarray:
        plane = self.planes[rng.choice(len(self.planes), p=self._chances)]
        y, x = (int(rng.integers(edge - self.patch + 1)) for edge in plane.shape[-2:])
        crop = plane[:, y : y + self.patch, x : x + self.patch]
        if not self.varied:
            return crop
        crop = np.rot90(crop, int(rng.integers(4)), axes=(-2, -1))
        crop = np.flip(crop, -1) if rng.uniform() < 0.5 else crop
        # The map of another image is not exactly that of this one.
        return np.asarray(crop * np.float32(np.exp(rng.normal(0, 0.15))) + np.float32(rng.normal(0, 0.05)))


def read_pairs(data: Data, *, seed: int) -> Pairs:
    """Read a folder of pairs, bring them into the network's range, and keep some out.

    Parameters
    ----------
    data
        Names the folder, the share to keep out, the patch and how targets are matched.
    seed
        Decides which files are kept out.

    Raises
    ------
    DiffuscopeError
        For a folder without pairs, files without a partner, shapes that differ, images that cannot be read or are
        smaller than a patch, images that have nothing in common, or a single plane.
    """
    share = DEFAULT_VALIDATION_SHARE if data.validation_share is None else data.validation_share
    high = Path(data.high_folder) if data.high_folder else None
    training, kept = find_pairs(Path(data.folder), share=share, seed=seed, high=high)
    pairs = [_Opened.read(pair, data.patch) for pair in [*training, *kept]]
    match, notes = _match(data, pairs)
    notes = (*reading_notes(chain(*((pair.low, pair.high) for pair in pairs))), *notes)
    if same := same_note([(pair.pair.low.name, pair.is_one_image()) for pair in pairs]):
        notes = (*notes, same)
    if swapped := swapped_note(pair.noise for pair in pairs):
        notes = (*notes, swapped)
    planes = [pair.planes(match) for pair in pairs]
    if kept:
        first, rest = planes[: len(training)], planes[len(training) :]
    else:
        first, rest, note = _split_planes(pairs[0], planes[0], share)
        notes = (*notes, note)
    facts = {
        "pairs": [pair.low.name for pair in training],
        "kept_out": [pair.low.name for pair in kept] or "the last planes of the file",
        "match": match,
    }
    return Pairs(list(chain(*first)), list(chain(*rest)), notes, facts)


@dataclass(frozen=True)
class _Opened:
    """A pair of images, and how each channel of low follows from that of high."""

    pair: Pair
    low: Image
    high: Image
    maps: tuple[tuple[IntensityMap, IntensityMap], ...]
    lines: tuple[_Line, ...]

    @classmethod
    def read(cls, pair: Pair, patch: int) -> _Opened:
        low, high = opened(pair.low), opened(pair.high)
        if low.shape != high.shape:
            raise DiffuscopeError(
                f"The pair {pair.low.name!r} differs in shape: in {pair.low.parent.name!r} it is "
                f"{_in_words(low)}, in {pair.high.parent.name!r} {_in_words(high)}. Register and crop both alike, or "
                "take it out."
            )
        if min(low.plane_shape) < patch:
            raise DiffuscopeError(
                f"{pair.low} is {low.plane_shape} pixels, less than a patch of {patch}; choose a smaller patch."
            )
        maps = tuple(
            (a.map, b.map) for a, b in zip(measure_intensities(low), measure_intensities(high), strict=True)
        )
        lines = tuple(_line(pair, low, high, channel) for channel in range(low.channel_count))
        return cls(pair, low, high, maps, lines)

    def planes(self, match: Match) -> list[np.ndarray]:
        return [self._plane(flat, match) for flat in range(self.low.plane_count)]

    def _plane(self, flat: int, match: Match) -> np.ndarray:
        channel = self.low.channel_of(flat)
        low_map, high_map = self.maps[channel]
        low, high = self.low.read_plane(flat), self.high.read_plane(flat)
        if match == "fit":
            high = self.lines[channel].slope * high + self.lines[channel].offset
        target = (high_map if match == "percentiles" else low_map).forward(high)
        both = np.stack([low_map.forward(low), target]).astype(np.float32)
        if not np.isfinite(both).all():
            raise DiffuscopeError(
                f"The pair {self.pair.low.name!r} has pixels that are no numbers; fill them in."
            )
        return np.asarray(both.clip(-30, 30))

    @property
    def noise(self) -> tuple[float, float]:
        """Noise of low and of high on the plane in the middle, each as a share of its range."""
        middle = self.low.plane_count // 2
        return noise_share(self.low.read_plane(middle)), noise_share(self.high.read_plane(middle))

    def is_one_image(self) -> bool:
        """Whether low and high are the same pixel for pixel, in the plane in the middle."""
        middle = self.low.plane_count // 2
        return bool(np.array_equal(self.low.read_plane(middle), self.high.read_plane(middle)))

    def alike(self) -> bool:
        """Whether both images seem to have the same units."""
        return all(
            LIKE[0] <= line.slope <= LIKE[1]
            and abs(line.offset - (1 - line.slope) * high.offset) <= NEAR * 2 * low.scale
            for line, (low, high) in zip(self.lines, self.maps, strict=True)
        )


@dataclass(frozen=True)
class _Line:
    """low ≈ slope · high + offset."""

    slope: float
    offset: float
    correlation: float


def _line(pair: Pair, low: Image, high: Image, channel: int) -> _Line:
    """Least squares of low on high: the noise is in low, so that the slope is not biased by it."""
    planes = [flat for flat in range(low.plane_count) if low.channel_of(flat) == channel]
    chosen = [planes[i] for i in np.linspace(0, len(planes) - 1, min(len(planes), 8)).astype(int)]
    a, b = (np.concatenate([_coarse(image.read_plane(flat)) for flat in chosen]) for image in (low, high))
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise DiffuscopeError(f"The pair {pair.low.name!r} has pixels that are no numbers; fill them in.")
    variance = float(b.var())
    if any(vanishes(float(values.std()), float(np.abs(values).max())) for values in (a, b)):
        raise DiffuscopeError(
            f"The pair {pair.low.name!r} has an image that is the same everywhere; take it out."
        )
    covariance = float(((a - a.mean()) * (b - b.mean())).mean())
    slope = covariance / variance
    return _Line(slope, float(a.mean() - slope * b.mean()), covariance / float(np.sqrt(variance * a.var())))


def _in_words(image: Image) -> str:
    return " x ".join(map(str, image.shape))


def _coarse(plane: np.ndarray) -> np.ndarray:
    rows, columns = (edge // COARSE for edge in plane.shape)
    blocks = plane[: rows * COARSE, : columns * COARSE].reshape(rows, COARSE, columns, COARSE)
    return np.asarray(blocks.mean((1, 3), dtype=np.float64).ravel())


def _match(data: Data, opened: Sequence[_Opened]) -> tuple[Match, tuple[str, ...]]:
    """How targets are brought onto the scale of the low images, one way for all, and what to say of it."""
    notes = []
    unlike = [o.pair.low.name for o in opened if min(line.correlation for line in o.lines) < UNLIKE]
    if unlike:
        notes.append(
            f"{len(unlike)} pairs have little in common, {unlike[0]!r} first: are they of the same field, and "
            "registered?"
        )
    if data.match != "auto":
        return data.match, tuple(notes)
    if sum(o.alike() for o in opened) > len(opened) / 2:
        return "same", (
            *notes,
            "Low and high images have the same units: results keep those of the low image.",
        )
    if np.median([min(line.correlation for line in o.lines) for o in opened]) >= LINEAR:
        return "fit", (
            *notes,
            "Low and high images differ in gain or offset: the high one is brought onto the low one by a line fitted "
            "to each pair, so that results keep the units of the low image.",
        )
    return "percentiles", (
        *notes,
        "Low and high images differ in gain or offset, and are too unlike for a line to tell how: each is scaled by "
        "its own percentiles, so that results have the contrast of the high image. Gains are measured apart from it.",
    )


def _split_planes(
    opened: _Opened, planes: list[np.ndarray], share: float
) -> tuple[list[list[np.ndarray]], list[list[np.ndarray]], str]:
    """Keep the last planes of the only file."""
    name = opened.pair.low.name
    if len(planes) < 2:
        raise DiffuscopeError(
            f"{name!r} alone cannot be both trained on and validated; add at least one more pair."
        )
    count = min(max(round(share * len(planes)), 1), len(planes) - 1)
    note = (
        f"There is only {name!r}: its last {count} of {len(planes)} planes are kept for validation, which is less "
        "strict than another file."
    )
    return [planes[:-count]], [planes[-count:]], note
