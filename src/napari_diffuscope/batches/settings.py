"""What is chosen of a batch beside the settings of its method. Free of torch."""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import Any

from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.methods.declared import Settings, declared

FIELDS = ("name", "folder", "method", "model", "number")
"""What a pattern may hold in braces."""


def checked_pattern(value: Any) -> str:
    """A pattern for names of results, or of further inputs.

    Raises
    ------
    DiffuscopeError
        If it is no text, or holds something unknown in braces.
    """
    try:
        holes = [hole for _, hole, _, _ in string.Formatter().parse(value) if hole is not None]
        value.format(**dict.fromkeys(FIELDS, "x") | {"number": 1})
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, MemoryError):
        holes = ["?"]
    if not isinstance(value, str) or not value.strip() or set(holes) - set(FIELDS):
        braces = ", ".join(f"{{{field}}}" for field in FIELDS)
        raise DiffuscopeError(f"The pattern {quoted(value)} is not understood; it may hold {braces}.")
    return value


@dataclass(frozen=True)
class BatchSettings(Settings):
    """How files of a batch are found and results are called.

    Raises
    ------
    DiffuscopeError
        For a pattern that is not understood.
    """

    pattern: str | None = declared(
        None,
        "Names of results",
        "How each result is called: {name} is that of its image without the ending, {folder} the folder it came from, "
        "{method}, {model} and {number} what they say. The ending chooses the format: .tif or .ome.zarr.",
        unset="as the image",
        check=checked_pattern,
    )
    recursive: bool = declared(
        False,
        "Folders in folders",
        "Also take the images of all folders in a folder, and keep that order of folders.",
    )
