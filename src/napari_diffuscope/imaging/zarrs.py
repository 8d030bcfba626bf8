"""Zarr arrays and OME-Zarr images (NGFF 0.4 and 0.5) as lazy images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.axes import LETTERS, SAMPLES, known_axes
from napari_diffuscope.imaging.failures import reading
from napari_diffuscope.imaging.image import RGB, Image
from napari_diffuscope.imaging.units import unit_name
from napari_diffuscope.imaging.views import ArrayLike, AxisView

KIND = "Zarr"


def read_zarr(path: str | Path, *, axes: str | None = None, rgb: RGB = "luminance") -> Image:
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

    Returns
    -------
    Image
        For OME-Zarr, axes of length 1 are left out, and sizes and units are those of its metadata.

    Raises
    ------
    DiffuscopeError
        If the folder is missing or holds no image, or its axes make no sense.
    """
    import zarr

    path = Path(path)
    if not path.exists():
        raise DiffuscopeError(f"There is no folder {str(path)!r}; check the path.")
    with reading(path, KIND):
        node = _opened(zarr, path)
        array, names, scale, units, translate = _image_of(node, path)
    if names is None or (axes is not None and len(axes) == len(array.shape)):
        view, letters = array, axes
    else:
        kept, found = known_axes(names, array.shape)
        view, letters = _kept(array, kept), axes or found
        scale, units = [scale[place] for place in kept], [units[place] for place in kept]
        translate = [translate[place] for place in kept]
    name = path.stem.removesuffix(".ome")
    return Image.wrap(
        view,
        letters,
        scale=scale,
        units=units,
        rgb=rgb,
        name=name,
        source=str(path),
        translate=translate,
    )


def _opened(zarr: Any, path: Path) -> Any:
    try:
        return zarr.open(path, mode="r")
    except FileNotFoundError as error:  # the folder is there, so this is about what is in it
        raise ValueError("it holds no array or group") from error


def _kept(array: ArrayLike, kept: Sequence[int]) -> ArrayLike:
    if len(kept) == len(array.shape):
        return array
    fixed = {place: 0 for place in range(len(array.shape)) if place not in kept}
    return AxisView(array, kept, fixed=fixed)


_Described = tuple[ArrayLike, list[str] | None, list[float], list[str], list[float]]
"""An array, the names of its axes if known, its scale, units and translate."""


def _image_of(node: Any, path: Path) -> _Described:
    if hasattr(node, "shape"):
        return _plain(node)
    attributes = node.attrs.asdict()
    image = attributes.get("ome", attributes)
    if image.get("multiscales"):
        return _multiscale(node, image["multiscales"][0])
    if "0" in node and not hasattr(
        node["0"], "shape"
    ):  # the layout of bioformats2raw: images as numbered groups
        return _image_of(node["0"], path)
    arrays = list(node.arrays())
    if len(arrays) == 1:
        return _plain(arrays[0][1])
    raise DiffuscopeError(
        f"{str(path)!r} is no image but a group of {len(list(node.keys()))} others; choose one inside it."
    )


def _plain(array: Any) -> _Described:
    """An array that is no OME-Zarr; only names of dimensions may tell its axes."""
    dimensions = len(array.shape)
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    known = names is not None and all(str(name).upper() in tuple(LETTERS + SAMPLES) for name in names)
    ones, zeros = [1.0] * dimensions, [0.0] * dimensions
    return array, list(names) if known else None, ones, ["pixel"] * dimensions, zeros


def _multiscale(group: Any, metadata: Mapping[str, Any]) -> _Described:
    levels = metadata["datasets"]
    best = max(levels, key=lambda level: prod(group[level["path"]].shape))
    array = group[best["path"]]
    dimensions = len(array.shape)
    # Before version 0.3 the axes were not written: there were always these five.
    axes = [axis if isinstance(axis, Mapping) else {"name": axis} for axis in metadata.get("axes", "tczyx")]
    scale, translate = [1.0] * dimensions, [0.0] * dimensions
    for transforms in (best.get("coordinateTransformations"), metadata.get("coordinateTransformations")):
        sizes = _values_of("scale", transforms or (), [1.0] * dimensions)
        starts = _values_of("translation", transforms or (), [0.0] * dimensions)
        scale = [old * new for old, new in zip(scale, sizes, strict=True)]
        translate = [old * new + start for old, new, start in zip(translate, sizes, starts, strict=True)]
    units = [unit_name(axis.get("unit") or "pixel") for axis in axes]
    return array, [str(axis["name"]) for axis in axes], scale, units, translate


def _values_of(kind: str, transforms: Iterable[Mapping[str, Any]], default: list[float]) -> list[float]:
    """Numbers of the first transformation of a kind, ``"scale"`` or ``"translation"``."""
    found = [transform[kind] for transform in transforms if transform.get("type") == kind]
    return [float(value) for value in found[0]] if found else default
