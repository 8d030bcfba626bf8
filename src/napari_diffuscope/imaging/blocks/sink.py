"""What all outputs written by blocks have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.blocks.partial import CREATED, Partial
from napari_diffuscope.imaging.blocks.plan import Block, BlockPlan
from napari_diffuscope.imaging.blocks.spec import SHARD_BYTES, Layout, VolumeSpec, choose_block, choose_layout
from napari_diffuscope.imaging.failures import reading_pixels, writing
from napari_diffuscope.imaging.tiles import Box
from napari_diffuscope.jobs import Job, run

BLOCK = "block"

BlockFacts = Mapping[str, Any] | None
"""What was found in a block beside its pixels, JSON-able."""


class ShardWriter(Protocol):
    """Writes blocks of an output that another process keeps the journal of; it can be sent to other machines."""

    def write(self, block: Block, values: np.ndarray) -> None:
        """Write the pixels of a block, which are on the disk when this returns."""
        ...


class BlockSink:
    """An output that takes finished blocks, remembers them when the process is killed, and appears complete.

    Use it as a context manager: leaving it does not delete what is there, the next sink with the same path
    and identity goes on; unless an error ended it before the first block. Call `finish` (or go through
    `finishing`) when all blocks are written.

    Parameters
    ----------
    path
        Where the output will be.
    spec
        What it will be.
    identity
        What else decides its content: settings, model, input (see `describe_input`), JSON-able.
    block
        Least lengths of a block, rounded up to whole shards; by default one shard. The first run decides:
        a continued output keeps its blocks.
    most_bytes
        Most bytes of a shard, before compression.
    planes
        Whether planes never share a shard.
    overwrite
        Whether an existing output is replaced, at the end, and whether an unfinished output of another
        identity is given up.

    Attributes
    ----------
    block
        Lengths of the blocks to be written, for `BlockPlan`.
    record
        How the output was made, JSON-able; may be replaced until the end.

    Raises
    ------
    DiffuscopeError
        If the output exists, or an unfinished one of another identity, or another process writes it.
    """

    def __init__(
        self,
        path: str | Path,
        spec: VolumeSpec,
        identity: Mapping[str, Any],
        *,
        block: Sequence[int] | None = None,
        most_bytes: int = SHARD_BYTES,
        planes: bool = False,
        overwrite: bool = False,
    ) -> None:
        self._check(Path(path), spec)
        self.spec = spec
        self.record = spec.record
        layout = choose_layout(spec.shape, spec.axes, spec.dtype, most_bytes=most_bytes, planes=planes)
        details = {
            "chunk": layout.chunk,
            "shard": layout.shard,
            "block": choose_block(spec.shape, layout.shard, block),
            "most_bytes": most_bytes,
        }
        whole = {"spec": spec.identity(), "settings": dict(identity)}
        self._partial = Partial(Path(path), whole, details, overwrite=overwrite)
        self.path = self._partial.path
        kept = self._partial.details
        self.layout = Layout(tuple(kept["chunk"]), tuple(kept["shard"]))
        self.block: tuple[int, ...] = tuple(kept["block"])
        self._most_bytes: int = kept["most_bytes"]
        self._plan = BlockPlan(spec.shape, self.block)
        try:
            if not self.finished:
                self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        journal = self._partial.journal
        with writing(self.path):
            if not journal.has(CREATED):
                try:
                    self._create()
                except BaseException:
                    self._partial.give_up()
                    raise
                journal.add(CREATED)
            self._open()

    def _check(self, path: Path, spec: VolumeSpec) -> None:
        """Refuse what cannot be written, before anything is."""

    def _create(self) -> None:
        """Make the file or folder without pixels."""
        raise NotImplementedError

    def _open(self) -> None:
        """Get ready to write into what was made, by this process or an earlier one."""
        raise NotImplementedError

    def _write(self, region: Box, values: np.ndarray) -> None:
        """Write pixels of the final type and wait until they are on the disk."""
        raise NotImplementedError

    def _read(self, region: Box) -> np.ndarray:
        """Pixels that were written before."""
        raise NotImplementedError

    def _complete(self) -> None:
        """Write what comes last, the record."""
        raise NotImplementedError

    @property
    def finished(self) -> bool:
        """Whether the output has its name."""
        return self._partial.finished

    @property
    def blocks_done(self) -> int:
        """Number of finished blocks, those of earlier runs included."""
        return len(self._plan) if self.finished else self._partial.journal.count(BLOCK)

    @property
    def finishing_steps(self) -> int:
        """Number of updates that `finishing` gives."""
        return 0

    def done(self, block: Block) -> bool:
        """Whether a block is written, by this run or an earlier one."""
        return self.finished or self._partial.journal.has(BLOCK, block.index)

    def write_block(self, block: Block, values: np.ndarray, facts: BlockFacts = None) -> None:
        """Write a block and note it as done; both are on the disk when this returns.

        Parameters
        ----------
        block
            Of a plan with the `shape` and `block` of this sink.
        values
            The pixels of ``block.region``. For an output of integers they are rounded and cut to what the type
            can hold; values that are no numbers become 0.
        facts
            What was found in it, for :meth:`facts` of this run and of one that goes on.

        Raises
        ------
        DiffuscopeError
            If they cannot be written; what was written before stays, and can be continued.
        """
        self._check_block(block)
        if values.shape != block.shape:
            raise ValueError(f"A block of shape {block.shape} is not written with values of {values.shape}.")
        self._partial.check_there()
        with writing(self.path):
            self._write(block.region, converted(values, np.dtype(self.spec.dtype)))
            self._partial.journal.add(BLOCK, block.index, facts)

    def _check_block(self, block: Block) -> None:
        """Refuse what is no block of this output that is still to be written."""
        if self.finished:
            raise ValueError(f"{self.path} is finished.")
        if block.index >= len(self._plan) or self._plan[block.index].region != block.region:
            raise ValueError(f"Block {block.index} is not of this sink, whose blocks are {self.block}.")
        if self.done(block):
            raise ValueError(f"Block {block.index} of {self.path} is done, and done blocks stay as they are.")

    def shards(self) -> ShardWriter | None:
        """What other processes write blocks with, ``None`` where they cannot: such blocks come here to be written."""
        return None

    def note_block(self, block: Block, facts: BlockFacts = None) -> None:
        """Note a block as done that another process wrote with :meth:`shards` and that is on the disk.

        Raises
        ------
        DiffuscopeError
            If the output was deleted meanwhile, or it cannot be noted.
        """
        self._check_block(block)
        self._partial.check_there()
        with writing(self.path):
            self._partial.journal.add(BLOCK, block.index, facts)

    def facts(self, block: Block) -> BlockFacts:
        """What was found in a block that is done, by this run or an earlier one; ``None`` of a finished output."""
        return None if self.finished else self._partial.journal.facts(BLOCK, block.index)

    def read_block(self, block: Block) -> np.ndarray | None:
        """The pixels of a block that was written, by this run or an earlier one; ``None`` of a finished output.

        Raises
        ------
        DiffuscopeError
            If they cannot be read.
        """
        if self.finished or not self.done(block):
            return None
        with reading_pixels(str(self.path)):
            return self._read(block.region)

    def finishing(self) -> Job[Path]:
        """Job that completes the output and gives it its name, to be run after the last block.

        It can be interrupted and run again like the blocks. Its result is the path.

        Raises
        ------
        DiffuscopeError
            If blocks are missing.
        """
        if not self.finished:
            if missing := len(self._plan) - self.blocks_done:
                raise DiffuscopeError(
                    f"{missing} of {len(self._plan)} blocks of {str(self.path)!r} are not written yet; "
                    "run it again to continue."
                )
            yield from self._levels()
            with writing(self.path):
                self._complete()
                self.close_files()
            self._partial.commit()
        return self.path

    def _levels(self) -> Job[None]:
        """Make what is made from the finished blocks."""
        yield from ()

    def finish(self) -> Path:
        """Run `finishing` to its end."""
        return run(self.finishing())

    def close_files(self) -> None:
        """Close the output, but not the journal."""

    def close(self) -> None:
        """Close all files; an unfinished output can be continued later."""
        try:
            self.close_files()
        finally:
            self._partial.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        vain = error is not None and not self.finished and not self.blocks_done
        if vain and not self._partial.journal.closed:  # as where a model is refused: nothing to go on with
            with suppress(OSError):
                self.close_files()
            with suppress(OSError):
                self._partial.give_up()
        # What could not be written was told already, and is no second error when the file is closed.
        with writing(self.path) if error is None else suppress(OSError):
            self.close()


def converted(values: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """Values as pixels of a type: for integers rounded, cut to their range, and 0 for what is no number."""
    if values.dtype == dtype:
        return values
    if dtype.kind not in "ui":
        with np.errstate(over="ignore"):  # beyond the type a value becomes infinite
            return values.astype(dtype)
    if values.dtype.kind == "b":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    if values.dtype.kind == "f":
        rounded = np.rint(np.nan_to_num(values.astype(np.float64), nan=0.0))
        # 2**63 is a real number, the largest 64-bit integer is not
        highest = min(float(limits.max), float(np.nextafter(float(limits.max) + 1, 0)))
        pixels: np.ndarray = np.clip(rounded, float(limits.min), highest).astype(dtype)
        return pixels
    cut: np.ndarray = np.clip(values, *_shared(values.dtype, limits)).astype(dtype)
    return cut


def _shared(source: np.dtype[Any], limits: Any) -> tuple[int, int]:
    """Range that both integer types hold."""
    own = np.iinfo(source)
    return max(int(own.min), int(limits.min)), min(int(own.max), int(limits.max))
