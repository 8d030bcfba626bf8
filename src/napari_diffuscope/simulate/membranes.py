"""Cell borders: slightly curved, unevenly labelled Voronoi walls."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial import Voronoi, cKDTree

from napari_diffuscope.simulate.emitters import Emitters, PixelSize, field_of_view, pixel_sizes
from napari_diffuscope.simulate.fields import log_uniform, smooth_field


def membranes(
    rng: np.random.Generator,
    shape: Sequence[int],
    pixel_size_um: PixelSize,
    *,
    cell_um: float | None = None,
    wall_um: float | None = None,
) -> np.ndarray:
    """Walls between cells of about ``cell_um``, ``wall_um`` thick: float32 of ``shape``, two or three axes.

    Where not given, cells measure 6 to 40 µm (at least 12 pixels) and walls 0.05 to 1 µm.
    """
    pixel = pixel_sizes(pixel_size_um, len(shape))
    cell_um = cell_um or max(log_uniform(rng, 6, 40), 12 * pixel[-1])
    wall_um = wall_um or log_uniform(rng, 0.05, 1.0)
    if len(shape) == 3:
        walls = _walls_in_space(rng, shape, pixel, cell_um, wall_um)
    else:
        walls = border_lines(rng, shape, pixel_size_um, cell_um=cell_um).render(shape, pixel_size_um)
        if wall_um > 0.7 * pixel[-1]:
            walls = gaussian_filter(walls, wall_um / 2 / pixel, mode="nearest", truncate=3)
    uneven = np.exp(rng.uniform(0, 0.5) * smooth_field(rng, shape, cell_um / 4 / pixel))
    return (walls * uneven).astype(np.float32)


def border_lines(
    rng: np.random.Generator, shape: Sequence[int], pixel_size_um: PixelSize, *, cell_um: float
) -> Emitters:
    """Borders of a two-dimensional tissue as emitters: bowed edges of a Voronoi diagram."""
    size, pixel = field_of_view(shape, pixel_size_um), pixel_sizes(pixel_size_um, 2)[-1]
    diagram = Voronoi(_seeds(rng, size, cell_um))
    ridges = np.asarray(diagram.ridge_vertices)
    ridges = ridges[(ridges >= 0).all(axis=1)]
    ridges = ridges[rng.uniform(size=len(ridges)) > rng.choice([0.0, rng.uniform(0, 0.3)])]
    first, last = diagram.vertices[ridges[:, 0]], diagram.vertices[ridges[:, 1]]
    length = np.linalg.norm(last - first, axis=1)
    bow = rng.normal(0, 0.06, len(ridges)) * length
    brightness = np.exp(rng.normal(0, rng.uniform(0.1, 0.5), len(ridges)))
    # Edges at the rim of a diagram reach far away; nothing beyond the field is drawn.
    points = np.minimum(np.ceil(length / (0.4 * pixel)), 4 * max(shape)).astype(int)
    owner = np.repeat(np.arange(len(ridges)), points)
    along = (np.arange(len(owner)) - np.repeat(np.cumsum(points) - points, points) + 0.5) / points[owner]
    step = (last - first)[owner]
    across = step[:, ::-1] * [1, -1] / np.maximum(length[owner, None], 1e-9)
    position = first[owner] + along[:, None] * step + (bow[owner] * np.sin(np.pi * along))[:, None] * across
    return Emitters(position, (brightness * length / np.maximum(points, 1) / pixel)[owner], owner)


def _seeds(rng: np.random.Generator, size: np.ndarray, cell_um: float) -> np.ndarray:
    """Jittered grid of cell centres that reaches two cells beyond the field: (N, D)."""
    axes = [np.arange(-2 * cell_um, edge + 2.5 * cell_um, cell_um) for edge in size]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(size))
    # Every second row is shifted by half a cell, as in a packed sheet.
    grid[:, -1] += 0.5 * cell_um * (np.round(grid[:, -2] / cell_um) % 2)
    return np.asarray(grid + rng.uniform(0.15, 0.32) * cell_um * rng.standard_normal(grid.shape))


def _walls_in_space(
    rng: np.random.Generator, shape: Sequence[int], pixel: np.ndarray, cell_um: float, wall_um: float
) -> np.ndarray:
    """Walls in space, from the distance of every voxel to the plane between its two nearest seeds."""
    seeds = _seeds(rng, field_of_view(shape, pixel), cell_um)
    axes = [(np.arange(n) + 0.5) * p for n, p in zip(shape, pixel, strict=True)]
    place = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    for axis in range(3):
        bend = 0.08 * cell_um * smooth_field(rng, shape, cell_um / 2 / pixel)
        place[..., axis] = place[..., axis] + bend
    distance, nearest = cKDTree(seeds).query(place.reshape(-1, 3), k=2)
    across = seeds[nearest[:, 0]] - seeds[nearest[:, 1]]
    apart = np.linalg.norm(across, axis=1)
    to_wall = (distance[:, 1] ** 2 - distance[:, 0] ** 2) / (2 * apart)
    # A voxel sees the average over its extent across the wall: thin walls grow wider and dimmer.
    extent = np.abs(across) @ pixel / apart
    half = np.hypot(wall_um, extent) / 2
    walls = wall_um / (2 * half) * np.exp(-0.5 * (to_wall / half) ** 2)
    return np.asarray(walls).reshape(tuple(shape))
