"""TIFF files as images whose planes are read when they are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.axes import known_axes
from napari_diffuscope.imaging.image import RGB, Image
from napari_diffuscope.imaging.scenes import SeriesInfo
from napari_diffuscope.imaging.tiff.ome import missing_files
from napari_diffuscope.imaging.tiff.opening import opened_tiff
from napari_diffuscope.imaging.tiff.pages import TiffPages
from napari_diffuscope.imaging.tiff.series import TiffImage, chosen_image, images_of
from napari_diffuscope.imaging.tiff.sizes import calibration
from napari_diffuscope.imaging.tiff.values import with_meaning
from napari_diffuscope.imaging.views import ArrayLike, AxisView


def list_series(path: str | Path) -> tuple[SeriesInfo, ...]:
    """The images in a TIFF file, reading no pixels.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    DiffuscopeError
        If the file is missing, no TIFF or damaged.
    """
    path = Path(path)
    with opened_tiff(path) as (tif, _):
        return tuple(_info(path, tif, number, image) for number, image in enumerate(images_of(tif)))


def _info(path: Path, tif: Any, number: int, image: TiffImage) -> SeriesInfo:
    lengths, names = image.shape, _axis_names(tif, image.series)
    with suppress(ValueError):  # of a damaged one, what it claims
        there = TiffPages(path, tif, image.series).there
        lengths = there + lengths[len(there) :]
    places = [place for place, length in enumerate(lengths) if length > 1 or names[place] in "YX"]
    letters = "".join(names[place] for place in places)
    with suppress(DiffuscopeError):  # more axes than can be read
        letters = known_axes(names, lengths)[1]
    shape, dtype = tuple(lengths[place] for place in places), np.dtype(image.series.dtype)
    return SeriesInfo(number, image.name, letters, shape, str(dtype), prod(shape) * dtype.itemsize)


def read_image(
    path: str | Path,
    *,
    axes: str | None = None,
    rgb: RGB = "luminance",
    series: int | str | None = None,
    as_stored: bool = False,
) -> Image:
    """Open an OME-TIFF, ImageJ hyperstack or other TIFF file; pixels are read when they are wanted.

    Parameters
    ----------
    path
        The file.
    axes
        What the axes are, where the file is silent or wrong: one letter of ``TCZYXS`` for each axis longer
        than 1. By default those that the file names; an unnamed sequence of pages is a stack, Z.
    rgb
        Colour as its ``"luminance"`` or as three ``"channels"``; an ImageJ composite always is channels.
    series
        Which image, where the file holds several, by number, counted as by :func:`list_series`, or by name; the
        largest by default.
    as_stored
        Whether numbers are taken as they are stored, as those of labels: tables of colours are left aside, and
        white may be the least value.

    Returns
    -------
    Image
        Axes of length 1 are left out. Pixel sizes are those that the file names, in ``"micrometer"`` and so on;
        1 ``"pixel"`` without. Of an acquisition that was stopped there is what is in the file. ``notes`` say what
        was left out, put together or taken from an unusual place.

    Raises
    ------
    DiffuscopeError
        If the file is missing, no TIFF, damaged, or its axes make no sense.
    """
    path = Path(path)
    with opened_tiff(path) as (tif, notes):
        images = images_of(tif)
        number, said = chosen_image(images, series, path)
        sizes, measured = calibration(tif, images[number])
        image = images[number].series
        names = _axis_names(tif, image)
        pages = TiffPages(path, tif, image)
        notes += [*said, *measured, *_gaps(pages, names, images[number], path)]
        data: ArrayLike = AxisView(pages, range(len(names)), lengths=dict(enumerate(pages.there)))
        if not as_stored:
            written_by_imagej = image.kind == "imagej"
            data, names, more = with_meaning(
                data, names, image.keyframe, imagej=written_by_imagej, file=path.name
            )
            notes += more
    places, letters = _places_of_axes(names, data.shape, axes)
    fixed = {place: 0 for place in range(len(data.shape)) if place not in places}
    steps = [sizes.get(letter.upper(), (1.0, "pixel")) for letter in letters]
    return Image.wrap(
        AxisView(data, places, fixed=fixed),
        letters,
        scale=[size for size, _ in steps],
        units=[unit for _, unit in steps],
        rgb=rgb,
        name=path.stem.removesuffix(".ome"),
        source=str(path),
        notes=notes,
        series=number,
        scene=images[number].name if len(images) > 1 else "",
    )


def _gaps(pages: TiffPages, names: Sequence[str], image: TiffImage, path: Path) -> list[str]:
    """What must be said of pages that the description names and the file lacks."""
    notes = []
    if absent := missing_files(image.pixels, path.parent):
        notes.append(
            f"{len(absent)} of the files that belong to {path.name!r} are missing, {absent[0]!r} first; put them back "
            "beside it to have all planes."
        )
    cut = [place for place, length in enumerate(pages.there) if length < pages.shape[place]]
    if cut:
        claimed = ", ".join(f"{names[place]} {pages.shape[place]}" for place in cut)
        held = ", ".join(f"{names[place]} {pages.there[place]}" for place in cut)
        notes.append(
            f"{path.name!r} is not complete: its description says {claimed}, but planes are there for {held} alone, "
            "and these are read."
        )
    if pages.missing:
        notes.append(
            f"{pages.missing} planes of {path.name!r} are not in the file; they have no value (NaN), and none in "
            "the result."
        )
    return notes


def _axis_names(tif: Any, series: Any) -> list[str]:
    """Letters of all axes; the samples of a pixel are colours only where the file says so."""
    names = list(series.get_axes(False))
    if "S" not in names:
        return names
    place = names.index("S")
    if not _is_colour(tif, series, series.get_shape(False)[place]):
        channels = "C" in names and series.get_shape(False)[names.index("C")] > 1
        names = ["Q" if name == "C" and not channels else name for name in names]
        names[place] = "Q" if channels else "C"
    return names


def _is_colour(tif: Any, series: Any, samples: int) -> bool:
    """False for a composite of ImageJ, whose channels look like the colours of one pixel."""
    composite = tif.is_imagej and (tif.imagej_metadata or {}).get("channels", 1) == samples
    return samples in (3, 4) and not composite and series.keyframe.photometric.name in ("RGB", "YCBCR")


def _places_of_axes(
    names: Sequence[str], shape: Sequence[int], axes: str | None
) -> tuple[tuple[int, ...], str]:
    """Positions of the axes that matter and their letters, the user's if given."""
    if axes is None:
        return known_axes(names, shape)
    if len(axes) == len(shape):
        return tuple(range(len(shape))), axes
    places = tuple(place for place, length in enumerate(shape) if length > 1 or names[place] in "YX")
    return places, axes
