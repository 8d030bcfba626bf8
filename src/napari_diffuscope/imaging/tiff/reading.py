"""TIFF files as images whose planes are read when they are wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from math import prod
from pathlib import Path
from struct import unpack
from threading import Lock
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.axes import known_axes
from napari_diffuscope.imaging.failures import reading
from napari_diffuscope.imaging.image import RGB, Image
from napari_diffuscope.imaging.tiff.metadata import calibration
from napari_diffuscope.imaging.views import AxisView, FullIndex, full_index

KIND = "TIFF"
DESCRIPTION = 270
"""Code of the tag that holds OME-XML or ImageJ's metadata."""


class TiffPages:
    """Array over one image of a TIFF file: an index reads the pages that it touches, and no others.

    The file is opened for each reading and closed again, so that it can be replaced or deleted meanwhile.

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
        self.dtype: np.dtype[Any] = np.dtype(series.dtype)
        self._offset: int | None = series.dataoffset
        self._stored = np.dtype(f"{tif.byteorder}{self.dtype.char}")
        self._leading = self._leading_axes()
        self._check_length(tif.filehandle.size)

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
        if self._offset is not None and self._offset + prod(self.shape) * self.dtype.itemsize > size:
            raise ValueError("the file ends before its last plane")

    def __getitem__(self, index: Any) -> np.ndarray:
        full = full_index(index, self.shape)
        leading, inside = full[: self._leading], full[self._leading :]
        choices = [
            [part] if isinstance(part, int) else range(part.start, part.stop, part.step) for part in leading
        ]
        with self._lock, reading(self._path, KIND), self._opened():
            # Copies: a view of a small part would keep the whole page in memory.
            pages = [np.array(self._part(place, inside)) for place in product(*choices)]
        if not pages:
            empty = np.empty((0, *self.shape[self._leading :]), self.dtype)
            return empty[(slice(None), *inside)].reshape(_lengths(leading) + _lengths(inside))
        joined = np.stack(pages) if len(pages) > 1 else pages[0]
        return joined.reshape(_lengths(leading, choices) + pages[0].shape)

    @contextmanager
    def _opened(self) -> Iterator[None]:
        handle = self._tif.filehandle
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
            return self._page(number).reshape(shape)[inside]
        rows = inside[0] if isinstance(inside[0], slice) else slice(inside[0], inside[0] + 1)
        start = number * prod(shape) + rows.start * prod(shape[1:])
        piece = self._piece(self._offset, start, (max(rows.stop - rows.start, 0), *shape[1:]))
        return piece[(slice(None, None, rows.step) if isinstance(inside[0], slice) else 0, *inside[1:])]

    def _page(self, number: int) -> np.ndarray:
        page = self._series[number]
        if page is None:
            raise ValueError(f"page {number} is missing")
        pixels: np.ndarray = self._decoded(page)
        return pixels

    def _piece(self, offset: int, start: int, shape: tuple[int, ...]) -> np.ndarray:
        """Pixels from the ``start``-th of the image on."""
        handle, count = self._tif.filehandle, prod(shape)
        handle.seek(offset + start * self.dtype.itemsize)
        data = handle.read(count * self.dtype.itemsize)
        return np.frombuffer(data, self._stored, count).astype(self.dtype, copy=False).reshape(shape)

    def _decoded(self, page: Any) -> Any:
        other = page.parent.filehandle
        if other is self._tif.filehandle:
            return page.asarray()
        other.open()  # an OME-TIFF over several files
        try:
            return page.asarray()
        finally:
            other.close()


def _lengths(parts: Sequence[int | slice], choices: Sequence[Sequence[int]] | None = None) -> tuple[int, ...]:
    """Lengths that an index leaves: those of its slices."""
    ranges = choices or [
        [part] if isinstance(part, int) else range(part.start, part.stop, part.step) for part in parts
    ]
    return tuple(len(one) for part, one in zip(parts, ranges, strict=True) if isinstance(part, slice))


def read_image(
    path: str | Path, *, axes: str | None = None, rgb: RGB = "luminance", series: int = 0
) -> Image:
    """Open an OME-TIFF, ImageJ hyperstack or other TIFF file; pixels are read when they are wanted.

    Parameters
    ----------
    path
        The file.
    axes
        What the axes are, where the file is silent or wrong: one letter of ``TCZYXS`` for each axis longer
        than 1. By default those that the file names; an unnamed sequence of pages is a stack, Z.
    rgb
        Colour as its ``"luminance"`` or as three ``"channels"``; an ImageJ composite always is channels.
    series
        Which image, where the file holds several.

    Returns
    -------
    Image
        Axes of length 1 are left out. Pixel sizes are those of OME-XML or ImageJ, in ``"micrometer"`` and so
        on; 1 ``"pixel"`` without.

    Raises
    ------
    DiffuscopeError
        If the file is missing, no TIFF, damaged, or its axes make no sense.
    """
    import tifffile

    path = Path(path)
    with reading(path, KIND), tifffile.TiffFile(path) as tif:
        _check_complete(tif)
        chosen = _chosen(path, tif, series)
        sizes = calibration(tif, series)
        names = _axis_names(tif, chosen)
        pages = TiffPages(path, tif, chosen)
    kept, letters = _kept_axes(names, pages.shape, axes)
    fixed = {place: 0 for place in range(len(pages.shape)) if place not in kept}
    found = [sizes.get(letter.upper(), (1.0, "pixel")) for letter in letters]
    return Image.wrap(
        AxisView(pages, kept, fixed=fixed),
        letters,
        scale=[size for size, _ in found],
        units=[unit for _, unit in found],
        rgb=rgb,
        name=path.stem.removesuffix(".ome"),
        source=str(path),
    )


def _check_complete(tif: Any) -> None:
    """Refuse a file that was cut off, of which tifffile would show fewer pages or forget the description."""
    first, last = tif.pages[0], tif.pages[len(tif.pages) - 1]
    _, following = _directory(tif, last.offset)
    if following > last.offset:  # 0 at a proper end, an earlier page in some files of microscopes
        raise ValueError("the file ends before its last page")
    codes, _ = _directory(tif, first.offset)
    if DESCRIPTION in codes and DESCRIPTION not in first.tags:
        raise ValueError("the file ends before its description")


def _directory(tif: Any, offset: int) -> tuple[list[int], int]:
    """Codes of the tags of a page and the place of the next page, as they stand in the file."""
    layout, handle = tif.tiff, tif.filehandle
    handle.seek(offset)
    (count,) = unpack(layout.tagnoformat, handle.read(layout.tagnosize))
    tags = handle.read(count * layout.tagsize)
    (following,) = unpack(layout.offsetformat, handle.read(layout.offsetsize))
    starts = range(0, len(tags), layout.tagsize)
    return [unpack(layout.byteorder + "H", tags[start : start + 2])[0] for start in starts], following


def _chosen(path: Path, tif: Any, series: int) -> Any:
    count = len(tif.series)
    if count == 0:
        raise ValueError("it holds no image")
    if not 0 <= series < count:
        raise DiffuscopeError(
            f"{str(path)!r} holds {count} images, so there is no number {series}; count from 0."
        )
    return tif.series[series]


def _axis_names(tif: Any, series: Any) -> list[str]:
    """Letters of all axes; the samples of a pixel are colours only where the file says so."""
    names = list(series.get_axes(False))
    if "S" not in names:
        return names
    place = names.index("S")
    if not _is_colour(tif, series, series.get_shape(False)[place]):
        channels = "C" in names and series.get_shape(False)[names.index("C")] > 1
        names = ["Q" if name == "C" and not channels else name for name in names]
        names[place] = "Q" if channels else "C"
    return names


def _is_colour(tif: Any, series: Any, samples: int) -> bool:
    """False for a composite of ImageJ, whose channels look like the colours of one pixel."""
    composite = tif.is_imagej and (tif.imagej_metadata or {}).get("channels", 1) == samples
    return samples in (3, 4) and not composite and series.keyframe.photometric.name in ("RGB", "YCBCR")


def _kept_axes(names: Sequence[str], shape: Sequence[int], axes: str | None) -> tuple[tuple[int, ...], str]:
    """Positions of the axes that matter and their letters, the user's if given."""
    if axes is None:
        return known_axes(names, shape)
    if len(axes) == len(shape):
        return tuple(range(len(shape))), axes
    kept = tuple(place for place, length in enumerate(shape) if length > 1 or names[place] in "YX")
    return kept, axes
