"""The images that a generator learned from, small enough to travel with it: what new images are compared with."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.documents import parse_json
from napari_diffuscope.imaging.failures import reading

MOST_PIXELS = 1 << 20
"""Pixels that are kept of all fields together: finer fields are averaged down until they fit."""

LARGEST_FACTOR = 8
MOST_BYTES = 64 << 20
POWER = 2.0
"""Roots of the values are kept, in 256 steps, so that dim structures count as well."""

ENTRIES = (
    "factor",
    "highest",
    "patch",
    "names",
    "labels",
    "classes",
    "left_out",
    "kept_scores",
    "kept_distances",
)


@dataclass(frozen=True)
class TrainingImages:
    """What is kept of the images that a generator learned from.

    Parameters
    ----------
    fields
        uint8 ``(Y, X)``, roots of the values, averaged down by ``factor``.
    labels, names
        Class and name of each.
    factor
        Pixels of the training along an edge of a pixel here.
    highest
        Value that stands for 255.
    patch
        Edge of a training patch in pixels of the training.
    classes
        Names of the classes, in the order of their labels; empty where there is none.
    left_out
        Fields that found no room.
    kept_scores, kept_distances
        For each class: how much images that were kept out of the training resemble it (correlation), and how far they
        are from it (in features).
    """

    fields: tuple[np.ndarray, ...]
    labels: tuple[int, ...]
    names: tuple[str, ...]
    factor: int
    highest: float
    patch: int
    classes: tuple[str, ...] = ()
    left_out: int = 0
    kept_scores: tuple[tuple[float, ...], ...] = field(default=(), repr=False)
    kept_distances: tuple[tuple[float, ...], ...] = field(default=(), repr=False)

    @cached_property
    def roots(self) -> tuple[np.ndarray, ...]:
        """Fields as float32 from 0 to 1."""
        return tuple(one.astype(np.float32) / 255 for one in self.fields)

    def reduced(self, image: np.ndarray) -> np.ndarray:
        """An image in the units of the training, as the fields are kept: float32 roots, averaged down."""
        return np.asarray(averaged(_root(image, self.highest), self.factor), np.float32)

    def values(self, roots: np.ndarray) -> np.ndarray:
        """Roots back in the units of the training."""
        return np.asarray(self.highest * roots**POWER, np.float32)

    def to_bytes(self) -> bytes:
        """Content of a file; :func:`read_training_images` reads it back."""
        about = {name: getattr(self, name) for name in ENTRIES}
        content = io.BytesIO()
        arrays: dict[str, Any] = {f"field{number:04d}": one for number, one in enumerate(self.fields)}
        np.savez_compressed(content, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays)
        return content.getvalue()


def _root(image: np.ndarray, highest: float) -> np.ndarray:
    return np.asarray(np.clip(np.asarray(image, np.float64) / highest, 0, 1) ** (1 / POWER))


def averaged(image: np.ndarray, factor: int) -> np.ndarray:
    """Means over squares of ``factor`` pixels; what is left over at the ends is cut off."""
    rows, columns = (edge // factor for edge in image.shape)
    squares = image[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor)
    return np.asarray(squares.mean((1, 3)))


def collect(
    fields: Sequence[np.ndarray],
    labels: Sequence[int],
    names: Sequence[str],
    *,
    highest: float,
    patch: int,
    classes: Sequence[str] = (),
) -> TrainingImages:
    """Keep what fits of the fields that a generator learns from.

    Parameters
    ----------
    fields
        ``(Y, X)``, in the units of the training.
    labels, names
        Class and name of each.
    highest
        Value above which all is alike.
    patch
        Edge of a training patch.
    classes
        Names of the classes.
    """
    total = sum(one.size for one in fields)
    factor = min(max(2, math.ceil(math.sqrt(total / MOST_PIXELS))), LARGEST_FACTOR, max(1, patch // 16))
    small = [np.rint(255 * averaged(_root(one, highest), factor)).astype(np.uint8) for one in fields]
    order = np.random.default_rng(len(small)).permutation(len(small))
    fits = np.cumsum([small[place].size for place in order]) <= MOST_PIXELS
    chosen = sorted(order[fits].tolist()) or [int(order[0])]
    return TrainingImages(
        tuple(small[place] for place in chosen),
        tuple(int(labels[place]) for place in chosen),
        tuple(names[place] for place in chosen),
        factor,
        highest,
        patch,
        tuple(classes),
        len(small) - len(chosen),
    )


def read_training_images(path: Path) -> TrainingImages:
    """Read what a generator learned from.

    Raises
    ------
    DiffuscopeError
        If the file is absent, damaged, or holds something else.
    """
    if not path.is_file():
        raise DiffuscopeError(
            f"{path.parent} has no {path.name}: this model does not say what it learned from, so that copies cannot "
            "be found."
        )
    with reading(path, "training images"):
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MOST_BYTES:
                raise DiffuscopeError(f"{path} is larger than training images are; get the model again.")
        with np.load(path, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files}
        about = parse_json(arrays.pop("about").tobytes(), str(path))
        return _checked(about, [arrays[name] for name in sorted(arrays)], path)


def _checked(about: Any, fields: list[np.ndarray], path: Path) -> TrainingImages:
    count = len(fields)
    fits = (
        isinstance(about, dict)
        and set(about) == set(ENTRIES)
        and len(about["labels"]) == len(about["names"]) == count > 0
        and all(one.dtype == np.uint8 and one.ndim == 2 and one.size for one in fields)
        and 1 <= int(about["factor"]) <= 64
        and float(about["highest"]) > 0
    )
    if not fits:
        raise DiffuscopeError(f"{path} does not hold training images; get the model again.")
    return TrainingImages(
        tuple(fields),
        tuple(map(int, about["labels"])),
        tuple(map(str, about["names"])),
        int(about["factor"]),
        float(about["highest"]),
        int(about["patch"]),
        tuple(map(str, about["classes"])),
        int(about["left_out"]),
        tuple(tuple(map(float, values)) for values in about["kept_scores"]),
        tuple(tuple(map(float, values)) for values in about["kept_distances"]),
    )
