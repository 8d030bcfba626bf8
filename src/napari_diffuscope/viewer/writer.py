"""File › Save Selected Layers: TIFF that keeps pixel size and record."""

from __future__ import annotations

from typing import Any

from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.tiff import write_image
from napari_diffuscope.methods.record import RECORD_KEY
from napari_diffuscope.viewer.layers import letters_of_labels


def write_tiff(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write an image layer as OME-TIFF with its scale, units, axes and record.

    Parameters
    ----------
    path
        Where; ``.tif`` is added where it has no such ending.
    data, attributes
        Of the layer, as napari gives them. Colours become channels; of a multiscale image the full resolution is
        written.

    Returns
    -------
    list of str
        The path written.

    Raises
    ------
    DiffuscopeError
        If the layer cannot be a TIFF file, or the disk is full.
    """
    if not path.lower().endswith((".tif", ".tiff")):
        path = f"{path}.tif"
    levels = list(data) if attributes.get("multiscale") else None
    pixels = levels[0] if levels else data
    axes, samples = _axes(attributes, len(pixels.shape) - bool(attributes.get("rgb")))
    scale, units = tuple(attributes["scale"]), tuple(str(unit) for unit in attributes["units"])
    first = pixels[0] if samples else pixels  # what the image would be without its axis of samples
    like = Image.wrap(
        first,
        axes + "S" * bool(attributes.get("rgb")),
        scale=scale[samples:],
        units=units[samples:],
        rgb="channels",
        name=attributes.get("name", "image"),
    )
    array = pixels if samples else like.data
    write_image(path, array, like, record=attributes.get("metadata", {}).get(RECORD_KEY))
    return [path]


def _axes(attributes: dict[str, Any], dimensions: int) -> tuple[str, int]:
    """Axes of a layer without the axis of samples, and how many of that there are (0 or 1)."""
    labels = tuple(attributes.get("axis_labels") or ())
    samples = int(bool(labels) and labels[0] == "sample")
    letters = letters_of_labels(labels[samples:], dimensions - samples)
    return letters, samples
