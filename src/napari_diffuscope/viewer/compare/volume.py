"""Grids of points in the volume that the window shows in 3D, and what lies along a line of sight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_diffuscope.viewer.compare.comparison import world_box
from napari_diffuscope.viewer.compare.sampling import Pixels, PlaneGrid, pixels_of, sample, world_to_data

#: Points of a volume, and along a line of sight.
MOST_VOXELS, ALONG = 2**20, 512


@dataclass(frozen=True, eq=False)
class VolumeGrid:
    """A grid of points along three axes of the viewer's world.

    Parameters
    ----------
    origin
        ``(D,)``, world coordinates of its first point.
    step
        From point to point along each of the three axes.
    shape
        Points along each of them.
    axes
        Axes of the viewer.
    """

    origin: np.ndarray
    step: np.ndarray
    shape: tuple[int, int, int]
    axes: tuple[int, int, int]

    def same(self, other: object) -> bool:
        """Whether another grid has the same points."""
        return (
            isinstance(other, VolumeGrid)
            and (self.shape, self.axes) == (other.shape, other.axes)
            and np.array_equal(self.origin, other.origin)
            and np.array_equal(self.step, other.step)
        )

    def planes(self) -> Iterator[PlaneGrid]:
        """The planes of the volume, along its first axis."""
        steps = np.zeros((len(self.origin), 2))
        steps[self.axes[1], 0], steps[self.axes[2], 1] = self.step[1:]
        for number in range(self.shape[0]):
            origin = self.origin.copy()
            origin[self.axes[0]] += number * self.step[0]
            yield PlaneGrid(origin, steps, self.shape[1:], self.axes[1:])


def volume_grid(viewer: Any, layers: Sequence[Any]) -> VolumeGrid | None:
    """The voxels of the finest of some layers in the box that all share, fewer where there are very many.

    ``None`` where they share nothing, or one of them is no volume along the axes that the window shows.
    """
    axes = list(viewer.dims.displayed)
    boxes = np.array([world_box(viewer, layer)[:, axes] for layer in layers])
    low, high = boxes[:, 0].max(0), boxes[:, 1].min(0)
    if not np.isfinite(boxes).all() or (low >= high).any():
        return None
    step = np.min([_steps(viewer, layer)[axes] for layer in layers], axis=0)
    count = float(np.prod((high - low) / step))
    step = np.minimum(step * max(1.0, (count / MOST_VOXELS) ** (1 / 3)), high - low)
    shape = np.maximum(((high - low) / step + 1e-6).astype(int), 1)
    origin = np.array(viewer.dims.point, dtype=float)
    origin[axes] = (low + high - (shape - 1) * step) / 2
    z, y, x = (int(length) for length in shape)
    first, second, third = axes
    return VolumeGrid(origin, step, (z, y, x), (first, second, third))


def _steps(viewer: Any, layer: Any) -> np.ndarray:
    """Size of the pixels of a layer along each axis of the world, about."""
    matrix, _ = world_to_data(viewer, layer)
    along: np.ndarray = np.abs(np.linalg.pinv(matrix)).max(1)
    return np.where(along > 0, along, np.inf)


def sampled_on(pixels: Pixels, grid: PlaneGrid | VolumeGrid, *, linear: bool = False) -> np.ndarray:
    """Values of a layer at the points of a plane or a volume, as `sample` gives those of a plane."""
    if isinstance(grid, PlaneGrid):
        return sample(pixels, grid, linear=linear)
    return np.stack([sample(pixels, plane, linear=linear) for plane in grid.planes()])


def brightest_along(viewer: Any, layer: Any, place: Sequence[float], direction: Sequence[float]) -> Any:
    """Largest value of a layer along a line of sight; ``None`` where it meets none, or the layer is not in memory.

    Parameters
    ----------
    place, direction
        A point of the line and where it goes, in world coordinates of the viewer.
    """
    pixels = pixels_of(viewer, layer)
    if not pixels.in_memory or pixels.rgb:
        return None
    start = pixels.matrix @ np.asarray(place, dtype=float) + pixels.offset
    along = pixels.matrix @ np.asarray(direction, dtype=float)
    lengths = np.array(pixels.levels[0].shape, dtype=float)
    moving = np.abs(along) > 1e-12
    if not moving.any() or not ((start >= -0.5) & (start < lengths - 0.5))[~moving].all():
        return None
    ends = np.sort([(edge - start[moving]) / along[moving] for edge in (-0.5, lengths[moving] - 0.5)], axis=0)
    enter, leave = float(ends[0].max()), float(ends[1].min())
    if enter >= leave:
        return None
    index = start[:, None] + along[:, None] * np.linspace(enter, leave, ALONG)
    nearest = np.clip(np.rint(index), 0, lengths[:, None] - 1).astype(np.intp)
    values = pixels.levels[0][tuple(nearest)]
    return values.max() if not np.isnan(values).all() else None
