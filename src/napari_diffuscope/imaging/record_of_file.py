"""The record that a file of a result carries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_diffuscope.imaging.blocks import read_zarr_record
from napari_diffuscope.imaging.formats import TIFF_SUFFIXES, is_zarr
from napari_diffuscope.imaging.tiff import read_record


def record_of_file(path: str | Path) -> dict[str, Any] | None:
    """How an image in a file was made; ``None`` where the file does not say, or is of a kind that cannot.

    Raises
    ------
    DiffuscopeError
        If the file cannot be read.
    """
    path = Path(path)
    if is_zarr(path):
        return read_zarr_record(path)
    return read_record(path) if path.suffix.lower() in TIFF_SUFFIXES else None
