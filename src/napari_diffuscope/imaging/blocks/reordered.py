"""A file whose axes have another order than what is computed: OME-Zarr knows ``TCZYX`` alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from napari_diffuscope.imaging.axes import LETTERS, order_of
from napari_diffuscope.imaging.blocks.plan import Block, BlockPlan
from napari_diffuscope.imaging.blocks.sink import BlockFacts, ShardWriter
from napari_diffuscope.imaging.blocks.spec import VolumeSpec
from napari_diffuscope.imaging.blocks.zarr_sink import OmeZarrSink
from napari_diffuscope.jobs import Job


def _as_stored(block: Block, lengths: Sequence[int], order: Sequence[int], plan: BlockPlan) -> Block:
    place = [part.start // edge for part, edge in zip(block.region, lengths, strict=True)]
    return plan[int(np.ravel_multi_index([place[axis] for axis in order], plan.grid))]


@dataclass(frozen=True)
class ReorderedShards:
    """Writes blocks of such a file from another process; see `ShardWriter`."""

    shards: ShardWriter
    plan: BlockPlan
    block: tuple[int, ...]
    order: Sequence[int]

    def write(self, block: Block, values: np.ndarray) -> None:
        """Write the pixels of a block, which are on the disk when this returns."""
        stored = _as_stored(block, self.block, self.order, self.plan)
        self.shards.write(stored, np.transpose(values, self.order))


class ReorderedSink:
    """Takes blocks in one order of the axes and writes them in that of the file; see `BlockSink`.

    Parameters
    ----------
    path, identity, most_bytes, planes, overwrite
        As for a `BlockSink`.
    spec
        What is computed; its axes are letters of ``TCZYX`` in any order.
    block
        Least lengths of a block, along these axes.
    """

    def __init__(
        self, path: str | Path, spec: VolumeSpec, identity: Any, *, block: Sequence[int] | None, **how: Any
    ) -> None:
        self.spec = spec
        self._order = order_of(spec.axes, "".join(sorted(spec.axes, key=LETTERS.index)))
        stored = replace(
            spec,
            shape=self._stored(spec.shape),
            axes="".join(self._stored(spec.axes)),
            scale=self._stored(spec.scale),
            units=self._stored(spec.units),
            translate=self._stored(spec.translate),
        )
        self._sink = OmeZarrSink(
            path, stored, identity, block=None if block is None else self._stored(block), **how
        )
        self._plan = BlockPlan(stored.shape, self._sink.block)
        back = np.argsort(self._order)
        self.block = tuple(self._sink.block[axis] for axis in back)
        self.path = self._sink.path

    def _stored(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """One value per axis, in the order of the file."""
        return tuple(values[axis] for axis in self._order)

    def _block(self, block: Block) -> Block:
        """The same block, as the file counts them."""
        return _as_stored(block, self.block, self._order, self._plan)

    @property
    def record(self) -> Any:
        """How the output was made."""
        return self._sink.record

    @record.setter
    def record(self, record: Any) -> None:
        self._sink.record = record

    def done(self, block: Block) -> bool:
        """Whether a block is written, by this run or an earlier one."""
        return self._sink.done(self._block(block))

    def write_block(self, block: Block, values: np.ndarray, facts: BlockFacts = None) -> None:
        """Write a block and note it as done."""
        self._sink.write_block(self._block(block), np.transpose(values, self._order), facts)

    def shards(self) -> ReorderedShards | None:
        """What other processes write blocks with."""
        shards = self._sink.shards()
        return None if shards is None else ReorderedShards(shards, self._plan, self.block, self._order)

    def note_block(self, block: Block, facts: BlockFacts = None) -> None:
        """Note a block as done that another process wrote."""
        self._sink.note_block(self._block(block), facts)

    def facts(self, block: Block) -> BlockFacts:
        """What was found in a block that is done."""
        return self._sink.facts(self._block(block))

    def read_block(self, block: Block) -> np.ndarray | None:
        """The pixels of a block that is done, ``None`` of a finished output."""
        stored = self._sink.read_block(self._block(block))
        return None if stored is None else np.transpose(stored, np.argsort(self._order))

    @property
    def finishing_steps(self) -> int:
        """Updates that ``finishing`` gives."""
        return self._sink.finishing_steps

    def finishing(self) -> Job[Path]:
        """Complete the output."""
        return self._sink.finishing()

    def __enter__(self) -> Self:
        self._sink.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sink.__exit__(kind, error, trace)
