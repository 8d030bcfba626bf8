"""The command line that predicts the same shapes as the dock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.units import same_length
from napari_diffuscope.methods.commands import command_line
from napari_diffuscope.methods.shape.method import SHAPE, ShapeStoring
from napari_diffuscope.methods.shape.settings import ShapeSettings
from napari_diffuscope.methods.shape.source import square_pixel_size
from napari_diffuscope.viewer.command import PLACEHOLDER, READY, file_of
from napari_diffuscope.viewer.layers import NOTES_KEY, SERIES_KEY, letters_of_labels, source_of
from napari_diffuscope.viewer.shape.plane import CellPlane

LABELS_PLACEHOLDER = "LABELS.tif"


def labels_image(layer: Any) -> Image:
    """A Labels layer as an image, reading no pixel."""
    data = layer.data[0] if layer.multiscale else layer.data
    return Image.wrap(
        data,
        letters_of_labels(layer.axis_labels, layer.ndim),
        name=layer.name,
        source=source_of(layer),
        notes=layer.metadata.get(NOTES_KEY, ()),
        series=layer.metadata.get(SERIES_KEY, 0),
    )


def shape_command_for(
    plane: CellPlane, labels: Any, settings: ShapeSettings, *, layer_axes: str
) -> tuple[str, str]:
    """Command for all cells of a plane, and a sentence on what to do with it.

    Parameters
    ----------
    plane
        Where the cells are.
    labels
        The Labels layer with their outlines, or ``None``.
    settings
        How their shapes would be predicted.
    layer_axes
        Axes of the image layer, with ``S`` for colours; given in the command where the file says otherwise.
    """
    stored = file_of(plane.image, settings, layer_axes=layer_axes)
    outlines = None if labels is None else labels_image(labels)
    saved = None if outlines is None else file_of(outlines, settings, layer_axes=outlines.axes)
    if stored is None:  # what the image is saved as may not say it
        settings = replace(settings, pixel_size=settings.pixel_size or plane.pixel_size)
    elif settings.pixel_size is None and (size := plane.pixel_size) is not None:
        same = same_length(square_pixel_size(stored.image), size)
        settings = settings if same else replace(settings, pixel_size=size)
    return _command(
        stored.path if stored else None,
        saved.path if saved else None,
        (plane.layer.name, labels.name if labels is not None else ""),
        settings,
        axes=stored.axes if stored else None,
        series=stored.series if stored else None,
    )


def shape_command_of_record(record: Mapping[str, Any]) -> tuple[str, str]:
    """Command that made the shapes of a layer, and a sentence on what to do with it."""
    settings = ShapeSettings.from_dict(record["settings"])
    settings = replace(settings, pixel_size=settings.pixel_size or record.get("pixel_size"))
    labels = record.get("labels") or {}
    numbers = [cell["label"] for cell in record.get("cells", [])]
    return _command(
        _existing(record["input"].get("source")),
        _existing(labels.get("source")),
        (record["input"]["name"], labels.get("name", "")),
        settings,
        only=None if record.get("all_cells") or not numbers else tuple(numbers),
    )


def _command(
    image: str | None,
    labels: str | None,
    names: tuple[str, str],
    settings: ShapeSettings,
    *,
    axes: str | None = None,
    series: int | None = None,
    only: tuple[int, ...] | None = None,
) -> tuple[str, str]:
    stem = Path(image).name.split(".")[0] if image else names[0].replace(" ", "_")
    files = [image or PLACEHOLDER, labels or LABELS_PLACEHOLDER]
    further = [ShapeStoring(only=only)]
    text = command_line(SHAPE, files, f"{stem}_shapes", settings, axes=axes, series=series, further=further)
    missing = [
        f"{name!r} as {placeholder}" if name else f"the outlines as {placeholder}"
        for found, name, placeholder in zip(
            (image, labels), names, (PLACEHOLDER, LABELS_PLACEHOLDER), strict=True
        )
        if found is None
    ]
    if not missing:
        return text, READY
    return text, f"Copied. Save {' and '.join(missing)} first (File › Save Selected Layers)."


def _existing(source: str | None) -> str | None:
    return source if source and Path(source).exists() else None
