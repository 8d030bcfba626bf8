"""What all volumes of a super-resolution share, how far it is, and where finished blocks go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from napari_diffuscope.imaging.blocks import Block, BlockPlan
from napari_diffuscope.imaging.blocks.array_sink import Sink
from napari_diffuscope.jobs import Job, Update
from napari_diffuscope.methods.superres.plan import SamplingPlan
from napari_diffuscope.methods.superres.scale import ZScale
from napari_diffuscope.methods.superres.settings import SuperresSettings
from napari_diffuscope.methods.superres.slices import SliceModel
from napari_diffuscope.methods.superres.states import States
from napari_diffuscope.methods.superres.volume import Volume
from napari_diffuscope.methods.superres.windows import Ranges


@dataclass
class Work:
    """What all volumes share, and how far the job is."""

    settings: SuperresSettings
    model: SliceModel
    plan: SamplingPlan
    scale: ZScale
    states: States
    sinks: Mapping[str, Sink]
    reimpose: bool
    record: dict[str, Any]
    volumes: int = 1
    total: int = 0
    done: int = 0

    @property
    def states_per_volume(self) -> int:
        """One that both directions share, or one for each."""
        return 1 if self.settings.together else 2

    @property
    def direct(self) -> bool:
        """Whether a block needs nothing but its own input."""
        return self.plan.steps == 1 and self.settings.volumes == 1

    @property
    def blocks(self) -> BlockPlan:
        """Blocks of the outputs."""
        sink = next(iter(self.sinks.values()))
        return BlockPlan(sink.spec.shape, sink.block)

    def blocks_of(self, volume: Volume) -> Iterator[Block]:
        """Output blocks of one volume."""
        for block in self.blocks:
            if tuple(part.start for part in block.region[:-3]) == volume.leading:
                yield block

    def written(self, block: Block) -> bool:
        """Whether all outputs have a block."""
        return all(sink.done(block) for sink in self.sinks.values())

    def update(self, **what: Any) -> Update:
        """An update with the count of slices done."""
        return Update(min(self.done, self.total), self.total, **what)

    def warn(self, message: str) -> Update:
        """A warning, kept in the record."""
        if message not in self.record["messages"]:
            self.record["messages"].append(message)
        return self.update(message=message, warning=True)


def fine_blocks(work: Work, volume: Volume) -> BlockPlan:
    """Pieces in which the fine volume is moved on."""
    lengths = next(iter(work.sinks.values())).block[-3:]
    return BlockPlan(volume.shape, tuple(min(a, b) for a, b in zip(lengths, volume.shape, strict=True)))


def ranges_of(block: Block) -> Ranges:
    """Start and stop of a block along z, y and x."""
    z, y, x = ((part.start, part.stop) for part in block.region[-3:])
    return z, y, x


def count_slices(work: Work, volumes: list[Volume]) -> int:
    """Slices through the network of the whole job."""
    if work.direct:
        cores = [volumes[0].wide(block, work.settings.blur) for block in work.blocks]
        return sum((y[1] - y[0]) + (x[1] - x[0]) for _, y, x in cores)
    cores = [ranges_of(block) for block in fine_blocks(work, volumes[0])]
    once = sum((y[1] - y[0]) + (x[1] - x[0]) for _, y, x in cores)
    return once * work.plan.steps * work.settings.volumes * len(volumes)


def write_block(work: Work, block: Block, results: Mapping[str, np.ndarray]) -> Job[None]:
    """Write what a sink does not have yet, and say so."""
    for name, sink in work.sinks.items():
        if not sink.done(block):
            sink.write_block(block, results[name])
        yield work.update(output=name, region=block.region, preview=results[name], final=True)


def note_difference(work: Work, volume: Volume, index: int, core: Ranges, clean: list[Tensor]) -> None:
    """Keep how far the two directions are apart on planes that were not measured."""
    rows = [z - core[0][0] for z in range(*core[0]) if z % work.scale.factor]
    apart = (clean[0] - clean[1])[:, rows].double()
    sums = [float(apart.square().sum()), float(apart.numel())]
    found = work.states.notes.setdefault("differences", {})
    found[f"{volume.number}/{index}"] = sums
    work.states.save()


def disagreement(work: Work, volume: Volume) -> dict[str, Any]:
    """Root mean square difference between the two directions, in the units of the image."""
    kept = work.states.notes.get("differences", {})
    own = [sums for key, sums in kept.items() if key.startswith(f"{volume.number}/")]
    squares, count = (sum(values) for values in zip(*own, strict=True)) if own else (0.0, 0.0)
    value = (squares / count) ** 0.5 * volume.line.scale if count else None
    return {"volume": list(volume.leading), "value": value}
