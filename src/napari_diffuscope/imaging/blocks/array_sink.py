"""An output in memory, with the manners of those on disk; and what all of them have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from napari_diffuscope.imaging.blocks.plan import Block
from napari_diffuscope.imaging.blocks.sink import BlockFacts, converted
from napari_diffuscope.imaging.blocks.spec import VolumeSpec, default_block
from napari_diffuscope.jobs import Job


class Sink(Protocol):
    """Where finished blocks of an output go: a `BlockSink` (a file), or an `ArraySink` (memory, a layer)."""

    spec: VolumeSpec
    block: tuple[int, ...]
    record: Any

    def done(self, block: Block) -> bool:
        """Whether a block was written before."""
        ...

    def write_block(self, block: Block, values: np.ndarray, facts: BlockFacts = None) -> None:
        """Take the pixels of a block, and what was found in it."""
        ...

    def read_block(self, block: Block) -> np.ndarray | None:
        """The pixels of a block that is done, ``None`` where they are not at hand."""
        ...

    def facts(self, block: Block) -> BlockFacts:
        """What was found in a block that is done, ``None`` for nothing."""
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
        Least lengths of a block along the last axes, single positions of those before; decided by default.
    array
        Where to write; a new array of NaN (zeros for integers) by default.
    """

    finishing_steps = 0

    def __init__(
        self, spec: VolumeSpec, block: Sequence[int] | None = None, array: np.ndarray | None = None
    ) -> None:
        self.spec, self.record = spec, None
        wanted = (
            default_block(spec) if block is None else (1,) * (len(spec.shape) - len(block)) + tuple(block)
        )
        self.block = tuple(min(a, b) for a, b in zip(wanted, spec.shape, strict=True))
        self.array = blank_array(spec.shape, spec.dtype) if array is None else array

    def done(self, block: Block) -> bool:
        """Never: nothing outlives the process."""
        return False

    def write_block(self, block: Block, values: np.ndarray, facts: BlockFacts = None) -> None:
        """Put the pixels of a block in their place."""
        self.array[block.region] = converted(values, np.dtype(self.spec.dtype))

    def read_block(self, block: Block) -> np.ndarray:
        """The pixels of a block."""
        return np.asarray(self.array[block.region])

    def facts(self, block: Block) -> None:
        """Nothing: no block is done before its run."""

    def finishing(self) -> Job[np.ndarray]:
        """Nothing is left to do."""
        yield from ()
        return self.array


def blank_array(shape: Sequence[int], dtype: Any) -> np.ndarray:
    """An array of nothing yet: NaN where the pixel type has it, else 0."""
    empty: float = np.nan if np.dtype(dtype).kind == "f" else 0
    return np.full(shape, empty, dtype)


def plane_block(shape: Sequence[int]) -> tuple[int, ...]:
    """One whole plane."""
    return (1,) * (len(shape) - 2) + tuple(shape[-2:])
