"""Outputs in memory, with the manners of those on disk."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Protocol

import numpy as np

from napari_diffuscope.imaging.blocks import Block, VolumeSpec
from napari_diffuscope.imaging.blocks.sink import converted
from napari_diffuscope.jobs import Job

MOST_VOXELS = 2**22
"""Voxels of a block where nobody says: 128 × 128 × 256."""


class VolumeSink(Protocol):
    """Where finished blocks go: a :class:`~napari_diffuscope.imaging.blocks.BlockSink`, or :class:`ArraySink`."""

    spec: VolumeSpec
    block: tuple[int, ...]
    record: Any

    def done(self, block: Block) -> bool:
        """Whether a block was written before."""
        ...

    def write_block(self, block: Block, values: np.ndarray) -> None:
        """Take the pixels of a block."""
        ...

    @property
    def finishing_steps(self) -> int:
        """Updates that ``finishing`` gives."""
        ...

    def finishing(self) -> Job[Any]:
        """Complete the output."""
        ...


class ArraySink:
    """An output in a numpy array.

    Parameters
    ----------
    spec
        What it is.
    block
        Lengths of a block along the last three axes; decided by default.
    array
        Where to write; a new array of NaN (zeros for integers) by default.
    """

    finishing_steps = 0

    def __init__(
        self, spec: VolumeSpec, block: Sequence[int] | None = None, array: np.ndarray | None = None
    ) -> None:
        self.spec, self.record = spec, None
        lengths = tuple(block) if block is not None else default_block(spec.shape[-3:])
        self.block = (
            *((1,) * (len(spec.shape) - 3)),
            *(min(a, b) for a, b in zip(lengths, spec.shape[-3:], strict=True)),
        )
        empty: float = np.nan if np.dtype(spec.dtype).kind == "f" else 0
        self.array = np.full(spec.shape, empty, spec.dtype) if array is None else array

    def done(self, block: Block) -> bool:
        """Never: nothing outlives the process."""
        return False

    def write_block(self, block: Block, values: np.ndarray) -> None:
        """Put the pixels of a block in their place."""
        self.array[block.region] = converted(values, np.dtype(self.spec.dtype))

    def finishing(self) -> Job[np.ndarray]:
        """Nothing is left to do."""
        yield from ()
        return self.array


def default_block(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Lengths along z, y and x of at most so many voxels, halving the longest edge."""
    lengths = list(shape)
    while prod(lengths) > MOST_VOXELS:
        longest = lengths.index(max(lengths))
        lengths[longest] = -(-lengths[longest] // 2)
    return tuple(lengths)
