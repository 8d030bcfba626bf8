"""An array that is known where somebody looked: squares of planes, of which the last ones used are kept. Free of Qt."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import product
from math import hypot, prod
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from napari_diffuscope.imaging.views import LazyArray, full_index

EDGE = 512
"""Edge of a square, in pixels."""

MOST_AT_ONCE = 2**28
"""Values that are put together at once, at most; where more are asked for, as for a volume in 3D, none are there."""

Rectangle = tuple[int, int, int, int]
"""``(y0, y1, x0, x1)``."""


class Square(NamedTuple):
    """A square of a plane.

    Parameters
    ----------
    place
        Index of the plane along the leading axes.
    row, column
        Of the grid of squares.
    """

    place: tuple[int, ...]
    row: int
    column: int

    def rectangle(self, plane: tuple[int, int]) -> Rectangle:
        """Its pixels, cut where the plane ends."""
        top, left = self.row * EDGE, self.column * EDGE
        return top, min(top + EDGE, plane[0]), left, min(left + EDGE, plane[1])


class LookedAt(LazyArray):
    """Float32 pixels of the squares that were put in; NaN elsewhere. Reading computes nothing.

    Parameters
    ----------
    shape
        Lengths of all axes, Y and X last.
    most_bytes
        Most bytes that are kept; squares that were not read for longest are forgotten.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, shape: Sequence[int], most_bytes: int) -> None:
        self.shape = tuple(shape)
        self._most_bytes = most_bytes
        self._squares: OrderedDict[Square, np.ndarray] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    @property
    def plane(self) -> tuple[int, int]:
        """Height and width."""
        return self.shape[-2], self.shape[-1]

    @property
    def kept_bytes(self) -> int:
        """Bytes of the squares that are known."""
        return self._bytes

    def __contains__(self, square: Square) -> bool:
        with self._lock:
            return square in self._squares

    def put(self, square: Square, pixels: np.ndarray) -> None:
        """Take the pixels of a square, and forget others where they are too many."""
        with self._lock:
            self._bytes += pixels.nbytes - getattr(self._squares.pop(square, None), "nbytes", 0)
            self._squares[square] = pixels
            while self._bytes > self._most_bytes and len(self._squares) > 1:
                _, forgotten = self._squares.popitem(last=False)
                self._bytes -= forgotten.nbytes

    def __getitem__(self, index: Any) -> np.ndarray:
        full = full_index(index, self.shape)
        ranges = [range(part, part + 1) if isinstance(part, int) else range(*part.indices(length))
                  for part, length in zip(full, self.shape, strict=True)]  # fmt: skip
        lengths = [len(steps) for steps in ranges]
        if prod(lengths) > MOST_AT_ONCE:
            found = np.broadcast_to(np.float32(np.nan), lengths)
        else:
            found = np.full(lengths, np.nan, np.float32)
            with self._lock:
                for at, place in zip(np.ndindex(*lengths[:-2]), product(*ranges[:-2]), strict=True):
                    self._paste(found[at], place, ranges[-2], ranges[-1])
        return found[tuple(0 if isinstance(part, int) else slice(None) for part in full)]

    def _paste(self, target: np.ndarray, place: tuple[int, ...], rows: range, columns: range) -> None:
        """What is known of a plane, at some rows and columns."""
        y, x = np.asarray(rows), np.asarray(columns)
        for row, column in product(np.unique(y // EDGE), np.unique(x // EDGE)):
            square = Square(place, int(row), int(column))
            if square in self._squares:
                self._squares.move_to_end(square)
                here = tuple(slice(*np.searchsorted(axis // EDGE, (number, number + 1)))
                             for axis, number in ((y, row), (x, column)))  # fmt: skip
                target[here] = self._squares[square][
                    np.ix_(y[here[0]] - row * EDGE, x[here[1]] - column * EDGE)
                ]


def squares_in(place: tuple[int, ...], view: Rectangle) -> Iterator[Square]:
    """Squares of a plane that a rectangle touches, from its middle outwards."""
    y0, y1, x0, x1 = view
    middle = (y0 + y1) / 2 / EDGE - 0.5, (x0 + x1) / 2 / EDGE - 0.5
    places = product(range(y0 // EDGE, -(-y1 // EDGE)), range(x0 // EDGE, -(-x1 // EDGE)))
    for row, column in sorted(places, key=lambda at: hypot(at[0] - middle[0], at[1] - middle[1])):
        yield Square(place, row, column)
