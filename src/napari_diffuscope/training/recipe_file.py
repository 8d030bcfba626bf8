"""A recipe as TOML, so that a training that began without a file can be run again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from napari_diffuscope.atomic import replace_text
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.training.recipe import Recipe


def recipe_toml(recipe: Recipe) -> str:
    """A recipe with all its entries; :func:`~napari_diffuscope.training.recipe.read_recipe` reads it back."""
    return "\n".join(_table(recipe.to_dict(), "")).strip() + "\n"


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Write a recipe, all or nothing.

    Raises
    ------
    DiffuscopeError
        If the disk is full or the folder may not be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, recipe_toml(recipe))
    except OSError as error:
        raise DiffuscopeError(f"The recipe {path} cannot be written: {error.strerror}.") from error


def _table(values: Mapping[str, Any], name: str) -> Iterator[str]:
    """Plain entries first: in TOML all that follows a heading belongs to it."""
    tables = {key: value for key, value in values.items() if isinstance(value, Mapping)}
    lists = {key: value for key, value in values.items() if _is_list_of_tables(value)}
    for key, value in values.items():
        if key not in tables and key not in lists and value is not None:
            yield f"{key} = {_value(value)}"
    for key, table in tables.items():
        yield from ("", f"[{name}{key}]", *_table(table, f"{name}{key}."))
    for key, items in lists.items():
        for item in items:
            yield from ("", f"[[{name}{key}]]", *_table(item, f"{name}{key}."))


def _is_list_of_tables(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], Mapping)


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, str | bool):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)
