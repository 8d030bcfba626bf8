"""Cells cut out of labelled volumes, each in the window in which a network of shapes sees it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile
from scipy.ndimage import find_objects, map_coordinates

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import writing
from napari_diffuscope.methods.shape.cells import find_cells
from napari_diffuscope.methods.shape.window import ShapeWindow
from napari_diffuscope.training.shape.cells import FOLDERS, KnownCell

SIDE, EXTENT = 64, 0.5
"""Window, and the share of its edge that a cell fills: half, so that those drawn out along z find room."""

LEAST_VOXELS = 2000
NEAR = 0.5
"""Planes are drawn from the middle half of a cell."""


def cells_in(
    raw: np.ndarray, labels: np.ndarray, *, voxel: tuple[float, float, float], kind: str
) -> Iterator[KnownCell]:
    """Cells that do not touch the border of a volume, each in a plane near its middle, with isotropic voxels.

    Parameters
    ----------
    raw
        Grey values ``(Z, Y, X)``.
    labels
        Whole numbers of the same shape, 0 where no cell is; what has fewer than :data:`LEAST_VOXELS` is left out.
    voxel
        Size along z, y and x, in one unit.
    kind
        Class of the cells, with which their names begin.

    Raises
    ------
    DiffuscopeError
        If both differ in shape.
    """
    if raw.shape != labels.shape or raw.ndim != 3:
        raise DiffuscopeError(
            f"Image and labels must be stacks of one shape, but they are {raw.shape} and {labels.shape}."
        )
    for label, box in enumerate(find_objects(labels.astype(np.int32)), 1):
        if box is None or any(s.start == 0 or s.stop == n for s, n in zip(box, labels.shape, strict=True)):
            continue
        if (labels[box] == label).sum() < LEAST_VOXELS:
            continue
        rng = np.random.default_rng([11, label])
        plane = _plane_near_middle(rng, box[0].start, box[0].stop)
        yield cut(f"{kind}_{label:03}", raw, labels == label, plane, voxel)


def cut(
    name: str, raw: np.ndarray, solid: np.ndarray, plane: int, voxel: tuple[float, float, float]
) -> KnownCell:
    """A cell as the model sees it in a plane."""
    (cell,) = find_cells(solid[plane].astype(np.uint8))
    window = ShapeWindow.around(cell, pixel_size=voxel[1], extent=EXTENT, side=SIDE)
    steps = np.arange(SIDE) * window.step
    z = plane + (np.arange(SIDE) - SIDE // 2) * window.voxel_size / voxel[0]
    grid = np.meshgrid(z, window.corner[0] + steps, window.corner[1] + steps, indexing="ij")
    soft = map_coordinates(solid.astype(np.float32), grid, order=1)
    image = window.image(raw[plane].astype(np.float32))
    return KnownCell(name, eight_bit(image), 255 * window.mask(cell).astype(np.uint8), as_soft(soft))


def write_cell(cell: KnownCell, folder: Path) -> None:
    """Write the three files of a cell.

    Raises
    ------
    DiffuscopeError
        If they cannot be written.
    """
    for part, values in zip(FOLDERS, (cell.image, cell.outline, cell.volume), strict=True):
        path = folder / part / f"{cell.name}.tif"
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(path, values, compression="zlib")


def as_soft(occupied: np.ndarray) -> np.ndarray:
    """Shares of voxels, 0 to 1, in 8 bits."""
    return np.asarray(np.round(255 * np.clip(occupied, 0, 1)), np.uint8)


def eight_bit(image: np.ndarray) -> np.ndarray:
    """Grey values between their dark and bright percentiles, in 8 bits."""
    low, high = np.percentile(image, (0.5, 99.8))
    return np.asarray(np.round(255 * np.clip((image - low) / max(high - low, 1e-6), 0, 1)), np.uint8)


def _plane_near_middle(rng: np.random.Generator, start: int, stop: int) -> int:
    middle, half = (start + stop - 1) / 2, NEAR * (stop - start) / 2
    return round(rng.uniform(middle - half, middle + half))
