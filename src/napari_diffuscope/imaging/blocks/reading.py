"""Parts of images, reading no more than is needed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import product
from math import prod
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.axes import LETTERS, order_of
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.tiff.pages import TiffPages
from napari_diffuscope.imaging.tiles import Box, reflect_index
from napari_diffuscope.imaging.unchanged import stamped
from napari_diffuscope.imaging.views import AxisView, base_array, chunks_of

CACHE_BYTES = 512 * 2**20
"""Most bytes of decoded planes that are kept."""


SLAB_BYTES = 128 * 2**20
"""Most bytes of planes that are decoded together where chunks are several planes deep."""


class PlaneCache:
    """Decoded planes of an image, so that neighbouring blocks do not decode the same plane again.

    Those used last stay. Where the planes of one block alone are too many, the first of them stay: else each
    would be dropped just before the next block wants it again.

    Parameters
    ----------
    image
        The image.
    most_bytes
        Most bytes kept.
    """

    def __init__(self, image: Image, most_bytes: int = CACHE_BYTES) -> None:
        self._image = image
        plane_bytes = prod(image.plane_shape) * image.dtype.itemsize
        self._room = most_bytes // plane_bytes
        self._planes: OrderedDict[tuple[int, ...], np.ndarray] = OrderedDict()

    def plane(self, place: tuple[int, ...], wanted: Box) -> np.ndarray:
        """Pixels of a plane as they are stored, not to be changed.

        Parameters
        ----------
        place
            Its index in the leading axes.
        wanted
            Leading axes of the block that is being read; other planes are dropped first.
        """
        if place in self._planes:
            self._planes.move_to_end(place)
            return self._planes[place]
        pixels = self._image.pixels((*place, slice(None), slice(None)))
        if self._make_room(wanted):
            self._planes[place] = pixels
        return pixels

    def _make_room(self, wanted: Box) -> bool:
        if len(self._planes) < self._room:
            return True
        for old in self._planes:
            if not all(part.start <= at < part.stop for at, part in zip(old, wanted, strict=True)):
                del self._planes[old]
                return True
        return False


def read_block(image: Image, region: Sequence[slice], *, cache: PlaneCache | None = None) -> np.ndarray:
    """Pixels of a part of an image.

    numpy, dask and Zarr arrays and uncompressed TIFF files are read where they lie. Compressed TIFF files, and
    dask and Zarr arrays whose chunks are planes, are decoded plane by plane, so that memory holds one plane
    beside the result.

    Parameters
    ----------
    image
        The image.
    region
        A slice per axis, inside the image.
    cache
        Of this image, for many blocks.

    Returns
    -------
    numpy.ndarray
        float32, in the units stored; the caller's own.

    Raises
    ------
    DiffuscopeError
        If the region is empty or not inside the image, or the file cannot be read.
    """
    box = _inside(image, region)
    with np.errstate(over="ignore"):  # beyond float32 a value becomes infinite, as when planes are read
        if not _decodes(image):
            return np.array(image.pixels(box), dtype=np.float32, order="C")
        cache = cache or PlaneCache(image, 0)
        found = np.empty([part.stop - part.start for part in box], np.float32)
        leading, inside = box[:-2], box[-2:]
        for place in product(*(range(part.start, part.stop) for part in leading)):
            here = tuple(at - part.start for at, part in zip(place, leading, strict=True))
            found[here] = cache.plane(place, leading)[inside]
    return found


class BlockReader:
    """Reads one part of an image after another; call it with a window.

    Parameters
    ----------
    image
        The input.
    cache_bytes
        Most bytes of decoded planes that are kept, where planes have to be decoded whole.
    """

    def __init__(self, image: Image, *, cache_bytes: int = CACHE_BYTES) -> None:
        self.image = image
        self._cache = PlaneCache(image, cache_bytes) if _decodes(image) else None

    def __call__(self, window: Sequence[tuple[int, int]]) -> np.ndarray:
        """Pixels of a part of the image, float32; what overhangs is mirrored without repeating the border.

        Parameters
        ----------
        window
            ``(start, stop)`` along each axis; may overhang the image.
        """
        rows = [
            reflect_index(start, stop, size)
            for (start, stop), size in zip(window, self.image.shape, strict=True)
        ]
        region = [slice(int(row.min()), int(row.max()) + 1) for row in rows]
        pixels = read_block(self.image, region, cache=self._cache)
        if all(
            start >= 0 and stop <= size for (start, stop), size in zip(window, self.image.shape, strict=True)
        ):
            return pixels
        mirrored: np.ndarray = pixels[
            np.ix_(*(row - part.start for row, part in zip(rows, region, strict=True)))
        ]
        return mirrored


class PlaneReader:
    """Reads one plane after another; those that lie in the same chunks are decoded together.

    Parameters
    ----------
    image
        The image.
    most_bytes
        Most bytes of planes that are decoded together; so many are kept twice, for work that goes outwards from a
        plane to both sides.
    """

    def __init__(self, image: Image, *, most_bytes: int = SLAB_BYTES) -> None:
        chunks = chunks_of(image.data)
        self.image = image
        self._depth = chunks[-3] if chunks is not None and len(chunks) > 2 else 1
        plane_bytes = prod(image.plane_shape) * image.dtype.itemsize
        self._together = min(self._depth, most_bytes // plane_bytes)
        self._slabs: OrderedDict[tuple[int, ...], np.ndarray] = OrderedDict()

    def __call__(self, flat: int) -> np.ndarray:
        """Pixels of the ``flat``-th plane, float32 ``(Y, X)``, in the units stored; the caller's own."""
        if self._together < 2:
            return self.image.read_plane(flat)
        *before, at = self.image.plane_index(flat)
        chunk = at // self._depth * self._depth
        first = chunk + (at - chunk) // self._together * self._together
        place = (*before, first)
        if place not in self._slabs:
            if len(self._slabs) > 1:
                self._slabs.popitem(last=False)
            stop = min(first + self._together, chunk + self._depth, self.image.leading_shape[-1])
            index: tuple[int | slice, ...] = (*before, slice(first, stop), slice(None), slice(None))
            self._slabs[place] = self.image.pixels(index)
        self._slabs.move_to_end(place)
        with np.errstate(over="ignore"):  # as `Image.read_plane`
            return np.array(self._slabs[place][at - first], dtype=np.float32, order="C")


def _decodes(image: Image) -> bool:
    """Whether a part of a plane costs as much as the whole plane."""
    base = base_array(image.data)
    if isinstance(base, TiffPages):
        return not base.contiguous
    chunks = chunks_of(image.data)
    if chunks is None:
        return False
    whole = all(edge >= length for edge, length in zip(chunks[-2:], image.plane_shape, strict=True))
    return whole and all(edge == 1 for edge in chunks[:-2])


def _inside(image: Image, region: Sequence[slice]) -> Box:
    box = tuple(slice(part.start or 0, size if part.stop is None else part.stop, part.step)
                for part, size in zip(region, image.shape, strict=False))  # fmt: skip
    fits = len(region) == len(image.shape) and all(
        part.step in (None, 1) and 0 <= part.start < part.stop <= size
        for part, size in zip(box, image.shape, strict=True)
    )
    if not fits:
        raise DiffuscopeError(
            f"The region {tuple(region)} is empty or not inside {image.name!r} of shape {image.shape}; "
            "choose one that is inside."
        )
    return box


def in_standard_order(image: Image) -> Image:
    """The image with its axes in the order ``TCZYX``, as files written by blocks need it; reads nothing."""
    target = "".join(sorted(image.axes, key=LETTERS.index))
    if target == image.axes:
        return image
    order = order_of(image.axes, target)
    return replace(
        image,
        data=AxisView(image.data, order),
        axes=target,
        scale=tuple(image.scale[axis] for axis in order),
        units=tuple(image.units[axis] for axis in order),
        translate=tuple(image.translate[axis] for axis in order),
    )


def describe_input(image: Image, *, most_planes: int = 16) -> dict[str, Any]:
    """What tells one input from another, JSON-able, for the identity of an output.

    A file is known by its path, and by size and time of change when it was opened (a Zarr folder by those of its
    metadata), an array by a checksum of up to ``most_planes`` planes spread over it.

    Parameters
    ----------
    image
        The input.
    most_planes
        Planes of an array to look at.
    """
    found: dict[str, Any] = {"shape": image.shape, "axes": image.axes, "dtype": str(image.dtype)}
    found |= {"scale": image.scale, "units": image.units, "translate": image.translate}
    stamp = stamped(image).stamp
    if stamp is not None:
        if image.series:
            found["series"] = image.series
        stamps = [(one.name, one.size, one.modified) for one in stamp.files]
        # Not by samples of its content: a page that was damaged may have been mended since.
        return found | {"file": stamp.place, "stamps": stamps}
    places = np.unique(np.linspace(0, image.plane_count - 1, most_planes).round().astype(int))
    digest = sha256()
    for flat in places:
        digest.update(image.read_plane(int(flat)).tobytes())
    return found | {"planes": digest.hexdigest()}
