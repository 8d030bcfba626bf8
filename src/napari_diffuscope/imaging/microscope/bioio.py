"""Leica LIF, Nikon ND2, and files of which another installed reader of bioio knows, by bioio."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from napari_diffuscope.errors import one_line, shortened
from napari_diffuscope.imaging.failures import reading
from napari_diffuscope.imaging.memory import check_room
from napari_diffuscope.imaging.microscope.nd2_facts import calibrated_axes, missing_note
from napari_diffuscope.imaging.microscope.stack import Stack, left_aside, tiles_note, true_sizes
from napari_diffuscope.imaging.scenes import SeriesInfo
from napari_diffuscope.imaging.views import LazyArray, full_index

MODULES = {"Leica LIF": "bioio_lif", "Nikon ND2": "bioio_nd2"}
_STANDARD = "TCZYXSM"
_NO_NAME = re.compile(r"Channel:\d+:\d+")
"""What bioio calls channels of which the file gives no name."""


class BioioPixels(LazyArray):
    """Array over one scene: an index reads the planes that it touches, and no others.

    Parameters
    ----------
    path, kind
        The file, for messages.
    array
        The dask array of bioio's reader, which opens the file for each reading and closes it again.
    """

    def __init__(self, path: Path, kind: str, array: Any) -> None:
        self._path, self._kind, self._array = path, kind, array
        self.shape = tuple(int(length) for length in array.shape)
        self.dtype = np.dtype(array.dtype).newbyteorder("=")
        self.chunks: tuple[int, ...] = tuple(int(max(edges)) for edges in array.chunks)

    def __getitem__(self, index: Any) -> np.ndarray:
        full = full_index(index, self.shape)
        with reading(self._path, self._kind):
            check_room(prod(self.chunks) * self.dtype.itemsize, f"One plane of {self._path.name}")
            return np.asarray(self._array[full].compute(scheduler="synchronous"), self.dtype)


class BioioFile:
    """An open file.

    Parameters
    ----------
    path, kind
        Which, and what is in it.
    """

    def __init__(self, path: Path, kind: str) -> None:
        from bioio import BioImage
        from bioio_base.exceptions import UnsupportedFileFormatError

        self._path, self._kind, self._said = path, kind, list[str]()
        options: dict[str, Any] = {}
        if kind in MODULES:
            options["reader"] = import_module(MODULES[kind]).Reader
        if kind == "Leica LIF":  # else it reads volume by volume; that of ND2 knows planes alone
            options["chunk_dims"] = ["Y", "X"]
        with _noting(path, self._said):
            try:
                self._image: Any = BioImage(path, **options)
            except UnsupportedFileFormatError as error:
                raise ValueError(_reason(error, path)) from error

    @property
    def scene_names(self) -> list[str]:
        """As the file calls them."""
        names = [str(name) for name in self._image.scenes]
        return [""] if names == ["Image:0"] else names

    def scenes(self) -> list[SeriesInfo]:
        """All scenes with their sizes, asked of bioio one by one only where there is no faster way."""
        names = self.scene_names
        if self._kind == "Leica LIF":
            return _leicas_scenes(self._path)
        if self._kind == "Nikon ND2":  # positions of one acquisition: what is true of one is true of all
            first = self._info(0, names[0])
            return [replace(first, number=number, name=name) for number, name in enumerate(names)]
        return [self._info(number, name) for number, name in enumerate(names)]

    def _info(self, number: int, name: str) -> SeriesInfo:
        self._image.set_scene(number)
        order, lengths = str(self._image.dims.order), [int(length) for length in self._image.shape]
        kept = [place for place, letter in enumerate(order) if lengths[place] > 1 or letter in "YX"]
        shape, dtype = tuple(lengths[place] for place in kept), np.dtype(self._image.dtype)
        letters = "".join(order[place] for place in kept)
        return SeriesInfo(number, name, letters, shape, str(dtype), prod(shape) * dtype.itemsize)

    def stack(self, number: int) -> Stack:
        """One of the scenes."""
        with _noting(self._path, self._said):
            self._image.set_scene(number)
            pixels = BioioPixels(self._path, self._kind, self._image.dask_data)
            sizes, channels, notes = self._sizes(), self._channels(), self._notes()
        names = str(self._image.dims.order)
        return Stack(pixels, names, sizes, channels, tuple(dict.fromkeys([*notes, *self._said])))

    def _notes(self) -> list[str]:
        dims = self._image.reader.dims
        lengths = dict(zip(dims.order, dims.shape, strict=True))
        more = {letter: length for letter, length in lengths.items() if letter not in _STANDARD}
        notes = left_aside(self._path.name, more) + tiles_note(self._path.name, lengths.get("M", 1))
        return notes + (missing_note(self._path) if self._kind == "Nikon ND2" else [])

    def _sizes(self) -> dict[str, tuple[float, str]]:
        lengths, interval = self._image.physical_pixel_sizes, self._image.time_interval
        known = calibrated_axes(self._path) if self._kind == "Nikon ND2" else "ZYX"
        steps = {letter: getattr(lengths, letter, None) for letter in known}
        steps["T"] = interval.total_seconds() if isinstance(interval, timedelta) else self._leicas_interval()
        return true_sizes(steps)

    def _leicas_interval(self) -> float | None:
        """Seconds from time to time, which the reader of LIF gives as the places of the times alone."""
        places = self._image.xarray_dask_data.coords.get("T") if self._kind == "Leica LIF" else None
        return float(places[1] - places[0]) if places is not None and len(places) > 1 else None

    def _channels(self) -> tuple[str, ...]:
        names = [str(name) for name in self._image.channel_names or ()]
        return () if not all(names) or any(_NO_NAME.fullmatch(name) for name in names) else tuple(names)


def _leicas_scenes(path: Path) -> list[SeriesInfo]:
    """Scenes of a LIF file by the library below bioio's reader, which takes half a second for each."""
    from liffile import LifFile

    scenes = []
    with LifFile(path) as file:
        for number, image in enumerate(file.images):
            lengths = {letter: int(length) for letter, length in image.sizes.items()}
            kept = [letter for letter in _STANDARD if lengths.get(letter, 1) > 1 or letter in "YX"]
            shape, dtype = tuple(lengths.get(letter, 1) for letter in kept), np.dtype(image.dtype)
            size = prod(lengths.values()) * dtype.itemsize
            scenes.append(SeriesInfo(number, str(image.path), "".join(kept), shape, str(dtype), size))
    return scenes


class _Noting(logging.Handler):
    """Keeps what the readers warn of as notes, for nobody sees their logs."""

    def __init__(self, path: Path, notes: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._path, self._notes = path, notes

    def emit(self, record: logging.LogRecord) -> None:
        words = shortened(one_line(record.getMessage()), 200)
        self._notes.append(f"The reader of {self._path.name!r} says: {words}")


@contextmanager
def _noting(path: Path, notes: list[str]) -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("bioio", "bioio_base", *MODULES.values())]
    handler = _Noting(path, notes)
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)


def _reason(error: Exception, path: Path) -> str:
    """Why a reader refuses a file, without the path that it repeats."""
    return one_line(error).rpartition(path.name)[2].strip(" '\".,:;") or "its reader finds no image in it"
