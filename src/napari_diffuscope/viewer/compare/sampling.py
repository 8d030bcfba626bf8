"""Pixels of a layer at the points of a grid in world coordinates: what of it is in view, and nothing else of it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Labels
from scipy.ndimage import affine_transform, map_coordinates

from napari_diffuscope.viewer.compare.comparison import unit_factors

#: Bytes that are read of a layer at once.
MOST_BYTES = 64 * 2**20
#: Coordinates are this good, in pixels: what sums of sizes leave beyond is no place between two pixels.
DIGITS = 6
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)


@dataclass(frozen=True, eq=False)
class PlaneGrid:
    """A grid of points in a plane of the viewer's world.

    Parameters
    ----------
    origin
        ``(D,)``, world coordinates of its first point.
    steps
        ``(D, 2)``, from row to row and from column to column.
    shape
        Rows and columns.
    axes
        Axes of the viewer along which rows and columns are counted.
    """

    origin: np.ndarray
    steps: np.ndarray
    shape: tuple[int, int]
    axes: tuple[int, int]

    def part(self, rows: slice, columns: slice) -> PlaneGrid:
        """Some of its rows and columns."""
        first = [rows.indices(self.shape[0])[0], columns.indices(self.shape[1])[0]]
        shape = (len(range(self.shape[0])[rows]), len(range(self.shape[1])[columns]))
        return PlaneGrid(
            self.origin + self.steps @ np.array(first, dtype=float), self.steps, shape, self.axes
        )

    def same(self, other: object) -> bool:
        """Whether another grid has the same points."""
        return (
            isinstance(other, PlaneGrid)
            and self.shape == other.shape
            and self.axes == other.axes
            and np.array_equal(self.origin, other.origin)
            and np.array_equal(self.steps, other.steps)
        )


@dataclass(frozen=True, eq=False)
class Pixels:
    """What a thread needs to read a layer: its arrays and where they lie; nothing of the layer itself.

    Parameters
    ----------
    levels
        The arrays, the finest first.
    matrix, offset
        ``(n, D)`` and ``(n,)``: from world coordinates to indices of the finest array.
    rgb, labels
        Whether the last axis holds colours, and whether values are labels.
    """

    levels: tuple[Any, ...]
    matrix: np.ndarray
    offset: np.ndarray
    rgb: bool = False
    labels: bool = False

    @property
    def in_memory(self) -> bool:
        """Whether reading costs nothing."""
        return all(isinstance(level, np.ndarray) for level in self.levels)


def pixels_of(viewer: Any, layer: Any) -> Pixels:
    """The pixels of an Image or Labels layer, reading none."""
    matrix, offset = world_to_data(viewer, layer)
    levels = tuple(layer.data) if layer.multiscale else (layer.data,)
    return Pixels(levels, matrix, offset, bool(getattr(layer, "rgb", False)), isinstance(layer, Labels))


def world_to_data(viewer: Any, layer: Any) -> tuple[np.ndarray, np.ndarray]:
    """``(n, D)`` and ``(n,)``: how world coordinates of the viewer become indices of a layer."""
    count, own = viewer.dims.ndim, layer.ndim
    factors = unit_factors(viewer, layer)

    def index(point: np.ndarray) -> np.ndarray:
        return np.asarray(layer.world_to_data(point[count - own :] * factors), dtype=float)[-own:]

    offset = index(np.zeros(count))
    return np.stack([index(row) - offset for row in np.eye(count)], axis=1), offset


def sample(pixels: Pixels, grid: PlaneGrid, *, linear: bool = False) -> np.ndarray:
    """Values of a layer at the points of a grid.

    Parameters
    ----------
    linear
        Between pixels instead of at the nearest one; never for labels.

    Returns
    -------
    numpy.ndarray
        ``(rows, columns)`` float32 with NaN where there is no pixel; labels as they are, with 0 there; colours
        ``(rows, columns, 4)`` with an opacity of 0 there.
    """
    level, matrix, offset = _level(pixels, grid)
    reading = _Reading(pixels, pixels.levels[level], matrix, offset, linear and not pixels.labels)
    return reading.part(np.zeros(2), grid.shape)


def luminance(values: np.ndarray) -> np.ndarray:
    """Grey values of sampled colours, NaN where there are none; grey ones as they are."""
    if values.ndim == 2:
        return values
    grey = values[..., :3].astype(np.float32) @ LUMINANCE
    return np.where(values[..., 3] > 0, grey, np.float32(np.nan))


def _level(pixels: Pixels, grid: PlaneGrid) -> tuple[int, np.ndarray, np.ndarray]:
    """The coarsest array that is as fine as the grid, and how points of the grid become its indices."""
    matrix = pixels.matrix @ grid.steps
    offset = pixels.matrix @ grid.origin + pixels.offset
    dimensions = len(offset)
    best = 0, matrix, offset
    full = np.array(pixels.levels[0].shape[:dimensions], dtype=float)
    step = np.abs(matrix).max(1)
    for number, level in enumerate(pixels.levels[1:], 1):
        factors = full / np.array(level.shape[:dimensions])
        if (factors[step > 0] <= np.maximum(step[step > 0], 1) + 1e-3).all():
            best = number, matrix / factors[:, None], (offset + 0.5) / factors - 0.5
    number, matrix, offset = best
    return number, np.round(matrix, DIGITS + 6), np.round(offset, DIGITS)


@dataclass(frozen=True, eq=False)
class _Reading:
    """One array, read at points ``matrix @ (row, column) + offset``."""

    pixels: Pixels
    array: Any
    matrix: np.ndarray
    offset: np.ndarray
    linear: bool

    def part(self, start: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        """Rows and columns from a point on, in pieces where all at once would take too much memory."""
        offset = self.matrix @ start + self.offset
        box = self._box(offset, shape)
        if box is None:
            return self._nothing(shape)
        size = int(np.prod([last - first for first, last in box], dtype=float)) * self.array.dtype.itemsize
        if size > MOST_BYTES and max(shape) > 1 and not isinstance(self.array, np.ndarray):
            axis = int(shape[1] > shape[0])
            half = shape[axis] // 2
            first = (half, shape[1]) if axis == 0 else (shape[0], half)
            second = (shape[0] - half, shape[1]) if axis == 0 else (shape[0], shape[1] - half)
            begin = start + np.eye(2)[axis] * half
            return np.concatenate([self.part(start, first), self.part(begin, second)], axis=axis)
        block = np.asarray(self.array[tuple(slice(first, last) for first, last in box)])
        return self._take(block, offset - [first for first, _ in box], shape, offset)

    def _box(self, offset: np.ndarray, shape: tuple[int, int]) -> list[tuple[int, int]] | None:
        """First and last index along each axis that is needed, ``None`` where no point meets a pixel."""
        corners = np.array(list(itertools.product(*((0, length - 1) for length in shape)))).T
        ends = self.matrix @ corners + offset[:, None]
        margin = 1.0 if self.linear else 0.5
        box = []
        for low, high, length in zip(ends.min(1), ends.max(1), self.array.shape, strict=False):
            if high < -0.5 or low >= length - 0.5:
                return None
            first = min(max(int(np.floor(low + 1 - margin)), 0), length - 1)
            box.append((first, max(min(int(np.ceil(high + margin)) + 1, length), first + 1)))
        return box

    def _take(
        self, block: np.ndarray, local: np.ndarray, shape: tuple[int, int], offset: np.ndarray
    ) -> np.ndarray:
        """Values at the points, ``local`` being their offset in what was read."""
        straight = ((self.matrix != 0).sum(0) <= 1).all() and ((self.matrix != 0).sum(1) <= 1).all()
        smooth = self.linear and not (straight and _whole(self.matrix) and _whole(local))
        inside = self._inside(offset, shape, straight)
        if smooth:
            values = self._between(block, local, shape)
        elif straight:
            values = self._along_axes(block, local, shape)
        else:
            where = _points(self.matrix, local, shape)
            index = [
                np.clip(np.floor(at + 0.5).astype(np.intp), 0, length - 1)
                for at, length in zip(where, block.shape, strict=False)
            ]
            values = block[tuple(index)]
        return self._masked(values, inside)

    def _along_axes(self, block: np.ndarray, local: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        """Nearest pixels, axis by axis."""
        kept: list[int] = []
        for axis in reversed(range(len(local))):
            moving = np.flatnonzero(self.matrix[axis])
            count = shape[moving[0]] if len(moving) else 1
            factor = self.matrix[axis, moving[0]] if len(moving) else 0.0
            index = np.floor(factor * np.arange(count) + local[axis] + 0.5).astype(np.intp)
            index = np.clip(index, 0, block.shape[axis] - 1)
            if not len(moving):
                block = block.take(int(index[0]), axis=axis)
            else:
                block = block.take(index, axis=axis)
                kept.insert(0, int(moving[0]))
        if kept == [1, 0]:
            block = block.swapaxes(0, 1)
        missing = [axis for axis in (0, 1) if axis not in kept]
        for axis in missing:  # the layer does not vary along it
            block = np.repeat(np.expand_dims(block, axis), shape[axis], axis=axis)
        return block

    def _between(self, block: np.ndarray, local: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        """Linear interpolation in the plane, colours one by one; the nearest plane of others."""
        if self.pixels.rgb:
            colours = [self._between_grey(block[..., each], local, shape) for each in range(block.shape[-1])]
            return np.stack(colours, axis=-1).astype(block.dtype)
        return self._between_grey(block, local, shape)

    def _between_grey(self, block: np.ndarray, local: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        moving = (self.matrix != 0).any(1)
        index = tuple(
            slice(None) if moves else int(np.clip(np.floor(at + 0.5), 0, length - 1))
            for moves, at, length in zip(moving, local, block.shape, strict=True)
        )
        plane = block[index].astype(np.float32)
        matrix, start = self.matrix[moving], local[moving]
        if plane.ndim == 2 and np.linalg.det(matrix) != 0:
            return np.asarray(
                affine_transform(plane, matrix, start, output_shape=shape, order=1, mode="nearest"),
                np.float32,
            )
        return np.asarray(
            map_coordinates(plane, _points(matrix, start, shape), order=1, mode="nearest"), np.float32
        )

    def _inside(self, offset: np.ndarray, shape: tuple[int, int], straight: bool) -> np.ndarray:
        """Where the points lie within half a pixel of the pixels of the array."""
        inside = np.ones(shape, dtype=bool)
        rows, columns = np.arange(shape[0])[:, None], np.arange(shape[1])[None, :]
        for (by_row, by_column), start, length in zip(self.matrix, offset, self.array.shape, strict=False):
            at = start + (by_row * rows if by_row else 0) + (by_column * columns if by_column else 0)
            inside &= (at >= -0.5) & (at < length - 0.5)
        return inside

    def _masked(self, values: np.ndarray, inside: np.ndarray) -> np.ndarray:
        if self.pixels.labels:
            return np.where(inside, values, values.dtype.type(0))
        if not self.pixels.rgb:
            return np.where(inside, values.astype(np.float32), np.float32(np.nan))
        opaque = 1 if values.dtype.kind == "f" else np.iinfo(values.dtype).max
        alpha = values[..., 3] if values.shape[-1] == 4 else np.full(inside.shape, opaque, values.dtype)
        return np.concatenate(
            [values[..., :3], np.where(inside, alpha, 0)[..., None].astype(values.dtype)], axis=-1
        )

    def _nothing(self, shape: tuple[int, int]) -> np.ndarray:
        if self.pixels.labels:
            return np.zeros(shape, self.array.dtype)
        if self.pixels.rgb:
            return np.zeros((*shape, 4), self.array.dtype)
        return np.full(shape, np.nan, np.float32)


def _points(matrix: np.ndarray, offset: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    rows, columns = np.arange(shape[0])[:, None], np.arange(shape[1])[None, :]
    points = [
        by_row * rows + by_column * columns + at
        for (by_row, by_column), at in zip(matrix, offset, strict=True)
    ]
    return np.array(np.broadcast_arrays(*points), dtype=float)


def _whole(numbers: np.ndarray) -> bool:
    return bool(np.allclose(numbers, np.round(numbers), rtol=0, atol=10.0**-DIGITS))
