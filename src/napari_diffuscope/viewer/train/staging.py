"""Open layers as files to learn from. Free of Qt."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import writing
from napari_diffuscope.imaging.image import RGB, Image, full_resolution
from napari_diffuscope.imaging.room import check_room
from napari_diffuscope.imaging.units import to_micrometres
from napari_diffuscope.imaging.views import base_array
from napari_diffuscope.jobs import Job, Update, relayed
from napari_diffuscope.training.learnable import Learnable
from napari_diffuscope.training.new_model import Learned
from napari_diffuscope.training.reading import file_notes, reading_notes
from napari_diffuscope.viewer.layer_file import LayerFile, write_layer
from napari_diffuscope.viewer.layers import guess_axes, image_from_layer
from napari_diffuscope.viewer.looked_at import LookedAt

FOLDER = "images"
"""In the folder of a training: what was open in the window."""

LEAST_CELLS = 5
"""Fewer cells say nothing of what shapes are usual."""


def image_of(layer: Any, *, rgb: RGB = "channels") -> Image:
    """What is learned from a layer, reading no pixel: of colours their channels, or their luminance.

    Raises
    ------
    DiffuscopeError
        If it is no image.
    """
    if isinstance(base_array(layer.data), LookedAt):
        raise DiffuscopeError(
            f"{layer.name!r} is computed where you look and has no pixels elsewhere; take another layer."
        )
    axes = guess_axes(layer)
    if not axes:
        raise DiffuscopeError(
            f"{layer.name!r} has {layer.ndim} dimensions; images of two to five can be learned from."
        )
    if isinstance(layer, Labels):
        return Image.wrap(
            full_resolution(layer.data), axes, scale=layer.scale, units=layer.units, name=layer.name
        )
    return image_from_layer(layer, axes=axes, rgb=rgb)


def images_of(what: Learnable, layers: Iterable[Any]) -> list[Image]:
    """What is learned from layers: a generator gets colours as their luminance, as one kind of image.

    Raises
    ------
    DiffuscopeError
        If one is no image.
    """
    rgb: RGB = "luminance" if what.kind == "classes" else "channels"
    return [image_of(layer, rgb=rgb) for layer in layers]


def staged(what: Learnable, images: Sequence[Image], folder: Path, start: str | None) -> Job[Learned]:
    """Write images as OME-TIFF, where nobody changes them and a saved recipe finds them.

    Parameters
    ----------
    what
        Is learned; of pairs ``images`` are that of low and that of high quality, of cells a stack and its labels.
    images
        From :func:`images_of`.
    folder
        Of the training, in which a folder of them is made.
    start
        Model to begin with.

    Raises
    ------
    DiffuscopeError
        If there is no room, images of a pair differ in shape, or pixels are no numbers.
    """
    if what.material == "pairs" and len({image.shape for image in images}) > 1:
        low, high = images
        raise DiffuscopeError(
            f"A pair has images of one shape, but {low.name!r} is {_in_words(low)} and {high.name!r} {_in_words(high)}."
        )
    place = folder / FOLDER
    size = sum(int(np.prod(image.shape)) * image.dtype.itemsize for image in images)
    check_room(place, size, what="A copy of the layers", instead="choose another folder")
    if what.material == "cells":
        stack, labels = images
        yield from _cells(stack, labels, place)
        return Learned((place,), start)
    # What the new files do not tell themselves: of a generator they are grey planes.
    notes = reading_notes(images) if what.kind == "classes" else file_notes(images)
    yield from (Update(0, 0, note, warning=True) for note in notes)
    for path, image in _files(what, images, place):
        yield Update(0, 0, f"Writing {image.name}")
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        yield from relayed(write_layer(path, _file_of(_storable(_checked(image)))), lambda _: Update(0, 0))
    return Learned((place,), start)


def _file_of(image: Image) -> LayerFile:
    return LayerFile(image, image.name, channels=image.channels)


def _cells(image: Image, labels: Image, place: Path) -> Job[None]:
    """Cut cells out of a stack."""
    from napari_diffuscope.training.shape.cutting import LEAST_VOXELS, cells_in, write_cell

    if image.axes != "ZYX" or labels.axes != "ZYX":
        raise DiffuscopeError(
            f"Shapes are learned from one stack and its labels, but {image.name!r} has the axes {image.axes} and "
            f"{labels.name!r} {labels.axes}; take one channel and one time."
        )
    z, y, x = (to_micrometres(*step) for step in zip(image.scale, image.units, strict=True))
    if z is None or y is None or x is None:
        raise DiffuscopeError(
            f"The voxel size of {image.name!r} is not known, without which no shape can be; give it scale and units."
        )
    count = 0
    pixels = np.asarray(_checked(image).data)
    for cell in cells_in(pixels, np.asarray(labels.data), voxel=(z, y, x), kind="cell"):
        yield Update(0, 0, f"Cutting out {cell.name}")
        write_cell(cell, place)
        count += 1
    if count < LEAST_CELLS:
        raise DiffuscopeError(
            f"Only {count} cells of {labels.name!r} lie wholly in the stack and have {LEAST_VOXELS:,} voxels or more; "
            f"{LEAST_CELLS} are the least."
        )


def _files(what: Learnable, images: Sequence[Image], place: Path) -> Iterator[tuple[Path, Image]]:
    if what.material == "pairs":
        for quality, image in zip(("low", "high"), images, strict=True):
            yield place / quality / f"{_plain(images[0].name)}.ome.tif", image
        return
    for number, image in enumerate(images, 1):
        name = f"{number:02d}_{_plain(image.name)}"
        if what.kind != "classes":
            yield place / f"{name}.ome.tif", image
            continue
        for flat in range(image.plane_count):  # a generator learns from the first plane of each file
            yield place / f"{name}_{flat:04d}.ome.tif", _plane(image, flat)


def _plane(image: Image, flat: int) -> Image:
    return Image.wrap(
        image.read_plane(flat), "YX", scale=image.scale[-2:], units=image.units[-2:], name=image.name
    )


def _checked(image: Image) -> Image:
    """The image, none of whose pixels is no number."""
    if np.issubdtype(image.dtype, np.floating):
        for flat in range(image.plane_count):
            if not np.isfinite(image.read_plane(flat)).all():
                raise DiffuscopeError(f"{image.name!r} has pixels that are no numbers; fill them in.")
    return image


def _storable(image: Image) -> Image:
    """The image in a type that TIFF files hold."""
    if image.dtype.kind not in "iu" or image.dtype.itemsize < 8:
        return image
    pixels = np.asarray(image.data).astype(np.float32)
    return replace(image, data=pixels)


def _plain(name: str) -> str:
    """A name that a file can have."""
    return re.sub(r"[^\w-]+", "_", name)[:60]


def _in_words(image: Image) -> str:
    return " x ".join(map(str, image.shape))
