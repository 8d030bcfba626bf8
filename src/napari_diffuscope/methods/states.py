"""What a sampler keeps between steps: in memory, or in a hidden folder, where it outlives the process."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_diffuscope.atomic import replace_text
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.blocks.partial import identity_hash
from napari_diffuscope.imaging.failures import writing
from napari_diffuscope.imaging.outputs import foreign_in
from napari_diffuscope.methods.storing import run_identity
from napari_diffuscope.methods.work import Work

NOTES = "notes.json"
CHUNK = 64


def states_path(output: str | Path) -> Path:
    """Where the states of an output lie while it is made: ``.OUT.states`` beside it."""
    found = Path(output)
    return found.with_name(f".{found.name}.states")


def refuse_foreign(folder: Path) -> None:
    """Refuse a folder of states in which something else lies; it would be deleted.

    Raises
    ------
    DiffuscopeError
        If so.
    """
    entries = os.listdir(folder) if folder.is_dir() else []
    ours = (NOTES, *(entry for entry in entries if entry.endswith(".zarr")))
    if (foreign := foreign_in(folder, ours)) is not None:
        raise DiffuscopeError(
            f"{folder} is where the states of the sampler go, but {foreign} lies in it; move that away."
        )


def states_beside(work: Work, **more: Any) -> States | None:
    """States beside the files that a run writes, where they outlive the process; ``None`` where it writes none.

    Parameters
    ----------
    work
        The run.
    more
        What decides the states beside the run itself, JSON-able: the lengths of its pieces.

    Raises
    ------
    DiffuscopeError
        As :func:`refuse_foreign`.
    """
    files = work.options.get("files")
    if not files:
        return None
    folder = states_path(next(iter(files.values())).resolve())
    refuse_foreign(folder)
    edges = tuple(more["block"][-3:]) if "block" in more else ()
    if work.crew is not None and work.crew.shares_states:
        return SharedStates(folder, edges=edges)
    return States(folder, {**run_identity(work.method, work.inputs, work.settings), **more}, edges=edges)


class StoredState:
    """An array on the disk, that says in a sentence when it cannot be written.

    Parameters
    ----------
    array
        Of zarr.
    folder
        Where it lies.
    """

    def __init__(self, array: Any, folder: Path) -> None:
        self._array, self._folder = array, folder

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return tuple(self._array.shape)

    def __getitem__(self, index: Any) -> np.ndarray:
        return np.asarray(self._array[index])

    def __setitem__(self, index: Any, values: Any) -> None:
        with writing(self._folder):
            self._array[index] = values


class States:
    """Arrays by name, and notes on what is done.

    Parameters
    ----------
    folder
        Where to keep them; ``None`` for in memory. What is there of another identity is deleted.
    identity
        What decides the numbers, JSON-able.
    edges
        Lengths of the pieces along the last three axes in which processes write; none for one process.

    Attributes
    ----------
    notes
        JSON-able; stored by :meth:`save`.
    """

    def __init__(
        self,
        folder: Path | None = None,
        identity: Mapping[str, Any] | None = None,
        *,
        edges: tuple[int, ...] = (),
    ) -> None:
        self.folder, self._edges = folder, edges
        self._arrays: dict[str, Any] = {}
        self._identity = identity_hash(identity or {})
        self.notes: dict[str, Any] = self._read()

    def _read(self) -> dict[str, Any]:
        if self.folder is None:
            return {}
        if self.folder.is_dir():
            notes = self._stored(self.folder / NOTES)
            if notes.get("identity") == self._identity:
                return notes
            self._delete()
        return {"identity": self._identity}

    def _stored(self, path: Path) -> dict[str, Any]:
        """The notes on the disk; nothing where they are missing or damaged."""
        try:
            notes = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return notes if isinstance(notes, dict) else {}

    def _delete(self) -> None:
        assert self.folder is not None
        refuse_foreign(self.folder)
        with writing(self.folder):
            shutil.rmtree(self.folder)

    def save(self) -> None:
        """Store the notes, all or nothing."""
        if self.folder is None:
            return
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            replace_text(self.folder / NOTES, json.dumps(self.notes))

    def array(self, name: str, shape: tuple[int, ...]) -> Any:
        """The array of that name, float32, made where there is none; read and written by slices."""
        if name not in self._arrays:
            self._arrays[name] = (
                np.zeros(shape, np.float32)
                if self.folder is None
                else StoredState(self._open(name, shape), self.folder)
            )
        return self._arrays[name]

    def _open(self, name: str, shape: tuple[int, ...]) -> Any:
        import zarr

        assert self.folder is not None
        path = self.folder / f"{name}.zarr"
        with writing(self.folder):
            if (path / "zarr.json").is_file():
                return zarr.open_array(path, mode="r+")
            self.save()
            edges = tuple(map(_chunk, shape[-3:], self._edges or shape[-3:]))
            chunks = (1,) * (len(shape) - 3) + edges
            return zarr.create_array(
                path, shape=shape, dtype="float32", chunks=chunks, compressors=None, fill_value=0
            )

    def forget(self) -> None:
        """Delete everything."""
        self._arrays.clear()
        self.notes = {"identity": self._identity}
        if self.folder is not None and self.folder.exists():
            self._delete()


def _chunk(length: int, edge: int) -> int:
    """Edge of chunks of which no two pieces share one."""
    whole = edge >= length or edge % CHUNK == 0
    return min(CHUNK, length) if whole else edge


class SharedStates(States):
    """States that another process keeps: their arrays are read and written, but neither made nor deleted.

    Parameters
    ----------
    folder
        Where they lie.
    edges
        As for `States`.
    """

    def __init__(self, folder: Path, *, edges: tuple[int, ...] = ()) -> None:
        super().__init__(None, edges=edges)
        self.folder = folder

    def save(self) -> None:
        """Not the business of this process."""

    def forget(self) -> None:
        """Not the business of this process."""

    def _open(self, name: str, shape: tuple[int, ...]) -> Any:
        import zarr

        assert self.folder is not None
        path = self.folder / f"{name}.zarr"
        if not (path / "zarr.json").is_file():
            raise DiffuscopeError(
                f"The states in {self.folder} are not there; write to a disk that all workers share."
            )
        with writing(self.folder):
            return zarr.open_array(path, mode="r+")
