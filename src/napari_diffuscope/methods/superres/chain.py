"""From the first noise to a finished volume: block by block, step by step, sample by sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor

from napari_diffuscope.imaging.blocks import Block
from napari_diffuscope.jobs import Job
from napari_diffuscope.methods.superres.error_bars import matched_deviation
from napari_diffuscope.methods.superres.estimates import (
    combined,
    estimates,
    kept,
    noise_of,
    state_of,
    store,
    stored,
)
from napari_diffuscope.methods.superres.filling import (
    Filling,
    Made,
    disagreement,
    fine_blocks,
    made,
    note_earlier,
    note_made,
    ranges_of,
)
from napari_diffuscope.methods.superres.outputs import DEVIATION, RESULT
from napari_diffuscope.methods.superres.volume import Volume


def volume_job(filling: Filling, volume: Volume) -> Job[None]:
    """Make one volume; blocks that the outputs have are not made again."""
    note_earlier(filling, volume)
    if filling.direct:
        yield from estimated_job(filling, volume)
    elif all(filling.work.written(block) for block in filling.blocks_of(volume)):
        filling.work.done += filling.work.total // max(filling.volumes, 1)
    else:
        yield from sampled_job(filling, volume)
    filling.work.record["disagreement"].append(disagreement(filling, volume))
    yield filling.work.update()


def estimated_job(filling: Filling, volume: Volume) -> Job[None]:
    """One evaluation, each block from its own input."""

    def missing() -> Iterator[Block]:
        for block in filling.blocks_of(volume):
            if not filling.work.written(block):
                yield block
                continue
            (_, y, x) = volume.wide(block, filling.settings.blur)
            filling.work.done += (y[1] - y[0]) + (x[1] - x[0])

    def note(block: Block, found: Made) -> Job[None]:
        note_made(filling, volume, block.index, found)
        yield filling.work.update()

    yield from filling.work.each(
        f"volume {volume.number}", missing(), partial(estimated_block, filling, volume), note
    )


def estimated_block(filling: Filling, volume: Volume, block: Block) -> Job[Made]:
    """A block from its own input."""
    wide = volume.wide(block, filling.settings.blur)
    clean = yield from estimates(filling, volume, 0, 0, wide)
    final = [
        filling.plan.step(0, torch.zeros_like(one), one, None, _no_noise)
        for one in (combined(filling, clean) if filling.settings.together else clean)
    ]
    values = np.asarray(torch.stack(final).mean((0, 1)))
    pixels = volume.pixels(values, wide, block, blur=filling.settings.blur, reimpose=filling.reimpose)
    found = made(filling, volume, wide, clean)
    yield from filling.work.write(block, {RESULT: pixels}, found.facts())
    return found


def _no_noise(step: int) -> Tensor:
    raise AssertionError("an estimate in one step draws no noise")


def sampled_job(filling: Filling, volume: Volume) -> Job[None]:
    """Whole chains, block by block and step by step, from what is stored."""
    fine, coarse = list(fine_blocks(filling, volume)), list(filling.blocks_of(volume))
    walk = Walk(filling, volume)
    if walk.begun:
        yield filling.work.update(message="Continuing where it was stopped.")
    if filling.work.crew is not None and not filling.shared:
        prepare_states(filling, volume)
    for sample in range(filling.settings.volumes):
        for step in range(filling.plan.steps):
            yield from walk.along(
                f"volume {volume.number}, sample {sample}, step {step}",
                fine,
                partial(move_block, filling, volume, sample, step),
                step=True,
            )
        yield from walk.along(
            f"volume {volume.number}, sample {sample}, result",
            coarse,
            partial(collect_block, filling, volume, sample),
        )


@dataclass
class Walk:
    """Through all steps of a volume, one after the other, the blocks of each in any order; remembers how far it is.

    What an earlier run has done is known by its number. A block that was done beyond the first that is missing is
    done once more, to the same values.
    """

    filling: Filling
    volume: Volume
    begun: int = field(init=False)
    position: int = 0

    def __post_init__(self) -> None:
        notes = self.filling.states.notes
        if notes.get("volume") != self.volume.number:
            notes.update(volume=self.volume.number, position=0)
        self.begun = notes["position"]

    def along(
        self, stage: str, blocks: Sequence[Block], make: Callable[[Block], Job[Made]], *, step: bool = False
    ) -> Job[None]:
        """Do those blocks of a step that are missing."""
        first = self.position
        places = {block.index: first + number for number, block in enumerate(blocks)}
        done: set[int] = set()

        def missing() -> Iterator[Block]:
            for block in blocks:
                if places[block.index] >= self.begun:
                    yield block
                elif step:
                    (_, y, x) = ranges_of(block)
                    self.filling.work.done += (y[1] - y[0]) + (x[1] - x[0])

        def note(block: Block, found: Made) -> Job[None]:
            note_made(self.filling, self.volume, block.index, found)
            done.add(places[block.index])
            notes = self.filling.states.notes
            while notes["position"] in done:
                notes["position"] += 1
            self.filling.states.save()
            yield self.filling.work.update()

        yield from self.filling.work.each(stage, missing(), make, note)
        self.position = first + len(blocks)


def move_block(filling: Filling, volume: Volume, sample: int, step: int, block: Block) -> Job[Made]:
    """One step of one block."""
    core = ranges_of(block)
    clean = yield from estimates(filling, volume, sample, step, core)
    last = step == filling.plan.steps - 1 and sample == filling.settings.volumes - 1
    found = made(filling, volume, core, clean if last else None)
    if filling.settings.together:
        clean = combined(filling, clean)
    condition = volume.condition(core)
    for number, one in enumerate(clean):
        state = state_of(filling, volume, sample, step, number, core)
        if filling.model.replaces:
            state = torch.where(condition.known[:, None, None], condition.values, state)
        before = (
            stored(filling, volume, "clean", step - 1, number, core)
            if filling.plan.remembers and step
            else None
        )
        after = filling.plan.step(
            step,
            state,
            one,
            before,
            lambda at, number=number: noise_of(filling, volume, sample, at, number, core),  # type: ignore[misc]
        )
        store(filling, volume, "state", step + 1, number, core, after)
        if filling.plan.remembers:
            store(filling, volume, "clean", step, number, core, one)
    yield from _preview(filling, volume, sample, block, clean)
    return found


def collect_block(filling: Filling, volume: Volume, sample: int, block: Block) -> Job[Made]:
    """A block of a finished sample, as pixels, into the outputs or the moments."""
    wide = volume.wide(block, filling.settings.blur)
    final = [
        stored(filling, volume, "state", filling.plan.steps, number, wide)
        for number in range(filling.states_per_volume)
    ]
    values = np.asarray(torch.stack(final).mean((0, 1)))
    pixels = volume.pixels(values, wide, block, blur=filling.settings.blur, reimpose=filling.reimpose)
    found = made(filling, volume, wide, None)
    if filling.settings.volumes == 1:
        yield from filling.work.write(block, {RESULT: pixels}, found.facts())
        return found
    mean, squares = _moments(filling, volume, sample, block, pixels.reshape(pixels.shape[-3:]))
    if sample == filling.settings.volumes - 1:
        drawn, card = np.sqrt(squares / np.float32(sample)), filling.model.model.card
        deviation = matched_deviation(
            drawn,
            volume.line,
            card,
            filling.settings,
            filling.scale,
            block.region[-3].start,
            volume.planes.left_out,
        )
        deviation[_left_out(filling, volume, block)] = np.nan
        results = {RESULT: mean.reshape(block.shape), DEVIATION: deviation.reshape(block.shape)}
        yield from filling.work.write(block, results, found.facts())
    elif RESULT in filling.work.sinks:
        yield filling.work.update(output=RESULT, region=block.region, preview=mean.reshape(block.shape))
    return found


def prepare_states(filling: Filling, volume: Volume) -> None:
    """Make the arrays of the states, before several processes write into them."""
    for kind in ("state", "clean") if filling.plan.remembers else ("state",):
        for step in (0, 1):
            kept(filling, volume, kind, step)
    if filling.settings.volumes > 1:
        shape = next(iter(filling.work.sinks.values())).spec.shape[-3:]
        for number in (0, 1):
            filling.states.array(f"mean{number}", shape)
            filling.states.array(f"squares{number}", shape)


def _left_out(filling: Filling, volume: Volume, block: Block) -> np.ndarray:
    """Voxels of a block of the output, ``(Z, Y, X)``, that no part of which the network was asked for decides."""
    empty = filling.empty_parts.of(volume, volume.core(block))
    if empty is None:
        return np.zeros(block.shape[-3:], bool)
    part = block.region[-3]
    share = filling.scale.resampled(empty.astype(np.float32), part.start, part.stop)
    return np.asarray(share == 1)


def _moments(
    filling: Filling, volume: Volume, sample: int, block: Block, pixels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the samples so far and sum of squared differences; Welford 1962. Doing it twice changes nothing."""
    place, shape = block.region[-3:], next(iter(filling.work.sinks.values())).spec.shape[-3:]
    mean, squares = pixels, np.zeros_like(pixels)
    if sample:
        old = np.array(filling.states.array(f"mean{(sample - 1) % 2}", shape)[place])
        squares = np.array(filling.states.array(f"squares{(sample - 1) % 2}", shape)[place])
        mean = old + (pixels - old) / np.float32(sample + 1)
        squares = squares + (pixels - old) * (pixels - mean)
    filling.states.array(f"mean{sample % 2}", shape)[place] = mean
    filling.states.array(f"squares{sample % 2}", shape)[place] = squares
    return mean, squares


def _preview(filling: Filling, volume: Volume, sample: int, block: Block, clean: list[Tensor]) -> Job[None]:
    """Show the current estimate, where fine planes are planes of the output."""
    if sample or RESULT not in filling.work.sinks or not filling.scale.exact:
        yield filling.work.update()
        return
    values = np.asarray(torch.stack(clean).mean((0, 1)))
    core = ranges_of(block)
    pixels = volume.finished(volume.line.inverse(values), core, reimpose=filling.reimpose)
    region = (*(slice(at, at + 1) for at in volume.leading), *block.region)
    shape = (1,) * len(volume.leading) + pixels.shape
    yield filling.work.update(output=RESULT, region=region, preview=pixels.reshape(shape))
