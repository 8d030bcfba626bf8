"""File › Save Selected Layers: TIFF and OME-Zarr that keep pixel size, axes, names of channels and record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_diffuscope.viewer.layer_file import ENDINGS, LayerFile, layer_file, write_layer
from napari_diffuscope.viewer.layer_group import path_beside, together
from napari_diffuscope.viewer.layer_sizes import (
    SIZES_KEY,
    own_sizes,
    says_sizes,
    sizes_note,
    sizes_of_layer,
)
from napari_diffuscope.viewer.layers import guess_axes


def write_image(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write an image layer as OME-TIFF or OME-Zarr with its scale, units, axes and record.

    Parameters
    ----------
    path
        Where; ``.tif`` is added where it has no such ending.
    data, attributes
        Of the layer, as napari gives them. Colours become channels; of a multiscale image the full resolution is
        written. Sizes that stand in the file behind the layer, and not on it, are written too.

    Returns
    -------
    list of str
        The path written.

    Raises
    ------
    DiffuscopeError
        If the layer cannot be such a file, or the disk is full.
    """
    return _write(path, data, attributes, is_labels=False)


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a Labels layer; parameters as of `write_image`."""
    return _write(path, data, attributes, is_labels=True)


def write_images(path: str, layers: list[tuple[Any, dict[str, Any], str]]) -> list[str]:
    """Write several image layers: as the channels of one file, or, where they differ in size or place, one file each.

    Parameters
    ----------
    path
        As of `write_image`; for one file each, the names of the layers are added to it.
    layers
        As napari gives them.

    Returns
    -------
    list of str
        The paths written.

    Raises
    ------
    DiffuscopeError
        As `write_image`.
    """
    place = Path(path if path.lower().endswith(ENDINGS) else f"{path}.tif")
    given = [_given(data, attributes, is_labels=kind == "labels") for data, attributes, kind in layers]
    whole = together(given) if len(given) > 1 else given[0]
    files = {place: whole} if whole else {path_beside(place, one.name): one for one in given}
    for file, one in files.items():
        for _ in write_layer(file, one):
            pass
    return [str(file) for file in files]


def _write(path: str, data: Any, attributes: dict[str, Any], *, is_labels: bool) -> list[str]:
    if not path.lower().endswith(ENDINGS):
        path = f"{path}.tif"
    for _ in write_layer(Path(path), _given(data, attributes, is_labels=is_labels)):
        pass
    return [path]


def _given(data: Any, attributes: dict[str, Any], *, is_labels: bool) -> LayerFile:
    layer = _shown(data)
    known = attributes if layer is None else with_file(layer, attributes)
    return layer_file(data, known, is_labels=is_labels)


def _shown(data: Any) -> Any:
    """The layer of the current viewer with these pixels: napari gives writers neither it nor its file."""
    from napari import current_viewer

    viewer = current_viewer()
    layers = () if viewer is None else viewer.layers
    return next((layer for layer in layers if layer.data is data), None)


def with_file(layer: Any, attributes: dict[str, Any]) -> dict[str, Any]:
    """Attributes of a layer, with the axes and sizes that stand in its file alone."""
    axes = guess_axes(layer)
    if not axes or tuple(layer.axis_labels)[:1] == ("sample",):
        return attributes
    found = {**attributes, "axis_labels": tuple(axes.lower())}
    if SIZES_KEY in layer.metadata or says_sizes(own_sizes(layer, axes)):
        return found
    sizes = sizes_of_layer(layer, axes)
    noted = sizes_note(axes, sizes.steps) if says_sizes(sizes) else {}
    return found | {"metadata": {**layer.metadata, **noted}}
