"""A list of finished work that survives being killed at any moment."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from napari_diffuscope.locks import is_at, open_alone


class Journal:
    """A file of JSON lines: a header, then one line for each piece of finished work, with what was found in it.

    A line counts once its newline is on the disk. What follows a torn or damaged line does not count and is cut
    off, so that the work that it told of is done again. The file is locked while it is open.

    Parameters
    ----------
    path
        The file; created with ``header`` if it holds none.
    header
        What a new journal begins with.

    Raises
    ------
    DiffuscopeError
        If another process has the journal open.
    """

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        self.path = path
        self._file: BinaryIO = open_alone(path, path.parent)
        try:
            lines = self._intact()
            if not lines:
                self._append(dict(header))
                sync_folder(path.parent)
                lines = [dict(header)]
        except BaseException:
            self._file.close()
            raise
        self.header: dict[str, Any] = lines[0]
        self._done: dict[tuple[str, int], Any] = {(line[0], line[1]): (*line, None)[2] for line in lines[1:]}

    def _intact(self) -> list[Any]:
        """The lines up to the first damaged one, which is cut off with all that follows."""
        self._file.seek(0)
        lines: list[Any] = []
        end = 0
        for raw in self._file:
            line = _parsed(raw, first=not lines)
            if line is None:
                break
            lines.append(line)
            end += len(raw)
        self._file.truncate(end)
        return lines

    def _append(self, line: Any) -> None:
        self._file.seek(0, os.SEEK_END)
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def restart(self, header: Mapping[str, Any]) -> None:
        """Forget everything and begin with another header."""
        self._file.truncate(0)
        self._append(dict(header))
        self.header, self._done = dict(header), {}

    def add(self, kind: str, index: int = 0, facts: Any = None) -> None:
        """Note a piece of work as finished, and what was found in it; it is on the disk when this returns."""
        if not self.has(kind, index):
            self._append([kind, index] if facts is None else [kind, index, facts])
            self._done[kind, index] = facts

    def has(self, kind: str, index: int = 0) -> bool:
        """Whether that piece of work is finished."""
        return (kind, index) in self._done

    def facts(self, kind: str, index: int = 0) -> Any:
        """What was found in a finished piece of work, JSON-able; ``None`` for nothing."""
        return self._done.get((kind, index))

    def count(self, kind: str) -> int:
        """How many pieces of that kind are finished."""
        return sum(found == kind for found, _ in self._done)

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._file.closed

    @property
    def there(self) -> bool:
        """Whether the file still has its name: nobody has deleted it, or its folder, meanwhile."""
        return is_at(self._file, self.path)

    def close(self) -> None:
        """Close the file, which unlocks it."""
        self._file.close()


def _parsed(raw: bytes, *, first: bool) -> Any:
    """A line of the journal, or ``None`` for a damaged one."""
    if not raw.endswith(b"\n"):
        return None
    try:
        line = json.loads(raw)
    except ValueError:
        return None
    if first:
        return line if isinstance(line, dict) else None
    fits = isinstance(line, list) and len(line) in (2, 3)
    return line if fits and isinstance(line[0], str) and isinstance(line[1], int) else None


def sync_file(path: Path) -> None:
    """Wait until a file is on the disk."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk; Windows does that by itself."""
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
