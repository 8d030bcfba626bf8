"""From the first noise to a finished volume: block by block, step by step, sample by sample."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from napari_diffuscope.imaging.blocks import Block
from napari_diffuscope.jobs import Job
from napari_diffuscope.methods.superres.estimates import (
    combined,
    estimates,
    noise_of,
    state_of,
    store,
    stored,
)
from napari_diffuscope.methods.superres.outputs import DEVIATION, RESULT
from napari_diffuscope.methods.superres.volume import Volume
from napari_diffuscope.methods.superres.work import (
    Work,
    disagreement,
    fine_blocks,
    note_difference,
    ranges_of,
    write_block,
)


def volume_job(work: Work, volume: Volume) -> Job[None]:
    """Make one volume; blocks that the outputs have are not made again."""
    if work.direct:
        yield from estimated_job(work, volume)
    elif all(work.written(block) for block in work.blocks_of(volume)):
        work.done += work.total // max(work.volumes, 1)
    else:
        yield from sampled_job(work, volume)
    work.record["disagreement"].append(disagreement(work, volume))
    yield work.update()


def estimated_job(work: Work, volume: Volume) -> Job[None]:
    """One evaluation, each block from its own input."""
    for block in work.blocks_of(volume):
        wide = volume.wide(block, work.settings.blur)
        if work.written(block):
            work.done += (wide[1][1] - wide[1][0]) + (wide[2][1] - wide[2][0])
            continue
        clean = yield from estimates(work, volume, 0, 0, wide)
        note_difference(work, volume, block.index, wide, clean)
        final = [
            work.plan.step(0, torch.zeros_like(one), one, None, _no_noise)
            for one in (combined(work, clean) if work.settings.together else clean)
        ]
        values = np.asarray(torch.stack(final).mean((0, 1)))
        pixels = volume.pixels(values, wide, block, blur=work.settings.blur, reimpose=work.reimpose)
        yield from write_block(work, block, {RESULT: pixels})


def _no_noise(step: int) -> Tensor:
    raise AssertionError("an estimate in one step draws no noise")


def sampled_job(work: Work, volume: Volume) -> Job[None]:
    """Whole chains, block by block and step by step, from what is stored."""
    blocks = list(fine_blocks(work, volume))
    notes = work.states.notes
    if notes.get("volume") != volume.number:
        notes.update(volume=volume.number, position=0)
    begun = notes["position"]
    per_sample = len(blocks) * work.plan.steps + len(list(work.blocks_of(volume)))
    if begun:
        yield work.update(message="Continuing where it was stopped.")
    for sample in range(work.settings.volumes):
        position = sample * per_sample
        for step in range(work.plan.steps):
            for block in blocks:
                if position >= begun:
                    yield from move_block(work, volume, sample, step, block)
                    notes["position"] = position + 1
                    work.states.save()
                else:
                    (_, y, x) = ranges_of(block)
                    work.done += (y[1] - y[0]) + (x[1] - x[0])
                position += 1
        for block in work.blocks_of(volume):
            if position >= begun:
                yield from collect_block(work, volume, sample, block)
                notes["position"] = position + 1
                work.states.save()
            position += 1


def move_block(work: Work, volume: Volume, sample: int, step: int, block: Block) -> Job[None]:
    """One step of one block."""
    core = ranges_of(block)
    clean = yield from estimates(work, volume, sample, step, core)
    if step == work.plan.steps - 1 and sample == work.settings.volumes - 1:
        note_difference(work, volume, block.index, core, clean)
    if work.settings.together:
        clean = combined(work, clean)
    condition = volume.condition(core)
    for number, one in enumerate(clean):
        state = state_of(work, volume, sample, step, number, core)
        if work.model.replaces:
            state = torch.where(condition.known[:, None, None], condition.values, state)
        before = (
            stored(work, volume, "clean", step - 1, number, core) if work.plan.remembers and step else None
        )
        after = work.plan.step(
            step,
            state,
            one,
            before,
            lambda at, number=number: noise_of(work, volume, sample, at, number, core),  # type: ignore[misc]
        )
        store(work, volume, "state", step + 1, number, core, after)
        if work.plan.remembers:
            store(work, volume, "clean", step, number, core, one)
    yield from _preview(work, volume, sample, block, clean)


def collect_block(work: Work, volume: Volume, sample: int, block: Block) -> Job[None]:
    """A block of a finished sample, as pixels, into the outputs or the moments."""
    wide = volume.wide(block, work.settings.blur)
    final = [
        stored(work, volume, "state", work.plan.steps, number, wide)
        for number in range(work.states_per_volume)
    ]
    values = np.asarray(torch.stack(final).mean((0, 1)))
    pixels = volume.pixels(values, wide, block, blur=work.settings.blur, reimpose=work.reimpose)
    if work.settings.volumes == 1:
        yield from write_block(work, block, {RESULT: pixels})
        return
    mean, squares = _moments(work, volume, sample, block, pixels.reshape(pixels.shape[-3:]))
    if sample == work.settings.volumes - 1:
        deviation = np.sqrt(squares / np.float32(sample)) * np.float32(work.model.model.card.deviation_scale)
        results = {RESULT: mean.reshape(block.shape), DEVIATION: deviation.reshape(block.shape)}
        yield from write_block(work, block, results)
    elif RESULT in work.sinks:
        yield work.update(output=RESULT, region=block.region, preview=mean.reshape(block.shape))


def _moments(
    work: Work, volume: Volume, sample: int, block: Block, pixels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the samples so far and sum of squared differences; Welford 1962. Doing it twice changes nothing."""
    place, shape = block.region[-3:], next(iter(work.sinks.values())).spec.shape[-3:]
    mean, squares = pixels, np.zeros_like(pixels)
    if sample:
        old = np.array(work.states.array(f"mean{(sample - 1) % 2}", shape)[place])
        squares = np.array(work.states.array(f"squares{(sample - 1) % 2}", shape)[place])
        mean = old + (pixels - old) / np.float32(sample + 1)
        squares = squares + (pixels - old) * (pixels - mean)
    work.states.array(f"mean{sample % 2}", shape)[place] = mean
    work.states.array(f"squares{sample % 2}", shape)[place] = squares
    return mean, squares


def _preview(work: Work, volume: Volume, sample: int, block: Block, clean: list[Tensor]) -> Job[None]:
    """Show the current estimate, where fine planes are planes of the output."""
    if sample or RESULT not in work.sinks or not work.scale.exact:
        yield work.update()
        return
    values = np.asarray(torch.stack(clean).mean((0, 1)))
    core = ranges_of(block)
    pixels = volume.finished(volume.line.inverse(values), core, reimpose=work.reimpose)
    region = (*(slice(at, at + 1) for at in volume.leading), *block.region)
    shape = (1,) * len(volume.leading) + pixels.shape
    yield work.update(output=RESULT, region=region, preview=pixels.reshape(shape))
