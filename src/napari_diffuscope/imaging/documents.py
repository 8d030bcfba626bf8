"""JSON and TOML read strictly: records, model cards, configurations and recipes that somebody else may have written."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.imaging.failures import name_of, reading

MOST_BYTES = 16 * 2**20
"""Largest document that is read: none that is meant is a tenth of it."""

DEEPEST = 60
"""Tables and lists inside each other."""


def read_json(path: str | Path, kind: str = "JSON") -> Any:
    """Values in a JSON file.

    Parameters
    ----------
    path
        The file.
    kind
        What it is, for errors.

    Raises
    ------
    DiffuscopeError
        If it cannot be read, is no JSON, gives a name twice, is nested too deeply, or holds half of a character.
    """
    with reading(path, kind):
        return parse_json(_text(path, kind), str(path))


def read_toml(path: str | Path, kind: str = "TOML") -> dict[str, Any]:
    """Tables in a TOML file; errors as of :func:`read_json`."""
    with reading(path, kind):
        text = _text(path, kind)
        try:
            values = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
            raise DiffuscopeError(f"{name_of(path)} is not valid TOML: {error}.") from error
        _check_plain(values)
        return values


def parse_json(text: str | bytes, where: str) -> Any:
    """Values in a text of JSON that stands in a file.

    Parameters
    ----------
    text
        The JSON.
    where
        The file, for errors.

    Raises
    ------
    DiffuscopeError
        As for :func:`read_json`.
    """
    try:
        values = json.loads(text, object_pairs_hook=_table)
        _check_plain(values)
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, ValueError) else "it is nested too deeply"
        raise DiffuscopeError(f"{name_of(where)} is not valid JSON: {reason}.") from error
    return values


def _text(path: str | Path, kind: str) -> str:
    with Path(path).open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise DiffuscopeError(
            f"{name_of(path)} has more than {MOST_BYTES // 2**20} MiB, too many for {kind}; choose another file."
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DiffuscopeError(f"{name_of(path)} is not valid {kind}: it is no text in UTF-8.") from error


def _table(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    pairs = list(pairs)
    table = dict(pairs)
    if len(table) < len(pairs):
        names = sorted(name for name, _ in pairs)
        twice = next(first for first, second in pairwise(names) if first == second)
        raise ValueError(f"it gives {quoted(twice)} twice")
    return table


def _check_plain(values: Any) -> None:
    """Refuse what cannot be written again: nesting without end and halves of characters."""
    level, depth = [values], 0
    while level:
        for value in level:
            if isinstance(value, str):
                _check_text(value)
        level = [part for value in level for part in _parts(value)]
        depth += 1
        if depth > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} deep")


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list) else []


def _check_text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"the text {quoted(text)} holds half of a character") from error
