"""What a run will give and how long it will take, tried on its first blocks; nothing is written. Free of torch."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_diffuscope.imaging.blocks import Block, BlockPlan
from napari_diffuscope.imaging.blocks.array_sink import ArraySink
from napari_diffuscope.imaging.blocks.sink import BlockFacts
from napari_diffuscope.imaging.blocks.spec import VolumeSpec
from napari_diffuscope.jobs import Job, Update
from napari_diffuscope.methods.method import Inputs, Method, Output, loaded
from napari_diffuscope.methods.running import block_of, method_job
from napari_diffuscope.methods.skipping import Skipped
from napari_diffuscope.progress import Pace

PROBES = 3
"""Blocks that are worked on."""

PATIENCE = 20.0
"""Seconds after which a pace is believed without waiting for whole blocks."""


class NoSink(ArraySink):
    """Takes blocks and forgets them."""

    def __init__(self, spec: VolumeSpec, block: tuple[int, ...]) -> None:
        super().__init__(spec, block, np.empty((0,) * len(spec.shape), spec.dtype))
        self.count = 0

    def write_block(self, block: Block, values: np.ndarray, facts: BlockFacts = None) -> None:
        """Count it."""
        self.count += 1


@dataclass(frozen=True)
class Rehearsal:
    """What was found out.

    Parameters
    ----------
    outputs
        What there will be.
    blocks
        Of each output, by name.
    seconds
        How long a run takes; ``None`` where no work was done.
    tried
        Blocks that were worked on.
    messages
        What the run has to say.
    skipped
        What would be left out as empty; ``None`` where nothing is.
    """

    outputs: tuple[Output, ...]
    blocks: Mapping[str, int]
    seconds: float | None
    tried: int
    messages: tuple[str, ...]
    skipped: Skipped | None = None


def rehearsal_job(method: Method, inputs: Inputs, settings: Any, **options: Any) -> Job[Rehearsal]:
    """Begins a run, watches it for a few blocks, and ends it.

    Parameters
    ----------
    method, inputs, settings
        What would be done.
    options
        See `napari_diffuscope.methods.work.Work`.

    Raises
    ------
    DiffuscopeError
        As the job of the method.
    """
    outputs = method.outputs(inputs, settings)
    sinks = {each.name: NoSink(each.spec, block_of(method, each, settings)) for each in outputs}
    blocks = {name: len(BlockPlan(sink.spec.shape, sink.block)) for name, sink in sinks.items()}
    watch, messages = _Watch(), list[str]()
    job = method_job(method, inputs, settings, sinks=sinks, **options)
    try:
        for update in job:
            watch.take(update)
            if update.warning and update.message not in messages:
                messages.append(update.message)
            yield update
            tried = min((sink.count for sink in sinks.values()), default=0)
            if watch.is_sure(tried >= PROBES):
                break
    finally:
        job.close()
    tried = min((sink.count for sink in sinks.values()), default=0)
    skipped = None
    if method.empty_parts is not None and getattr(settings, "skip_below", None) is not None:
        skipped = yield from loaded(method.empty_parts)(inputs, settings)
    return Rehearsal(tuple(outputs), blocks, watch.seconds, tried, tuple(messages), skipped)


class _Watch:
    """How long the whole takes, from how long its beginning took."""

    def __init__(self) -> None:
        self._pace = Pace()
        self._began = time.monotonic()
        self._worked: float | None = None
        self._last: Update | None = None

    def take(self, update: Update) -> None:
        """Note how far it is."""
        self._last = update
        self._pace.take(update.done, update.total)
        if update.done > 0 and self._worked is None:
            self._worked = time.monotonic()

    def is_sure(self, enough: bool) -> bool:
        """Whether the pace can be told, after enough blocks or enough time."""
        known = self._pace.share_per_second is not None
        return known and (enough or time.monotonic() - self._began > PATIENCE)

    @property
    def seconds(self) -> float | None:
        """Of the whole run: what came before the first piece of work, and the work at its pace."""
        pace = self._pace.share_per_second
        if pace is None or self._worked is None or self._last is None:
            return None
        if self._last.total and self._last.done >= self._last.total:
            return time.monotonic() - self._began
        return self._worked - self._began + 1 / pace
