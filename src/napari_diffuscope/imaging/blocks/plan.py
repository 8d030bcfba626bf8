"""Which blocks an output is made of, and what part of the input each of them needs. Arithmetic only.

Two ways to line up the voxels of an output that is finer by a whole factor f along an axis:

``"centre"``
    Every input voxel is divided into f. Output voxel k has its centre at ``(k + 1/2) / f - 1/2`` of the input.
``"planes"``
    Every f-th output plane *is* an input plane: output plane k lies at ``k / f`` of the input.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal, get_args

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.tiles import Box

Alignment = Literal["centre", "planes"]
"""How the voxels of input and output line up."""


@dataclass(frozen=True)
class Block:
    """One piece of work.

    Parameters
    ----------
    index
        Its number, in C order of the grid of blocks.
    place
        Its position in that grid.
    region
        The part of the output that it is.
    window
        ``(start, stop)`` per axis of the input that it depends on; may overhang the input.
    source
        The window cut to the input: what is to be read.
    padding
        How much of the window lies ``(before, after)`` the input along each axis.
    inner
        Where ``region`` lies inside a window that was made finer by the zoom.
    """

    index: int
    place: tuple[int, ...]
    region: Box
    window: tuple[tuple[int, int], ...]
    source: Box
    padding: tuple[tuple[int, int], ...]
    inner: Box

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the region."""
        return tuple(part.stop - part.start for part in self.region)

    @property
    def window_shape(self) -> tuple[int, ...]:
        """Lengths of the window."""
        return tuple(stop - start for start, stop in self.window)


@dataclass(frozen=True)
class BlockPlan:
    """An output divided into blocks.

    Parameters
    ----------
    shape
        Lengths of the output, any axes.
    block
        Lengths of a block, as a sink says (`OmeZarrSink.block`); blocks at the far borders may be smaller.
    source_shape
        Lengths of the input, with the same axes; by default those of the output. Where an axis is longer in
        the output than ``zoom`` times the input, windows overhang.
    zoom
        How many times finer the output is, a whole number, one for all axes or one per axis.
    halo
        Input voxels that a block needs around what it covers.
    stride
        Windows start and stop at multiples of it, counted from the first voxel of the input.
    alignment
        ``"centre"`` or ``"planes"``, one for all axes or one per axis; makes no difference where the zoom
        is 1.

    Raises
    ------
    DiffuscopeError
        If a number makes no sense, or one number per axis is given for another number of axes.
    """

    shape: tuple[int, ...]
    block: tuple[int, ...]
    source_shape: tuple[int, ...] = ()
    zoom: int | Sequence[int] = 1
    halo: int | Sequence[int] = 0
    stride: int | Sequence[int] = 1
    alignment: Alignment | Sequence[Alignment] = "centre"

    def __post_init__(self) -> None:
        count = len(self.shape)
        normal: dict[str, tuple[Any, ...]] = {
            "shape": _numbers(self.shape, count, "shape", 1),
            "block": _numbers(self.block, count, "block", 1),
            "source_shape": _numbers(self.source_shape or self.shape, count, "source shape", 1),
            "zoom": _numbers(self.zoom, count, "zoom", 1),
            "halo": _numbers(self.halo, count, "halo", 0),
            "stride": _numbers(self.stride, count, "stride", 1),
            "alignment": _alignments(self.alignment, count),
        }
        for name, values in normal.items():
            object.__setattr__(self, name, values)

    @property
    def grid(self) -> tuple[int, ...]:
        """Number of blocks along each axis."""
        return tuple(-(-length // edge) for length, edge in zip(self.shape, self.block, strict=True))

    def __len__(self) -> int:
        return prod(self.grid)

    def __iter__(self) -> Iterator[Block]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Block:
        """The block of that number.

        Raises
        ------
        IndexError
            If there is none.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"block {index} of {len(self)}")
        place = tuple(int(part) for part in np.unravel_index(index, self.grid))
        region = tuple(
            slice(part * edge, min((part + 1) * edge, length))
            for part, edge, length in zip(place, self.block, self.shape, strict=True)
        )
        window = tuple(self._window(axis, part) for axis, part in enumerate(region))
        cuts = [
            _cut(start, stop, length) for (start, stop), length in zip(window, self.source_shape, strict=True)
        ]
        inner = tuple(
            slice(part.start - start * _of(self.zoom, axis), part.stop - start * _of(self.zoom, axis))
            for axis, (part, (start, _)) in enumerate(zip(region, window, strict=True))
        )
        return Block(
            index=index,
            place=place,
            region=region,
            window=window,
            source=tuple(slice(start, stop) for start, stop in cuts),
            padding=tuple(
                (max(0, low - start), max(0, stop - high))
                for (start, stop), (low, high) in zip(window, cuts, strict=True)
            ),
            inner=inner,
        )

    def _window(self, axis: int, part: slice) -> tuple[int, int]:
        """Input voxels that the output voxels lie in or between, with the halo, at multiples of the stride."""
        zoom, halo, stride = (_of(values, axis) for values in (self.zoom, self.halo, self.stride))
        alignment = self.alignment if isinstance(self.alignment, str) else self.alignment[axis]
        first = part.start // zoom
        last = (part.stop - 1) // zoom
        if alignment == "planes" and (part.stop - 1) % zoom:
            last += 1  # between two planes: the next one as well
        start = (first - halo) // stride * stride
        return start, -(-(last + 1 + halo) // stride) * stride


def zoomed_length(
    length: int, zoom: int, alignment: Alignment = "centre", *, beyond_last: bool = False
) -> int:
    """Length of an axis that was made finer.

    Parameters
    ----------
    length, zoom
        Of the input, and the factor.
    alignment
        ``"centre"`` gives ``length * zoom``. ``"planes"`` gives ``(length - 1) * zoom + 1``: from the first
        measured plane to the last.
    beyond_last
        With ``"planes"``: also the ``zoom - 1`` planes after the last measured one, ``length * zoom`` in all.
    """
    return (length - 1) * zoom + 1 if alignment == "planes" and not beyond_last else length * zoom


def zoomed_axis(
    scale: float, translate: float, zoom: int, alignment: Alignment = "centre"
) -> tuple[float, float]:
    """Distance between the voxels of a finer axis, and the position of its first voxel's centre.

    Parameters
    ----------
    scale, translate
        Those of the input, in its unit.
    zoom
        How many times finer the output is.
    alignment
        With ``"centre"`` the borders of the image stay, so its first centre moves by
        ``(scale / zoom - scale) / 2``. With ``"planes"`` the first plane stays.
    """
    fine = scale / zoom
    return fine, translate + (fine - scale) / 2 if alignment == "centre" else translate


def _cut(start: int, stop: int, length: int) -> tuple[int, int]:
    """What lies inside of 0 to length; at least one voxel, so that there is something to mirror."""
    low = min(max(start, 0), length - 1)
    return low, max(min(stop, length), low + 1)


def _numbers(values: int | Sequence[int], count: int, what: str, least: int) -> tuple[int, ...]:
    found = (values,) * count if isinstance(values, int) else tuple(int(value) for value in values)
    if len(found) != count or any(value < least for value in found):
        raise DiffuscopeError(
            f"The {what} {values} does not fit {count} axes; "
            f"give one whole number of at least {least} per axis."
        )
    return found


def _alignments(values: Alignment | Sequence[Alignment], count: int) -> tuple[str, ...]:
    found = (values,) * count if isinstance(values, str) else tuple(values)
    if len(found) != count or not set(found) <= set(get_args(Alignment)):
        raise DiffuscopeError(
            f"The alignment {values!r} is unknown or does not fit {count} axes; "
            f"choose among {', '.join(get_args(Alignment))}."
        )
    return found


def _of(values: int | Sequence[int], axis: int) -> int:
    """The number for an axis."""
    return values if isinstance(values, int) else values[axis]
