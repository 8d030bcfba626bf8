"""What the window shows of the world in 2D, and the grids on which layers are sampled there."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.viewer.compare.comparison import world_box
from napari_diffuscope.viewer.compare.sampling import PlaneGrid, world_to_data


def view_box(viewer: Any) -> np.ndarray:
    """``(2, 2)``: least and largest world coordinate in view, along rows and columns of the canvas."""
    size = np.asarray(viewer.canvas.size, dtype=float)
    half = size / 2 / viewer.scene.camera.zoom
    center = np.asarray(viewer.scene.camera.center, dtype=float)[-2:]
    return np.array([center - half, center + half])


def screen_grid(viewer: Any, layers: Sequence[Any]) -> PlaneGrid | None:
    """The centres of the canvas's pixels, as far as any of some layers reaches; ``None`` where none is in view."""
    axes = _plane_axes(viewer)
    view, step = view_box(viewer), 1.0 / float(viewer.scene.camera.zoom)
    boxes = np.array([world_box(viewer, layer)[:, list(axes)] for layer in layers])
    low = np.maximum(boxes[:, 0].min(0), view[0])
    high = np.minimum(boxes[:, 1].max(0), view[1])
    first = np.ceil((low - view[0]) / step - 0.5 - 1e-6)
    last = np.floor((high - view[0]) / step - 0.5 + 1e-6)
    if (last < first).any() or not np.isfinite(first).all():
        return None
    return _straight_grid(
        viewer, view[0] + (first + 0.5) * step, [step, step], (last - first + 1).astype(int)
    )


def finer_grid(viewer: Any, layers: Sequence[Any]) -> tuple[PlaneGrid | None, Any]:
    """The pixels of the finest of some layers, as far as all reach and the window shows; every so many of very many.

    Returns
    -------
    tuple
        The grid, or ``None`` where nothing that they share is in view, and the layer whose pixels they are.
    """
    axes = _plane_axes(viewer)
    boxes = np.array([world_box(viewer, layer)[:, list(axes)] for layer in layers])
    view = view_box(viewer)
    low, high = np.maximum(boxes[:, 0].max(0), view[0]), np.minimum(boxes[:, 1].min(0), view[1])
    finest = layers[int(np.argmin([_pixel_area(viewer, layer) for layer in layers]))]
    if (low >= high).any():
        return None, finest
    screen = 1.0 / float(viewer.scene.camera.zoom)
    own = _own_axes(viewer, finest)
    if own is None:
        step = [max(size, screen) for size in _pixel_size(viewer, finest)]
        shape = np.maximum(((high - low) / step).astype(int), 1)
        return _straight_grid(viewer, low + np.array(step) / 2, step, shape), finest
    return _own_grid(viewer, finest, own, np.array([low, high]), screen), finest


def _plane_axes(viewer: Any) -> tuple[int, int]:
    shown = tuple(viewer.dims.displayed)
    if len(shown) != 2:
        raise DiffuscopeError(
            "This is drawn plane by plane; switch the viewer to 2D (the button below the layer list)."
        )
    return shown[0], shown[1]


def _straight_grid(viewer: Any, first: Any, step: Sequence[float], shape: Any) -> PlaneGrid:
    """A grid along the axes of the world."""
    axes = _plane_axes(viewer)
    origin, steps = np.array(viewer.dims.point, dtype=float), np.zeros((viewer.dims.ndim, 2))
    for number, axis in enumerate(axes):
        origin[axis], steps[axis, number] = float(first[number]), step[number]
    return PlaneGrid(origin, steps, (int(shape[0]), int(shape[1])), axes)


def _data_to_world(viewer: Any, layer: Any) -> np.ndarray:
    """``(D, n)``: a step along each axis of a layer in world coordinates; nothing along axes that it has not."""
    matrix, _ = world_to_data(viewer, layer)
    return np.linalg.pinv(matrix)


def _pixel_area(viewer: Any, layer: Any) -> float:
    """What a pixel of a layer covers of the plane of the window; infinite where the layer does not vary along it."""
    steps = _data_to_world(viewer, layer)[list(_plane_axes(viewer))]
    lengths = np.sort(np.linalg.norm(steps, axis=0))[-2:]
    return float(np.prod(lengths)) if lengths.min() > 0 else np.inf


def _pixel_size(viewer: Any, layer: Any) -> np.ndarray:
    """How far apart pixels of a layer are along rows and columns of the window, about."""
    along = np.abs(_data_to_world(viewer, layer)[list(_plane_axes(viewer))]).max(1)
    return np.where(along > 0, along, along.max())


def _own_axes(viewer: Any, layer: Any) -> tuple[int, int] | None:
    """The two axes of a layer in the plane of the window, in the window's order; ``None`` for an oblique cut."""
    shown = list(_plane_axes(viewer))
    steps = _data_to_world(viewer, layer)
    in_plane = np.linalg.norm(steps[shown], axis=0)
    length = np.linalg.norm(steps, axis=0)
    within = [axis for axis in range(layer.ndim) if in_plane[axis] > 1e-9 * length.max()]
    if len(within) != 2 or any(in_plane[axis] < (1 - 1e-9) * length[axis] for axis in within):
        return None
    first, second = within
    turned = abs(steps[shown[0], first]) < abs(steps[shown[0], second])
    return (second, first) if turned else (first, second)


def _own_grid(
    viewer: Any, layer: Any, own: tuple[int, int], box: np.ndarray, screen: float
) -> PlaneGrid | None:
    """Pixels of a layer within a box of the plane; every so many where the screen has not one for each."""
    shown = list(_plane_axes(viewer))
    matrix, offset = world_to_data(viewer, layer)
    steps = _data_to_world(viewer, layer)[:, list(own)]
    corners = []
    for rows, columns in itertools.product(box[:, 0], box[:, 1]):
        point = np.array(viewer.dims.point, dtype=float)
        point[shown] = rows, columns
        corners.append((matrix @ point + offset)[list(own)])
    low, high = np.min(corners, axis=0), np.max(corners, axis=0)
    data = layer.data[0] if layer.multiscale else layer.data
    first, count, stride = [], [], []
    for axis, number in zip(own, range(2), strict=True):
        every = max(1, math.floor(screen / float(np.linalg.norm(steps[:, number])) + 1e-6))
        begin = max(math.ceil(low[number] - 0.5 - 1e-6), 0)
        begin = -(-begin // every) * every  # always the same pixels, wherever the window begins
        end = min(math.floor(high[number] + 0.5 + 1e-6), data.shape[axis] - 1)
        if end < begin:
            return None
        first.append(begin)
        count.append((end - begin) // every + 1)
        stride.append(every)
    plane = np.array(viewer.dims.point, dtype=float)
    corner = matrix @ plane + offset
    corner[list(own)] = first
    origin = plane.copy()
    origin[shown] = (np.linalg.pinv(matrix) @ (corner - offset))[shown]
    return PlaneGrid(origin, steps * stride, (count[0], count[1]), (shown[0], shown[1]))
