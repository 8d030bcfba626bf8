"""What all volumes of a super-resolution share, and how they are cut into pieces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from napari_diffuscope.imaging.blocks import Block, BlockPlan
from napari_diffuscope.imaging.blocks.sink import BlockFacts
from napari_diffuscope.methods.bridging import Tally
from napari_diffuscope.methods.noticed import Noticed
from napari_diffuscope.methods.states import States
from napari_diffuscope.methods.superres.empty_parts import EmptyParts
from napari_diffuscope.methods.superres.plan import SamplingPlan
from napari_diffuscope.methods.superres.scale import ZScale
from napari_diffuscope.methods.superres.settings import SuperresSettings
from napari_diffuscope.methods.superres.slices import SliceModel
from napari_diffuscope.methods.superres.volume import Volume
from napari_diffuscope.methods.superres.windows import Ranges
from napari_diffuscope.methods.work import Work


@dataclass
class Filling:
    """What all volumes of a run share.

    Parameters
    ----------
    work
        The run: settings, outputs, record, and how many slices went through the network.
    model, plan, scale
        What fills in, in which steps, and how fine.
    states
        Where samplers of several steps keep their states.
    reimpose
        Whether measured planes are put back.
    empty_parts
        What the network is not asked for.
    tally
        What was found in the block at work.
    volumes
        How many there are.
    found
        What was found in all blocks so far.
    """

    work: Work
    model: SliceModel
    plan: SamplingPlan
    scale: ZScale
    states: States
    reimpose: bool
    empty_parts: EmptyParts
    tally: Tally
    volumes: int = 1
    found: Tally = field(default_factory=Tally)

    @property
    def settings(self) -> SuperresSettings:
        """What was chosen."""
        chosen: SuperresSettings = self.work.settings
        return chosen

    @property
    def states_per_volume(self) -> int:
        """One that both directions share, or one for each."""
        return 1 if self.settings.together else 2

    @property
    def shared(self) -> bool:
        """Whether the states are those of another process."""
        return self.work.crew is not None and self.work.crew.shares_states

    @property
    def direct(self) -> bool:
        """Whether a block needs nothing but its own input."""
        return self.plan.steps == 1 and self.settings.volumes == 1

    @property
    def blocks(self) -> BlockPlan:
        """Blocks of the outputs."""
        return self.work.plan

    def blocks_of(self, volume: Volume) -> Iterator[Block]:
        """Output blocks of one volume."""
        for block in self.blocks:
            if tuple(part.start for part in block.region[:-3]) == volume.leading:
                yield block


def fine_blocks(filling: Filling, volume: Volume) -> BlockPlan:
    """Pieces in which the fine volume is moved on."""
    lengths = next(iter(filling.work.sinks.values())).block[-3:]
    return BlockPlan(volume.shape, tuple(min(a, b) for a, b in zip(lengths, volume.shape, strict=True)))


def ranges_of(block: Block) -> Ranges:
    """Start and stop of a block along z, y and x."""
    z, y, x = ((part.start, part.stop) for part in block.region[-3:])
    return z, y, x


def count_slices(filling: Filling, volumes: list[Volume]) -> int:
    """Slices through the network of the whole job."""
    if filling.direct:
        cores = [volumes[0].wide(block, filling.settings.blur) for block in filling.blocks]
        return sum((y[1] - y[0]) + (x[1] - x[0]) for _, y, x in cores)
    cores = [ranges_of(block) for block in fine_blocks(filling, volumes[0])]
    once = sum((y[1] - y[0]) + (x[1] - x[0]) for _, y, x in cores)
    return once * filling.plan.steps * filling.settings.volumes * len(volumes)


@dataclass(frozen=True)
class Made:
    """What a block has to say beside its pixels.

    Parameters
    ----------
    difference
        Sum of the squared differences between the two directions on planes that were not measured, and their number;
        ``None`` where this step does not ask.
    noticed
        Defects and empty parts.
    """

    difference: tuple[float, float] | None
    noticed: Noticed

    def facts(self) -> dict[str, Any]:
        """JSON-able form."""
        apart = {} if self.difference is None else {"difference": list(self.difference)}
        return {**apart, **self.noticed.facts()}

    @classmethod
    def of(cls, facts: BlockFacts) -> Made:
        """What :meth:`facts` gave, or nothing."""
        squares, count = (facts or {}).get("difference", (None, None))
        return cls(None if squares is None else (squares, count), Noticed.of(facts))


def made(filling: Filling, volume: Volume, core: Ranges, clean: list[Tensor] | None) -> Made:
    """What a block has to say of its estimates in both directions, or of none."""
    sums = None
    if clean is not None:
        rows = [z - core[0][0] for z in range(*core[0]) if z % filling.scale.factor]
        apart = (clean[0] - clean[1])[:, rows].double()
        sums = float(apart.square().sum()), float(apart.numel())
    return Made(sums, Noticed(filling.tally.taken(), filling.empty_parts.within(volume, core)))


def note_made(filling: Filling, volume: Volume, index: int, found: Made) -> None:
    """Keep what a block has to say; not on the disk yet."""
    filling.found.add(found.noticed.defects)
    filling.empty_parts.add(found.noticed.empty)
    if found.difference is not None:
        differences = filling.states.notes.setdefault("differences", {})
        differences[f"{volume.number}/{index}"] = list(found.difference)


def note_earlier(filling: Filling, volume: Volume) -> None:
    """Keep what the blocks have to say that an earlier run has written."""
    for block in filling.blocks_of(volume):
        if filling.work.written(block):
            note_made(filling, volume, block.index, Made.of(filling.work.facts(block)))


def disagreement(filling: Filling, volume: Volume) -> dict[str, Any]:
    """Root mean square difference between the two directions, in the units of the image."""
    kept = filling.states.notes.get("differences", {})
    own = [sums for key, sums in kept.items() if key.startswith(f"{volume.number}/")]
    squares, count = (sum(values) for values in zip(*own, strict=True)) if own else (0.0, 0.0)
    value = (squares / count) ** 0.5 * volume.line.scale if count else None
    return {"volume": list(volume.leading), "value": value}
