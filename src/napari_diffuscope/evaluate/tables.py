"""Tables that grow row by row on disk and survive being interrupted."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from napari_diffuscope.atomic import replace_bytes
from napari_diffuscope.imaging.failures import reading, writing

Row = dict[str, str]
Value = str | int | float

KEY = ("source", "group", "name", "noise", "level")


class Table:
    """A CSV file to which rows are added; those that were there are kept.

    Parameters
    ----------
    path
        The file; made with its first rows.
    columns
        Names of the columns.
    identity
        Columns that make a row unique: a later row replaces an earlier one.
    """

    def __init__(self, path: Path, columns: Sequence[str], identity: Sequence[str]) -> None:
        self.path, self.columns, self.identity = path, tuple(columns), tuple(identity)
        self._rows: dict[tuple[str, ...], Row] = {}
        if path.exists():
            self._read()

    @property
    def rows(self) -> list[Row]:
        """All rows."""
        return list(self._rows.values())

    def add(self, rows: Iterable[dict[str, Value]]) -> None:
        """Append rows at once: after an interruption either all of them are there, or the last is cut off."""
        added = [{name: _text(row[name]) for name in self.columns} for row in rows]
        if not added:
            return
        new = {self._key(row) for row in added}
        apart = len(new) == len(added) and not new & self._rows.keys()
        for row in added:
            self._keep(row)
        with writing(self.path):
            if apart:
                self._append(_as_csv(self.columns, added, header=not self.path.exists()))
            else:  # computed again after an interruption: each row is there once
                self._replace()

    def _append(self, text: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def drop(self, unwanted: Callable[[Row], bool]) -> None:
        """Rewrite the file without some rows."""
        if not any(map(unwanted, self.rows)):
            return
        self._rows = {key: row for key, row in self._rows.items() if not unwanted(row)}
        with writing(self.path):
            self._replace()

    def _replace(self) -> None:
        replace_bytes(self.path, _as_csv(self.columns, self.rows))

    def _key(self, row: Row) -> tuple[str, ...]:
        return tuple(row[name] for name in self.identity)

    def _keep(self, row: Row) -> None:
        self._rows[self._key(row)] = row

    def _read(self) -> None:
        with reading(self.path, "CSV"):
            text = self.path.read_bytes()
            whole = text[: text.rfind(b"\n") + 1]
            there = list(csv.DictReader(io.StringIO(whole.decode("utf-8"), newline="")))
        for row in there:
            self._keep({name: row.get(name) or "" for name in self.columns})
        with writing(self.path):
            if not whole:
                self.path.unlink()
            elif len(there) > len(self._rows):  # doubled by an earlier version
                self._replace()
            elif whole != text:  # the last row was cut off by an interruption
                replace_bytes(self.path, whole)


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Write a table that is made anew each time, all or nothing.

    Raises
    ------
    DiffuscopeError
        If it cannot be written.
    """
    with writing(path):
        replace_bytes(path, _as_csv(columns, rows))


def _as_csv(columns: Sequence[str], rows: Iterable[Row], *, header: bool = True) -> bytes:
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().encode("utf-8")


def _text(value: Value) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
