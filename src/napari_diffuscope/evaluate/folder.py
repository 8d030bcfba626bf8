"""The folder of an evaluation: what its tables were made with, and that one evaluation writes at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from napari_diffuscope.atomic import replace_text
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import writing
from napari_diffuscope.imaging.outputs import check_outputs, existing, foreign_in, working_in

ARGUMENTS = "evaluation.json"
FIGURES = "figures"


@contextmanager
def evaluating_in(out: Path, inputs: Iterable[str | os.PathLike[str]]) -> Iterator[None]:
    """Evaluate in a folder, made where missing; two evaluations at once would mix their rows.

    Raises
    ------
    DiffuscopeError
        As :func:`check_place`, or if another evaluation is writing there.
    """
    check_place(out, inputs)
    with working_in(out):
        yield


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


def write_text(path: Path, text: str, *, newline: str | None = None) -> None:
    """Write a text file of an evaluation, all or nothing.

    Raises
    ------
    DiffuscopeError
        If it cannot be written.
    """
    with writing(path):
        replace_text(path, text, newline=newline)


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
