"""What the numbers of a TIFF file mean: white as zero, colours from a table, a part that is opaque."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_diffuscope.imaging.views import ArrayLike, FullIndex, View, full_index

_EIGHT_BIT = 257
"""Colours of a table have 16 bits; those of 8 bits are stored 257 (or 256) times as large."""


class InvertedView(View):
    """Values of an image that is stored with white as its least value, the other way round.

    Parameters
    ----------
    data
        Whole numbers or truth values.
    largest
        The value that stands for black.
    """

    def __init__(self, data: ArrayLike, largest: int) -> None:
        self.base, self._largest = data, largest
        self.shape, self.dtype = tuple(data.shape), np.dtype(data.dtype)

    def __getitem__(self, index: Any) -> np.ndarray:
        values = np.asarray(self.base[index])
        return ~values if values.dtype == bool else np.asarray(self._largest - values, dtype=self.dtype)


class TableView(View):
    """Colours that a table gives to the values of an image; the last axis holds red, green and blue.

    Parameters
    ----------
    data
        Positions in the table.
    table
        ``(N, 3)``.
    """

    def __init__(self, data: ArrayLike, table: np.ndarray) -> None:
        self.base, self._table = data, table
        self.shape, self.dtype = (*data.shape, 3), table.dtype

    def __getitem__(self, index: Any) -> np.ndarray:
        full: FullIndex = full_index(index, self.shape)
        colours = self._table[np.asarray(self.base[full[:-1]])]
        return np.asarray(colours[..., full[-1]])


def with_meaning(
    data: ArrayLike, names: Sequence[str], page: Any, *, imagej: bool, file: str
) -> tuple[ArrayLike, list[str], list[str]]:
    """An image whose values are intensities, or colours along the axis ``S``.

    Parameters
    ----------
    data, names
        Pixels as they are stored, and a letter for each axis.
    page
        A ``tifffile.TiffPage`` of the image.
    imagej
        Whether ImageJ wrote it, whose tables of colours are for display alone.
    file
        Name of the file, for notes.

    Returns
    -------
    data, names, notes
        What the values mean, with its axes, and what must be said of it.
    """
    letters = list(names)
    kind = page.photometric.name
    if kind == "MINISWHITE" and np.dtype(data.dtype).kind in "bui":
        note = f"{file!r} is stored with white as its least value; its values were turned round."
        return InvertedView(data, _largest(page)), letters, [note]
    if kind != "PALETTE" or page.colormap is None or np.dtype(data.dtype).kind != "u":
        return data, letters, []
    table = np.asarray(page.colormap).T
    if _is_ramp(table):
        return data, letters, []
    if imagej:
        note = f"The colours of {file!r} are taken for those in which ImageJ shows it, its numbers for intensities."
        return data, letters, [note]
    note = f"{file!r} holds colours from a table, which are read as red, green and blue."
    return TableView(data, _in_eight_bits(table)), [*letters, "S"], [note]


def _largest(page: Any) -> int:
    signed = np.dtype(page.dtype).kind == "i"
    return -1 if signed else 2 ** int(page.bitspersample) - 1


def _is_ramp(table: np.ndarray) -> bool:
    """Whether the table goes from dark to bright in one colour, so that positions in it are intensities."""
    steps = np.diff(table.astype(int), axis=0)
    return bool((steps >= 0).all() and (table[-1] > table[0]).any())


def _in_eight_bits(table: np.ndarray) -> np.ndarray:
    for factor in (_EIGHT_BIT, 256):
        if not (table % factor).any():
            return (table // factor).astype(np.uint8)
    return table.astype(np.uint16)
