"""Parts of planes that are too large to be read whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.views import ArrayLike, View, full_index

MOST_PIXELS = 2**28
"""Pixels of a plane, 16,384 x 16,384, above which a part of it is worked on without reading the rest."""

MARGIN = 512
"""Pixels around a part that are read as well: what the network sees, and what its intensities are judged by."""

Crop = tuple[int, int, int, int]


class PartView(View):
    """A rectangle of the planes of an array.

    Parameters
    ----------
    data
        The array, its last two axes Y and X.
    crop
        ``(y0, y1, x0, x1)`` inside of its planes.
    """

    def __init__(self, data: ArrayLike, crop: Crop) -> None:
        y0, y1, x0, x1 = crop
        self.base, self._corner = data, (y0, x0)
        self.shape = (*(int(n) for n in data.shape[:-2]), y1 - y0, x1 - x0)
        self.dtype = np.dtype(data.dtype)

    def __getitem__(self, index: Any) -> np.ndarray:
        full = full_index(index, self.shape)
        moved = [
            slice(part.start + corner, part.stop + corner, part.step)
            if isinstance(part, slice)
            else part + corner
            for part, corner in zip(full[-2:], self._corner, strict=True)
        ]
        return np.asarray(self.base[(*full[:-2], *moved)])


def part_of_large_planes(image: Image, crop: Crop | None) -> tuple[Image, Crop | None]:
    """The part of an image that a crop needs, where its planes are too large to be read whole.

    Parameters
    ----------
    image
        Any.
    crop
        ``(y0, y1, x0, x1)`` of its planes, ``None`` for all.

    Returns
    -------
    tuple
        The image and the crop as they are, or a smaller image with a note and the crop inside of it.
    """
    height, width = image.plane_shape
    if crop is None or height * width <= MOST_PIXELS:
        return image, crop
    y0, y1, x0, x1 = crop
    top, left = max(y0 - MARGIN, 0), max(x0 - MARGIN, 0)
    box = (top, min(y1 + MARGIN, height), left, min(x1 + MARGIN, width))
    said = (
        f"A plane of {height} x {width} pixels is too large to be read whole: intensities were measured on the crop "
        f"and {MARGIN} pixels around it."
    )
    part = replace(image, data=PartView(image.data, box), notes=(*image.notes, said))
    return part, (y0 - top, y1 - top, x0 - left, x1 - left)
