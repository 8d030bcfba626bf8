"""NumPy files as arrays of which an index reads no more than it needs."""

from __future__ import annotations

from itertools import product
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy_format

from napari_diffuscope.imaging.failures import reading
from napari_diffuscope.imaging.memory import check_room
from napari_diffuscope.imaging.views import ArrayLike, AxisView, LazyArray, full_index

KIND = "NumPy"


class NpyPixels(LazyArray):
    """Array over a file in C order; the file is opened for each reading and closed again.

    It is not mapped into memory: a mapped file that becomes shorter ends the process.

    Parameters
    ----------
    path
        The file.
    shape, dtype
        Of the array in it.
    offset
        Where its values begin, in bytes.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], offset: int) -> None:
        self._path, self._stored, self._offset = path, dtype, offset
        self.shape, self.dtype = shape, dtype.newbyteorder("=")

    def __getitem__(self, index: Any) -> np.ndarray:
        full = full_index(index, self.shape)
        ranges = [range(part, part + 1, 1) if isinstance(part, int) else range(part.start, part.stop, part.step)
                  for part in full]  # fmt: skip
        lengths = [len(one) for one in ranges]
        with reading(self._path, KIND):
            check_room(prod(lengths) * self.dtype.itemsize, f"That part of {self._path.name}")
            values = np.empty(lengths, self.dtype)
            if values.size:
                with self._path.open("rb") as file:
                    self._fill(file, values, ranges)
        return values[tuple(0 if isinstance(part, int) else slice(None) for part in full)]

    def _fill(self, file: BinaryIO, values: np.ndarray, ranges: list[range]) -> None:
        """Read run by run: a run is what lies together along the last axes, from its first to its last value."""
        axis = self._first_of_run(ranges)
        inner = prod(self.shape[axis + 1 :])
        first, last = (ranges[axis][0], ranges[axis][-1]) if ranges else (0, 0)
        steps = tuple(slice(None, None, one.step) for one in ranges[axis : axis + 1])
        for place in product(*(range(len(one)) for one in ranges[:axis])):
            start = 0
            for one, at, length in zip(ranges, place, self.shape, strict=False):
                start = start * length + one[at]
            start = (start * self.shape[axis] + first) * inner
            run = self._run(file, start, (last - first + 1) * inner)
            values[place] = run.reshape(last - first + 1, *self.shape[axis + 1 :])[steps]

    def _first_of_run(self, ranges: list[range]) -> int:
        """The axis from which on whole axes are wanted, but for itself."""
        axis = len(ranges) - 1
        while axis > 0 and ranges[axis] == range(self.shape[axis]):
            axis -= 1
        return axis

    def _run(self, file: BinaryIO, start: int, count: int) -> np.ndarray:
        size = self._stored.itemsize
        file.seek(self._offset + start * size)
        data = file.read(count * size)
        if len(data) < count * size:
            raise ValueError("the file ends before its last value")
        return np.frombuffer(data, self._stored, count)


def open_npy(path: Path) -> ArrayLike:
    """The array in a NumPy file, of which nothing but the header is read.

    Raises
    ------
    ValueError
        If it is none, is cut short, or holds Python objects.
    """
    with path.open("rb") as file:
        version = npy_format.read_magic(file)
        reader = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"version {version} of the format is unknown")
        shape, fortran, dtype = reader(file)
        offset = file.tell()
        file.seek(0, 2)
        if dtype.hasobject:
            raise ValueError("it holds Python objects, not pixels")
        if offset + prod(shape) * dtype.itemsize > file.tell():
            raise ValueError("the file ends before its last value")
    if fortran and len(shape) > 1:
        axes = range(len(shape) - 1, -1, -1)
        return AxisView(NpyPixels(path, shape[::-1], dtype, offset), tuple(axes))
    return NpyPixels(path, tuple(shape), dtype, offset)
