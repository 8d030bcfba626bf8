"""Which part of an image to work on: what the window shows, translated into planes and pixels."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.image import Image

#: Near planes first, within a time point before others, all channels of a plane together.
_FAR_FIRST = "TZC"


def current_plane(viewer: Any, layer: Any, *, axes: str, image: Image) -> tuple[int, ...]:
    """Index of the shown plane into the image's leading axes.

    Parameters
    ----------
    viewer
        The viewer, whose sliders count.
    layer
        The layer that shows the image.
    axes
        Axes of the layer; axes that only the image has (colours as channels) are at 0.
    image
        The image made from it.
    """
    position = layer.world_to_data(np.asarray(viewer.dims.point))
    shown = {letter: round(float(value)) for letter, value in zip(axes, position[-layer.ndim :], strict=True)}
    return tuple(
        min(max(shown.get(letter, 0), 0), length - 1)
        for letter, length in zip(image.axes, image.leading_shape, strict=False)
    )


def outward(image: Image, start: Sequence[int]) -> list[int]:
    """All planes of an image as flat indices, the nearest to ``start`` first."""
    leading = image.axes[:-2]
    keys = sorted(range(len(leading)), key=lambda axis: _FAR_FIRST.find(leading[axis]))
    distances = [
        [abs(i - start[axis]) for i in range(length)] for axis, length in enumerate(image.leading_shape)
    ]
    indices = itertools.product(*(range(length) for length in image.leading_shape))
    ranked = [
        (tuple(distances[axis][index[axis]] for axis in keys), flat) for flat, index in enumerate(indices)
    ]
    return [flat for _, flat in sorted(ranked)]


def flat_plane(image: Image, index: Sequence[int]) -> int:
    """Flat number of a plane."""
    return int(np.ravel_multi_index(tuple(index), image.leading_shape)) if len(index) else 0


def shown_planes(image: Image, index: Sequence[int], *, axes: str) -> tuple[int, ...]:
    """Flat numbers of the planes at a position of the layer: all channels where only the image has them."""
    ranges = [
        (position,) if letter in axes else range(length)
        for letter, position, length in zip(image.axes, index, image.leading_shape, strict=False)
    ]
    return tuple(flat_plane(image, each) for each in itertools.product(*ranges))


def visible_crop(viewer: Any, layer: Any, *, axes: str) -> tuple[int, int, int, int]:
    """``(y0, y1, x0, x1)`` of the pixels in view, as a box along the layer's own axes.

    Raises
    ------
    DiffuscopeError
        If the window does not show Y against X, or nothing of the layer.
    """
    shown = [viewer.dims.ndim - layer.ndim + axes.index(letter) for letter in "YX"]
    if viewer.dims.ndisplay != 2 or sorted(viewer.dims.displayed) != sorted(shown):
        raise DiffuscopeError(
            "The visible area is known only while the window shows Y against X in 2D; "
            "switch to 2D, or choose another region."
        )
    corners = np.array([layer.world_to_data(corner) for corner in _view_corners(viewer)])
    box = []
    for letter in "YX":
        axis = axes.index(letter)
        along, length = corners[:, axis - layer.ndim], _length(layer, axis)
        # A pixel reaches half a pixel to either side of its centre.
        low = min(max(math.floor(float(along.min()) + 0.5), 0), length)
        high = min(max(math.ceil(float(along.max()) + 0.5), 0), length)
        if high <= low:
            raise DiffuscopeError(
                f"Nothing of {layer.name!r} is in view; move it into the window, or press Home."
            )
        box += [low, high]
    return box[0], box[1], box[2], box[3]


def _view_corners(viewer: Any) -> list[np.ndarray]:
    """World coordinates of the four corners of the view."""
    size = np.asarray(viewer.canvas.size, dtype=float)
    if viewer.canvas.grid.enabled:
        size = size / viewer.canvas.grid.actual_shape(viewer.layers)
    half = size / 2 / viewer.scene.camera.zoom
    rows_columns = np.asarray(viewer.scene.camera.center[-2:], dtype=float)
    corners = []
    for signs in itertools.product((-1, 1), repeat=2):
        corner = np.array(viewer.dims.point, dtype=float)
        corner[list(viewer.dims.displayed)] = rows_columns + half * signs
        corners.append(corner)
    return corners


def _length(layer: Any, axis: int) -> int:
    data = layer.data[0] if layer.multiscale else layer.data
    return int(data.shape[axis])
