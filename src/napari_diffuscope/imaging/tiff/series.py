"""The images of a TIFF file: which pages belong together, which image is taken, and what is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from napari_diffuscope.imaging.scenes import chosen_scene, in_words
from napari_diffuscope.imaging.tiff.ome import pixels_of_images

_PLAIN = ("shaped", "generic", "uniform")
"""Kinds of files whose pages no program has put into an order."""


@dataclass(frozen=True, eq=False)
class TiffImage:
    """One image of an open file.

    Parameters
    ----------
    series
        Its pages, a ``tifffile.TiffPageSeries``.
    name
        As the file calls it; may be empty.
    joined
        Of how many images of one size it was put together.
    pixels
        Its description in OME-XML, if any.
    """

    series: Any
    name: str = ""
    joined: int = 1
    pixels: ElementTree.Element | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Length along each axis, those of length 1 included."""
        return tuple(int(length) for length in self.series.get_shape(False))

    @property
    def bytes(self) -> int:
        """Size of its pixels."""
        return prod(self.shape) * int(np.dtype(self.series.dtype).itemsize)

    @property
    def reduced(self) -> bool:
        """Whether the file says that it is a smaller copy of another one."""
        return bool(self.series.keyframe.is_reduced)

    @property
    def in_words(self) -> str:
        """``'overview' 64 x 64``."""
        return in_words(self.name, self.shape)


def images_of(tif: Any) -> list[TiffImage]:
    """The images of an open file, in their order.

    Images of one size that no program has put into an order are one stack: that is what writing plane by plane,
    each appended to the file, leaves. Pages that belong to no image of the description come last.
    """
    images = [TiffImage(series, str(series.name or "")) for series in tif.series]
    left_over = [TiffImage(series) for series in _left_over(tif)]
    if tif.is_ome and tif.ome_metadata and images and images[0].series.kind == "ome":
        edges = [(image.name, *_plane(image.series)) for image in images]
        described = pixels_of_images(tif.ome_metadata, edges)
        images = [TiffImage(i.series, i.name, 1, pixels) for i, pixels in zip(images, described, strict=True)]
    elif all(image.series.kind in _PLAIN for image in images):
        images = _joined(images)
    return images + left_over


def _plane(series: Any) -> tuple[int, int]:
    return int(series.keyframe.imagelength), int(series.keyframe.imagewidth)


def _joined(images: Sequence[TiffImage]) -> list[TiffImage]:
    groups: dict[Any, list[TiffImage]] = {}
    for image in images:
        key = (
            image.series.keyframe.hash,
            image.shape,
            image.series.get_axes(False),
            len(image.series.levels),
        )
        groups.setdefault(key, []).append(image)
    return [one for group in groups.values() for one in _one_stack(group)]


def _one_stack(group: list[TiffImage]) -> list[TiffImage]:
    """A stack of images of one size; the images themselves where they have names or no pages of their own."""
    from tifffile import TiffPageSeries

    first = group[0].series
    names = {image.name for image in group}
    whole = all(len(one.series) * one.series.keyframe.size == prod(one.shape) for one in group)
    if len(group) == 1 or len(names) > 1 or not whole:
        return group
    pages = [image.series[number] for image in group for number in range(len(image.series))]
    shape, axes = (len(group), *group[0].shape), "Q" + first.get_axes(False)
    series = TiffPageSeries(pages, shape, first.dtype, axes, kind=first.kind, parent=first.parent)
    return [TiffImage(series, group[0].name, joined=len(group))]


def _left_over(tif: Any) -> list[Any]:
    """Pages of the file that are in no series, those of one kind together."""
    from tifffile import TiffPageSeries

    levels = [level for series in tif.series for level in series.levels]
    if any(series.is_multifile for series in levels):
        return []
    taken = {number for series in levels for number in _page_numbers(tif, series)}
    kinds: dict[Any, list[Any]] = {}
    for number in sorted(set(range(len(tif.pages))) - taken):
        page = tif.pages[number].aspage()
        if page.shape and page.dataoffsets:
            kinds.setdefault(page.hash, []).append(page)
    return [
        TiffPageSeries(
            pages, (len(pages), *pages[0].shape), pages[0].dtype, "I" + pages[0].axes, kind="generic"
        )
        for pages in kinds.values()
    ]


def _page_numbers(tif: Any, series: Any) -> set[int]:
    """Numbers in the file of the pages that hold a series."""
    pages = [page for page in series._pages if page is not None and len(page.treeindex) == 1]
    numbers = {int(page.index) for page in pages}
    count = prod(series.get_shape(False)) // max(series.keyframe.size, 1)
    if len(numbers) == 1 < count:  # the first page stands for all; they may have headers of their own, or not
        first = min(numbers)
        following = range(first, min(first + count, len(tif.pages)))
        numbers |= set(following) if len(series) > 1 else _pages_within(tif, series, first)
    return numbers


def _pages_within(tif: Any, series: Any, first: int) -> set[int]:
    """Pages behind the first whose pixels are those of a series that lies in the file as one piece."""
    start = series.dataoffset
    if start is None:
        return set()
    end, number = start + prod(series.get_shape(False)) * series.dtype.itemsize, first + 1
    while number < len(tif.pages) and any(start <= at < end for at in tif.pages[number].dataoffsets[:1]):
        number += 1
    return set(range(first + 1, number))


def chosen_image(images: Sequence[TiffImage], wanted: int | str | None, path: Path) -> tuple[int, list[str]]:
    """Which image is taken: the one asked for, else the largest, and what must be said of that.

    Raises
    ------
    DiffuscopeError
        If there is no such image.
    """
    number, notes = chosen_scene(images, wanted, path)
    if wanted is None and images[number].joined > 1:
        joined = (
            f"{path.name!r} holds {images[number].joined} images of one size that were written one after the "
            "other; they are read as one stack."
        )
        notes.insert(0, joined)
    return number, notes
