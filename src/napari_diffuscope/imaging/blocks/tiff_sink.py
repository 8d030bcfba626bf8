"""TIFF files written by blocks."""

from __future__ import annotations

import os
from math import prod
from pathlib import Path
from typing import Any, BinaryIO
from uuid import NAMESPACE_URL, uuid5

import numpy as np

from napari_diffuscope.atomic import partial_path
from napari_diffuscope.imaging.blocks.sink import BlockSink
from napari_diffuscope.imaging.blocks.spec import VolumeSpec
from napari_diffuscope.imaging.failures import writing
from napari_diffuscope.imaging.room import check_room
from napari_diffuscope.imaging.tiff.blank import create_blank, first_pixel, put_record
from napari_diffuscope.imaging.tiff.layout import checked_path, ome_metadata, stored_type
from napari_diffuscope.imaging.tiles import Box


class TiffBlockSink(BlockSink):
    """An OME-TIFF (a BigTIFF where it has to be) that takes blocks, uncompressed and plane after plane.

    Blocks are written in place into a file that has all its tags from the start, so that no second copy is
    needed; the disk has to have room for all pixels. There is no pyramid, and the position of the first voxel is
    not kept, for which OME-TIFF has no common place.

    Parameters are those of `BlockSink`.
    """

    _file: BinaryIO | None = None

    def _check(self, path: Path, spec: VolumeSpec) -> None:
        ome_metadata(spec.axes, spec.scale, spec.units, "", checked_path(path))
        stored_type(spec.dtype)
        with writing(path):
            begun = partial_path(path).exists()
        if not begun:
            check_room(path, spec.nbytes)

    def _create(self) -> None:
        check_room(self.path, self.spec.nbytes)
        spec = self.spec
        metadata = ome_metadata(spec.axes, spec.scale, spec.units, "", self.path)
        if spec.channels:
            metadata["Channel"] = {"Name": [channel.label for channel in spec.channels]}
        # Not drawn at random: equal settings and inputs give equal files, down to the last byte.
        metadata["UUID"] = str(uuid5(NAMESPACE_URL, self._partial.journal.header["identity"]))
        with self._partial.data.open("w+b") as file:
            create_blank(file, spec.shape, self._stored, metadata)
            os.fsync(file.fileno())

    def _open(self) -> None:
        self._file = self._partial.data.open("r+b")
        self._first = first_pixel(self._file, self.spec.shape, self._stored)

    @property
    def _stored(self) -> np.dtype[Any]:
        return stored_type(self.spec.dtype)

    def _write(self, region: Box, values: np.ndarray) -> None:
        little = np.ascontiguousarray(values, dtype=self._stored.newbyteorder("<"))
        leading = region[:-2]
        for place in np.ndindex(*little.shape[:-2]):
            plane = [part.start + step for part, step in zip(leading, place, strict=True)]
            number = int(np.ravel_multi_index(plane, self.spec.shape[:-2])) if plane else 0
            self._write_rows(number, region[-2], region[-1], little[place])
        self._on_disk()

    def _read(self, region: Box) -> np.ndarray:
        height, width = self.spec.shape[-2:]
        found = np.empty([part.stop - part.start for part in region], self._stored)
        for place in np.ndindex(*found.shape[:-2]):
            plane = [part.start + step for part, step in zip(region[:-2], place, strict=True)]
            number = int(np.ravel_multi_index(plane, self.spec.shape[:-2])) if plane else 0
            for row in range(region[-2].start, region[-2].stop):
                begin = (number * height + row) * width + region[-1].start
                self._opened.seek(self._first + begin * self._stored.itemsize)
                raw = self._opened.read(found.shape[-1] * self._stored.itemsize)
                values = np.frombuffer(raw, self._stored.newbyteorder("<"))
                found[(*place, row - region[-2].start)] = values
        return found

    def _write_rows(self, plane: int, rows: slice, columns: slice, values: np.ndarray) -> None:
        """Write a rectangle of a plane, in one piece where it is as wide as the plane."""
        height, width = self.spec.shape[-2:]
        begin = (plane * height + rows.start) * width + columns.start
        for row, piece in enumerate([values] if values.shape[1] == width else values):
            self._opened.seek(self._first + (begin + row * width) * self._stored.itemsize)
            self._opened.write(piece.tobytes())

    @property
    def _opened(self) -> BinaryIO:
        if self._file is None:
            raise ValueError(f"{self.path} is closed.")
        return self._file

    def _on_disk(self) -> None:
        self._opened.flush()
        os.fsync(self._opened.fileno())

    def _complete(self) -> None:
        last = self._first + prod(self.spec.shape) * self._stored.itemsize
        if os.fstat(self._opened.fileno()).st_size < last:
            raise RuntimeError(f"The file of {self.path} ends before its last pixel.")
        if self.record is not None:
            put_record(self._opened, self.record)
        self._on_disk()

    def close_files(self) -> None:
        """Close the file, but not the journal."""
        file, self._file = self._file, None  # closed even where what it still holds finds no room
        if file is not None:
            file.close()
