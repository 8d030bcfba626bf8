"""Plain nested data into frozen dataclasses, with errors that name the place."""

from __future__ import annotations

import types
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from napari_diffuscope.errors import DiffuscopeError, quoted

T = TypeVar("T")
_LARGEST = 10**300


def parse(kind: type[T], values: Any, where: str) -> T:
    """Build a dataclass from a mapping, strictly.

    Parameters
    ----------
    kind
        A dataclass; nested dataclasses, tuples, literals, optional and plain types are understood.
    values
        What was read from JSON or TOML.
    where
        Name of the file, and later the path inside it, for the error.

    Raises
    ------
    DiffuscopeError
        For a missing or unknown key or a value of the wrong type; the sentence names it.
    """
    if not isinstance(values, dict):
        raise DiffuscopeError(f"{where} must be a table of named values, not {values!r}.")
    hints = get_type_hints(kind)
    entries = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(values) - set(entries)):
        raise DiffuscopeError(
            f"{where} has an unknown entry {quoted(unknown[0])}; known are {', '.join(entries)}."
        )
    for name, field in entries.items():
        if name not in values and field.default is MISSING and field.default_factory is MISSING:
            raise DiffuscopeError(f"{where} lacks the entry {name!r}.")
    return kind(**{name: _convert(hints[name], value, f"{where}: {name}") for name, value in values.items()})


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, choices = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        return _optional(choices, value, where)
    if origin is Literal:
        if value not in choices:
            raise DiffuscopeError(
                f"{where} must be one of {', '.join(map(str, choices))}, not {quoted(value)}."
            )
        return value
    if origin is tuple:
        return _tuple(choices, value, where)
    if is_dataclass(hint) and isinstance(hint, type):
        return parse(hint, value, where)
    return _plain(origin or hint, value, where)


def _optional(choices: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in choices:
        return None
    [choice] = [c for c in choices if c is not type(None)]
    return _convert(choice, value, where)


def _tuple(choices: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise DiffuscopeError(f"{where} must be a list, not {quoted(value)}.")
    if choices[-1:] == (...,):
        return tuple(_convert(choices[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if len(value) != len(choices):
        raise DiffuscopeError(f"{where} must have {len(choices)} entries, not {len(value)}.")
    return tuple(
        _convert(choice, item, f"{where}[{i}]")
        for i, (choice, item) in enumerate(zip(choices, value, strict=True))
    )


def _plain(kind: Any, value: Any, where: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        if abs(value) > _LARGEST:
            raise DiffuscopeError(f"{where} must be a number that fits, not {quoted(value)}.")
        return float(value)
    if not isinstance(value, kind) or (kind in (int, float) and isinstance(value, bool)):
        raise DiffuscopeError(f"{where} must be {_word(kind)}, not {quoted(value)}.")
    return value


def _word(kind: Any) -> str:
    words = {
        int: "a whole number",
        float: "a number",
        str: "text",
        bool: "true or false",
        dict: "a table",
        list: "a list",
    }
    return words.get(kind, str(kind))
