"""Which blocks an output is made of. Arithmetic only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.tiles import Box


@dataclass(frozen=True)
class Block:
    """One piece of work.

    Parameters
    ----------
    index
        Its number, in C order of the grid of blocks.
    region
        The part of the output that it is.
    """

    index: int
    region: Box

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the region."""
        return tuple(part.stop - part.start for part in self.region)


@dataclass(frozen=True)
class BlockPlan:
    """An output divided into blocks.

    Parameters
    ----------
    shape
        Lengths of the output, any axes.
    block
        Lengths of a block, as a sink says (`OmeZarrSink.block`); blocks at the far borders may be smaller.

    Raises
    ------
    DiffuscopeError
        If a length makes no sense, or the two have different numbers of axes.
    """

    shape: tuple[int, ...]
    block: tuple[int, ...]

    def __post_init__(self) -> None:
        for name in ("shape", "block"):
            object.__setattr__(self, name, _lengths(getattr(self, name), len(self.shape), name))

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
        return Block(index, region)


def _lengths(values: Sequence[int], count: int, what: str) -> tuple[int, ...]:
    lengths = tuple(int(value) for value in values)
    if len(lengths) != count or any(length < 1 for length in lengths):
        raise DiffuscopeError(
            f"The {what} {values} does not fit {count} axes; give one whole number of at least 1 per axis."
        )
    return lengths
