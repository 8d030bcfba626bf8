"""One way in for image files of every kind that is read here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.axes import letters_of
from napari_diffuscope.imaging.failures import reading, refuse_address
from napari_diffuscope.imaging.image import RGB, Image
from napari_diffuscope.imaging.npy import open_npy
from napari_diffuscope.imaging.zarrs import is_zarr, read_zarr

TIFF_SUFFIXES = (".tif", ".tiff", ".btf", ".tf8")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")
SUFFIXES = (*TIFF_SUFFIXES, ".zarr", ".npy", *PICTURE_SUFFIXES)
"""Endings of names that `open_image` understands."""


def open_image(
    path: str | Path, *, axes: str | None = None, rgb: RGB = "luminance", series: int = 0
) -> Image:
    """Open an image file by the ending of its name; large files are read plane by plane, when wanted.

    Parameters
    ----------
    path
        TIFF (``.tif``, ``.ome.tif``, ``.btf``), ``.zarr`` or ``.ome.zarr``, ``.npy``, PNG or JPEG.
    axes
        What the axes are, where the file is silent or wrong: one letter of ``TCZYXS`` per axis.
    rgb
        Colour as its ``"luminance"`` or as three ``"channels"``.
    series
        Which image, where a TIFF file holds several.

    Raises
    ------
    DiffuscopeError
        If the file is missing, of another kind or damaged, or its axes make no sense.
    """
    refuse_address(path)
    path, axes = Path(path), None if axes is None else letters_of(axes)
    suffix = path.suffix.lower()
    if suffix in TIFF_SUFFIXES:
        from napari_diffuscope.imaging.tiff import read_image

        return read_image(path, axes=axes, rgb=rgb, series=series)
    if is_zarr(path):
        return read_zarr(path, axes=axes, rgb=rgb)
    if suffix == ".npy":
        return _read_npy(path, axes, rgb)
    if suffix in PICTURE_SUFFIXES:
        return _read_picture(path, axes, rgb)
    raise DiffuscopeError(
        f"{str(path)!r} is of no kind that can be read; convert it to one of {', '.join(SUFFIXES)}."
    )


def image_of(source: Any, axes: str | None = None, *, rgb: RGB = "luminance") -> Image:
    """An image from whatever a caller has.

    Parameters
    ----------
    source
        An :class:`~napari_diffuscope.imaging.image.Image`, an array (numpy, dask, zarr), or the path of a file.
    axes, rgb
        As for :func:`open_image`.

    Raises
    ------
    DiffuscopeError
        If it cannot be read, or its axes make no sense.
    """
    if isinstance(source, str | os.PathLike):
        return open_image(Path(source), axes=axes, rgb=rgb)
    return Image.wrap(source, axes, rgb=rgb)


def _read_npy(path: Path, axes: str | None, rgb: RGB) -> Image:
    with reading(path, "NumPy"):
        return Image.wrap(open_npy(path), axes, rgb=rgb, name=path.stem, source=str(path))


def _read_picture(path: Path, axes: str | None, rgb: RGB) -> Image:
    import imageio.v3

    with reading(path, "PNG or JPEG"):
        pixels = imageio.v3.imread(path, plugin="pillow")
    if axes is None and pixels.ndim == 3:
        axes = "YXS"
        if pixels.shape[-1] == 2:  # grey with alpha
            pixels, axes = pixels[..., 0], "YX"
    return Image.wrap(pixels, axes, rgb=rgb, name=path.stem, source=str(path))
