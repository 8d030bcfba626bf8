"""Metadata of OME-Zarr 0.5 (https://ngff.openmicroscopy.org/0.5), and the levels of its pyramid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_diffuscope.imaging.blocks.spec import Channel, Layout, Pyramid, VolumeSpec, choose_layout
from napari_diffuscope.imaging.units import to_micrometres

VERSION = "0.5"

SMALLEST = 256
"""The pyramid ends with the first level whose depth, height and width are no longer than this."""

_KINDS = {"T": "time", "C": "channel"}


@dataclass(frozen=True)
class Level:
    """One resolution of an image.

    Parameters
    ----------
    shape
        Lengths of its axes.
    factors
        How many voxels of the full resolution, along each axis, one voxel stands for.
    steps
        The same for the level before it: 1 or 2.
    layout
        How it lies on the disk.
    """

    shape: tuple[int, ...]
    factors: tuple[int, ...]
    steps: tuple[int, ...]
    layout: Layout


def plan_levels(spec: VolumeSpec, layout: Layout, *, most_bytes: int) -> tuple[Level, ...]:
    """Full resolution and the coarser ones.

    From level to level those axes are halved whose voxels are less than twice as long as the shortest, so that
    voxels become as long as wide; axes of unlike units are halved together. An odd length is rounded up.

    Parameters
    ----------
    spec
        The image.
    layout
        Of its full resolution.
    most_bytes
        As for `choose_layout`.
    """
    ones = (1,) * len(spec.shape)
    levels = [Level(spec.shape, ones, ones, layout)]
    while spec.pyramid != "none":
        last = levels[-1]
        steps = _steps(spec, last)
        if _largest(spec.axes, last.shape) <= SMALLEST or max(steps) == 1:
            break
        shape = tuple(-(-length // step) for length, step in zip(last.shape, steps, strict=True))
        factors = tuple(factor * step for factor, step in zip(last.factors, steps, strict=True))
        chosen = choose_layout(shape, spec.axes, spec.dtype, most_bytes=most_bytes)
        levels.append(Level(shape, factors, steps, chosen))
    return tuple(levels)


def _largest(axes: str, shape: Sequence[int]) -> int:
    return max(length for letter, length in zip(axes, shape, strict=True) if letter in "ZYX")


def _steps(spec: VolumeSpec, level: Level) -> tuple[int, ...]:
    """2 along the axes to halve next, else 1."""
    places = [i for i, letter in enumerate(spec.axes) if letter in "ZYX" and level.shape[i] > 1]
    lengths = {i: to_micrometres(spec.scale[i], spec.units[i]) for i in places}
    sizes = {i: (lengths[i] or 0.0) * level.factors[i] for i in places}
    if None in lengths.values():
        alike = len({spec.units[i] for i in places}) == 1
        sizes = {i: (spec.scale[i] if alike else 1.0) * level.factors[i] for i in places}
    finest = min(sizes.values(), default=0.0)
    return tuple(2 if i in sizes and sizes[i] < 2 * finest else 1 for i in range(len(spec.axes)))


def halved(values: np.ndarray, steps: Sequence[int], method: Pyramid) -> np.ndarray:
    """Half as many voxels along some axes.

    Parameters
    ----------
    values
        Any axes.
    steps
        2 for each axis to halve, else 1.
    method
        ``"mean"`` averages neighbours in double precision, rounding to the nearest integer where pixels are
        integers; a last voxel without a neighbour stays. ``"nearest"`` takes every second voxel.
    """
    if method == "nearest":
        return values[tuple(slice(None, None, step) for step in steps)]
    found = values.astype(np.float64)
    for axis, step in enumerate(steps):
        if step == 2:
            moved = np.moveaxis(found, axis, 0)
            even, odd = moved[0::2].copy(), moved[1::2]
            even[: len(odd)] = (even[: len(odd)] + odd) / 2
            found = np.moveaxis(even, 0, axis)
    return (np.rint(found) if values.dtype.kind in "ui" else found).astype(values.dtype)


def ome_attributes(spec: VolumeSpec, levels: Sequence[Level]) -> dict[str, Any]:
    """The entry ``"ome"`` of the attributes of an image's group.

    A coarser voxel that averages F fine ones has its centre (F - 1) / 2 fine voxels further on.
    """
    multiscale: dict[str, Any] = {
        "name": spec.name,
        "axes": [_axis(*pair) for pair in zip(spec.axes, spec.units, strict=True)],
        "datasets": [
            {"path": str(number), "coordinateTransformations": _transforms(spec, level)}
            for number, level in enumerate(levels)
        ],
    }
    if len(levels) > 1:
        multiscale["type"] = spec.pyramid
    found: dict[str, Any] = {"version": VERSION, "multiscales": [multiscale]}
    if spec.channels and all(channel.window for channel in spec.channels):
        found["omero"] = omero_attributes(spec.channels)
    return found


def omero_attributes(channels: Sequence[Channel]) -> dict[str, Any]:
    """How channels are called and shown; all of them have a window."""
    return {"channels": [_channel(channel) for channel in channels]}


def _axis(letter: str, unit: str) -> dict[str, str]:
    found = {"name": letter.lower(), "type": _KINDS.get(letter, "space")}
    # "pixel" is no unit there: an axis without a physical size has none
    return found | ({} if letter == "C" or unit == "pixel" else {"unit": unit})


def _transforms(spec: VolumeSpec, level: Level) -> list[dict[str, Any]]:
    scale = [size * factor for size, factor in zip(spec.scale, level.factors, strict=True)]
    shift = 0.0 if spec.pyramid == "nearest" else 0.5
    start = [
        first + shift * (factor - 1) * size
        for first, factor, size in zip(spec.translate, level.factors, spec.scale, strict=True)
    ]
    return [{"type": "scale", "scale": scale}, {"type": "translation", "translation": start}]


def _channel(channel: Channel) -> dict[str, Any]:
    start, end = channel.window or (0.0, 1.0)
    low, high = channel.limits or (start, end)
    return {
        "label": channel.label,
        "color": channel.color,
        "active": True,
        "window": {"start": start, "end": end, "min": low, "max": high},
    }
