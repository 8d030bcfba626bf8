"""Tiles whose pixels see the same neighbourhood as in the whole image.

The image is thought of as continued to infinity by mirroring at its borders, without repeating the border
pixels. A tile is a *core*, the part of the image that it answers for, inside a *window*, the part of that
infinite image that the network is given. Windows start at multiples of the network's stride, counted from the
first pixel of the image, and surround their core by the halo. So a local network gives a pixel the same value
in every tile, and in the whole image.

Everything here is for images and blocks of any number of dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError

Box = tuple[slice, ...]
PerAxis = int | Sequence[int]
Region = tuple[tuple[int, int], tuple[int, int]]
"""Start and stop along y and x."""


@dataclass(frozen=True)
class Tile:
    """One piece of work.

    Parameters
    ----------
    core
        The part of the image that the tile answers for, in image coordinates.
    window
        ``(start, stop)`` per axis of what the network is given, in image coordinates; may overhang the image.
    inner
        Where the core lies inside the window.
    """

    core: Box
    window: tuple[tuple[int, int], ...]
    inner: Box

    @property
    def window_shape(self) -> tuple[int, ...]:
        """Lengths of the window."""
        return tuple(stop - start for start, stop in self.window)

    def core_from(self, origin: Sequence[int]) -> Box:
        """The core in the coordinates of an array whose first pixel is ``origin`` of the image."""
        return tuple(
            slice(part.start - first, part.stop - first)
            for part, first in zip(self.core, origin, strict=True)
        )


@dataclass(frozen=True)
class _Axis:
    """Tiles along one axis: cores ``anchor + k * edge`` cut to ``start … stop``, with a halo at both ends."""

    start: int
    stop: int
    anchor: int
    edge: int
    halo: int

    @property
    def window(self) -> int:
        return self.edge + 2 * self.halo

    def pieces(self) -> list[tuple[slice, tuple[int, int], slice]]:
        """Core, window and inner of every tile, in order."""
        parts = []
        for first in range(self.anchor, self.stop, self.edge):
            begin, end = max(first, self.start), min(first + self.edge, self.stop)
            low = first - self.halo
            parts.append((slice(begin, end), (low, low + self.window), slice(begin - low, end - low)))
        return parts


def _up(value: int, stride: int) -> int:
    return -(-value // stride) * stride


def _per_axis(value: PerAxis, dimensions: int, what: str, least: int) -> tuple[int, ...]:
    values = (value,) * dimensions if isinstance(value, int) else tuple(int(item) for item in value)
    if len(values) != dimensions or min(values) < least:
        raise DiffuscopeError(
            f"The {what} {value} does not fit {dimensions} axes; "
            f"give one number of at least {least}, or one per axis."
        )
    return values


def _region(shape: Sequence[int], region: Sequence[Sequence[int]] | None) -> list[tuple[int, int]]:
    bounds = [(0, length) for length in shape] if region is None else [(int(a), int(b)) for a, b in region]
    if len(bounds) != len(shape) or not all(
        0 <= start < stop <= length for (start, stop), length in zip(bounds, shape, strict=True)
    ):
        raise DiffuscopeError(
            f"The region {bounds} is empty or not inside an image of shape {tuple(shape)}; "
            "choose one that is inside."
        )
    return bounds


def _axis(start: int, stop: int, tile: int | None, halo: int, stride: int) -> _Axis:
    anchor = start // stride * stride
    extent = stop - anchor
    edge = _up(extent if tile is None else min(tile, extent), stride)
    count = -(-extent // edge)
    # Equally many tiles of equal size: a full tile for a last narrow strip would be work for nothing.
    return _Axis(start, stop, anchor, _up(-(-extent // count), stride), _up(halo, stride))


def _axes(
    shape: Sequence[int],
    tile: PerAxis | None,
    halo: PerAxis,
    stride: PerAxis,
    region: Sequence[Sequence[int]] | None,
) -> list[_Axis]:
    dimensions = len(shape)
    bounds = _region(shape, region)
    edges = (None,) * dimensions if tile is None else _per_axis(tile, dimensions, "tile", 1)
    halos = _per_axis(halo, dimensions, "halo", 0)
    strides = _per_axis(stride, dimensions, "stride", 1)
    return [
        _axis(start, stop, edge, overlap, step)
        for (start, stop), edge, overlap, step in zip(bounds, edges, halos, strides, strict=True)
    ]


def window_shape(
    shape: Sequence[int],
    *,
    tile: PerAxis | None,
    halo: PerAxis,
    stride: PerAxis = 1,
    region: Sequence[Sequence[int]] | None = None,
) -> tuple[int, ...]:
    """Shape that all windows of `tile_boxes` with the same arguments have."""
    return tuple(axis.window for axis in _axes(shape, tile, halo, stride, region))


def tile_count(
    shape: Sequence[int],
    *,
    tile: PerAxis | None,
    halo: PerAxis,
    stride: PerAxis = 1,
    region: Sequence[Sequence[int]] | None = None,
) -> int:
    """Number of tiles that `tile_boxes` gives for the same arguments."""
    return int(np.prod([len(axis.pieces()) for axis in _axes(shape, tile, halo, stride, region)]))


def tile_boxes(
    shape: Sequence[int],
    *,
    tile: PerAxis | None,
    halo: PerAxis,
    stride: PerAxis = 1,
    region: Sequence[Sequence[int]] | None = None,
    centre_first: bool = False,
) -> list[Tile]:
    """Cut an image into tiles.

    Parameters
    ----------
    shape
        Lengths of the image, ``(Y, X)`` or any other number of axes.
    tile
        Longest edge of a core, rounded up to a multiple of ``stride``; ``None`` for one tile. Tiles are made
        equally large: 520 pixels in tiles of at most 512 are two of 260, rounded up.
    halo
        Pixels around a core that its values depend on, rounded up to a multiple of ``stride``.
    stride
        Windows start at multiples of it and are multiples of it long.
    region
        ``(start, stop)`` per axis of the part that is wanted; cores cover it alone, while windows hold the
        true neighbourhood wherever the image has one. By default the whole image.
    centre_first
        Begin with the tiles nearest to the centre of the region instead of row by row.

    Returns
    -------
    list of Tile
        Their cores are a partition of the region. All windows have one shape; the cores in the last row and
        column (and, in a region, the first) may be smaller than the others.

    Raises
    ------
    DiffuscopeError
        If the region is empty or not inside the image, or a size makes no sense.
    """
    axes = _axes(shape, tile, halo, stride, region)
    tiles = []
    for pieces in product(*(axis.pieces() for axis in axes)):
        cores, windows, inners = zip(*pieces, strict=True)
        tiles.append(Tile(cores, windows, inners))
    if centre_first:
        tiles.sort(key=lambda one: _distance(one, axes))
    return tiles


def _distance(tile: Tile, axes: Sequence[_Axis]) -> int:
    """Four times the squared distance between the centres of a core and of the region."""
    return sum(
        (part.start + part.stop - axis.start - axis.stop) ** 2
        for part, axis in zip(tile.core, axes, strict=True)
    )


def reflect_index(start: int, stop: int, size: int) -> np.ndarray:
    """Pixels of an axis that a window sees when the axis is mirrored for ever.

    Parameters
    ----------
    start, stop
        The window; may overhang the axis by any amount.
    size
        Length of the axis; a single pixel is repeated.

    Returns
    -------
    numpy.ndarray
        int64, ``stop - start`` positions between 0 and ``size - 1``. The border pixel is not repeated, as in
        ``numpy.pad(mode="reflect")``.
    """
    if size < 1:
        raise DiffuscopeError("An axis without pixels cannot be mirrored.")
    if size == 1:
        return np.zeros(stop - start, dtype=np.int64)
    period = 2 * (size - 1)
    position = np.arange(start, stop, dtype=np.int64) % period
    return np.minimum(position, period - position)


def cut(array: Any, tile: Tile) -> Any:
    """What the window of a tile shows of an image.

    Parameters
    ----------
    array
        numpy array or torch tensor ``(..., *shape)``; leading axes such as batch and channel are kept.
    tile
        A tile of an image of that ``shape``.

    Returns
    -------
    numpy.ndarray or torch.Tensor
        ``(..., *tile.window_shape)``; a view where the window does not overhang the image, else a copy.
    """
    shape = tuple(array.shape)[-len(tile.window) :]
    if all(start >= 0 and stop <= size for (start, stop), size in zip(tile.window, shape, strict=True)):
        return array[(..., *(slice(start, stop) for start, stop in tile.window))]
    rows = (reflect_index(start, stop, size) for (start, stop), size in zip(tile.window, shape, strict=True))
    return array[(..., *np.ix_(*rows))]


def core_of(values: Any, tile: Tile) -> Any:
    """The core's part of what a network made of a window.

    Parameters
    ----------
    values
        numpy array or torch tensor ``(..., *tile.window_shape)``.
    tile
        The tile whose window it was.
    """
    return values[(..., *tile.inner)]
