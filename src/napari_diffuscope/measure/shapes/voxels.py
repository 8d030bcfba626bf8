"""What the measures of shapes ask of their arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from napari_diffuscope.errors import DiffuscopeError

VoxelSize = float | Sequence[float]
"""Size of a cubic voxel, or of one as ``(z, y, x)``."""

MOST_SIZE, MOST_RATIO = 1e12, 1e4
"""Largest size of a voxel (the least is one over it), and how much longer one edge may be than another."""


def object_array(values: object, name: str, *, empty: bool = False) -> np.ndarray:
    """A volume ``(Z, Y, X)`` as bool, as a rule with something in it.

    Parameters
    ----------
    values
        bool, or whole numbers: all but 0 belong to the object.
    name
        What it is, for the sentence (``"the object"``).
    empty
        Whether it may have no voxels.

    Raises
    ------
    DiffuscopeError
        If it has not three dimensions, holds anything but bool and whole numbers, or has no voxels.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "bui":
        raise DiffuscopeError(
            f"{name.capitalize()} must hold true and false or labels, not {array.dtype}: "
            "threshold probabilities first."
        )
    if array.ndim != 3:
        raise DiffuscopeError(f"{name.capitalize()} must have 3 dimensions (z, y, x), not {array.ndim}.")
    occupied: np.ndarray = array != 0
    if not (empty or occupied.any()):
        raise DiffuscopeError(f"{name.capitalize()} has no voxels: there is nothing to measure.")
    return occupied


def voxel_sizes(voxel_size: VoxelSize) -> tuple[float, float, float]:
    """One size per axis, (z, y, x), from one for all or three.

    Raises
    ------
    DiffuscopeError
        If it is neither one nor three positive numbers, or they are beyond what lengths of things can be.
    """
    try:
        sizes = np.asarray(voxel_size, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        sizes = np.zeros(())
    if sizes.shape not in ((), (3,)) or not (np.isfinite(sizes).all() and (sizes > 0).all()):
        raise DiffuscopeError(
            f"voxel_size must be one or three (z, y, x) positive numbers, not {str(voxel_size)[:60]}."
        )
    if sizes.min() < 1 / MOST_SIZE or sizes.max() > MOST_SIZE or sizes.max() > MOST_RATIO * sizes.min():
        raise DiffuscopeError(
            f"Voxels of {str(voxel_size)[:60]} are no size that shapes can be measured with; correct the pixel size."
        )
    z, y, x = (float(size) for size in np.broadcast_to(sizes, (3,)))
    return z, y, x


def bounding_box(occupied: np.ndarray) -> tuple[slice, slice, slice]:
    """The smallest box with all of an object; the object has at least one voxel."""
    z, y, x = (
        slice(int(places[0]), int(places[-1]) + 1)
        for places in (
            np.flatnonzero(occupied.any(axis=tuple(other for other in range(3) if other != axis)))
            for axis in range(3)
        )
    )
    return z, y, x


def equivalent_radius(volume: float) -> float:
    """Radius of the sphere of the same volume."""
    return math.cbrt(3 * volume / (4 * math.pi))
