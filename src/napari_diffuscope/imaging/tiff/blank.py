"""TIFF files that have all their tags, and a hole where the pixels will be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, BinaryIO

import numpy as np

from napari_diffuscope.imaging.tiff.metadata import RECORD_NAMESPACE, with_record

CLASSIC_LIMIT = 2**32 - 2**26
"""Bytes of pixels from which on the file is a BigTIFF; the rest is for tags."""

PLANE_TAGS = 512
"""More than the bytes that the tags of one plane take."""


def create_blank(
    file: BinaryIO, shape: Sequence[int], dtype: np.dtype[Any], metadata: Mapping[str, Any]
) -> int:
    """Write all tags of an OME-TIFF and leave a hole for the pixels.

    Parameters
    ----------
    file
        Empty, open for reading and writing.
    shape, dtype
        Of the image; the last two axes are Y and X.
    metadata
        As of `napari_diffuscope.imaging.tiff.layout.ome_metadata`.

    Returns
    -------
    int
        Where the pixels begin; plane follows plane, little-endian.
    """
    import tifffile

    planes = prod(shape[:-2])
    tifffile.imwrite(
        file,
        shape=tuple(shape),
        dtype=dtype,
        bigtiff=prod(shape) * dtype.itemsize + planes * PLANE_TAGS > CLASSIC_LIMIT,
        byteorder="<",
        ome=True,
        photometric="minisblack",
        metadata=dict(metadata),
        software="napari-diffuscope",
    )
    return first_pixel(file, shape, dtype)


def first_pixel(file: BinaryIO, shape: Sequence[int], dtype: np.dtype[Any]) -> int:
    """Where the pixels begin in a file made by `create_blank`."""
    import tifffile

    planes = prod(shape[:-2])
    file.seek(0)
    with tifffile.TiffFile(file) as tif:
        first, last = (tif.pages[number].dataoffsets[0] for number in (0, planes - 1))
    if last - first != (planes - 1) * prod(shape[-2:]) * dtype.itemsize:
        raise RuntimeError("The planes of the TIFF file do not lie one after the other.")
    return int(first)


def put_record(file: BinaryIO, record: Mapping[str, Any]) -> None:
    """Add the record to the description, unless there is one: then this was interrupted after it was done."""
    import tifffile

    file.seek(0)
    with tifffile.TiffFile(file) as tif:
        xml = tif.ome_metadata or ""
        if f'Namespace="{RECORD_NAMESPACE}"' not in xml:
            # The old description stays where it is: killed at any moment, the file has one of the two.
            tif.pages[0].tags["ImageDescription"].overwrite(with_record(xml, record).encode(), erase=False)
