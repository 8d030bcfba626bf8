"""Blocks of an output computed one by one, going on where an earlier run was killed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.blocks.plan import Block, BlockPlan
from napari_diffuscope.imaging.blocks.sink import BlockSink
from napari_diffuscope.imaging.blocks.spec import SHARD_BYTES, VolumeSpec
from napari_diffuscope.imaging.blocks.tiff_sink import TiffBlockSink
from napari_diffuscope.imaging.blocks.zarr_sink import OmeZarrSink
from napari_diffuscope.jobs import Job, Update

BLOCK_STEPS = 100
"""How many steps of progress a block counts for."""

_SINKS = {".zarr": OmeZarrSink, ".tif": TiffBlockSink, ".tiff": TiffBlockSink}


def open_sink(
    path: str | Path,
    spec: VolumeSpec,
    identity: Mapping[str, Any],
    *,
    block: Sequence[int] | None = None,
    most_bytes: int = SHARD_BYTES,
    planes: bool = False,
    overwrite: bool = False,
) -> BlockSink:
    """Begin or continue an output, of the kind that the ending of its name says.

    Parameters
    ----------
    path
        ``.zarr`` or ``.ome.zarr`` for OME-Zarr, ``.tif`` or ``.tiff`` for TIFF.
    spec, identity, block, most_bytes, planes, overwrite
        As for `BlockSink`.

    Raises
    ------
    DiffuscopeError
        As `BlockSink`; also for other endings.
    """
    kind = _SINKS.get(Path(path).suffix.lower())
    if kind is None:
        raise DiffuscopeError(
            f"{str(path)!r} is of no kind that can be written by blocks; end the name in {', '.join(_SINKS)}."
        )
    return kind(path, spec, identity, block=block, most_bytes=most_bytes, planes=planes, overwrite=overwrite)


def run_blocks(
    plan: BlockPlan,
    sink: BlockSink,
    compute: Callable[[Block, np.ndarray], Job[np.ndarray]],
    read: Callable[[Block], np.ndarray],
    *,
    output: str = "result",
) -> Job[Path]:
    """Job that computes all blocks that are not done yet, writes them, and completes the output.

    Memory holds one block at a time: its input, what ``compute`` needs, and its output.

    Parameters
    ----------
    plan
        Blocks of the ``shape`` and ``block`` of the sink.
    sink
        Where they go. It is not closed.
    compute
        Called with a block and its input; a job whose result is the pixels of the block's region. Its updates are
        passed on with the progress of the whole; a region in them is one of the output.
    read
        Gives the input of a block: a `BlockReader`.
    output
        Name of the output in the updates.

    Returns
    -------
    Job
        Whose result is the path of the finished output.
    """
    if plan.shape != sink.spec.shape or plan.block != sink.block:
        raise ValueError(f"The plan has blocks {plan.block} of {plan.shape}, the sink {sink.block}.")
    blocks = BLOCK_STEPS * len(plan)
    total = blocks + sink.finishing_steps
    if sink.blocks_done:
        message = f"Continuing: {sink.blocks_done} of {len(plan)} blocks were done before."
        yield Update(0, total, message=message)
    for block in plan:
        if not sink.done(block):
            before = BLOCK_STEPS * block.index
            values = yield from _relayed(compute(block, read(block)), before, total)
            sink.write_block(block, values)
            yield Update(
                before + BLOCK_STEPS, total, output=output, region=block.region, preview=values, final=True
            )
            del values  # before the next block is read
    return (yield from _finished(sink, blocks, total))


def _relayed(job: Job[np.ndarray], before: int, total: int) -> Job[np.ndarray]:
    """A block's job, whose updates count from ``before`` and never reach the end of the block."""
    try:
        while True:
            update = next(job)
            share = update.done / max(update.total, 1)
            yield replace(update, done=before + min(int(share * BLOCK_STEPS), BLOCK_STEPS - 1), total=total)
    except StopIteration as stop:
        values: np.ndarray = stop.value
        return values
    finally:
        job.close()


def _finished(sink: BlockSink, before: int, total: int) -> Job[Path]:
    job = sink.finishing()
    try:
        while True:
            update = next(job)
            yield replace(update, done=before + update.done, total=total)
    except StopIteration as stop:
        path: Path = stop.value
        return path
    finally:
        job.close()
