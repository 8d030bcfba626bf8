"""OME-TIFF files written plane by plane, and not there at all before they are complete."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from math import prod
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np

from napari_diffuscope.atomic import GrowingFile
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import writing
from napari_diffuscope.imaging.image import ArrayLike, Image
from napari_diffuscope.imaging.room import check_room
from napari_diffuscope.imaging.tiff.blank import create_blank, put_record
from napari_diffuscope.imaging.tiff.layout import checked_path, ome_metadata, plane_axes, stored_type
from napari_diffuscope.imaging.views import FullIndex, full_index


class TiffSink:
    """A file that takes planes in any order and appears under its name when it is complete.

    Use it as a context manager, or call `close` or `abort`. Pixels go to the disk through plain writes, so
    that memory does not grow with the number of planes.

    Parameters
    ----------
    path
        Ends in ``.tif`` or ``.tiff``; written as OME-TIFF whether or not ``.ome`` stands before it.
    shape, axes
        Lengths and letters of the axes, the last two Y and X. The axis N (samples), which OME does not know,
        is written as the first of T, C, Z that the image does not use; the description of the file says so.
    scale, units
        Distance between neighbours and unit for each axis; 1 ``"pixel"`` by default.
    record
        How the image was made, JSON-able; may be replaced by setting `record` until the file is closed.
    description
        Free text.
    dtype
        Pixel type. Planes never written are NaN in a file of real numbers, else 0.
    channels
        Names of the channels, one for each, or none.
    overwrite
        Whether an existing file is replaced, at the end.

    Raises
    ------
    DiffuscopeError
        If the file exists and is not to be replaced, or another process writes it; if the name, axes or pixel type
        do not suit a TIFF file, or the folder or the room on the disk is missing. Nothing is left behind then, nor
        after a failed write.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        shape: Sequence[int],
        axes: str,
        scale: Sequence[float] | None = None,
        units: Sequence[str] | None = None,
        record: Mapping[str, Any] | None = None,
        description: str = "",
        dtype: Any = np.float32,
        channels: Sequence[str] = (),
        overwrite: bool = True,
    ) -> None:
        self.path = checked_path(path)
        self.shape = tuple(int(length) for length in shape)
        self.axes = plane_axes(axes, self.shape)
        self.dtype = stored_type(dtype)
        self.record = record
        self._written = np.zeros(self.shape[:-2], dtype=bool)
        self._bytes = prod(self.shape) * self.dtype.itemsize
        self._plane_bytes = prod(self.shape[-2:]) * self.dtype.itemsize
        self._done = False
        metadata = ome_metadata(self.axes, scale, units, description, self.path)
        if channels:
            metadata["Channel"] = {"Name": list(channels)}
        if self.path.exists() and not overwrite:
            raise DiffuscopeError(f"{str(path)!r} exists and is not replaced; give another name.")
        check_room(self.path, self._bytes)
        with writing(self.path):
            self._growing = GrowingFile(self.path, overwrite=overwrite)
        self._file: BinaryIO = self._growing.file
        with self._or_nothing():
            self._offset = create_blank(self._file, self.shape, self.dtype, metadata)

    def __setitem__(self, index: Any, values: Any) -> None:
        """Write pixels: any integers and slices, though whole planes are written fastest."""
        full = full_index(index, self.shape)
        leading, inside = full[:-2], full[-2:]
        places = list(product(*(_positions(part) for part in leading)))
        lengths = [len(_positions(part)) for part in inside]
        block = np.broadcast_to(np.asarray(values, dtype=self.dtype), _index_shape(full))
        pieces = block.reshape(len(places), *lengths)
        with self._or_nothing():
            for place, piece in zip(places, pieces, strict=True):
                self._write(place, inside, piece)

    def _write(self, place: tuple[int, ...], inside: FullIndex, piece: np.ndarray) -> None:
        if piece.shape == self.shape[-2:]:
            self._put(place, 0, piece)
        else:
            if not self._written[place]:
                self._put(place, 0, self._blank())
            for row, values in zip(_positions(inside[0]), piece, strict=True):
                self._write_row(place, row, inside[1], values)
        self._written[place] = True

    def _write_row(self, place: tuple[int, ...], row: int, columns: int | slice, values: np.ndarray) -> None:
        width = self.shape[-1]
        positions = _positions(columns)
        if positions.step == 1:
            self._put(place, row * width + positions.start, values)
        else:
            for column, value in zip(positions, values, strict=True):
                self._put(place, row * width + column, value)

    def _put(self, place: tuple[int, ...], pixel: int, values: np.ndarray) -> None:
        """Write values from one pixel of a plane on."""
        plane = int(np.ravel_multi_index(place, self.shape[:-2])) if place else 0
        self._file.seek(self._offset + plane * self._plane_bytes + pixel * self.dtype.itemsize)
        self._file.write(np.ascontiguousarray(values, dtype=self.dtype.newbyteorder("<")).tobytes())

    def _blank(self) -> np.ndarray:
        return np.full(self.shape[-2:], np.nan if self.dtype.kind == "f" else 0, self.dtype)

    def close(self) -> None:
        """Complete the file and give it its name; nothing can be written afterwards."""
        if self._done:
            return
        with self._or_nothing():
            for place in np.argwhere(~self._written):
                self._put(tuple(place), 0, self._blank())
            self._file.flush()
            if self.record is not None:
                put_record(self._file, self.record)
            self._growing.commit()
        self._done = True

    def abort(self) -> None:
        """Delete what was written; nothing appears under the name. Does nothing after `close`."""
        if self._done:
            return
        self._done = True
        self._growing.discard()

    @contextmanager
    def _or_nothing(self) -> Iterator[None]:
        try:
            with writing(self.path):
                yield
        except BaseException:
            self.abort()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()


def write_image(
    path: str | Path,
    array: ArrayLike,
    like: Image,
    *,
    record: Mapping[str, Any] | None = None,
    description: str = "",
    overwrite: bool = True,
) -> None:
    """Write an array as OME-TIFF with the axes and pixel sizes of an image, reading it plane by plane.

    Parameters
    ----------
    path
        Ends in ``.tif`` or ``.tiff``.
    array
        With the axes of ``like``, or with the axis N (samples) before them; its lengths may differ.
    like
        The image that it came from.
    record, description, overwrite
        As for `TiffSink`.

    Raises
    ------
    DiffuscopeError
        As for `TiffSink`; also if the number of axes does not fit.
    """
    extra = len(array.shape) - len(like.axes)
    if extra not in (0, 1):
        raise DiffuscopeError(
            f"An array of {len(array.shape)} dimensions does not have the axes {like.axes} of {like.name!r}."
        )
    with TiffSink(
        path,
        shape=array.shape,
        axes="N" * extra + like.axes,
        scale=(1.0,) * extra + like.scale,
        units=("pixel",) * extra + like.units,
        record=record,
        description=description,
        dtype=array.dtype,
        overwrite=overwrite,
    ) as sink:
        for place in np.ndindex(*array.shape[:-2]):
            sink[place] = np.asarray(array[place])


def _positions(part: int | slice) -> range:
    return range(part, part + 1) if isinstance(part, int) else range(part.start, part.stop, part.step)


def _index_shape(full: FullIndex) -> tuple[int, ...]:
    """Shape of what the index takes."""
    return tuple(len(_positions(part)) for part in full if isinstance(part, slice))
