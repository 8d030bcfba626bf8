"""Super-resolution of volumes along z; Jiang et al., CVPRW 2024 (arXiv 2404.09425), and better.

Every XZ and every YZ slice of the volume that is looked for has some rows that were measured. A model of 2D images
fills in the others, and both directions are brought together: after every step of the sampler (consensus), so
that neighbouring slices and both directions agree on one volume; or at the end, as published.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_diffuscope.diffusion.noise import positioned_noise
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.blocks import Block, BlockPlan, VolumeSpec, in_standard_order
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.intensity import measure_intensities
from napari_diffuscope.imaging.views import LuminanceView
from napari_diffuscope.jobs import Job, Update, run
from napari_diffuscope.methods.device import choose_device
from napari_diffuscope.methods.superres.arrays import ArraySink, VolumeSink
from napari_diffuscope.methods.superres.outputs import DEVIATION, RESULT, describe_superres
from napari_diffuscope.methods.superres.plan import SamplingPlan, sampling_plan
from napari_diffuscope.methods.superres.record import superres_record
from napari_diffuscope.methods.superres.scale import ZScale, plan_scale
from napari_diffuscope.methods.superres.settings import SuperresSettings
from napari_diffuscope.methods.superres.slices import ALONG_X, ALONG_Y, SliceModel, as_slices
from napari_diffuscope.methods.superres.states import States
from napari_diffuscope.methods.superres.volume import Volume, volumes_of
from napari_diffuscope.methods.superres.windows import Ranges, mirrored
from napari_diffuscope.weights.model import Model, load_model

DIRECTIONS = (ALONG_X, ALONG_Y)


@dataclass(frozen=True)
class Superresolution:
    """Result of a super-resolution.

    Parameters
    ----------
    outputs
        By name; arrays, or whatever the sinks return when they are finished (the path of a file).
    specs
        Axes, shapes and scales.
    record
        What made them.
    """

    outputs: Mapping[str, Any]
    specs: Mapping[str, VolumeSpec]
    record: dict[str, Any]

    @property
    def superresolved(self) -> Any:
        """The volume, or ``None`` for the mode ``deviation``."""
        return self.outputs.get(RESULT)

    @property
    def deviation(self) -> Any:
        """Standard deviation over the samples, or ``None`` where the mode gives none."""
        return self.outputs.get(DEVIATION)


@dataclass
class _Work:
    """What all volumes share, and how far the job is."""

    settings: SuperresSettings
    model: SliceModel
    plan: SamplingPlan
    scale: ZScale
    states: States
    sinks: Mapping[str, VolumeSink]
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


def superresolution_job(
    image: Image,
    settings: SuperresSettings,
    *,
    sinks: Mapping[str, VolumeSink],
    states: States | None = None,
) -> Job[Superresolution]:
    """Make the planes between the measured ones, block by block.

    Parameters
    ----------
    image
        With a z axis; channels and times are worked one after the other. Read block by block.
    settings
        What to do.
    sinks
        For each output of :func:`~napari_diffuscope.methods.superres.outputs.describe_superres` where its blocks
        go; all of them with equal blocks. Blocks that a sink has are not made again.
    states
        Where samplers of several steps keep their states; in memory by default. With a folder, a job goes on
        where an earlier one was killed, and memory holds no more than a block.

    Yields
    ------
    Update
        In slices through the network. ``preview`` is the current estimate of ``region`` of an output; a block is
        announced with ``final`` when it was written.

    Raises
    ------
    DiffuscopeError
        For an unknown model or device, an image without scale or with a single plane, or too little memory.
    """
    started = time.perf_counter()
    colour = isinstance(image.data, LuminanceView)
    image = in_standard_order(image)
    scale = plan_scale(image, settings)
    device = choose_device(settings.device)
    yield Update(0, 0, f"Loading {settings.model}")
    model = load_model(settings.model, device=device)
    check_fits(model, settings)
    yield Update(0, 0, "Measuring intensities")
    intensities = measure_intensities(image)
    reimpose = reimposes(model, settings)
    measured = ("bit-exact" if scale.exact else "interpolated") if reimpose else "estimated"
    record = superres_record(image, settings, model, scale, intensities, device=device, measured=measured)
    work = _Work(
        settings,
        SliceModel(model, settings.batch),
        sampling_plan(model, settings),
        scale,
        states or States(),
        sinks,
        reimpose,
        record,
    )
    volumes = list(volumes_of(image, scale, intensities, model.card.data_range))
    work.volumes, work.total = len(volumes), _slices(work, volumes)
    yield from (work.warn(message) for message in _announced(scale, colour=colour))
    for volume in volumes:
        yield from _volume(work, volume)
    record["seconds"] = round(time.perf_counter() - started, 3)
    for name, sink in sinks.items():
        sink.record = {**record, "output": name}
    outputs = {}
    for name, sink in sinks.items():
        outputs[name] = yield from _finished(work, sink)
    work.states.forget()
    return Superresolution(outputs, {name: sink.spec for name, sink in sinks.items()}, record)


def superresolve(
    image: Any,
    *,
    axes: str | None = None,
    settings: SuperresSettings | None = None,
    on_update: Any = None,
    **choices: Any,
) -> Superresolution:
    """Make an anisotropic stack isotropic in one call, in memory.

    Parameters
    ----------
    image
        An :class:`~napari_diffuscope.imaging.image.Image`, an array (numpy, dask, zarr), or the path of a file.
    axes
        Axes of an array, such as ``"ZYX"``; by default by its number of dimensions.
    settings, choices
        A :class:`~napari_diffuscope.methods.superres.settings.SuperresSettings`, and fields of it to replace.
    on_update
        Called with every :class:`~napari_diffuscope.jobs.Update`.

    Returns
    -------
    Superresolution
        ``.superresolved`` and ``.deviation`` are arrays in the units of the input.

    Examples
    --------
    >>> result = superresolve(stack, z_step=0.5, pixel_size=0.1)  # doctest: +SKIP
    """
    from dataclasses import replace

    settings = replace(settings or SuperresSettings(), **choices)
    if isinstance(image, str | os.PathLike):
        from napari_diffuscope.imaging.files import open_image

        opened = open_image(Path(image), axes=axes, rgb=settings.rgb)
    else:
        opened = Image.wrap(image, axes, rgb=settings.rgb)
    sinks = {
        name: ArraySink(spec, settings.block) for name, spec in describe_superres(opened, settings).items()
    }
    return run(superresolution_job(opened, settings, sinks=sinks), on_update)


def check_fits(model: Model, settings: SuperresSettings) -> None:
    """Refuse a model that cannot do what is asked for.

    Raises
    ------
    DiffuscopeError
        If it is of another kind, or has no such mode.
    """
    card = model.card
    if card.task != "superresolution":
        raise DiffuscopeError(
            f"{card.name} is a model for {card.task}, not for super-resolution; choose another model."
        )
    if card.axes != "YX" or card.condition_channels not in (0, 2):
        raise DiffuscopeError(
            f"{card.name} is no model of slices: it needs the axes YX and 0 or 2 condition channels, not "
            f"{card.axes} and {card.condition_channels}."
        )
    if settings.mode == "as-published" and card.diffusion.published_steps is None:
        raise DiffuscopeError(f"{card.name} has no published sampler; choose another mode.")
    if settings.mode != "estimate" and card.diffusion.estimate_only:
        raise DiffuscopeError(
            f"{card.name} was trained to give the best estimate alone, not samples; choose the mode 'estimate'."
        )


def reimposes(model: Model, settings: SuperresSettings) -> bool:
    """Whether measured planes are put back."""
    if settings.reimpose is not None:
        return settings.reimpose
    return model.card.axial_fwhm is None and settings.mode != "as-published"


def _announced(scale: ZScale, *, colour: bool) -> Iterator[str]:
    """What the user must be told before it begins."""
    if not scale.exact:
        yield (
            f"The factor is no whole number: {scale.factor} steps are made of each and resampled, so that measured "
            "planes are not kept bit for bit."
        )
    if colour:
        yield "The colours were averaged to their luminance; with rgb = channels each is worked by itself."


def _slices(work: _Work, volumes: list[Volume]) -> int:
    """Slices through the network of the whole job."""
    if work.direct:
        cores = [volumes[0].wide(block, work.settings.blur) for block in work.blocks]
        return sum((y[1] - y[0]) + (x[1] - x[0]) for _, y, x in cores)
    cores = [_ranges(block) for block in _fine_blocks(work, volumes[0])]
    once = sum((y[1] - y[0]) + (x[1] - x[0]) for _, y, x in cores)
    return once * work.plan.steps * work.settings.volumes * len(volumes)


def _fine_blocks(work: _Work, volume: Volume) -> BlockPlan:
    """Pieces in which the fine volume is moved on."""
    lengths = next(iter(work.sinks.values())).block[-3:]
    return BlockPlan(volume.shape, tuple(min(a, b) for a, b in zip(lengths, volume.shape, strict=True)))


def _ranges(block: Block) -> Ranges:
    z, y, x = ((part.start, part.stop) for part in block.region[-3:])
    return z, y, x


def _volume(work: _Work, volume: Volume) -> Job[None]:
    if work.direct:
        yield from _estimated(work, volume)
    elif all(work.written(block) for block in work.blocks_of(volume)):
        work.done += work.total // max(work.volumes, 1)
    else:
        yield from _sampled(work, volume)
    work.record["disagreement"].append(_disagreement(work, volume))
    yield work.update()


def _estimated(work: _Work, volume: Volume) -> Job[None]:
    """One evaluation, each block from its own input."""
    for block in work.blocks_of(volume):
        wide = volume.wide(block, work.settings.blur)
        if work.written(block):
            work.done += (wide[1][1] - wide[1][0]) + (wide[2][1] - wide[2][0])
            continue
        clean = yield from _estimates(work, volume, 0, 0, wide)
        _note_difference(work, volume, block.index, wide, clean)
        final = [
            work.plan.step(0, torch.zeros_like(one), one, None, _no_noise)
            for one in (_combined(work, clean) if work.settings.together else clean)
        ]
        values = np.asarray(torch.stack(final).mean((0, 1)))
        pixels = volume.pixels(values, wide, block, blur=work.settings.blur, reimpose=work.reimpose)
        yield from _write(work, block, {RESULT: pixels})


def _no_noise(step: int) -> Tensor:
    raise AssertionError("an estimate in one step draws no noise")


def _sampled(work: _Work, volume: Volume) -> Job[None]:
    """Whole chains, block by block and step by step, from what is stored."""
    blocks = list(_fine_blocks(work, volume))
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
                    yield from _move(work, volume, sample, step, block)
                    notes["position"] = position + 1
                    work.states.save()
                else:
                    (_, y, x) = _ranges(block)
                    work.done += (y[1] - y[0]) + (x[1] - x[0])
                position += 1
        for block in work.blocks_of(volume):
            if position >= begun:
                yield from _collect(work, volume, sample, block)
                notes["position"] = position + 1
                work.states.save()
            position += 1


def _move(work: _Work, volume: Volume, sample: int, step: int, block: Block) -> Job[None]:
    """One step of one block."""
    core = _ranges(block)
    clean = yield from _estimates(work, volume, sample, step, core)
    if step == work.plan.steps - 1 and sample == work.settings.volumes - 1:
        _note_difference(work, volume, block.index, core, clean)
    if work.settings.together:
        clean = _combined(work, clean)
    condition = volume.condition(core)
    for number, one in enumerate(clean):
        state = _state(work, volume, sample, step, number, core)
        if work.model.replaces:
            state = torch.where(condition.known[:, None, None], condition.values, state)
        before = (
            _stored(work, volume, "clean", step - 1, number, core) if work.plan.remembers and step else None
        )
        after = work.plan.step(
            step,
            state,
            one,
            before,
            lambda at, number=number: _noise(work, volume, sample, at, number, core),  # type: ignore[misc]
        )
        _store(work, volume, "state", step + 1, number, core, after)
        if work.plan.remembers:
            _store(work, volume, "clean", step, number, core, one)
    yield from _preview(work, volume, sample, block, clean)


def _combined(work: _Work, clean: list[Tensor]) -> list[Tensor]:
    """One estimate of both directions."""
    return [(clean[0] + clean[1]) * 0.5]


def _estimates(
    work: _Work, volume: Volume, sample: int, step: int, core: Ranges
) -> Generator[Update, None, list[Tensor]]:
    """Estimates ``(C, Z, Y, X)`` of a core in both directions."""
    found = []
    level = work.plan.levels[step]
    for along in DIRECTIONS:
        seen = work.model.needed(core, volume.shape, along)
        condition = volume.condition(seen)
        number = 0 if work.settings.together else along
        blank = level.alpha == 0 or (step == 0 and not work.plan.noisy)
        state = None if blank else as_slices(_state(work, volume, sample, step, number, seen), along)
        evaluation = work.model.volume(
            _states_of(state, work, condition, along), level, condition, core, volume.shape, along
        )
        while True:
            try:
                slices, message = next(evaluation)
            except StopIteration as stop:
                found.append(stop.value)
                break
            work.done += slices
            yield work.warn(message) if message else work.update()
    return found


def _states_of(state: Tensor | None, work: _Work, condition: Any, along: int) -> Any:
    """Gives the states of some slices; zeros where there is none, without storing a volume of them."""
    if state is not None:
        return lambda some: state[some]
    depth, height, width = condition.values.shape
    size = (depth, width if along == ALONG_X else height)
    channels = work.model.model.card.state_channels
    return lambda some: torch.zeros(some.stop - some.start, channels, *size)


def _state(work: _Work, volume: Volume, sample: int, step: int, number: int, ranges: Ranges) -> Tensor:
    """State ``(C, Z, Y, X)`` of a part at a step; mirrored beyond the volume."""
    box, rows = mirrored(ranges, volume.shape)
    if step:
        kept: Ranges = tuple((part.start, part.stop) for part in box)  # type: ignore[assignment]
        found = _stored(work, volume, "state", step, number, kept)
    else:
        inside: Ranges = tuple((part.start, part.stop) for part in box)  # type: ignore[assignment]
        found = _noise(work, volume, sample, 0, number, inside)
        if not work.plan.noisy:
            found = torch.zeros_like(found)
    if all(np.array_equal(row, np.arange(length)) for row, length in zip(rows, found.shape[1:], strict=True)):
        return found
    z, y, x = (torch.from_numpy(row) for row in rows)
    return found[:, z[:, None, None], y[:, None], x]


def _noise(work: _Work, volume: Volume, sample: int, step: int, number: int, ranges: Ranges) -> Tensor:
    """Unit noise ``(C, Z, Y, X)`` that depends on the seed, sample, step, volume and position alone."""
    channels = work.model.model.card.state_channels
    first = (volume.number * 2 + number) * channels
    drawn = [
        positioned_noise(ranges, seed=work.settings.seed, sample=sample, step=step, plane=first + channel)
        for channel in range(channels)
    ]
    return torch.from_numpy(np.stack(drawn))


def _array(work: _Work, volume: Volume, kind: str, step: int) -> Any:
    channels = work.model.model.card.state_channels
    return work.states.array(f"{kind}{step % 2}", (work.states_per_volume, channels, *volume.shape))


def _stored(work: _Work, volume: Volume, kind: str, step: int, number: int, ranges: Ranges) -> Tensor:
    place = (number, slice(None), *(slice(a, b) for a, b in ranges))
    return torch.from_numpy(np.array(_array(work, volume, kind, step)[place]))


def _store(
    work: _Work, volume: Volume, kind: str, step: int, number: int, ranges: Ranges, values: Tensor
) -> None:
    place = (number, slice(None), *(slice(a, b) for a, b in ranges))
    _array(work, volume, kind, step)[place] = np.ascontiguousarray(values.numpy())


def _collect(work: _Work, volume: Volume, sample: int, block: Block) -> Job[None]:
    """A block of a finished sample, as pixels, into the outputs or the moments."""
    wide = volume.wide(block, work.settings.blur)
    final = [
        _stored(work, volume, "state", work.plan.steps, number, wide)
        for number in range(work.states_per_volume)
    ]
    values = np.asarray(torch.stack(final).mean((0, 1)))
    pixels = volume.pixels(values, wide, block, blur=work.settings.blur, reimpose=work.reimpose)
    if work.settings.volumes == 1:
        yield from _write(work, block, {RESULT: pixels})
        return
    mean, squares = _moments(work, volume, sample, block, pixels.reshape(pixels.shape[-3:]))
    if sample == work.settings.volumes - 1:
        deviation = np.sqrt(squares / np.float32(sample)) * np.float32(work.model.model.card.deviation_scale)
        results = {RESULT: mean.reshape(block.shape), DEVIATION: deviation.reshape(block.shape)}
        yield from _write(work, block, results)
    elif RESULT in work.sinks:
        yield work.update(output=RESULT, region=block.region, preview=mean.reshape(block.shape))


def _moments(
    work: _Work, volume: Volume, sample: int, block: Block, pixels: np.ndarray
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


def _write(work: _Work, block: Block, results: Mapping[str, np.ndarray]) -> Job[None]:
    for name, sink in work.sinks.items():
        if not sink.done(block):
            sink.write_block(block, results[name])
        yield work.update(output=name, region=block.region, preview=results[name], final=True)


def _preview(work: _Work, volume: Volume, sample: int, block: Block, clean: list[Tensor]) -> Job[None]:
    """Show the current estimate, where fine planes are planes of the output."""
    if sample or RESULT not in work.sinks or not work.scale.exact:
        yield work.update()
        return
    values = np.asarray(torch.stack(clean).mean((0, 1)))
    core = _ranges(block)
    pixels = volume.line.inverse(values)
    if work.reimpose:
        rows, planes = volume.measured(core)
        pixels[rows] = planes
    region = (*(slice(at, at + 1) for at in volume.leading), *block.region)
    shape = (1,) * len(volume.leading) + pixels.shape
    yield work.update(output=RESULT, region=region, preview=pixels.reshape(shape))


def _note_difference(work: _Work, volume: Volume, index: int, core: Ranges, clean: list[Tensor]) -> None:
    """Keep how far the two directions are apart on planes that were not measured."""
    rows = [z - core[0][0] for z in range(*core[0]) if z % work.scale.factor]
    apart = (clean[0] - clean[1])[:, rows].double()
    sums = [float(apart.square().sum()), float(apart.numel())]
    found = work.states.notes.setdefault("differences", {})
    found[f"{volume.number}/{index}"] = sums
    work.states.save()


def _disagreement(work: _Work, volume: Volume) -> dict[str, Any]:
    """Root mean square difference between the two directions, in the units of the image."""
    kept = work.states.notes.get("differences", {})
    own = [sums for key, sums in kept.items() if key.startswith(f"{volume.number}/")]
    squares, count = (sum(values) for values in zip(*own, strict=True)) if own else (0.0, 0.0)
    value = (squares / count) ** 0.5 * volume.line.scale if count else None
    return {"volume": list(volume.leading), "value": value}


def _finished(work: _Work, sink: VolumeSink) -> Job[Any]:
    job = sink.finishing()
    try:
        while True:
            update = next(job)
            yield work.update(message=update.message)
    except StopIteration as stop:
        return stop.value
    finally:
        job.close()
