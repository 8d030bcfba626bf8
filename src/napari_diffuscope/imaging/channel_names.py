"""Names of the channels of an image file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_diffuscope.imaging.failures import reading
from napari_diffuscope.imaging.tiff.opening import opened_tiff
from napari_diffuscope.imaging.tiff.series import images_of


def channel_names(path: str | Path, count: int, *, series: int = 0) -> tuple[str, ...]:
    """Names of the channels in OME-XML, in the labels of ImageJ or in OME-Zarr's rendering settings.

    Parameters
    ----------
    path
        A TIFF file or a Zarr folder.
    count
        Number of channels that the image has.
    series
        Number of the image in a TIFF file.

    Returns
    -------
    tuple of str
        One for each channel; empty where the file does not name them all.

    Raises
    ------
    DiffuscopeError
        If the file is missing or damaged.
    """
    path = Path(path)
    if path.suffix.lower() == ".zarr" or path.is_dir():
        with reading(path, "Zarr"):
            names = _of_zarr(path)
    else:
        names = _of_tiff(path, count, series)
    return tuple(names) if len(names) == count and all(names) else ()


def _of_zarr(path: Path) -> list[str]:
    import zarr

    attributes = zarr.open(path, mode="r").attrs.asdict()
    omero = attributes.get("ome", attributes).get("omero") or {}
    return [str(channel.get("label", "")) for channel in omero.get("channels", ())]


def _of_tiff(path: Path, count: int, series: int) -> list[str]:
    with opened_tiff(path) as (tif, _):
        images = images_of(tif)
        pixels = images[series].pixels if series < len(images) else None
        if pixels is not None:
            return [child.get("Name", "") for child in pixels if child.tag.endswith("}Channel")]
        labels = (tif.imagej_metadata or {}).get("Labels") if tif.is_imagej else None
    return _of_imagej(labels, count)


def _of_imagej(labels: Any, count: int) -> list[str]:
    """ImageJ labels planes, channels first: the labels of the first plane's channels, if they differ."""
    several = [labels] if isinstance(labels, str) else list(labels or ())
    first = [str(label).strip() for label in several[:count]]
    return first if len(set(first)) == len(first) else []
