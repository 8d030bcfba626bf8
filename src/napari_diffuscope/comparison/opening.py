"""Files, arrays and images as the scene of a comparison."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from napari_diffuscope.comparison.job import Scene
from napari_diffuscope.comparison.placing import Box, place, reference_placed
from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.imaging.files import image_of, labels_of, where_several
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.record_of_file import record_of_file

Region = tuple[int, int, int, int]
"""First and one past the last row, first and one past the last column."""


COLOURS = "The last axis of an array was taken for its colours; give axes where it is not."


def open_scene(
    reference: Any,
    others: Sequence[Any],
    *,
    names: Sequence[str] | None = None,
    axes: str | None = None,
    series: int | str | None = None,
    labels: bool = False,
    mask: Any = None,
    plane: int | Sequence[int] | None = None,
    crop: Region | None = None,
) -> Scene:
    """A scene of whatever a caller has.

    Parameters
    ----------
    reference, others
        Paths of files, arrays (numpy, dask, zarr) or images. RGB is taken by its luminance.
    names
        What to call them, the reference first.
    axes
        Axes of all of them, where they are silent or wrong.
    series
        Which image of those files that hold several, by number or name; the largest by default.
    labels
        Whether they are labels.
    mask
        Labels or a picture of 0 and others, on its own grid: only where it is not 0 pixels count.
    plane
        Compare one plane: its number along all leading axes of the reference, or its index along each; all planes by
        default.
    crop
        A part of each plane of the reference.

    Raises
    ------
    DiffuscopeError
        If something cannot be read, does not go together or does not exist.
    """
    images = [_opened(each, axes, labels, series) for each in (reference, *others)]
    twice = _same_file(images)
    called = _names(images, names)
    images = [replace(image, name=name) for image, name in zip(images, called, strict=True)]
    first, *rest = images
    placed = reference_placed(first, **_known(first, reference, labels))
    around = tuple(
        place(first, image, **_known(image, source, labels))
        for image, source in zip(rest, others, strict=True)
    )
    hidden = (
        None
        if mask is None
        else place(first, replace(_opened(mask, None, True), name="the mask"), labels=True)
    )
    return Scene(placed, around, _part(first, plane, crop), hidden, note=twice)


def record_of(source: Any) -> dict[str, Any] | None:
    """How an image in a file was made, if it is one of our results; nothing of what cannot be read."""
    if not isinstance(source, str | os.PathLike):
        source = getattr(source, "source", None)
        if source is None:
            return None
    try:
        return record_of_file(source)
    except DiffuscopeError:
        return None


def _known(image: Image, source: Any, labels: bool) -> dict[str, Any]:
    record = record_of(source)
    settings = (record or {}).get("settings")
    samples = isinstance(settings, dict) and settings.get("mode") == "samples"
    axis = next(
        (image.axes.index(letter) for letter in "TCZ" if letter in image.axes), None
    )  # as files keep them
    return {"record": record, "labels": labels, "sample_axis": axis if samples else None}


def _same_file(images: Sequence[Image]) -> str:
    """A sentence where an image is compared with itself."""
    first = images[0].source
    if first is not None and any(first == other.source for other in images[1:]):
        return f"An image is compared with itself: {quoted(first)} was given twice."
    return ""


def _opened(source: Any, axes: str | None, labels: bool, series: int | str | None = None) -> Image:
    is_file = isinstance(source, str | os.PathLike)
    series = where_several(source, series) if is_file else None
    if labels and axes is None:
        return labels_of(source, series=series)
    if axes is None and not is_file and not isinstance(source, Image) and _are_colours(source):
        return replace(image_of(source, "YXS"), notes=(COLOURS,))
    return image_of(source, axes, series=series)


def _are_colours(array: Any) -> bool:
    """Whether an array of three dimensions can only be a colour picture: its last axis is 3 or 4 long."""
    shape = tuple(getattr(array, "shape", ()))
    return len(shape) == 3 and shape[-1] in (3, 4) and min(shape[:2]) > 4


def _names(images: Sequence[Image], given: Sequence[str] | None) -> list[str]:
    """Names that can be told apart: those of files, with a number where they are doubled."""
    if given is not None:
        if len(given) != len(images):
            raise DiffuscopeError(
                f"{len(given)} names were given for {len(images)} images; give one for each."
            )
        return list(given)
    names = [_short(image, number) for number, image in enumerate(images)]
    return [
        f"{name} ({names[:number].count(name) + 1})" if names.count(name) > 1 else name
        for number, name in enumerate(names)
    ]


def _short(image: Image, number: int) -> str:
    if image.name == "image" and image.source is None:
        return "reference" if number == 0 else f"image {number}"
    return image.name.removesuffix(".ome")


def _part(image: Image, plane: int | Sequence[int] | None, crop: Region | None) -> Box | None:
    if plane is None and crop is None:
        return None
    ranges = [(0, length) for length in image.shape]
    if plane is not None:
        ranges[:-2] = [(at, at + 1) for at in _plane_index(image, plane)]
    if crop is not None:
        edges = whole_numbers(crop)
        if edges is None or len(edges) != 4:
            raise DiffuscopeError(
                f"The part {quoted(crop)} is not understood; give four whole numbers: first row, one past the last, "
                "first column, one past the last."
            )
        top, bottom, left, right = edges
        if not (0 <= top < bottom <= image.shape[-2] and 0 <= left < right <= image.shape[-1]):
            raise DiffuscopeError(
                f"The part {quoted(tuple(crop))} does not lie in the planes of {image.plane_shape}; give rows and "
                "columns inside of them."
            )
        ranges[-2:] = [(top, bottom), (left, right)]
    return Box(tuple(ranges))


def _plane_index(image: Image, plane: Any) -> tuple[int, ...]:
    """Index along the leading axes of the plane that was asked for."""
    if isinstance(plane, int | np.integer) and not isinstance(plane, bool):
        return image.plane_index(int(plane))
    index = whole_numbers(plane)
    lengths = image.leading_shape
    if index is None or len(index) != len(lengths):
        raise DiffuscopeError(
            f"The plane {quoted(plane)} does not fit the axes {image.axes}; give a number, or one for each of "
            f"{image.axes[:-2] or 'no axes'}."
        )
    if not all(0 <= at < length for at, length in zip(index, lengths, strict=True)):
        raise DiffuscopeError(
            f"The plane {quoted(plane)} does not exist in {quoted(image.name)}, which has {lengths} along "
            f"{image.axes[:-2]}; planes are counted from 0."
        )
    return index


def whole_numbers(values: Any) -> tuple[int, ...] | None:
    """Some whole numbers as a tuple; ``None`` for anything else."""
    try:
        several = tuple(values)
    except TypeError:
        return None
    whole = all(isinstance(each, int | np.integer) and not isinstance(each, bool) for each in several)
    return tuple(map(int, several)) if whole else None
