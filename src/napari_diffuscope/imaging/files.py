"""One way in for image files of every kind that is read here."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.axes import letters_of
from napari_diffuscope.imaging.failures import reading, refuse_address
from napari_diffuscope.imaging.formats import Kind, kind_of
from napari_diffuscope.imaging.image import RGB, Image
from napari_diffuscope.imaging.npy import open_npy
from napari_diffuscope.imaging.scenes import SeriesInfo, scene_number
from napari_diffuscope.imaging.stamps import Stamp
from napari_diffuscope.imaging.unchanged import stamped
from napari_diffuscope.imaging.zarrs import list_zarr, read_zarr


def open_image(
    path: str | Path, *, axes: str | None = None, rgb: RGB = "luminance", series: int | str | None = None
) -> Image:
    """Open an image file; large files are read plane by plane, when wanted.

    Parameters
    ----------
    path
        TIFF (OME, ImageJ, ``.lsm``, ``.stk`` and others), ``.zarr`` or ``.ome.zarr`` or an image inside one,
        ``.npy``, PNG or JPEG; with the extra ``formats`` CZI, LIF and ND2. What is in a file decides, not its name.
    axes
        What the axes are, where the file is silent or wrong: one letter of ``TCZYXS`` per axis.
    rgb
        Colour as its ``"luminance"`` or as three ``"channels"``.
    series
        Which image (series, scene, field), where a file holds several: its number, counted as by
        :func:`list_series`, or its name; the largest by default.

    Raises
    ------
    DiffuscopeError
        If the file is missing, of another kind or damaged, or its axes make no sense.
    """
    return with_typed_axes(_opened(path, axes, rgb, series), axes)


def with_typed_axes(image: Image, axes: str | Sequence[str] | None) -> Image:
    """The image, which knows the axes that were named for it by hand."""
    return image if axes is None else replace(image, typed_axes="".join(axes).strip().upper())


def open_labels(path: str | Path, *, series: int | str | None = None) -> Image:
    """Open a file of labels: as :func:`open_image`, but numbers are taken as they are stored.

    Colours of a table, in which programs show labels, are left aside.

    Parameters
    ----------
    path, series
        As for :func:`open_image`.

    Raises
    ------
    DiffuscopeError
        As for :func:`open_image`.
    """
    return _opened(path, None, "luminance", series, as_stored=True)


def list_series(path: str | Path) -> tuple[SeriesInfo, ...]:
    """The images in a file, with name, axes, shape and size, reading no pixels.

    Parameters
    ----------
    path
        As for :func:`open_image`.

    Raises
    ------
    DiffuscopeError
        As for :func:`open_image`.
    """
    path = Path(path)
    kind = kind_of(path)
    if kind == "TIFF":
        from napari_diffuscope.imaging import tiff

        return tiff.list_series(path)
    if kind == "Zarr":
        return list_zarr(path)
    if kind not in ("NumPy", "PNG or JPEG"):
        from napari_diffuscope.imaging.microscope import list_scenes

        return list_scenes(path, kind)
    image = open_image(path)
    size = math.prod(image.shape) * image.dtype.itemsize
    return (SeriesInfo(0, image.name, image.axes, image.shape, str(image.dtype), size),)


def where_several(path: str | Path, wanted: int | str | None) -> int | str | None:
    """Which image of a file to open where one was asked for of many files: that one, if the file holds several.

    Raises
    ------
    DiffuscopeError
        As :func:`open_image`.
    """
    return None if wanted is None or len(list_series(path)) < 2 else wanted


def _opened(
    source: str | Path, axes: str | None, rgb: RGB, series: int | str | None, *, as_stored: bool = False
) -> Image:
    refuse_address(source)
    path, letters = Path(source), None if axes is None else letters_of(axes)
    kind = kind_of(path)
    before = None if path.is_dir() else Stamp.of(path)  # of a folder it depends on the image that is chosen
    image = _read(path, kind, letters, rgb, series, as_stored=as_stored)
    return stamped(replace(image, stamp=before))


def _read(
    path: Path, kind: Kind, axes: str | None, rgb: RGB, series: int | str | None, *, as_stored: bool
) -> Image:
    if kind == "TIFF":
        from napari_diffuscope.imaging.tiff import read_image

        return _with_names(read_image(path, axes=axes, rgb=rgb, series=series, as_stored=as_stored), path)
    if kind == "Zarr":
        return read_zarr(path, axes=axes, rgb=rgb, series=series)
    if kind not in ("NumPy", "PNG or JPEG"):
        from napari_diffuscope.imaging.microscope import read_microscope

        return read_microscope(path, kind, axes=axes, rgb=rgb, series=series)
    if series is not None:
        scene_number(series, [""], path)
    if kind == "NumPy":
        return _read_npy(path, axes, rgb)
    return _read_picture(path, axes, rgb, as_stored=as_stored)


def _with_names(image: Image, path: Path) -> Image:
    """An image with the names of its channels, where its file knows them."""
    if "C" not in image.axes or image.channels:
        return image
    from napari_diffuscope.imaging.channel_names import channel_names

    with suppress(DiffuscopeError):  # what is amiss with names alone is no reason not to read an image
        return replace(image, channels=channel_names(path, image.channel_count, series=image.series))
    return image


def image_of(
    source: Any, axes: str | None = None, *, rgb: RGB = "luminance", series: int | str | None = None
) -> Image:
    """An image from whatever a caller has.

    Parameters
    ----------
    source
        An :class:`~napari_diffuscope.imaging.image.Image`, an array (numpy, dask, zarr), or the path of a file.
    axes, rgb, series
        As for :func:`open_image`.

    Raises
    ------
    DiffuscopeError
        If it cannot be read, or its axes make no sense.
    """
    if isinstance(source, str | os.PathLike):
        return open_image(Path(source), axes=axes, rgb=rgb, series=series)
    if series is not None:
        raise DiffuscopeError(
            "A series is chosen of a file, but this image is none; pass its path, or leave it out."
        )
    return with_typed_axes(Image.wrap(source, axes, rgb=rgb), axes)


def labels_of(source: Any, *, series: int | str | None = None) -> Image:
    """Labels from whatever a caller has, as :func:`image_of`; of a file, as :func:`open_labels`."""
    if isinstance(source, str | os.PathLike):
        return open_labels(Path(source), series=series)
    return image_of(source, series=series)


def _read_npy(path: Path, axes: str | None, rgb: RGB) -> Image:
    with reading(path, "NumPy"):
        return Image.wrap(open_npy(path), axes, rgb=rgb, name=path.stem, source=str(path))


def _read_picture(path: Path, axes: str | None, rgb: RGB, *, as_stored: bool) -> Image:
    import imageio.v3

    with reading(path, "PNG or JPEG"):
        with path.open("rb") as file:
            if not file.read(4).startswith((b"\x89PNG", b"\xff\xd8")):
                raise ValueError("its first bytes are not those of one")
        mode = imageio.v3.immeta(path, plugin="pillow").get("mode")
        if as_stored and mode == "P":  # positions in the table of colours
            pixels = imageio.v3.imread(path, plugin="pillow", mode="P")
        else:
            pixels = imageio.v3.imread(path, plugin="pillow")
    if axes is None and pixels.ndim == 3:
        axes = "YXS"
        if pixels.shape[-1] == 2:  # grey with alpha
            pixels, axes = pixels[..., 0], "YX"
    return Image.wrap(pixels, axes, rgb=rgb, name=path.stem, source=str(path))
