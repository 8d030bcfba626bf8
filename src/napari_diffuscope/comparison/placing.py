"""Where images lie to each other: indices of one as a straight function of the indices of the reference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.units import to_micrometres, unit_name

DIGITS = 6
"""Indices are this good: what sums of pixel sizes leave beyond is no place between two pixels."""


@dataclass(frozen=True, eq=False)
class Placed:
    """An image and where it lies.

    Parameters
    ----------
    image
        Its pixels, read when wanted.
    matrix, offset
        ``(n, r)`` and ``(n,)``: the index of this image's n axes at an index p of the reference's r axes is
        ``matrix @ p + offset``.
    record
        How it was made, if it is one of our results.
    note
        What was taken for granted of its place; empty for nothing.
    labels
        Whether its values are labels, which are never averaged.
    sample_axis
        Own axis along which samples of a model lie, if it has one.
    """

    image: Image
    matrix: np.ndarray
    offset: np.ndarray
    record: dict[str, Any] | None = None
    note: str = ""
    labels: bool = False
    sample_axis: int | None = None
    _kept: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """What to call it."""
        return self.image.name

    @property
    def straight(self) -> bool:
        """Whether its axes lie along those of the reference, each along one."""
        moving = self.matrix != 0
        return bool((moving.sum(0) <= 1).all() and (moving.sum(1) <= 1).all())

    @property
    def frame_axis(self) -> int | None:
        """Own axis of samples, else of frames; ``None`` where it has only one of them."""
        axes = self.image.axes
        axis = self.sample_axis if self.sample_axis is not None else axes.find("T")
        return axis if axis >= 0 and self.image.shape[axis] > 1 else None

    def along(self, axis: int) -> tuple[int, float, float] | None:
        """Own axis along one of the reference, pixels per pixel and offset; ``None`` where it has none."""
        own = np.flatnonzero(self.matrix[:, axis])
        if not own.size:
            return None
        return int(own[0]), float(self.matrix[own[0], axis]), float(self.offset[own[0]])


def rounded(matrix: np.ndarray, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Matrix and offset without what rounding left of them."""
    return np.round(matrix, DIGITS + 6) + 0.0, np.round(offset, DIGITS) + 0.0


def reference_placed(image: Image, **known: Any) -> Placed:
    """The reference, which lies where it lies."""
    dimensions = len(image.shape)
    return Placed(image, np.eye(dimensions), np.zeros(dimensions), **known)


def place(reference: Image, other: Image, **known: Any) -> Placed:
    """Where an image lies by its pixel size and the position of its first pixel, axis by axis.

    An axis that only the reference has is one along which the other does not change. Where the pixel size of only one
    is known, pixels are taken for those of the other if both are equally long.

    Raises
    ------
    DiffuscopeError
        If the other has an axis that the reference lacks, or the sizes do not go together.
    """
    matrix = np.zeros((len(other.axes), len(reference.axes)))
    offset = np.zeros(len(other.axes))
    notes = []
    for own, letter in enumerate(other.axes):
        if letter not in reference.axes:
            if other.shape[own] > 1:
                raise DiffuscopeError(
                    f"{quoted(other.name)} has an axis {letter} of {other.shape[own]}, which the reference "
                    f"{quoted(reference.name)} lacks; compare a plane of it, or swap them."
                )
            continue
        at = reference.axes.index(letter)
        factor, start, note = _along(reference, at, other, own)
        matrix[own, at], offset[own] = factor, start
        notes.append(note)
    matrix, offset = rounded(matrix, offset)
    return Placed(other, matrix, offset, note=" ".join(dict.fromkeys(filter(None, notes))), **known)


def _along(reference: Image, at: int, other: Image, own: int) -> tuple[float, float, str]:
    """Pixels per pixel along one axis, the offset, and what was taken for granted."""
    if reference.axes[at] == "C":
        return 1.0, 0.0, ""
    step, unit = _length(reference.scale[at], reference.units[at])
    other_step, other_unit = _length(other.scale[own], other.units[own])
    if unit != other_unit:
        if reference.shape[at] == other.shape[own]:
            silent = reference.name if unit == "pixel" else other.name
            return (
                1.0,
                0.0,
                f"The pixel size of {quoted(silent)} is unknown: its pixels lie on those of the other.",
            )
        raise DiffuscopeError(
            f"Pixels of {quoted(reference.name)} are in {unit}, those of {quoted(other.name)} in {other_unit}, and "
            f"they differ in number along {reference.axes[at]}; give both a pixel size."
        )
    start, _ = _length(reference.translate[at], reference.units[at])
    other_start, _ = _length(other.translate[own], other.units[own])
    return step / other_step, (start - other_start) / other_step, ""


def _length(value: float, unit: str) -> tuple[float, str]:
    micrometres = to_micrometres(value, unit)
    return (value, unit_name(unit)) if micrometres is None else (micrometres, "micrometer")


@dataclass(frozen=True)
class Box:
    """Indices of the reference that belong to the comparison: first and one past the last along each axis."""

    ranges: tuple[tuple[int, int], ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """How many along each axis."""
        return tuple(stop - start for start, stop in self.ranges)

    def at(self, leading: Sequence[int]) -> Box:
        """One plane of it."""
        return Box((*((index, index + 1) for index in leading), *self.ranges[-2:]))


def common_field(reference: Placed, others: Sequence[Placed], within: Box | None = None) -> Box:
    """The part of the reference that all others reach; for rotated ones the box around it.

    Raises
    ------
    DiffuscopeError
        If there is none.
    """
    ranges = list(within.ranges if within else ((0, length) for length in reference.image.shape))
    for other in others:
        box = _reach(reference, other)
        ranges = [
            (max(start, first), min(stop, last))
            for (start, stop), (first, last) in zip(ranges, box, strict=True)
        ]
        if any(start >= stop for start, stop in ranges):
            raise DiffuscopeError(
                f"{quoted(other.name)} and the reference {quoted(reference.name)} do not overlap"
                f"{' in the chosen part' if within else ''}: check their positions and pixel sizes."
            )
    return Box(tuple(ranges))


def points_within(step: float) -> int:
    """Over how many points along an axis a mean is taken in a pixel of the reference, which is ``step`` pixels long."""
    return max(1, math.ceil(abs(step) - 1e-3))


def _reach(reference: Placed, other: Placed) -> list[tuple[int, int]]:
    """Indices of the reference between which another image has pixels, for all that is averaged in each of them."""
    shape = np.array(other.image.shape, dtype=float)
    box = [(0, length) for length in reference.image.shape]
    if other.straight:
        for axis in range(len(box)):
            found = other.along(axis)
            if found is None:
                continue
            own, factor, start = found
            inner = 0.0 if other.labels else 0.5 * abs(factor) * (1 - 1 / points_within(factor))
            ends = sorted(((inner - 0.5 - start) / factor, (shape[own] - 0.5 - inner - start) / factor))
            box[axis] = (int(np.ceil(ends[0] - 1e-6)), int(np.floor(ends[1] - 1e-6)) + 1)
        fixed = ~(other.matrix != 0).any(1)
        inside = (other.offset >= -0.5) & (other.offset < shape - 0.5)
        return box if inside[fixed].all() else [(0, 0)] * len(box)
    corners = np.stack(np.meshgrid(*((-0.5, length - 0.5) for length in shape), indexing="ij"))
    points = np.linalg.pinv(other.matrix) @ (corners.reshape(len(shape), -1) - other.offset[:, None])
    moving = (other.matrix != 0).any(0)
    for axis in np.flatnonzero(moving).tolist():
        box[axis] = (int(np.ceil(points[axis].min())), int(np.floor(points[axis].max())) + 1)
    return box
