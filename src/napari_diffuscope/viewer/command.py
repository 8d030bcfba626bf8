"""The command line that produces the same numbers as the dock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.axes import DEFAULT_AXES
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.units import same_length, to_micrometres
from napari_diffuscope.methods.commands import command_line
from napari_diffuscope.methods.method import Method
from napari_diffuscope.methods.superres.settings import SuperresSettings

PLACEHOLDER = "INPUT.tif"
READY = "Copied; paste it into a terminal."
_SAVE_FIRST = (
    f"Copied. The image is not in a file: save the layer first (File › Save Selected Layers) "
    f"and put that file in place of {PLACEHOLDER}."
)


def command_for(
    method: Method, image: Image, settings: Any, *, layer_axes: str, suffix: str = ""
) -> tuple[str, str]:
    """Command for a run, and a sentence on what to do with it.

    Parameters
    ----------
    method, image, settings
        What would be done.
    layer_axes
        Axes of the layer, with ``S`` for colours; given in the command where the file says otherwise.
    suffix
        Ending of the name of the output; the method's name by default.
    """
    suffix = suffix or method.name
    settings = with_layer_sizes(settings, image)
    if file := file_of(image, settings, layer_axes=layer_axes):
        output = _output_name(file.path, suffix)
        how: dict[str, Any] = {"axes": file.axes, "series": file.series}
        return command_line(method, [file.path], output, settings, **how), READY
    axes = axes_to_name(layer_axes, dict(zip(image.axes, image.shape, strict=True)))
    output = _output_name(f"{image.name}.tif", suffix)
    return command_line(method, [PLACEHOLDER], output, settings, axes=axes), _SAVE_FIRST


@dataclass(frozen=True)
class LayerFile:
    """The file of a layer, as a command names it.

    Parameters
    ----------
    path
        Of the file.
    image
        What is in it.
    axes, series
        What the command has to say of it; ``None`` for nothing.
    """

    path: str
    image: Image
    axes: str | None
    series: int | None


def file_of(image: Image, settings: Any, *, layer_axes: str) -> LayerFile | None:
    """The file that holds the pixels of a layer, if there is one.

    Parameters
    ----------
    image
        The layer.
    settings
        Of the method; they say how colours are taken.
    layer_axes
        Axes of the layer, with ``S`` for colours; named in the command where the file says otherwise.
    """
    source = image.source
    for series in (None, image.series):  # the one that is read by default, else the one that the layer shows
        stored = _read(source, settings, series=series) if source else None
        if source is None or stored is None:
            continue
        axes = None if _long(stored) == _long(image) else _without_short(layer_axes, image)
        if axes is not None:
            stored = _read(source, settings, axes=axes, series=series)
        if stored is not None and holds_same_pixels(stored, image):
            return LayerFile(source, stored, axes, series)
    return None


def command_of_record(
    method: Method, record: Mapping[str, Any], settings: Any, *, suffix: str = ""
) -> tuple[str, str]:
    """Command that made a layer, and a sentence on what to do with it.

    The input is opened with the axes that it had, whether its file or the user named them.
    """
    suffix, settings = suffix or method.name, with_recorded_sizes(settings, record)
    source, lengths = record["input"].get("source"), lengths_in(record)
    if source and Path(source).exists():
        letters = _without_ones(recorded_axes(record), lengths)
        for axes in (None, letters):
            number = record["input"].get("series")
            stored, usual = (_read(source, settings, axes=axes, series=one) for one in (number, None))
            if stored is not None and dict(_long(stored)) == _longer(lengths):
                series = None if usual is not None and usual.series == stored.series else number
                output = _output_name(source, suffix)
                text = command_line(method, [source], output, settings, axes=axes, series=series)
                return text, "Copied the command of the selected result."
    axes = axes_to_name(recorded_axes(record), lengths)
    output = _output_name(f"{record['input']['name']}.tif", suffix)
    return command_line(method, [PLACEHOLDER], output, settings, axes=axes), _SAVE_FIRST


def with_layer_sizes(settings: Any, image: Image) -> Any:
    """Settings that name the sizes that a layer has and its file has not, where a method works with them."""
    if not isinstance(settings, SuperresSettings):
        return settings
    steps = dict(zip(image.axes, zip(image.scale, image.units, strict=True), strict=True))
    return with_sizes(settings, steps, _read(image.source, settings) if image.source else None)


def with_recorded_sizes(settings: Any, record: Mapping[str, Any]) -> Any:
    """The same for the layer that a result was made from."""
    if not isinstance(settings, SuperresSettings):
        return settings
    made_from = record["input"]
    source = made_from.get("source")
    stored = _read(source, settings) if source and Path(source).exists() else None
    pairs = zip(made_from.get("scale", ()), made_from.get("units", ()), strict=True)
    return with_sizes(settings, dict(zip(made_from["axes"], pairs, strict=False)), stored)


def with_sizes(
    settings: SuperresSettings, steps: Mapping[str, tuple[float, str]], stored: Image | None
) -> SuperresSettings:
    """Settings that name the sizes of a layer where its file says otherwise or nothing.

    Parameters
    ----------
    settings
        What was chosen.
    steps
        Step and unit of the layer, by axis.
    stored
        The file of the layer, if there is one.
    """
    own = {letter: to_micrometres(*steps[letter]) if letter in steps else None for letter in "ZYX"}
    if stored is not None:
        file = dict(zip(stored.axes, zip(stored.scale, stored.units, strict=True), strict=True))
        same = all(
            letter in file and same_length(to_micrometres(*file[letter]), size)
            for letter, size in own.items()
            if letter in steps
        )
        if same:
            return settings
    square = own["X"] if same_length(own["X"], own["Y"]) else None
    return replace(settings, z_step=settings.z_step or own["Z"], pixel_size=settings.pixel_size or square)


def recorded_axes(record: Mapping[str, Any]) -> str:
    """Letters of the dimensions of the input of a result, in its order and with ``S`` for colours where known."""
    return str(record.get("axes") or record["input"]["axes"])


def lengths_in(record: Mapping[str, Any]) -> dict[str, int]:
    """Length of each axis of the image that a record tells of."""
    return dict(zip(record["input"]["axes"], record["input"]["shape"], strict=True))


def axes_to_name(axes: str, lengths: Mapping[str, int]) -> str | None:
    """Axes that the command line has to be told of an array that says nothing; ``None`` for the usual ones."""
    letters = _without_ones(axes, lengths)
    usual = DEFAULT_AXES.get(len(letters)) == letters or "S" in letters
    return None if usual else letters


def holds_same_pixels(stored: Image, image: Image) -> bool:
    """Whether a file gives what the layer shows: axes and lengths, and the first, middle and last plane."""
    if _long(stored) != _long(image):
        return False
    last = image.plane_count - 1
    return all(
        np.array_equal(stored.read_plane(flat), image.read_plane(flat), equal_nan=True)
        for flat in {0, last // 2, last}
    )


def _read(source: str, settings: Any, *, axes: str | None = None, series: int | None = None) -> Image | None:
    """The file as the command line would open it, or ``None`` where it would not."""
    from napari_diffuscope.imaging.files import open_image

    try:
        return open_image(source, axes=axes, rgb=getattr(settings, "rgb", "luminance"), series=series)
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


def _without_ones(axes: str, lengths: Mapping[str, int]) -> str:
    return "".join(letter for letter in axes if letter in "YXS" or lengths.get(letter, 2) > 1)


def _longer(lengths: Mapping[str, int]) -> dict[str, int]:
    return {letter: length for letter, length in lengths.items() if length > 1 or letter in "YX"}


def _output_name(source: str, suffix: str) -> str:
    stem = Path(source).name.split(".")[0]
    return f"{stem}_{suffix}.tif"
