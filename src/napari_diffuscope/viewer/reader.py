"""File › Open: TIFF, OME-Zarr and files of microscopes with pixel size, units, axes, names of channels and record."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from npe2 import PluginManager

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.formats import keeps_sizes
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.views import AxisView, LuminanceView
from napari_diffuscope.methods.records import RECORD_KEY
from napari_diffuscope.viewer.layer_file import LAYER_RECORDS, LAYER_TYPE, SAMPLES_AXIS
from napari_diffuscope.viewer.layer_sizes import NOTES_KEY, SERIES_KEY, SOURCE_KEY

LayerData = tuple[Any, dict[str, Any], str]

#: Images up to this many bytes are read into memory; larger ones plane by plane, when they are shown.
IN_MEMORY = 2**29
#: Images of one file that are opened, at most.
MOST_IMAGES = 50
_COLOURS = ("cyan", "magenta", "yellow", "red", "green", "blue")


def get_reader(path: str | list[str]) -> Callable[[str], list[LayerData]] | None:
    """A reader for one TIFF file, OME-Zarr folder or file of a microscope; ``None`` for anything else.

    A file of a microscope is left to other plugins where its reader, an extra, is not there.
    """
    if not isinstance(path, str) or not keeps_sizes(path) or _is_better_read_by_others(path):
        return None
    return read_layers


def _is_better_read_by_others(path: str) -> bool:
    """Where nobody else can read it, our own sentence on what is missing is of more use than none."""
    from napari_diffuscope.imaging.microscope import lacks_reader

    others = (reader.plugin_name for reader in PluginManager.instance().iter_compatible_readers(path))
    return lacks_reader(path) and any(name != "napari-diffuscope" for name in others)


def read_layers(path: str | list[str]) -> list[LayerData]:
    """Layers of a file: one, or one per channel; of a file with several images also the others, hidden at first.

    Parameters
    ----------
    path
        Of a TIFF file, a Zarr folder or a file of a microscope.

    Raises
    ------
    DiffuscopeError
        If it is missing, damaged or holds no image.
    """
    from napari_diffuscope.imaging.files import open_image

    file = Path(path if isinstance(path, str) else path[0])
    image = open_image(file)
    return [*_others(file, image), *_layers(image, file)]


def _others(file: Path, shown: Image) -> list[LayerData]:
    """Layers of the other images of a file, so that the user can choose one with its eye."""
    from napari_diffuscope.imaging.files import list_series, open_image

    found: list[LayerData] = []
    for info in list_series(file)[:MOST_IMAGES]:
        if info.number == shown.series:
            continue
        with suppress(DiffuscopeError):  # the image that is shown says which others there are
            image = open_image(file, series=info.number)
            for data, keywords, kind in _layers(image, file):
                named = bool(info.name) and info.name in keywords["name"]
                name = keywords["name"] if named else f"{keywords['name']} (image {info.number})"
                found.append((data, keywords | {"name": name, "visible": False}, kind))
    return found


def _layers(image: Image, file: Path) -> list[LayerData]:
    record = stored_record(file)
    samples = _samples_axis(image, record)
    metadata: dict[str, Any] = {SOURCE_KEY: str(file), SERIES_KEY: image.series, NOTES_KEY: image.notes}
    common: dict[str, Any] = {"metadata": metadata | ({RECORD_KEY: record} if record else {})}
    if isinstance(image.data, LuminanceView):
        return [
            (
                np.asarray(image.data.base),
                common | _place(image, image.axes, samples) | {"rgb": True},
                "image",
            )
        ]
    if record.get(LAYER_TYPE) == "labels":
        return [(_whole(image.data), common | _place(image, image.axes, samples), "labels")]
    if image.channel_count > 1 and samples != "C":
        return _split(image, samples, common)
    return [_layer(image, image.data, image.axes, samples, common)]


def stored_record(file: Path) -> dict[str, Any]:
    """The record in a file; empty where it holds none."""
    from napari_diffuscope.imaging.blocks import read_zarr_record
    from napari_diffuscope.imaging.tiff import read_record

    try:
        if file.suffix.lower() == ".zarr":
            return read_zarr_record(file) or {}
        return read_record(file) or {}
    except DiffuscopeError:  # the pixels can be read all the same; a plain array has no place for a record
        return {}


def _samples_axis(image: Image, record: dict[str, Any]) -> str:
    """Letter of the axis that counts samples, which files know by another letter; else empty."""
    if SAMPLES_AXIS in record:
        return str(record[SAMPLES_AXIS])
    settings, before = record.get("settings") or {}, record.get("input") or {}
    if settings.get("mode") != "samples":
        return ""
    new = [letter for letter in image.axes if letter not in str(before.get("axes", ""))]
    return new[0] if len(new) == 1 else ""


def _split(image: Image, samples: str, common: dict[str, Any]) -> list[LayerData]:
    """One layer for each channel, in colours that add up."""
    count, place = image.channel_count, image.axes.index("C")
    names = image.channels or tuple(f"channel {number}" for number in range(count))
    letters = image.axes.replace("C", "")
    order = [axis for axis in range(len(image.axes)) if axis != place]
    found = []
    for number, name in enumerate(names):
        view = AxisView(image.data, order, fixed={place: number})
        data, keywords, kind = _layer(image, view, letters, samples, common)
        colour = "gray" if count > len(_COLOURS) else _COLOURS[number]
        keywords["metadata"] = _metadata_of_channel(common["metadata"], number, count)
        keywords |= {"name": f"{image.name} {name}", "colormap": colour, "blending": "additive"}
        found.append((data, keywords, kind))
    return found


def _metadata_of_channel(metadata: dict[str, Any], number: int, count: int) -> dict[str, Any]:
    """Of one channel, with the record of the layer that it was, where several were saved together."""
    records = (metadata.get(RECORD_KEY) or {}).get(LAYER_RECORDS)
    if not isinstance(records, list) or len(records) != count:
        return dict(metadata)
    others = {key: value for key, value in metadata.items() if key != RECORD_KEY}
    return others | ({RECORD_KEY: records[number]} if records[number] else {})


def _layer(image: Image, data: Any, letters: str, samples: str, common: dict[str, Any]) -> LayerData:
    pixels = _whole(data)
    middle = tuple(length // 2 for length in pixels.shape[:-2])
    limits = contrast(np.asarray(pixels[(*middle, slice(None), slice(None))], dtype=np.float64))
    keywords = {"multiscale": False, "contrast_limits": limits, "rgb": False}
    return pixels, common | _place(image, letters, samples) | keywords, "image"


def _place(image: Image, letters: str, samples: str) -> dict[str, Any]:
    """Name, sizes and axes of a layer with some of the axes of an image."""
    at = [image.axes.index(letter) for letter in letters]
    return {
        "name": image.name,
        "scale": tuple(image.scale[place] for place in at),
        "translate": tuple(image.translate[place] for place in at),
        "units": tuple(image.units[place] for place in at),
        "axis_labels": tuple("sample" if letter == samples else letter.lower() for letter in letters),
    }


def _whole(data: Any) -> Any:
    """Small images as an array, which every program can use; large ones as they are."""
    size = int(np.prod(data.shape, dtype=np.int64)) * np.dtype(data.dtype).itemsize
    return np.asarray(data) if size <= IN_MEMORY else data


def contrast(plane: np.ndarray) -> tuple[float, float]:
    """Limits in which the structures of a plane are seen: without its darkest and few brightest pixels."""
    seen = plane[np.isfinite(plane)]
    low, high = np.percentile(seen, [0.5, 99.8]) if seen.size else (0.0, 1.0)
    return float(low), float(high if high > low else low + 1)
