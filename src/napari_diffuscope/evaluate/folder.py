"""The folder of an evaluation, and what its tables were made with."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from napari_diffuscope.atomic import replace_text
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import writing
from napari_diffuscope.imaging.outputs import check_outputs, existing, foreign_in

ARGUMENTS = "evaluation.json"
FIGURES = "figures"


def check_place(out: Path, inputs: Iterable[str | os.PathLike[str]]) -> None:
    """Refuse a folder that is an input, or holds something else than an evaluation.

    Raises
    ------
    DiffuscopeError
        If so, or it cannot be written to.
    """
    check_outputs([], existing(*inputs), folders=[out])
    if (foreign := foreign_in(out, ())) is not None and not (out / ARGUMENTS).is_file():
        raise DiffuscopeError(
            f"{out} is not empty and holds no evaluation ({foreign} lies in it); name another folder."
        )


def read_arguments(out: Path) -> Any:
    """What the evaluation in a folder was made with; ``None`` where there is none.

    Raises
    ------
    DiffuscopeError
        If the file is damaged.
    """
    path = out / ARGUMENTS
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DiffuscopeError(f"{path} cannot be read; name another folder.") from error


def write_arguments(out: Path, values: Any) -> None:
    """Keep what an evaluation is made with.

    Raises
    ------
    DiffuscopeError
        If it cannot be written.
    """
    write_text(out / ARGUMENTS, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file of an evaluation, all or nothing.

    Raises
    ------
    DiffuscopeError
        If it cannot be written.
    """
    with writing(path):
        replace_text(path, text)


def keep_arguments(out: Path, values: dict[str, Any]) -> None:
    """Note what an evaluation is made with, or refuse the folder of another: their rows must not be mixed.

    Raises
    ------
    DiffuscopeError
        If the folder was made with something else, or cannot be written.
    """
    there = read_arguments(out)
    if there not in (None, values):
        raise DiffuscopeError(f"{out} holds an evaluation with other settings; name another folder.")
    if there is None:
        write_arguments(out, values)
