"""The pages of one image of a TIFF file as an array that is read when it is indexed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from math import prod
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from napari_diffuscope.imaging.failures import reading
from napari_diffuscope.imaging.tiff.opening import KIND, check_page, quietly
from napari_diffuscope.imaging.views import FullIndex, full_index


class TiffPages:
    """Array over one image of a TIFF file: an index reads the pages that it touches, and no others.

    The file is opened for each reading and closed again, so that it can be replaced or deleted meanwhile.
    Where pages are missing between others, pixels are real numbers and the missing ones NaN.

    Parameters
    ----------
    path
        The file, for messages.
    tif, series
        A ``tifffile.TiffFile`` and one of its series; the file may be closed afterwards.
    """

    def __init__(self, path: Path, tif: Any, series: Any) -> None:
        self._path, self._tif, self._series = path, tif, series
        self._lock = Lock()
        self.shape: tuple[int, ...] = tuple(int(length) for length in series.get_shape(False))
        self._pixel_type: np.dtype[Any] = np.dtype(series.dtype)
        self._offset: int | None = series.dataoffset
        self._stored = np.dtype(f"{tif.byteorder}{self._pixel_type.char}")
        if self._offset is None:
            check_page(series.keyframe, path)
        self._leading = self._leading_axes()
        self._check_length(tif.filehandle.size)
        present = self._present()
        self.there = _box(present)
        inside = present[tuple(slice(length) for length in self.there)]
        self.missing = int(inside.size - np.count_nonzero(inside))
        self.dtype = np.result_type(self._pixel_type, np.float32) if self.missing else self._pixel_type

    there: tuple[int, ...]
    """Length of each axis that counts pages up to the last page that is in the file; the same as in ``shape`` but
    for acquisitions that were stopped."""
    missing: int
    """Pages that are not in the file though later ones are."""

    @property
    def contiguous(self) -> bool:
        """Whether the pixels lie one after the other in the file, so that a part of a plane can be read."""
        return self._offset is not None

    def _leading_axes(self) -> int:
        """Number of axes that count pages: all but those that one page holds."""
        if self._offset is not None:  # one after the other in the file: any piece can be read
            names = str(self._series.get_axes(False))
            return min(names.index("Y"), names.index("X"))
        pixels = self._series.keyframe.size
        for leading in range(len(self.shape) - 1, -1, -1):
            if prod(self.shape[leading:]) == pixels:
                return leading
        raise ValueError(f"pages of {pixels} pixels do not make an image of shape {self.shape}")

    def _check_length(self, size: int) -> None:
        if self._offset is not None and self._offset + prod(self.shape) * self._stored.itemsize > size:
            raise ValueError("the file ends before its last plane")

    def _present(self) -> np.ndarray:
        """Whether each page is in the file, in the shape of the axes that count them."""
        lengths = self.shape[: self._leading]
        pages = self._series._pages
        if self._offset is not None or (len(pages) == 1 and len(self._series) >= prod(lengths)):
            return np.ones(lengths, bool)
        there = [page is not None for page in pages[: prod(lengths)]]
        if not any(there):
            raise ValueError("none of its pages is in the file")
        return np.pad(there, (0, prod(lengths) - len(there))).reshape(lengths)

    def __getitem__(self, index: Any) -> np.ndarray:
        full = full_index(index, self.shape)
        leading, inside = full[: self._leading], full[self._leading :]
        choices = [
            [part] if isinstance(part, int) else range(part.start, part.stop, part.step) for part in leading
        ]
        with self._lock, reading(self._path, KIND), self._opened():
            # Copies: a view of a small part would keep the whole page in memory.
            pages = [np.array(self._part(place, inside), dtype=self.dtype) for place in product(*choices)]
        if not pages:
            empty = np.empty((0, *self.shape[self._leading :]), self.dtype)
            return empty[(slice(None), *inside)].reshape(_lengths(leading) + _lengths(inside))
        joined = np.stack(pages) if len(pages) > 1 else pages[0]
        return joined.reshape(_lengths(leading, choices) + pages[0].shape)

    @contextmanager
    def _opened(self) -> Iterator[None]:
        handle = self._tif.filehandle
        with quietly():
            handle.open()
            try:
                yield
            finally:
                handle.close()

    def _part(self, place: Sequence[int], inside: FullIndex) -> np.ndarray:
        """A part of a page."""
        shape = self.shape[self._leading :]
        number = int(np.ravel_multi_index(place, self.shape[: self._leading])) if place else 0
        if self._offset is None:
            return self._page(number, shape)[inside]
        rows = inside[0] if isinstance(inside[0], slice) else slice(inside[0], inside[0] + 1)
        start = number * prod(shape) + rows.start * prod(shape[1:])
        piece = self._piece(self._offset, start, (max(rows.stop - rows.start, 0), *shape[1:]))
        return piece[(slice(None, None, rows.step) if isinstance(inside[0], slice) else 0, *inside[1:])]

    def _page(self, number: int, shape: Sequence[int]) -> np.ndarray:
        pages = self._series
        page = pages[number] if number < len(pages) else None
        if page is not None:
            pixels: np.ndarray = self._decoded(page).reshape(shape)
            return pixels
        if self.missing:
            return np.full(shape, np.nan, self.dtype)
        raise ValueError(f"page {number} is missing")

    def _piece(self, offset: int, start: int, shape: tuple[int, ...]) -> np.ndarray:
        """Pixels from the ``start``-th of the image on."""
        handle, count = self._tif.filehandle, prod(shape)
        handle.seek(offset + start * self._stored.itemsize)
        data = handle.read(count * self._stored.itemsize)
        return np.frombuffer(data, self._stored, count).astype(self._pixel_type, copy=False).reshape(shape)

    def _decoded(self, page: Any) -> Any:
        other = page.parent.filehandle
        if other is self._tif.filehandle:
            return _checked_page(page)
        with reading(Path(other.path), KIND):
            other.open()  # an OME-TIFF over several files
            try:
                return _checked_page(page)
            finally:
                other.close()


def _checked_page(page: Any) -> Any:
    """Pixels of a page that has some; tifffile fills what was never written with zeros."""
    if not any(page.databytecounts):
        raise ValueError(f"page {page.index} was never written")
    return page.asarray()


def _box(present: np.ndarray) -> tuple[int, ...]:
    """Lengths of the smallest corner that holds all that is there."""
    return tuple(int(places.max()) + 1 for places in np.nonzero(present)) if present.ndim else ()


def _lengths(parts: Sequence[int | slice], choices: Sequence[Sequence[int]] | None = None) -> tuple[int, ...]:
    """Lengths that an index leaves: those of its slices."""
    ranges = choices or [
        [part] if isinstance(part, int) else range(part.start, part.stop, part.step) for part in parts
    ]
    return tuple(len(one) for part, one in zip(parts, ranges, strict=True) if isinstance(part, slice))
