"""A layer as it goes into a file: pixels, axes, sizes, names of channels, record. Free of Qt."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.blocks import Channel, VolumeSpec, in_standard_order, open_sink, partial_path
from napari_diffuscope.imaging.blocks.plan import BlockPlan
from napari_diffuscope.imaging.image import Image, full_resolution
from napari_diffuscope.imaging.tiff import TiffSink
from napari_diffuscope.imaging.views import base_array
from napari_diffuscope.methods.records import RECORD_KEY
from napari_diffuscope.viewer.layer_sizes import noted_sizes
from napari_diffuscope.viewer.layers import letters_of_labels
from napari_diffuscope.viewer.looked_at import LookedAt

ENDINGS = (".ome.tif", ".tif", ".tiff", ".ome.zarr", ".zarr")
"""Of files that are written here."""

CHANNELS_KEY = "napari-diffuscope-channels"
"""Key in a layer's metadata of the names of its channels."""

SAMPLES_AXIS, LAYER_TYPE, LAYER_RECORDS = "samples_axis", "layer_type", "layers"
"""Keys of the record in a file that say which axis counts samples, that values are labels, and how each of several
layers was made that are its channels."""


@dataclass(frozen=True, eq=False)
class LayerFile:
    """What is written.

    Parameters
    ----------
    image
        Pixels, axes, sizes; samples are one of its axes, see ``samples``.
    name
        Of the layer.
    record
        How it was made, or ``None``.
    samples
        Letter of the axis that counts samples, which files do not know; else empty.
    channels
        Names of the channels, where known.
    limits
        Contrast limits of the layer.
    is_labels
        Whether values are labels, which are never averaged.
    """

    image: Image
    name: str
    record: Mapping[str, Any] | None = None
    samples: str = ""
    channels: tuple[str, ...] = ()
    limits: tuple[float, float] = (0.0, 1.0)
    is_labels: bool = field(default=False)


def layer_file(data: Any, attributes: Mapping[str, Any], *, is_labels: bool = False) -> LayerFile:
    """What a layer becomes in a file, reading no pixel.

    Parameters
    ----------
    data, attributes
        Of the layer, as napari gives them to writers. Of a multiscale image the full resolution is taken, colours
        become channels.
    is_labels
        Whether it is a Labels layer.

    Raises
    ------
    DiffuscopeError
        If its axes cannot be told, or most of its pixels were never computed.
    """
    if isinstance(base_array(data), LookedAt):
        raise DiffuscopeError(
            "The layer is computed where you look, and has no pixels elsewhere, so that it is not saved; run the whole "
            "image, or Copy command and run that, to have all of it in a file."
        )
    pixels = full_resolution(list(data)) if attributes.get("multiscale") else data
    colours = bool(attributes.get("rgb"))
    letters, samples = _letters(attributes, len(pixels.shape) - colours)
    scale, units = _sizes(attributes, letters)
    metadata = attributes.get("metadata") or {}
    image = Image.wrap(
        pixels,
        letters + "S" * colours,
        scale=scale,
        units=units,
        rgb="channels",
        name=str(attributes.get("name", "image")),
        translate=tuple(attributes.get("translate") or (0.0,) * len(letters)),
    )
    low, high = attributes.get("contrast_limits") or (0.0, 1.0)
    return LayerFile(
        image,
        image.name,
        record=metadata.get(RECORD_KEY),
        samples=samples,
        channels=tuple(map(str, metadata.get(CHANNELS_KEY, ()))),
        limits=(float(low), float(high)),
        is_labels=is_labels,
    )


def _letters(attributes: Mapping[str, Any], dimensions: int) -> tuple[str, str]:
    """Axes of a layer as files know them, and the letter that stands for samples there (or none)."""
    labels = tuple(attributes.get("axis_labels") or ())
    if not (labels and labels[0] == "sample"):
        return letters_of_labels(labels, dimensions), ""
    letters = letters_of_labels(labels[1:], dimensions - 1)
    free = [letter for letter in "TCZ" if letter not in letters]
    if not free:
        raise DiffuscopeError(
            f"A file has no room for samples beside the axes {letters}; save one sample, or restore one channel, "
            "time or depth at a time."
        )
    return free[0] + letters, free[0]


def _sizes(attributes: Mapping[str, Any], letters: str) -> tuple[list[float], list[str]]:
    """Scale and units: those of the layer, or what was noted beside it where its scale does not show them."""
    scale = [float(step) for step in attributes.get("scale") or (1.0,) * len(letters)]
    units = [str(unit) for unit in attributes.get("units") or ("pixel",) * len(letters)]
    noted = noted_sizes(attributes.get("metadata") or {})
    for place, letter in enumerate(letters):
        if letter in noted:
            scale[place], units[place] = noted[letter]
    return scale, units


def write_layer(path: Path, given: LayerFile, *, overwrite: bool = True) -> Generator[None, None, Path]:
    """Write a layer, piece by piece; the file is complete or not there.

    Parameters
    ----------
    path
        Its ending decides: ``.tif``, ``.tiff`` (OME-TIFF), ``.zarr``, ``.ome.zarr`` (OME-Zarr).
    given
        The layer.
    overwrite
        Whether a file of that name is replaced, when the new one is complete.

    Returns
    -------
    Path
        Of the file.

    Raises
    ------
    DiffuscopeError
        If it cannot be written; nothing is left behind, and what was there before stays.
    """
    if path.exists() and not overwrite:
        raise DiffuscopeError(f"{path.name} is there already; choose another name.")
    if path.suffix.lower() == ".zarr":
        return (yield from _write_zarr(path, given, overwrite=overwrite))
    return (yield from _write_tiff(path, given))


def _write_tiff(path: Path, given: LayerFile) -> Generator[None, None, Path]:
    image = given.image
    with TiffSink(
        path,
        shape=image.shape,
        axes="".join("N" if letter == given.samples else letter for letter in image.axes),
        scale=image.scale,
        units=image.units,
        record=_with_kind(given),
        dtype=_narrowed(image.dtype, given),
        **_channel_names(given),
    ) as sink:
        for place in np.ndindex(*image.leading_shape):
            sink[place] = np.asarray(image.data[(*place, slice(None), slice(None))])
            yield
    return path


def _channel_names(given: LayerFile) -> dict[str, Any]:
    if "C" not in given.image.axes or given.samples == "C":
        return {}
    return {"channels": given.channels} if len(given.channels) == given.image.channel_count else {}


def _narrowed(dtype: np.dtype[Any], given: LayerFile) -> np.dtype[Any]:
    """Labels of 64 bits go into 32, which TIFF files hold."""
    return np.dtype(np.int32) if given.is_labels and dtype.itemsize == 8 else dtype


def _write_zarr(path: Path, given: LayerFile, *, overwrite: bool) -> Generator[None, None, Path]:
    image = in_standard_order(given.image)
    spec = VolumeSpec(
        shape=image.shape,
        axes=image.axes,
        dtype=image.dtype.name,
        scale=image.scale,
        units=image.units,
        translate=image.translate,
        channels=_zarr_channels(given),
        name=given.name,
        record=_with_kind(given),
        pyramid="nearest" if given.is_labels else "mean",
    )
    growing = partial_path(path)
    if growing.exists():
        raise DiffuscopeError(f"An unfinished result waits to become {path.name}; choose another name.")
    try:
        with open_sink(path, spec, {"saved": uuid.uuid4().hex}, overwrite=overwrite) as sink:
            for block in BlockPlan(spec.shape, sink.block):
                sink.write_block(block, np.asarray(image.data[block.region]))
                yield
            for _ in sink.finishing():
                yield
    except BaseException:
        shutil.rmtree(growing, ignore_errors=True)  # there was none before
        raise
    return path


def _zarr_channels(given: LayerFile) -> tuple[Channel, ...]:
    count = given.image.channel_count
    names: Sequence[str] = given.channels if len(given.channels) == count else ()
    return tuple(Channel(name, given.limits) for name in names)


def _with_kind(given: LayerFile) -> Mapping[str, Any] | None:
    """The record, which also tells what files have no other place for: labels, and the axis of samples."""
    extra = {SAMPLES_AXIS: given.samples} if given.samples else {}
    extra |= {LAYER_TYPE: "labels"} if given.is_labels else {}
    return {**(given.record or {}), **extra} if extra else given.record
