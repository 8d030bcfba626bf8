"""Save result…: a result layer into a file, in the background, complete or not at all."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.viewer.layer_file import ENDINGS, LayerFile, layer_file, write_layer
from napari_diffuscope.viewer.layer_sizes import LayerSizes, source_of
from napari_diffuscope.viewer.writer import with_file

FILTERS = {
    "OME-TIFF (*.ome.tif)": ".ome.tif",
    "TIFF (*.tif *.tiff)": ".tif",
    "OME-Zarr (*.ome.zarr)": ".ome.zarr",
}


def ask_path(parent: QWidget, layer: Any) -> Path | None:
    """Ask where to save a layer; ``None`` where the user thinks better of it."""
    stem = "".join(letter if letter.isalnum() or letter in "-._" else "_" for letter in layer.name)
    source = source_of(layer)
    folder = str(Path(source).parent) if source else ""
    text, kind = QFileDialog.getSaveFileName(
        parent, "Save result", os.path.join(folder, stem + ".ome.tif"), ";;".join(FILTERS)
    )
    if not text:
        return None
    path = Path(text)
    if path.name.lower().endswith(ENDINGS):
        return path
    return path.with_name(path.name + FILTERS.get(kind, ".ome.tif"))


def saving(viewer: Any, layer: Any, path: Path) -> Generator[None, None, str]:
    """Work that writes a layer; its result is a sentence.

    Raises
    ------
    DiffuscopeError
        If the layer has no pixels, the name is none of an image file, or the file is shown by a layer.
    """
    check_name(viewer, path)
    if not isinstance(getattr(layer, "__wrapped__", layer), Image | Labels):
        raise DiffuscopeError(
            f"{layer.name!r} has no pixels; save surfaces with Surfaces…, or show the shapes as labels."
        )
    _, attributes, kind = layer.as_layer_data_tuple()
    given = layer_file(layer.data, with_file(layer, attributes), is_labels=kind == "labels")
    return _written(path, given, _left_out(layer))


def check_name(viewer: Any, path: Path) -> None:
    """Refuse a name that no file here can have, and files that are on show: their pixels may be read from there."""
    if not path.name.lower().endswith(ENDINGS):
        raise DiffuscopeError(f"{path.name} is no name for an image; end it in {', '.join(ENDINGS)}.")
    for layer in viewer.layers:
        source = source_of(layer)
        if source and path.exists() and os.path.samefile(source, path):
            raise DiffuscopeError(
                f"{path.name} is the file of the layer {layer.name!r}; choose another name."
            )
    if path.is_dir():
        raise DiffuscopeError(f"{path.name} is there already, as a folder; choose another name.")


def _written(path: Path, given: LayerFile, left_out: str) -> Generator[None, None, str]:
    yield from write_layer(path, given)
    image = given.image
    steps = dict(zip(image.axes, zip(image.scale, image.units, strict=True), strict=True))
    words = LayerSizes(steps).in_words
    sizes = f"with {words}" if words else "without a pixel size, for none is known"
    return f"Saved {path.name} {sizes}.{left_out}"


def _left_out(layer: Any) -> str:
    """What no file of ours keeps."""
    turned = not np.allclose(layer.rotate, np.eye(layer.ndim)) or np.any(layer.shear)
    moved = not np.allclose(np.asarray(layer.affine), np.eye(layer.ndim + 1))
    return " Its rotation, shear and affine transform are not kept in the file." if turned or moved else ""
