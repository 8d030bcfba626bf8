"""Zarr arrays and OME-Zarr images (NGFF 0.4 and 0.5) as lazy images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.imaging.axes import known_axes, letter_of, letters_of
from napari_diffuscope.imaging.failures import name_of, reading
from napari_diffuscope.imaging.image import RGB, Image
from napari_diffuscope.imaging.scenes import SeriesInfo, chosen_scene, scene_number
from napari_diffuscope.imaging.units import unit_name
from napari_diffuscope.imaging.views import ArrayLike, AxisView
from napari_diffuscope.imaging.zarr_scenes import Inside, images_inside, layout_of, no_image, ome_attributes
from napari_diffuscope.imaging.zarr_store import KIND, ZarrPixels, opened


def read_zarr(
    path: str | Path,
    *,
    axes: str | None = None,
    rgb: RGB = "luminance",
    series: int | str | None = None,
) -> Image:
    """Open a Zarr array or the full resolution of an OME-Zarr image; chunks are read when they are wanted.

    Parameters
    ----------
    path
        Folder of the array or image.
    axes
        What the axes are, where the file is silent or wrong. By default those of the metadata: the axes of
        OME-Zarr or the names of the dimensions; else by number of dimensions.
    rgb
        Colour (axis S) as its ``"luminance"`` or as three ``"channels"``.
    series
        Which image of a plate, a well or another collection, by number or by name (``"A/1/0"``). By default the
        largest, of a well or a collection; of a plate one has to be chosen.

    Returns
    -------
    Image
        For OME-Zarr, axes of length 1 are left out, and sizes, units and names of channels are those of its metadata.

    Raises
    ------
    DiffuscopeError
        If the folder is missing or holds no image, or its axes make no sense.
    """
    path = Path(path)
    if axes is not None:
        axes = letters_of(axes)
    with reading(path, KIND):
        if not path.exists():
            raise DiffuscopeError(f"There is no folder {name_of(path)}; check the path.")
        number, notes = _chosen(path, series)
        inside = (images_inside(path) or (Inside("", path),))[number]
        described = _found_in(opened(inside.path), inside)
        image = _image_of(described, path, axes, rgb, notes=notes, name=_name_of(inside.path))
    several = inside.path != path or inside.multiscale > 0
    return replace(
        image,
        series=number,
        scene=inside.name if several else "",
        channels=image.channels or described.channels,
    )


def list_zarr(path: Path) -> tuple[SeriesInfo, ...]:
    """The images of a group: one, but of plates, wells and other collections.

    Raises
    ------
    DiffuscopeError
        If it holds none, or one cannot be read.
    """
    with reading(path, KIND):
        return tuple(
            _info(number, one) for number, one in enumerate(images_inside(path) or (Inside("", path),))
        )


def _info(number: int, inside: Inside) -> SeriesInfo:
    image = _image_of(_found_in(opened(inside.path), inside), inside.path, None, "luminance")
    size = prod(image.shape) * image.dtype.itemsize
    return SeriesInfo(number, inside.name, image.axes, image.shape, str(image.dtype), size)


def _chosen(path: Path, wanted: int | str | None) -> tuple[int, list[str]]:
    """Number of the image that is read, and what must be said of that."""
    inside = images_inside(path)
    if wanted is not None:
        return scene_number(wanted, [one.name for one in inside] or [""], path), []
    layout = layout_of(path)
    if inside and (layout == "plate" or (layout == "group" and len(inside) > 1)):
        raise no_image(path, inside)
    if len(inside) < 2:
        return 0, []
    return chosen_scene(list_zarr(path), None, path)


def _image_of(
    described: _Described,
    path: Path,
    axes: str | None,
    rgb: RGB,
    *,
    notes: Sequence[str] = (),
    name: str | None = None,
) -> Image:
    array = ZarrPixels(path, described.array)
    view: ArrayLike = array
    letters, scale, units, translate = axes, described.scale, described.units, described.translate
    if described.names is not None and not (axes is not None and len(axes) == len(array.shape)):
        places, named = known_axes(described.names, array.shape)
        view, letters = _kept(array, places), axes or named
        scale, units = [scale[place] for place in places], [units[place] for place in places]
        translate = [translate[place] for place in places]
    return Image.wrap(
        view,
        letters,
        scale=scale,
        units=units,
        rgb=rgb,
        name=name or _name_of(path),
        source=str(path),
        translate=translate,
        notes=notes,
    )


def _name_of(path: Path) -> str:
    """What to call an image: its folder, or for one inside of another, that and the way to it."""
    outer = next((one for one in path.parents if one.suffix.lower() == ".zarr"), path)
    name = outer.stem.removesuffix(".ome")
    return name if outer == path else " ".join((name, *path.relative_to(outer).parts))


def _kept(array: ArrayLike, places: Sequence[int]) -> ArrayLike:
    if len(places) == len(array.shape):
        return array
    fixed = {place: 0 for place in range(len(array.shape)) if place not in places}
    return AxisView(array, places, fixed=fixed)


@dataclass(frozen=True)
class _Described:
    """An array, the names of its axes if known, its scale, units and translate."""

    array: Any
    names: list[str] | None
    scale: list[float]
    units: list[str]
    translate: list[float]
    channels: tuple[str, ...] = ()


def _found_in(node: Any, inside: Inside) -> _Described:
    """The image in an array or group."""
    if hasattr(node, "shape"):
        return _plain(node)
    attributes = ome_attributes(inside.path)
    if attributes.get("multiscales"):
        described = _multiscale(node, attributes["multiscales"][inside.multiscale])
        return replace(described, channels=_channels(attributes))
    arrays = list(node.arrays())
    if len(arrays) == 1:
        return _plain(arrays[0][1])
    raise DiffuscopeError(_many_inside(node, inside.path))


def _channels(attributes: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of all channels, as the rendering settings give them; empty where one has none."""
    omero = attributes.get("omero")
    channels = omero.get("channels") if isinstance(omero, Mapping) else None
    names = [one.get("label") if isinstance(one, Mapping) else None for one in channels or ()]
    return tuple(map(str, names)) if all(names) else ()


def _many_inside(node: Any, path: Path) -> str:
    """Sentence about a group that is no image."""
    names = sorted(map(str, node.keys()))
    if not names:
        return f"{name_of(path)} is an empty group, not an image; choose another folder."
    return (
        f"{name_of(path)} is no image but a group of {len(names)} others; "
        f"choose one inside it, like {quoted(str(path / names[0]), 100)}."
    )


def _plain(array: Any) -> _Described:
    """An array that is no OME-Zarr; only names of dimensions may tell its axes."""
    dimensions = len(array.shape)
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    letters = [letter_of(name) for name in names] if isinstance(names, list | tuple) else []
    told = len(letters) == dimensions and {"Y", "X"} <= set(letters)
    ones, zeros = [1.0] * dimensions, [0.0] * dimensions
    return _Described(array, [*map(str, names)] if told else None, ones, ["pixel"] * dimensions, zeros)


def _multiscale(group: Any, metadata: Mapping[str, Any]) -> _Described:
    levels = metadata["datasets"]
    best = max(levels, key=lambda level: prod(group[level["path"]].shape))
    array = group[best["path"]]
    dimensions = len(array.shape)
    # Before version 0.3 the axes were not written: there were always these five.
    axes = [axis if isinstance(axis, Mapping) else {"name": axis} for axis in metadata.get("axes", "tczyx")]
    if len(axes) != dimensions:
        raise ValueError(f"it names {len(axes)} axes, but its array has {dimensions}")
    scale, translate = [1.0] * dimensions, [0.0] * dimensions
    for transforms in (best.get("coordinateTransformations"), metadata.get("coordinateTransformations")):
        sizes = _values_of("scale", transforms or (), [1.0] * dimensions)
        starts = _values_of("translation", transforms or (), [0.0] * dimensions)
        scale = [old * new for old, new in zip(scale, sizes, strict=True)]
        translate = [old * new + start for old, new, start in zip(translate, sizes, starts, strict=True)]
    units = [unit_name(axis.get("unit") or "pixel") for axis in axes]
    return _Described(array, _names_of(axes), scale, units, translate)


def _names_of(axes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of the axes of an OME-Zarr image: by their kind where that says more than their name."""
    names = [letter_of(axis.get("name")) or "" for axis in axes]
    for place, axis in enumerate(axes):
        if kind := {"time": "T", "channel": "C"}.get(str(axis.get("type"))):
            names[place] = kind
    places = [place for place, axis in enumerate(axes) if axis.get("type") == "space"]
    if not all(names[place] in tuple("ZYX") for place in places):
        # Axes of space stand in the order z, y, x, whatever they are called.
        for place, letter in zip(reversed(places), "XYZ", strict=False):
            names[place] = letter
    return [name or str(axis.get("name")) for name, axis in zip(names, axes, strict=True)]


def _values_of(kind: str, transforms: Iterable[Mapping[str, Any]], default: list[float]) -> list[float]:
    """Numbers of the first transformation of a kind, ``"scale"`` or ``"translation"``."""
    values = next((transform[kind] for transform in transforms if transform.get("type") == kind), default)
    if len(values) != len(default):
        raise ValueError(f"its {kind} has {len(values)} values for {len(default)} axes")
    return [float(value) for value in values]
