"""The arrays that a job fills while it runs: blank where nothing is known yet. Free of Qt and napari."""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from napari_diffuscope.imaging.failures import name_of
from napari_diffuscope.imaging.memory import free_memory
from napari_diffuscope.imaging.room import check_room
from napari_diffuscope.jobs import Index, Update
from napari_diffuscope.methods.method import Output
from napari_diffuscope.viewer.contrast import LOOKED_AT, steady_limits

#: Share of the free memory that results may take; larger ones go to a temporary file.
MEMORY_SHARE = 0.25
#: Results up to this size are blanked before they are shown, larger ones plane by plane in the worker.
BLANK_AT_ONCE = 2**26

Plane = tuple[int, ...]
Box = tuple[tuple[int, int], ...]
"""Start and stop along every axis."""


class Results:
    """One float32 array per output, NaN where unfinished; previews come and go, final parts stay.

    A method may finish whole planes, or blocks of a volume; a plane is finished when all its pixels are.

    The worker calls `blank` and `paint`, the window reads the arrays and calls the rest. A plane that is read while
    it is written shows half a preview for a fifth of a second, which nobody minds.

    Parameters
    ----------
    outputs
        What the job will produce.
    free_bytes
        Free memory, measured if not given.
    """

    def __init__(self, outputs: Sequence[Output], *, free_bytes: int | None = None) -> None:
        self.outputs = {output.name: output for output in outputs}
        size = sum(4 * int(np.prod(output.shape, dtype=np.int64)) for output in outputs)
        on_disk = size > MEMORY_SHARE * (free_memory("cpu") if free_bytes is None else free_bytes)
        self.arrays: dict[str, np.ndarray] = {
            output.name: _on_disk(output.shape) if on_disk else np.zeros(output.shape, np.float32)
            for output in outputs
        }
        self.finished: dict[str, set[Plane]] = {output.name: set() for output in outputs}
        self.limits: dict[str, tuple[float, float]] = {}
        self._limits_from_final: set[str] = set()
        self._any_final: set[str] = set()
        self._pixels_done: dict[str, dict[Plane, int]] = {output.name: {} for output in outputs}
        self._previews: dict[str, set[Box]] = {output.name: set() for output in outputs}
        self._dirty: dict[str, set[Plane]] = {output.name: set() for output in outputs}
        self._lock = threading.Lock()
        self._blank_later = size > BLANK_AT_ONCE
        if not self._blank_later:
            for array in self.arrays.values():
                array.fill(np.nan)

    def blank(self) -> Iterator[None]:
        """Make large arrays blank, pausing after every plane."""
        if self._blank_later:
            for array in self.arrays.values():
                for plane in np.ndindex(array.shape[:-2]):
                    array[plane] = np.nan
                    yield

    def paint(self, update: Update) -> None:
        """Take over what an update shows; called in the worker."""
        name, region = update.output, update.region
        if name not in self.arrays or region is None:
            return
        if update.preview is not None and not update.final:
            self.arrays[name][region] = update.preview
        self._choose_limits(name, region, final=update.final)
        box, planes = box_of(region, self.arrays[name].shape), planes_of(region, self.arrays[name].shape)
        with self._lock:
            if update.final:
                self._finish(name, box)
            elif not self.finished[name].issuperset(planes):
                self._previews[name].add(box)
            self._dirty[name].update(planes)

    def limits_from(self, plane: np.ndarray) -> None:
        """Let a plane of the input choose the contrast of images, instead of the first results."""
        rows, columns = (-(-length // LOOKED_AT) for length in plane.shape)
        limits = steady_limits(plane[::rows, ::columns])
        for name, output in self.outputs.items():
            if not output.spread and limits is not None:
                self.limits[name] = limits
                self._limits_from_final.add(name)

    def take_changes(self) -> dict[str, set[Plane]]:
        """Planes changed since the last call, by output."""
        with self._lock:
            taken, self._dirty = self._dirty, {name: set() for name in self.arrays}
        return taken

    def drop_previews(self) -> None:
        """Make blank what was never finished."""
        with self._lock:
            for name, boxes in self._previews.items():
                for box in boxes:
                    self.arrays[name][tuple(slice(start, stop) for start, stop in box)] = np.nan
                boxes.clear()

    def has_finished(self, name: str) -> bool:
        """Whether at least a part of an output is finished."""
        return name in self._any_final

    def _finish(self, name: str, box: Box) -> None:
        """Note a part that stays; previews inside it are no longer there."""
        (y0, y1), (x0, x1) = box[-2:]
        height, width = self.arrays[name].shape[-2:]
        done = self._pixels_done[name]
        self._any_final.add(name)
        for plane in itertools.product(*(range(start, stop) for start, stop in box[:-2])):
            done[plane] = done.get(plane, 0) + (y1 - y0) * (x1 - x0)
            if done[plane] >= height * width:
                self.finished[name].add(plane)
        self._previews[name] = {each for each in self._previews[name] if not self._replaced(name, each, box)}

    def _replaced(self, name: str, preview: Box, final: Box) -> bool:
        """Whether a preview lies in a part that was finished, or in planes that are: those come in other pieces."""
        planes = itertools.product(*(range(start, stop) for start, stop in preview[:-2]))
        return _inside(preview, final) or self.finished[name].issuperset(planes)

    def _choose_limits(self, name: str, region: Index, *, final: bool) -> None:
        """Contrast limits from the first preview, and once more from the first finished plane; then steady."""
        if name in self._limits_from_final or (name in self.limits and not final):
            return
        limits = steady_limits(self.arrays[name][region], from_zero=self.outputs[name].spread)
        if limits is not None:
            self.limits[name] = limits
            if final:
                self._limits_from_final.add(name)


def box_of(region: Index, shape: Sequence[int]) -> Box:
    """Start and stop of a region along every axis; axes that it does not name are whole."""
    entries = (*region, *(slice(None) for _ in range(len(shape) - len(region))))
    return tuple(
        entry.indices(length)[:2] if isinstance(entry, slice) else (int(entry), int(entry) + 1)
        for entry, length in zip(entries, shape, strict=True)
    )


def planes_of(region: Index, shape: Sequence[int]) -> list[Plane]:
    """Leading indices that a region touches."""
    return list(itertools.product(*(range(start, stop) for start, stop in box_of(region, shape)[:-2])))


def _inside(inner: Box, outer: Box) -> bool:
    return all(a <= c and d <= b for (c, d), (a, b) in zip(inner, outer, strict=True))


@lru_cache(maxsize=1)
def _temporary_folder() -> Path:
    """A folder for large results, removed when Python leaves."""
    folder = Path(tempfile.mkdtemp(prefix="napari-diffuscope-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _on_disk(shape: tuple[int, ...]) -> np.ndarray:
    """An array in a temporary file, for results that do not fit the memory."""
    folder = _temporary_folder()
    size = 4 * int(np.prod(shape, dtype=np.int64))
    check_room(
        folder, size, what="The result", where=f"in {name_of(folder)}", instead="choose a smaller region"
    )
    handle, path = tempfile.mkstemp(suffix=".float32", dir=folder)
    os.close(handle)
    return np.memmap(path, dtype=np.float32, mode="w+", shape=shape)
