"""Cells turned, mirrored and slightly changed: what a shape network learns from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch.utils.data import Dataset

from napari_diffuscope.methods.shape.conditions import image_in_mask, shape_conditions
from napari_diffuscope.training.shape.cells import INSIDE, KnownCell
from napari_diffuscope.training.task import Arrays

SIZES = (0.85, 1.15)
"""Smallest and largest change of size."""

SHIFT = 0.03
"""Largest shift in the plane, as a share of the window."""

GAMMA = 0.3
"""Largest logarithm of the power that grey values are raised to."""

NOISE = 0.04
"""Largest standard deviation of noise, as a share of the grey values of a cell."""


def centre_of(side: int) -> np.ndarray:
    """What turning and resizing leave in place: the image plane, and the middle of the window."""
    return np.array([side // 2, (side - 1) / 2, (side - 1) / 2])


def room_of(side: int) -> np.ndarray:
    """How far from there a cell may reach along each axis."""
    return np.array([side // 2 - 1, (side - 1) / 2, (side - 1) / 2])


class CellPieces(Dataset[Arrays]):
    """One changed cell by number, decided by the seed.

    Parameters
    ----------
    cells
        To draw from.
    seed
        Of everything.
    upside_down
        Whether every other cell is turned upside down.

    Notes
    -----
    A member is the object ``(1, 1, S, S, S)``, -1 outside and 1 inside, and its condition ``(1, 4, S, S, S)``.
    """

    def __init__(self, cells: Sequence[KnownCell], *, seed: int, upside_down: bool = True) -> None:
        self.cells, self.seed, self.upside_down = tuple(cells), seed, upside_down
        self.reach = [_reach(cell) for cell in self.cells]

    def __getitem__(self, number: int) -> Arrays:
        rng = np.random.default_rng([self.seed, 1, number])
        choice = int(rng.integers(len(self.cells)))
        reach, side = self.reach[choice], self.cells[choice].side
        matrix, offset = draw_map(rng, reach, side, upside_down=self.upside_down)
        image, outline, volume = moved(self.cells[choice], matrix, offset)
        mask = outline > INSIDE
        grey = changed_grey(rng, image_in_mask(image, mask), mask)
        return as_target(volume > INSIDE)[None], shape_conditions(grey, mask)[None]


def as_target(occupied: np.ndarray) -> np.ndarray:
    """``(1, Z, Y, X)`` float32: -1 outside, 1 inside."""
    return np.where(occupied, np.float32(1), np.float32(-1))[None]


def as_condition(cell: KnownCell) -> np.ndarray:
    """``(4, Z, Y, X)`` float32: what the network is told of a cell as it is."""
    return shape_conditions(image_in_mask(cell.image, cell.mask), cell.mask)


def _reach(cell: KnownCell) -> np.ndarray:
    """Outermost voxels, relative to the centre, ``(N, 3)``: those that decide whether a cell fits."""
    occupied = cell.occupied
    occupied[cell.side // 2] |= cell.mask
    points = np.argwhere(occupied) - centre_of(cell.side)
    around = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    directions = np.stack([np.zeros_like(around), np.sin(around), np.cos(around)], 1)
    outermost = {int(place) for place in np.argmax(points @ directions.T, 0)}
    outermost |= {int(np.argmin(points[:, 0])), int(np.argmax(points[:, 0]))}
    return np.asarray(points[sorted(outermost)])


def draw_map(
    rng: np.random.Generator, reach: np.ndarray, side: int, *, upside_down: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """A random turn in the plane, mirrored or not, upside down or not, slightly resized, that keeps a cell inside.

    Parameters
    ----------
    rng
        Random numbers.
    reach
        Outermost voxels of the cell relative to the centre, ``(N, 3)``.
    side
        Edge of the window.
    upside_down
        Whether it may be turned upside down.

    Returns
    -------
    matrix, offset
        A voxel at ``p`` goes to ``matrix @ p + offset``, both relative to the centre.
    """
    angle = rng.uniform(0, 2 * np.pi)
    sine, cosine = np.sin(angle), np.cos(angle)
    turn = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    turn[0] *= rng.choice([-1, 1]) if upside_down else 1
    turn[:, 2] *= rng.choice([-1, 1])
    ends = reach @ turn.T
    room, spans = room_of(side), np.ptp(ends[:, 1:], axis=0)
    most = min(2 * room[1] / max(spans.max(), 1), room[0] / max(np.abs(ends[:, 0]).max(), 1))
    size = min(float(np.exp(rng.uniform(*np.log(SIZES)))), most)
    low, high = size * ends[:, 1:].min(0), size * ends[:, 1:].max(0)
    shift = np.clip(side * rng.uniform(-SHIFT, SHIFT, 2), -room[1] - low, room[1] - high)
    return size * turn, np.array([0.0, *shift])


def moved(
    cell: KnownCell, matrix: np.ndarray, offset: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image, outline and volume of a cell under a map of :func:`draw_map`."""
    from scipy.ndimage import affine_transform

    back, centre = np.linalg.inv(matrix), centre_of(cell.side)
    start = centre - back @ (centre + offset)
    image, outline = (
        affine_transform(plane, back[1:, 1:], start[1:], order=1, mode="nearest")
        for plane in (cell.image, cell.outline)
    )
    return image, outline, affine_transform(cell.volume, back, start, order=1, mode="constant")


def changed_grey(rng: np.random.Generator, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Grey values 0 to 1 under another contrast, with a little noise; still 0 outside the mask."""
    power, noise = np.exp(rng.uniform(-GAMMA, GAMMA)), rng.uniform(0, NOISE)
    changed = image**power + noise * rng.standard_normal(image.shape)
    return np.where(mask, np.clip(changed, 0, 1), 0).astype(np.float32)
