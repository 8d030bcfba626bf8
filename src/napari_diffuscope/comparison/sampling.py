"""Pixels of an image at the pixels of the reference; nothing else of it is read."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from napari_diffuscope.comparison.placing import Box, Placed, points_within
from napari_diffuscope.imaging.views import chunks_of

MOST_PIXELS = 6 * 2**20
"""A plane of up to so many pixels is one piece."""

TILE = 2048
"""Side of the pieces of larger ones."""

SLAB_BYTES = 80 * 2**20
"""What is kept of an image that is read chunk by chunk."""


def pieces(box: Box) -> Iterator[Box]:
    """The planes of a box, large ones in tiles; the last leading axis fastest, so that chunks are read once."""
    *leading, (top, bottom), (left, right) = box.ranges
    tall, wide = bottom - top, right - left
    tile = max(tall, wide) if tall * wide <= MOST_PIXELS else TILE
    for y, x in itertools.product(_parts(top, bottom, tile), _parts(left, right, tile)):
        for index in itertools.product(*(range(start, stop) for start, stop in leading)):
            yield Box((*((each, each + 1) for each in index), y, x))


def piece_count(box: Box) -> int:
    """How many pieces a box has."""
    tall, wide = box.shape[-2:]
    tiles = 1 if tall * wide <= MOST_PIXELS else -(-tall // TILE) * -(-wide // TILE)
    return tiles * math.prod(box.shape[:-2])


def _parts(start: int, stop: int, tile: int) -> list[tuple[int, int]]:
    """Parts of about equal length, none longer than a tile."""
    count = -(-(stop - start) // tile)
    edges = np.linspace(start, stop, count + 1).astype(int)
    return list(itertools.pairwise(map(int, edges)))


def sampled(placed: Placed, piece: Box) -> np.ndarray:
    """Values at one plane of the reference's pixels.

    On another grid: linear between pixels; where its pixels are finer than those of the reference, means over those
    that lie in one. Labels are those of the nearest pixel.

    Parameters
    ----------
    placed
        The image.
    piece
        One index along each leading axis.

    Returns
    -------
    numpy.ndarray
        ``(Y, X)``: float64 with NaN where there is no pixel; labels as stored, with 0 there.
    """
    leading = np.array([start for start, _ in piece.ranges[:-2]], dtype=float)
    (top, bottom), (left, right) = piece.ranges[-2:]
    shape = (bottom - top, right - left)
    matrix = placed.matrix[:, -2:]
    offset = placed.matrix @ np.array([*leading, top, left], dtype=float) + placed.offset
    if _is_slice(matrix, offset, shape, placed.image.shape):
        return _sliced(placed, matrix, offset, shape)
    finer = (1, 1) if placed.labels else _finer(placed, matrix)
    matrix = matrix / np.array(finer)
    offset = offset + matrix @ ((1 - np.array(finer)) / 2)
    fine = (shape[0] * finer[0], shape[1] * finer[1])
    values = _interpolated(placed, matrix, offset, fine)
    if finer == (1, 1):
        return values
    return np.asarray(values.reshape(shape[0], finer[0], shape[1], finer[1]).mean((1, 3)))


def grid_in_words(placed: Placed) -> str:
    """How its pixels become those of the reference."""
    if (
        _is_whole(placed.matrix)
        and _is_whole(placed.offset)
        and set(np.unique(np.abs(placed.matrix))) <= {0.0, 1.0}
    ):
        return "on the grid of the reference"
    if placed.labels:
        return "nearest pixel at the grid of the reference"
    finer = _finer(placed, placed.matrix[:, -2:])
    if finer != (1, 1):
        return f"mean over {finer[0]} × {finer[1]} points in each pixel of the reference"
    return "linear interpolation at the pixels of the reference"


def native_factor(placed: Placed, piece: Box) -> int | None:
    """How many of its pixels lie along one of the reference; ``None`` where that is no whole number."""
    found = [placed.along(axis) for axis in range(len(piece.ranges) - 2, len(piece.ranges))]
    if not placed.straight or None in found:
        return None
    factors = [each[1] for each in found if each]
    count = round(factors[0])
    return count if count >= 1 and all(abs(factor - count) <= 1e-3 for factor in factors) else None


def native(placed: Placed, piece: Box) -> tuple[np.ndarray, int] | None:
    """Its own pixels over one plane of the reference, and how many lie along one of the reference.

    ``None`` where that is no whole number, the same along both axes, or they do not cover the piece.
    """
    count = native_factor(placed, piece)
    if count is None:
        return None
    own_y, own_x = (int(np.flatnonzero(placed.matrix[:, axis])[0]) for axis in (-2, -1))
    corner = np.array([start for start, _ in piece.ranges], dtype=float)
    corner[-2:] -= 0.5
    start = np.floor(placed.matrix @ corner + placed.offset + 0.5 + 1e-6).astype(int)
    slack = (
        count + 1
    ) // 2  # images whose first pixels lie on each other are half a pixel apart at their borders
    index: list[int | slice] = [int(at) for at in start]
    for own, (first, last) in zip((own_y, own_x), piece.ranges[-2:], strict=True):
        length = (last - first) * count
        most = placed.image.shape[own] - length
        if most < 0 or not -slack <= start[own] <= most + slack:
            return None
        start[own] = min(max(start[own], 0), most)
        index[own] = slice(int(start[own]), int(start[own]) + length)
    fixed = [at for own, at in enumerate(start) if own not in (own_y, own_x)]
    if any(at < 0 for at in fixed):
        return None
    pixels = np.asarray(placed.image.pixels(tuple(index)), dtype=np.float64)
    return (pixels if own_y < own_x else pixels.T), count


def _is_whole(numbers: np.ndarray) -> bool:
    return bool(np.allclose(numbers, np.round(numbers), rtol=0, atol=1e-6))


def _is_slice(
    matrix: np.ndarray, offset: np.ndarray, shape: tuple[int, int], lengths: tuple[int, ...]
) -> bool:
    """Whether the piece is a part of the array as it is stored."""
    wanted = np.zeros_like(matrix)
    wanted[-2:] = np.eye(2)
    if not (np.array_equal(matrix, wanted) and _is_whole(offset)):
        return False
    start, size = np.round(offset), np.array([*([1] * (len(lengths) - 2)), *shape])
    return bool((start >= 0).all() and (start + size <= lengths).all())


def _sliced(placed: Placed, matrix: np.ndarray, offset: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    start = [int(at) for at in np.round(offset)]
    block = _block(
        placed,
        [(at, at + 1) for at in start[:-2]]
        + [(at, at + length) for at, length in zip(start[-2:], shape, strict=True)],
    )
    plane = block.reshape(shape)
    return plane if placed.labels else plane.astype(np.float64)


def _finer(placed: Placed, matrix: np.ndarray) -> tuple[int, int]:
    """Points along both axes over which the mean is taken in a pixel of the reference."""
    if not placed.straight:
        return 1, 1
    steps = np.abs(matrix).max(0) if len(matrix) else np.ones(2)
    y, x = (points_within(step) for step in steps)
    return y, x


def _interpolated(
    placed: Placed, matrix: np.ndarray, offset: np.ndarray, shape: tuple[int, int]
) -> np.ndarray:
    """Values at ``matrix @ (row, column) + offset``."""
    lengths = np.array(placed.image.shape)
    corners = np.array(list(itertools.product((0, shape[0] - 1), (0, shape[1] - 1)))).T
    ends = matrix @ corners + offset[:, None]
    low = np.clip(np.floor(ends.min(1)), 0, lengths - 1).astype(int)
    high = np.clip(np.ceil(ends.max(1)), 0, lengths - 1).astype(int)
    block = _block(placed, list(zip(low.tolist(), (high + 1).tolist(), strict=True)))
    where = _points(matrix, offset, shape)
    inside = np.ones(shape, dtype=bool)
    for at, length in zip(where, lengths, strict=True):
        inside &= (at >= -0.5 - 1e-9) & (at < length - 0.5 + 1e-9)
    local = [at - first for at, first in zip(where, low, strict=True)]
    if placed.labels:
        index = tuple(
            np.clip(np.rint(at), 0, length - 1).astype(np.intp)
            for at, length in zip(local, block.shape, strict=True)
        )
        return np.asarray(np.where(inside, block[index], block.dtype.type(0)))
    values = _between(block.astype(np.float64), matrix, offset - low, local, shape)
    return np.where(inside, values, np.nan)


def _between(
    block: np.ndarray, matrix: np.ndarray, offset: np.ndarray, local: list[np.ndarray], shape: tuple[int, int]
) -> np.ndarray:
    """Linear interpolation in a block."""
    for axis in reversed(np.flatnonzero(~(matrix != 0).any(1))):  # does not change over the piece
        at = float(np.clip(offset[axis], 0, block.shape[axis] - 1))
        below = int(at)
        above, share = min(below + 1, block.shape[axis] - 1), at - below
        block = block.take(below, axis) * (1 - share) + (block.take(above, axis) * share if share else 0.0)
    moving = (matrix != 0).any(1)
    matrix, offset = matrix[moving], offset[moving]
    if block.ndim == 2 and not matrix[0, 1] and not matrix[1, 0]:
        return np.asarray(
            ndimage.affine_transform(
                block, np.diag(matrix), offset, output_shape=shape, order=1, mode="nearest"
            )
        )
    points = [at for at, moves in zip(local, moving, strict=True) if moves]
    return np.asarray(ndimage.map_coordinates(block, points, order=1, mode="nearest"))


def _points(matrix: np.ndarray, offset: np.ndarray, shape: tuple[int, int]) -> list[np.ndarray]:
    rows, columns = np.arange(shape[0])[:, None], np.arange(shape[1])[None]
    return [
        np.broadcast_to(by_row * rows + by_column * columns + at, shape)
        for (by_row, by_column), at in zip(matrix, offset, strict=True)
    ]


def _block(placed: Placed, box: list[tuple[int, int]]) -> np.ndarray:
    """Pixels of a part of an image; of one that lies in chunks along its leading axes, the whole chunks are kept."""
    image = placed.image
    chunks = None if isinstance(image.data, np.ndarray) else chunks_of(image.data)
    depth = chunks[len(box) - 3] if chunks and len(box) > 2 else 1
    axis = len(box) - 3
    area = math.prod(stop - start for number, (start, stop) in enumerate(box) if number != axis)
    deep = min(depth, max(1, SLAB_BYTES // max(1, area * image.dtype.itemsize))) if depth > 1 else 1
    if deep <= 1 or box[axis][1] - box[axis][0] > 1:
        return np.asarray(image.pixels(tuple(slice(start, stop) for start, stop in box)))
    at = box[axis][0]
    chunk = at // depth * depth
    first = chunk + (at - chunk) // deep * deep
    slab = [*box]
    slab[axis] = (first, min(first + deep, chunk + depth, image.shape[axis]))
    if placed._kept.get("slab") != slab:
        placed._kept.pop("pixels", None)
        placed._kept["pixels"] = np.asarray(image.pixels(tuple(slice(start, stop) for start, stop in slab)))
        placed._kept["slab"] = slab
    return np.asarray(placed._kept["pixels"].take([at - first], axis=axis))


def own_plane(placed: Placed, piece: Box) -> np.ndarray:
    """Its own pixels over one plane of the reference, the middle of those of large ones; float64 ``(Y, X)``.

    Of a rotated image it is all of its plane.
    """
    return np.asarray(placed.image.pixels(tuple(_own_index(placed, piece))), dtype=np.float64)


def own_frames(placed: Placed, piece: Box, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """The same, and the plane after it along one of its own axes, or before it where it is the last."""
    index = _own_index(placed, piece)
    at = index[axis]
    assert isinstance(at, int)
    pair = []
    for each in (at, at + 1 if at + 1 < placed.image.shape[axis] else at - 1):
        index[axis] = each
        pair.append(np.asarray(placed.image.pixels(tuple(index)), dtype=np.float64))
    return pair[0], pair[1]


def _own_index(placed: Placed, piece: Box) -> list[int | slice]:
    shape = placed.image.shape
    corners = np.array(
        list(itertools.product(*((start - 0.5, stop - 0.5) for start, stop in piece.ranges[-2:])))
    ).T
    leading = np.array([start for start, _ in piece.ranges[:-2]], dtype=float)
    points = np.concatenate([np.repeat(leading[:, None], 4, axis=1), corners])
    ends = placed.matrix @ points + placed.offset[:, None]
    middle = ends.mean(1)
    index: list[int | slice] = [
        int(np.clip(np.rint(at), 0, length - 1)) for at, length in zip(middle, shape, strict=True)
    ]
    for own in (len(shape) - 2, len(shape) - 1):
        first, last = 0, shape[own]
        if placed.straight:
            first = max(0, int(np.ceil(ends[own].min() - 1e-6)))
            last = min(shape[own], int(np.floor(ends[own].max() - 1e-6)) + 1)
        if last - first > TILE and math.prod(shape[-2:]) > MOST_PIXELS:
            first, last = (first + last - TILE) // 2, (first + last + TILE) // 2
        index[own] = slice(first, max(last, first + 1))
    return index
