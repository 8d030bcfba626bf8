"""Patches of planes: of a volume along any of its axes, or that cover an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.arrays import real_array


def slice_patches(
    volume: object,
    axis: int,
    size: int,
    *,
    stride: int | None = None,
    step: int = 1,
    least_deviation: float = 0.0,
    count: int | None = None,
    seed: int = 0,
) -> np.ndarray:
    """Square patches of the planes at right angles to an axis.

    For SliceFID: patches of XZ and YZ planes of a volume with equal voxels, against patches of measured XY planes.

    Parameters
    ----------
    volume
        Real array ``(Z, Y, X)``; an image ``(Y, X)`` counts as one plane.
    axis
        The axis that the planes are cut across: 0 gives XY planes ``(Y, X)``, 1 XZ planes ``(Z, X)``, 2 YZ
        planes ``(Z, Y)``.
    size
        Pixels along both sides of a patch.
    stride
        Pixels from one patch to the next; ``None`` is ``size``, patches side by side.
    step
        Planes from one to the next; neighbouring planes are much alike and count for less than their number.
    least_deviation
        Patches whose standard deviation is smaller are left out: empty background looks the same everywhere.
    count
        At most so many patches, drawn at random.
    seed
        Seed of the draw.

    Returns
    -------
    ndarray
        Float64 ``(N, size, size)``, in the order of planes, rows, columns.
    """
    array = real_array(volume, "the volume")
    array = array if array.ndim == 3 else array[None]
    if axis not in (0, 1, 2):
        raise DiffuscopeError(f"The axis must be 0 (XY planes), 1 (XZ) or 2 (YZ), not {axis}.")
    if min(size, step, size if stride is None else stride) < 1:
        raise DiffuscopeError(f"size, stride and step must be 1 or more, not {size}, {stride} and {step}.")
    planes = np.moveaxis(array, axis, 0)[::step]
    if min(planes.shape[1:]) < size:
        raise DiffuscopeError(
            f"Planes of {planes.shape[1]} x {planes.shape[2]} pixels are smaller than patches of {size}: "
            "take smaller patches, or resample the volume to equal voxels first."
        )
    views = np.lib.stride_tricks.sliding_window_view(planes, (size, size), axis=(1, 2))
    return _choose(views[:, :: stride or size, :: stride or size], least_deviation, count, seed)


def _choose(views: np.ndarray, least_deviation: float, count: int | None, seed: int) -> np.ndarray:
    """Patches ``(N, size, size)`` out of views ``(planes, rows, columns, size, size)``."""
    places = np.argwhere(np.ones(views.shape[:3], dtype=bool))
    if least_deviation > 0:
        deviations = np.array([plane.std(axis=(-2, -1)).ravel() for plane in views]).ravel()
        places = places[deviations >= least_deviation]
    if len(places) == 0:
        raise DiffuscopeError(
            f"No patch has a standard deviation of {least_deviation:g} or more: lower least_deviation."
        )
    if count is not None and count < len(places):
        drawn = np.random.default_rng(seed).choice(len(places), count, replace=False)
        places = places[np.sort(drawn)]
    return np.ascontiguousarray(views[tuple(places.T)])


def covering(shape: Sequence[int], side: int, *, overlap: bool = False) -> list[tuple[slice, slice]]:
    """Windows of a size side by side (or by half) that cover an image; the whole where it is smaller.

    Parameters
    ----------
    shape
        Height and width of the image.
    side
        Edge of a window in pixels.
    overlap
        Whether they overlap by half.
    """

    def starts(edge: int) -> list[int]:
        if edge <= side:
            return [0]
        step = max(1, side // 2) if overlap else side
        count = -(-(edge - side) // step) + 1
        return sorted(set(np.linspace(0, edge - side, count).round().astype(int).tolist()))

    return [
        (slice(y, min(y + side, shape[0])), slice(x, min(x + side, shape[1])))
        for y in starts(shape[0])
        for x in starts(shape[1])
    ]


def spread_over(windows: Sequence[tuple[slice, slice]], most: int) -> list[tuple[slice, slice]]:
    """At most so many of the windows, evenly spread over them."""
    if len(windows) <= most:
        return list(windows)
    places = (np.arange(most) + 0.5) * len(windows) / most
    return [windows[int(place)] for place in places]
