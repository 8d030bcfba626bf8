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
from typing import Protocol

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.memory import free_memory
from napari_diffuscope.jobs import Index, Update
from napari_diffuscope.viewer.contrast import steady_limits

#: Share of the free memory that results may take; larger ones go to a temporary file.
MEMORY_SHARE = 0.25
#: Results up to this size are blanked before they are shown, larger ones plane by plane in the worker.
BLANK_AT_ONCE = 2**26

Plane = tuple[int, ...]


class Output(Protocol):
    """What is known of an output before the job starts; `napari_diffuscope.methods.outputs.OutputSpec` is one."""

    @property
    def name(self) -> str:
        """``"restored"`` or ``"deviation"``."""
        ...

    @property
    def axes(self) -> str:
        """One letter per dimension, Y and X last."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Length along each axis."""
        ...

    @property
    def origin(self) -> tuple[float, ...]:
        """Index in the input of the first element."""
        ...


class Results:
    """One float32 array per output, NaN where unfinished; previews come and go, final planes stay.

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
        self._previews: dict[str, set[Plane]] = {output.name: set() for output in outputs}
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
        with self._lock:
            for plane in planes_of(region, self.arrays[name].shape):
                if update.final:
                    self.finished[name].add(plane)
                    self._previews[name].discard(plane)
                elif plane not in self.finished[name]:
                    self._previews[name].add(plane)
                self._dirty[name].add(plane)

    def take_changes(self) -> dict[str, set[Plane]]:
        """Planes changed since the last call, by output."""
        with self._lock:
            taken, self._dirty = self._dirty, {name: set() for name in self.arrays}
        return taken

    def drop_previews(self) -> None:
        """Make planes blank that were never finished."""
        with self._lock:
            for name, planes in self._previews.items():
                for plane in planes:
                    self.arrays[name][plane] = np.nan
                planes.clear()

    def has_finished(self, name: str) -> bool:
        """Whether at least one plane of an output is finished."""
        return bool(self.finished[name])

    def _choose_limits(self, name: str, region: Index, *, final: bool) -> None:
        """Contrast limits from the first preview, and once more from the first finished plane; then steady."""
        if name in self._limits_from_final or (name in self.limits and not final):
            return
        limits = steady_limits(self.arrays[name][region], from_zero=name == "deviation")
        if limits is not None:
            self.limits[name] = limits
            if final:
                self._limits_from_final.add(name)


def planes_of(region: Index, shape: Sequence[int]) -> list[Plane]:
    """Leading indices that a region touches."""
    ranges = [
        range(*entry.indices(length)) if isinstance(entry, slice) else (int(entry),)
        for entry, length in zip(region[: len(shape) - 2], shape, strict=False)
    ]
    return list(itertools.product(*ranges))


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
    if size > shutil.disk_usage(folder).free:
        raise DiffuscopeError(
            f"The result needs {size / 1e9:.1f} GB, more than is free in {folder}; choose a smaller region."
        )
    handle, path = tempfile.mkstemp(suffix=".float32", dir=folder)
    os.close(handle)
    return np.memmap(path, dtype=np.float32, mode="w+", shape=shape)
