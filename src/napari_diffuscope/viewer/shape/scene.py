"""Shapes of many cells of one plane in one volume, at their places. Free of Qt and napari."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from scipy import ndimage

Kind = Literal["labels", "surface", "probability"]
Corner = tuple[int, int, int]

#: Voxels of the volume beyond which its grid is made coarser: 1 GB of labels, and as much again to grow.
MOST_VOXELS = 256_000_000
#: How many voxels of the volume are at most as wide as a pixel.
FINEST = 4


@dataclass(frozen=True, eq=False)
class Solid:
    """The shape of one cell, where it is.

    Parameters
    ----------
    label
        Its number.
    probability, occupied
        ``(z, y, x)`` float32 and bool.
    origin, step
        Place ``(z, y, x)`` of the centre of voxel (0, 0, 0) and edge of a voxel, in pixels of the plane, with z = 0
        in the plane.
    provisional
        Whether it is still being worked on; its surface is then a quick one.
    """

    label: int
    probability: np.ndarray
    occupied: np.ndarray
    origin: tuple[float, float, float]
    step: float
    provisional: bool = False

    def on_grid(self, values: np.ndarray, grid: float) -> tuple[np.ndarray, Corner]:
        """Values at the points of a grid that lie in the window, and the first of these points."""
        low = np.ceil(np.asarray(self.origin) / grid - 1e-9).astype(int)
        far = np.asarray(self.origin) + (np.asarray(values.shape) - 1) * self.step
        high = np.floor(far / grid + 1e-9).astype(int)
        ratio = grid / self.step
        smooth = np.asarray(values, np.float32)
        if ratio > 1:
            smooth = ndimage.gaussian_filter(smooth, np.sqrt((ratio**2 - 1) / 12))
        offset = (low * grid - np.asarray(self.origin)) / self.step
        shape = tuple(np.maximum(high - low + 1, 1))
        found = ndimage.affine_transform(smooth, np.full(3, ratio), offset, shape, order=1, mode="nearest")
        return found, (int(low[0]), int(low[1]), int(low[2]))

    @cached_property
    def surface(self) -> tuple[np.ndarray, np.ndarray]:
        """Vertices in pixels of the plane, and faces; none where there is no voxel."""
        from napari_diffuscope.measure.shapes.meshes import surface_mesh

        if not self.occupied.any() or (self.provisional and self.probability.max() <= 0.5):
            return np.empty((0, 3), np.float32), np.empty((0, 3), np.int32)
        volume = self.probability if self.provisional else self.occupied
        mesh = surface_mesh(volume, self.step, self.origin)
        return mesh.vertices, mesh.faces

    @property
    def has_surface(self) -> bool:
        """Whether the surface has been computed."""
        return "surface" in self.__dict__


@dataclass(frozen=True, eq=False)
class Volume:
    """Part of the infinite grid around the plane: its values, and the grid point of the first."""

    array: np.ndarray
    corner: Corner

    def region(self, corner: Corner, shape: Iterable[int]) -> tuple[slice, ...]:
        """Index of a box of the grid."""
        return tuple(
            slice(low - own, low - own + length)
            for low, own, length in zip(corner, self.corner, shape, strict=True)
        )

    def holds(self, corner: Corner, shape: Iterable[int]) -> bool:
        """Whether a box lies inside."""
        return all(
            part.start >= 0 and part.stop <= size
            for part, size in zip(self.region(corner, shape), self.array.shape, strict=True)
        )


class ShapeScene:
    """Solids and the volumes that show them. One thread may put solids in while another looks.

    Parameters
    ----------
    step
        Distance of the grid's points in pixels of the plane; made coarser when the volume grows too large.
    """

    def __init__(self, step: float = 1.0) -> None:
        self.step = step
        self.solids: dict[int, Solid] = {}
        self.version = 0
        self._placed: dict[int, tuple[np.ndarray, Corner]] = {}
        self._labels: Volume | None = None
        self._probability: Volume | None = None
        #: Held while volumes change; hold it to look at them in one piece.
        self.lock = threading.RLock()

    @staticmethod
    def fitting_step(voxel: float) -> float:
        """A grid of whole fractions of a pixel that is about as fine as a model's voxels."""
        return 1.0 / min(max(round(1.0 / voxel), 1), FINEST)

    @property
    def empty(self) -> bool:
        """Whether there is no shape; never true while one takes the place of another."""
        with self.lock:
            return not self.solids

    @property
    def labels(self) -> Volume | None:
        """Number of the cell at every point of the grid, or ``None`` as long as there is none."""
        return self._labels

    @property
    def probability(self) -> Volume:
        """Probability that a cell is there, the highest where several are; kept up to date from now on."""
        with self.lock:
            if self._probability is None and self._labels is not None:
                self._probability = Volume(
                    np.zeros(self._labels.array.shape, np.float32), self._labels.corner
                )
                for solid in self.solids.values():
                    self._add_probability(solid)
            assert self._probability is not None
            return self._probability

    def surface(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Vertices in pixels of the plane, faces, and for each vertex the number of its cell.

        Only of cells whose surface has been computed, see `compute_surfaces`.
        """
        with self.lock:
            solids = [solid for solid in self.solids.values() if solid.has_surface]
        parts = [(solid.label, *solid.surface) for solid in solids]
        firsts = itertools.accumulate((len(vertices) for _, vertices, _ in parts), initial=0)
        faces = [faces + first for (_, _, faces), first in zip(parts, firsts, strict=False)]
        vertices = [vertices for _, vertices, _ in parts]
        numbers = [np.full(len(vertices), label) for label, vertices, _ in parts]
        if not parts:
            return np.empty((0, 3), np.float32), np.empty((0, 3), np.int32), np.empty(0, int)
        return np.concatenate(vertices), np.concatenate(faces), np.concatenate(numbers)

    def compute_surfaces(self) -> Iterator[None]:
        """Compute the surfaces that are missing, one per step; takes a while."""
        with self.lock:
            missing = [solid for solid in self.solids.values() if not solid.has_surface]
        for solid in missing:
            _ = solid.surface
            self.version += 1
            yield

    def reserve(self, origin: tuple[float, float, float], extent: tuple[float, float, float]) -> None:
        """Make room for a box, in pixels of the plane; what is known beforehand need not be copied later."""
        with self.lock:
            low = np.ceil(np.asarray(origin) / self.step).astype(int)
            high = np.floor((np.asarray(origin) + extent) / self.step).astype(int)
            self._make_room(_corner(low), tuple(int(n) for n in np.maximum(high - low + 1, 1)))

    def put(self, solid: Solid) -> None:
        """Show a shape, in place of the one that its cell had before."""
        step = self.step
        found = solid.on_grid(solid.occupied, step)  # takes longest; nobody waits for it
        with self.lock:
            self._take_out(solid.label)
            self._show(solid, found if step == self.step else None)
            self.version += 1

    def remove(self, label: int) -> None:
        """Forget a shape."""
        with self.lock:
            self._take_out(label)
            self.version += 1

    def _show(self, solid: Solid, rendered: tuple[np.ndarray, Corner] | None = None) -> None:
        step = self.step
        found, corner = rendered or solid.on_grid(solid.occupied, step)
        self._make_room(corner, found.shape)
        if self.step != step:  # the grid has become coarser
            found, corner = solid.on_grid(solid.occupied, self.step)
        self.solids[solid.label] = solid
        self._placed[solid.label] = (found >= 0.5, corner)
        self._paint(solid.label)
        if self._probability is not None:
            self._add_probability(solid)

    def _take_out(self, label: int) -> None:
        if label not in self.solids:
            return
        solid = self.solids.pop(label)
        mask, corner = self._placed.pop(label)
        if self._labels is not None:
            part = self._labels.array[self._labels.region(corner, mask.shape)]
            part[part == label] = 0
        for other in self._neighbours(corner, mask.shape):
            self._paint(other)
        if self._probability is not None:
            values, corner = solid.on_grid(solid.probability, self.step)
            region = self._probability.region(corner, values.shape)
            self._probability.array[region] = 0
            for other in self._neighbours(corner, values.shape):
                self._add_probability(self.solids[other])

    def _paint(self, label: int) -> None:
        """A place that another cell has stays with it."""
        assert self._labels is not None
        mask, corner = self._placed[label]
        part = self._labels.array[self._labels.region(corner, mask.shape)]
        part[mask & (part == 0)] = label

    def _add_probability(self, solid: Solid) -> None:
        assert self._probability is not None
        values, corner = solid.on_grid(solid.probability, self.step)
        part = self._probability.array[self._probability.region(corner, values.shape)]
        np.maximum(part, values, out=part)

    def _neighbours(self, corner: Corner, shape: tuple[int, ...]) -> list[int]:
        """Cells whose window meets a box."""
        met = []
        for label, (mask, other) in self._placed.items():
            ends = zip(corner, shape, other, mask.shape, strict=True)
            if all(a < b + n and b < a + m for a, m, b, n in ends):
                met.append(label)
        return met

    def _make_room(self, corner: Corner, shape: tuple[int, ...]) -> None:
        old = self._labels
        if old is not None and old.holds(corner, shape):
            return
        low, high = np.asarray(corner), np.asarray(corner) + shape
        if old is not None:
            low = np.minimum(low, old.corner)
            high = np.maximum(high, np.asarray(old.corner) + old.array.shape)
        if float(np.prod((high - low).astype(np.float64))) > MOST_VOXELS:
            self._coarsen(corner, shape)
            return
        self._labels = _grown(old, _corner(low), tuple(high - low), np.dtype(np.int32))
        if self._probability is not None:
            self._probability = _grown(
                self._probability, _corner(low), tuple(high - low), np.dtype(np.float32)
            )

    def _coarsen(self, corner: Corner, shape: tuple[int, ...]) -> None:
        """Begin anew with a grid of twice the step, in which the box and all solids have room."""
        low, solids = np.asarray(corner) * self.step, list(self.solids.values())
        high = low + np.asarray(shape) * self.step
        if self._labels is not None:
            first = np.asarray(self._labels.corner) * self.step
            low = np.minimum(low, first)
            high = np.maximum(high, first + np.asarray(self._labels.array.shape) * self.step)
        wanted, self._labels, self._probability = self._probability is not None, None, None
        self.step *= 2
        self.solids, self._placed = {}, {}
        self._make_room(
            _corner(np.floor(low / self.step).astype(int)),
            tuple(int(n) for n in np.ceil((high - low) / self.step).astype(int) + 2),
        )
        for solid in solids:
            self._show(solid)
        if wanted:
            _ = self.probability


def _corner(place: np.ndarray) -> Corner:
    return int(place[0]), int(place[1]), int(place[2])


def _grown(old: Volume | None, corner: Corner, shape: tuple[int, ...], dtype: np.dtype) -> Volume:
    grown = Volume(np.zeros(shape, dtype), corner)
    if old is not None:
        grown.array[grown.region(old.corner, old.array.shape)] = old.array
    return grown
