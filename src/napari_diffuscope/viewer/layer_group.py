"""Several image layers in one file: those that lie over each other become its channels. Free of Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_diffuscope.imaging.image import Image
from napari_diffuscope.viewer.layer_file import ENDINGS, LAYER_RECORDS, LayerFile


class Channels:
    """Arrays of one shape and type, as one with a new first axis; reads what is indexed."""

    def __init__(self, arrays: Sequence[Any]) -> None:
        self._arrays = list(arrays)
        self.shape = (len(self._arrays), *arrays[0].shape)
        self.dtype = np.dtype(arrays[0].dtype)

    def __getitem__(self, index: Any) -> np.ndarray:
        first, *rest = index if isinstance(index, tuple) else (index,)
        if isinstance(first, slice):
            return np.stack([np.asarray(array[tuple(rest)]) for array in self._arrays[first]])
        return np.asarray(self._arrays[first][tuple(rest)])


def together(given: Sequence[LayerFile]) -> LayerFile | None:
    """Layers as the channels of one image; ``None`` where they differ in more than name and pixels.

    Parameters
    ----------
    given
        At least two image layers.
    """
    first = given[0].image
    if "C" in first.axes or any(one.is_labels or not _alike(one.image, first) for one in given):
        return None
    if any(one.samples for one in given):
        return None
    image = Image(
        Channels([one.image.data for one in given]),
        "C" + first.axes,
        scale=(1.0, *first.scale),
        units=("pixel", *first.units),
        name=first.name,
        translate=(0.0, *first.translate),
    )
    records = [dict(one.record) if one.record else None for one in given]
    record = {LAYER_RECORDS: records} if any(records) else None
    return replace(given[0], image=image, record=record, channels=tuple(_names(given)))


def _names(given: Sequence[LayerFile]) -> list[str]:
    """Names of layers without the words that all of them begin with."""
    words = [one.name.split() for one in given]
    shared = 0
    while all(len(each) > shared + 1 for each in words) and len({each[shared] for each in words}) == 1:
        shared += 1
    return [" ".join(each[shared:]) for each in words]


def _alike(one: Image, other: Image) -> bool:
    same = (one.axes, one.shape, one.dtype, one.units) == (other.axes, other.shape, other.dtype, other.units)
    return same and np.allclose(one.scale, other.scale) and np.allclose(one.translate, other.translate)


def path_beside(path: Path, name: str) -> Path:
    """The file of one of several layers that do not go into one: its name is added before the ending."""
    ending = next((e for e in ENDINGS if path.name.lower().endswith(e)), "")
    stem = path.name[: len(path.name) - len(ending)]
    plain = "".join(letter if letter.isalnum() or letter in "-._" else "_" for letter in name)
    return path.with_name(f"{stem}_{plain}{path.name[len(stem) :]}")
