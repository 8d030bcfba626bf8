"""The record of a run as JSON: into a file, or printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from napari_diffuscope.imaging.outputs import write_json

STDOUT = Path("-")


def record_files(path: Path | None) -> list[Path]:
    """The file that ``--json`` names, if it is one."""
    return [] if path in (None, STDOUT) else [path]


def give_record(record: dict[str, Any], path: Path | None, *, overwrite: bool) -> None:
    """Print a record (``-``), write it into a file, or neither (``None``).

    Raises
    ------
    DiffuscopeError
        If the file exists and is not to be replaced, or cannot be written.
    """
    if path == STDOUT:
        typer.echo(json.dumps(record, indent=2, ensure_ascii=False))
    elif path is not None:
        write_json(path, record, overwrite=overwrite)
