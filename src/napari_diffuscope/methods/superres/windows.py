"""Which windows of a slice a network is given, so that a voxel gets the same value in every block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_diffuscope.imaging.tiles import reflect_index
from napari_diffuscope.methods.overlapping import Range, evenly_spread
from napari_diffuscope.weights.model import Model

Ranges = tuple[Range, Range, Range]
"""Start and stop along z, y and x; may overhang the volume, which is mirrored there."""

UNKNOWN_SIZE = 48
"""Window of a network that is not local and does not say on which size it was trained."""


@dataclass(frozen=True)
class Reach:
    """How a network sees slices.

    Parameters
    ----------
    radius, stride
        Of a network that is local by construction: one window around what is wanted.
    size
        Edge of the windows of any other network, 0 for local ones: they overlap, lie at fixed places in the slice
        and are blended.
    """

    radius: int
    stride: int
    size: int = 0

    @classmethod
    def of(cls, model: Model) -> Reach:
        """The reach of a model's network."""
        network, card = model.network, model.card
        stride = int(max(network.total_stride))  # type: ignore[arg-type]
        if hasattr(network, "receptive_radius"):
            return cls(int(max(network.receptive_radius)), stride)  # type: ignore[arg-type]
        return cls(0, stride, card.size[-1] if card.size else UNKNOWN_SIZE)

    def windows(self, wanted: Range, length: int) -> list[Range]:
        """Windows along an axis of some length that decide the wanted pixels, in order."""
        start, stop = wanted
        if not self.size:
            low = (start - self.radius) // self.stride * self.stride
            return [(low, -(-(stop + self.radius) // self.stride) * self.stride)]
        firsts = evenly_spread(length, self.size)
        return [(a, a + self.size) for a in firsts if a < stop and a + self.size > start]


def hull(windows: list[Range]) -> Range:
    """From the first pixel of all windows to the last."""
    return min(a for a, _ in windows), max(b for _, b in windows)


def mirrored(ranges: Ranges, shape: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[np.ndarray, ...]]:
    """What to read for ranges that may overhang a volume, and how to arrange it.

    Returns
    -------
    box : tuple of slice
        The part of the volume to read.
    rows : tuple of ndarray
        For ``np.ix_``: the pixels of the ranges, counted in the box.
    """
    rows = [reflect_index(start, stop, size) for (start, stop), size in zip(ranges, shape, strict=True)]
    box = tuple(slice(int(row.min()), int(row.max()) + 1) for row in rows)
    return box, tuple(row - part.start for row, part in zip(rows, box, strict=True))
