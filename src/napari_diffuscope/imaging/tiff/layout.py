"""What an OME-TIFF file can hold, and how: names, pixel types, axes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError, printable
from napari_diffuscope.imaging.axes import LETTERS, checked_axes
from napari_diffuscope.imaging.tiff.metadata import ome_attributes

SUFFIXES = (".tif", ".tiff")

_STORED = {
    **{f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32)},
    "float32": "float32",
    "float64": "float64",
    "float16": "float32",
    "bool": "uint8",
}
"""Pixel types of OME that hold those of numpy."""


def checked_path(path: str | Path) -> Path:
    """Absolute path of a TIFF file that can be made: right suffix, existing folder."""
    file = Path(path)
    if file.suffix.lower() not in SUFFIXES:
        raise DiffuscopeError(f"{str(path)!r} is no name for a TIFF file; end it in .tif or .tiff.")
    if not file.parent.is_dir():
        raise DiffuscopeError(f"The folder {str(file.parent)!r} does not exist; create it or choose another.")
    if file.is_dir():
        raise DiffuscopeError(f"{str(path)!r} is a folder; choose another name for the file.")
    return file.resolve()


def plane_axes(axes: str, shape: Sequence[int]) -> str:
    """Axes of planes that fit the shape, N (samples) among the letters."""
    letters = checked_axes(axes, len(shape), allowed="N" + LETTERS)
    if not letters.endswith("YX"):
        raise DiffuscopeError(f"The axes {letters!r} do not end in YX; reorder them to be written.")
    if 0 in shape:
        raise DiffuscopeError(f"An image of shape {tuple(shape)} has no pixels to be written.")
    return letters


def stored_type(dtype: Any) -> np.dtype[Any]:
    """Pixel type of OME that holds the values of ``dtype``."""
    wanted = np.dtype(dtype)
    if wanted.name not in _STORED:
        raise DiffuscopeError(
            f"Pixels of type {wanted} do not fit into an OME-TIFF; "
            "convert them to float32 or to 32-bit integers."
        )
    return np.dtype(_STORED[wanted.name])


def _stored_axes(axes: str) -> str:
    """Axes as OME knows them: samples become the first free one of T, C, Z."""
    if "N" not in axes:
        return axes
    free = [letter for letter in "TCZ" if letter not in axes]
    if not free:
        raise DiffuscopeError(
            f"A TIFF file has no room for samples beside the axes {axes.replace('N', '')}; "
            "restore one channel, time or depth at a time, or save without samples."
        )
    return axes.replace("N", free[0])


def ome_metadata(
    axes: str,
    scale: Sequence[float] | None,
    units: Sequence[str] | None,
    description: str,
    path: Path,
) -> dict[str, Any]:
    """What tifffile needs to write OME-XML: axes, name, description, pixel sizes."""
    sizes = tuple(scale) if scale is not None else (1.0,) * len(axes)
    kinds = tuple(units) if units is not None else ("pixel",) * len(axes)
    if not len(sizes) == len(kinds) == len(axes):
        raise DiffuscopeError(
            f"Scale {sizes} and units {kinds} do not fit the axes {axes}; give one per axis."
        )
    stored = _stored_axes(axes)
    if stored != axes:
        samples = f"Axis {stored[axes.index('N')]} counts samples."
        description = f"{description} {samples}".strip()
    metadata = {
        "axes": stored,
        "Name": printable(path.stem.removesuffix(".ome")),
        **ome_attributes(axes, sizes, kinds),
    }
    return metadata | ({"Description": description} if description else {})
