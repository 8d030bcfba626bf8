"""The log of a training, one row per validation."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from napari_diffuscope.atomic import replace_text
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import reason

LOG = "log.csv"


def add_row(folder: Path, values: Mapping[str, float | int]) -> None:
    """Add a row, with a heading before the first one.

    Raises
    ------
    DiffuscopeError
        If the disk is full.
    """
    path = folder / LOG
    try:
        lines = [] if path.exists() else [list(values)]
        with path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(
                [*lines, [_text(value) for value in values.values()]]
            )
    except OSError as error:
        raise _unwritable(path, error) from error


def cut_back(folder: Path, step: int) -> None:
    """Take out the rows after a step, which will be made again, and a last row that was cut short.

    Raises
    ------
    DiffuscopeError
        If the disk is full.
    """
    path = folder / LOG
    if not path.exists():
        return
    text = path.read_text(encoding="utf-8", errors="replace")
    heading, *rows = [line for line in text.splitlines(keepends=True) if line.endswith("\n")] or [""]
    earlier = [row for row in rows if (number := row.split(",")[0]).isdigit() and int(number) <= step]
    try:
        if not earlier:
            path.unlink()
            return
        replace_text(path, "".join([heading, *earlier]))
    except OSError as error:
        raise _unwritable(path, error) from error


def earlier_rows(folder: Path) -> list[dict[str, float]]:
    """The rows of the log in the folder of a training; what cannot be read is left out."""
    try:
        with (folder / LOG).open(newline="", encoding="utf-8") as file:
            return [
                {name: float(value) for name, value in row.items() if name and value}
                for row in csv.DictReader(file)
            ]
    except (OSError, ValueError, csv.Error):
        return []


def _text(value: float | int) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def _unwritable(path: Path, error: OSError) -> DiffuscopeError:
    return DiffuscopeError(
        f"The log {path} cannot be written ({reason(error)}); the last checkpoint is kept: make room and resume."
    )
