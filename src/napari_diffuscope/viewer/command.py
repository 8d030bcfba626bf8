"""The command line that produces the same numbers as the dock."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.methods.command import restore_command
from napari_diffuscope.methods.settings import RestoreSettings

PLACEHOLDER = "INPUT.tif"
_READY = "Copied; paste it into a terminal."
_SAVE_FIRST = (
    f"Copied. The image is not in a file: save the layer first (File › Save Selected Layers) "
    f"and put that file in place of {PLACEHOLDER}."
)


def command_for(image: Image, settings: RestoreSettings, *, layer_axes: str) -> tuple[str, str]:
    """Command for an image and settings, and a sentence on what to do with it.

    Parameters
    ----------
    image, settings
        What would be restored, and how.
    layer_axes
        Axes of the layer, with ``S`` for colours; given in the command where the file says otherwise.
    """
    source = image.source
    if source and (stored := _read(source, settings)) is not None:
        axes = None if _long(stored) == _long(image) else _without_short(layer_axes, image)
        if axes is not None:
            stored = _read(source, settings, axes=axes)
        if stored is not None and holds_same_pixels(stored, image):
            return restore_command(source, _output_name(source), settings, axes=axes), _READY
    return restore_command(PLACEHOLDER, _output_name(f"{image.name}.tif"), settings), _SAVE_FIRST


def command_of_record(record: Mapping[str, Any]) -> tuple[str, str]:
    """Command that made a result, and a sentence on what to do with it."""
    settings = RestoreSettings.from_dict(record["settings"])
    source = record["input"].get("source")
    if source and Path(source).exists():
        return restore_command(
            source, _output_name(source), settings
        ), "Copied the command of the selected result."
    return restore_command(PLACEHOLDER, _output_name(f"{record['input']['name']}.tif"), settings), _SAVE_FIRST


def holds_same_pixels(stored: Image, image: Image) -> bool:
    """Whether a file gives what the layer shows: axes and lengths, and the first, middle and last plane."""
    if _long(stored) != _long(image):
        return False
    last = image.plane_count - 1
    return all(
        np.array_equal(stored.read_plane(flat), image.read_plane(flat), equal_nan=True)
        for flat in {0, last // 2, last}
    )


def _read(source: str, settings: RestoreSettings, *, axes: str | None = None) -> Image | None:
    """The file as the command line would open it, or ``None`` where it would not."""
    from napari_diffuscope.imaging.files import open_image

    try:
        return open_image(source, axes=axes, rgb=settings.rgb)
    except DiffuscopeError:
        return None


def _long(image: Image) -> list[tuple[str, int]]:
    """Axes and lengths without those of length 1, which files leave out."""
    pairs = list(zip(image.axes, image.shape, strict=True))
    return [pair for pair in pairs[:-2] if pair[1] > 1] + pairs[-2:]


def _without_short(layer_axes: str, image: Image) -> str:
    """Axes of a layer as a file without axes of length 1 has them."""
    short = {
        letter for letter, length in zip(image.axes[:-2], image.leading_shape, strict=True) if length == 1
    }
    return "".join(letter for letter in layer_axes if letter not in short)


def _output_name(source: str) -> str:
    stem = Path(source).name.split(".")[0]
    return f"{stem}_restored.tif"
