"""Restoration of a stack, plane by plane; Osuna-Vargas et al., WACV 2025 (arXiv 2409.12078).

A diffusion model that is conditioned on the noisy image gives samples of what the clean image may have been. Their
mean is the best estimate in the least-squares sense and their spread says where it is uncertain. A network that was
also trained at pure noise gives that mean in a single evaluation, which is the default here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from napari_diffuscope.diffusion.moments import Moments
from napari_diffuscope.diffusion.noise import positioned_noise
from napari_diffuscope.diffusion.solvers import Query, driven
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.files import image_of
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.intensity import ChannelIntensity, measure_intensities
from napari_diffuscope.imaging.intensity_map import IntensityMap
from napari_diffuscope.imaging.parts import part_of_large_planes
from napari_diffuscope.jobs import Index, Job, Update, announce, relayed, run
from napari_diffuscope.methods.blending import evaluator_for
from napari_diffuscope.methods.bridging import Bridging, ShownPlane
from napari_diffuscope.methods.device import choose_device
from napari_diffuscope.methods.evaluation import Evaluator, TileDone
from napari_diffuscope.methods.record import restoration_record
from napari_diffuscope.methods.restore.chains import Chain, Noise, chain_for
from napari_diffuscope.methods.restore.outputs import OutputSpec, Selection, describe_outputs, select
from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.weights.model import Model, load_model


class Sink(Protocol):
    """Where finished planes go: a numpy array, a file."""

    def __setitem__(self, index: Any, value: np.ndarray, /) -> None: ...


@dataclass(frozen=True)
class Restoration:
    """Result of a restoration.

    Parameters
    ----------
    outputs
        By name, float32 in the units of the input's intensities.
    specs
        Axes, shapes and places of the outputs.
    record
        What made them.
    """

    outputs: Mapping[str, Any]
    specs: tuple[OutputSpec, ...]
    record: dict[str, Any]

    @property
    def restored(self) -> Any:
        """Restored image, or ``None`` for the mode ``deviation``."""
        return self.outputs.get("restored")

    @property
    def deviation(self) -> Any:
        """Standard deviation over the samples, or ``None`` where the mode gives none."""
        return self.outputs.get("deviation")


@dataclass
class _Work:
    """What all planes share, and how far the job is."""

    image: Image
    settings: RestoreSettings
    model: Model
    part: Selection
    chain: Chain
    bridging: Bridging
    evaluator: Evaluator
    sinks: Mapping[str, Sink]
    messages: list[str] = field(default_factory=list)
    planes_done: int = 0
    tiles_done: int = 0

    @property
    def samples(self) -> int:
        """Chains per plane."""
        match self.settings.mode:
            case "mean" | "deviation" | "samples":
                return self.settings.samples
            case "as-published":
                return self.model.card.diffusion.published_samples
            case _:
                return 1

    @property
    def tiles_per_plane(self) -> int:
        return len(self.evaluator.tiles()) * self.chain.evaluations * self.samples

    def update(self, **what: Any) -> Update:
        """An update with the count of tiles done, over all planes."""
        done = self.planes_done * self.tiles_per_plane + self.tiles_done
        return Update(done, len(self.part.planes) * self.tiles_per_plane, **what)

    def output_index(self, flat: int, sample: int | None = None) -> tuple[int, ...]:
        """Leading index in the output of a plane (and sample)."""
        place = tuple(
            i - first for i, first in zip(self.image.plane_index(flat), self.part.first, strict=True)
        )
        return (sample, *place) if self.settings.mode == "samples" and sample is not None else place

    def whole(self) -> tuple[slice, slice]:
        """All of an output plane."""
        height, width = self.part.plane_shape
        return slice(0, height), slice(0, width)


def restoration_job(
    image: Image, settings: RestoreSettings, *, sinks: Mapping[str, Sink], order: Sequence[int] | None = None
) -> Job[Restoration]:
    """Restore an image plane by plane.

    Parameters
    ----------
    image
        YX to TCZYX; planes are read one at a time.
    settings
        What to do.
    sinks
        For each output of :func:`~napari_diffuscope.methods.restore.outputs.describe_outputs` where its planes go.
    order
        Flat indices of the planes in the order in which to work; by default ascending.

    Yields
    ------
    Update
        At every tile and step; ``preview`` is the current estimate of ``region`` of an output. A plane is written
        to its sink once, when it is finished, and announced with ``final``.

    Raises
    ------
    DiffuscopeError
        For an unknown model or device, a part that the image does not have, or too little memory.
    """
    started = time.perf_counter()
    specs = describe_outputs(image, settings)
    whole, wanted = image, settings
    image, crop = part_of_large_planes(image, settings.crop)
    settings = replace(settings, crop=crop)
    part = select(image, settings)
    device = choose_device(settings.device)
    yield from announce(image.notes)
    yield Update(0, 0, f"Loading {settings.model}")
    model = load_model(settings.model, device=device)
    _check_fits(model, settings)
    yield Update(0, 0, "Measuring intensities")
    intensities = measure_intensities(image, robust=settings.defects != "ignore")
    work = _prepare(image, settings, model, part, intensities, sinks)
    record = restoration_record(replace(whole, notes=image.notes), wanted, model, intensities, device=device)
    work.messages = record["messages"]
    for flat in _in_order(part, order):
        yield from _restore_plane(work, flat)
        record["planes_done"].append(flat)
        record["seconds"] = round(time.perf_counter() - started, 3)
        record["defects"] = work.bridging.tally.to_dict()
    for sentence in work.bridging.tally.sentences(kept=settings.defects == "keep"):
        work.messages.append(sentence)
        yield work.update(message=sentence, warning=True)
    return Restoration(dict(sinks), specs, record)


def restore(
    image: Any,
    *,
    axes: str | None = None,
    series: int | None = None,
    settings: RestoreSettings | None = None,
    on_update: Any = None,
    **choices: Any,
) -> Restoration:
    """Restore an image in one call, with the same defaults and results as the window and the command line.

    Parameters
    ----------
    image
        An :class:`~napari_diffuscope.imaging.image.Image`, an array (numpy, dask, zarr), or the path of a file.
    axes
        Axes of an array, such as ``"ZYX"``; by default by its number of dimensions.
    series
        Which image of a file that holds several, counted from 0; the largest by default.
    settings, choices
        A :class:`~napari_diffuscope.methods.restore.settings.RestoreSettings`, and fields of it to replace.
    on_update
        Called with every :class:`~napari_diffuscope.jobs.Update`.

    Returns
    -------
    Restoration
        ``.restored`` and ``.deviation`` are float32 arrays in the units of the input.

    Examples
    --------
    >>> result = restore(stack, mode="mean", samples=8)  # doctest: +SKIP
    >>> result.restored, result.deviation  # doctest: +SKIP
    """
    settings = replace(settings or RestoreSettings(), **choices)
    opened = image_of(image, axes, rgb=settings.rgb, series=series)
    sinks = {
        spec.name: np.full(spec.shape, np.nan, np.float32) for spec in describe_outputs(opened, settings)
    }
    return run(restoration_job(opened, settings, sinks=sinks), on_update)


def _check_fits(model: Model, settings: RestoreSettings) -> None:
    card = model.card
    if card.task != "restoration":
        raise DiffuscopeError(
            f"{card.name} is a model for {card.task}, not for restoration; choose another model."
        )
    if settings.mode == "as-published" and card.diffusion.published_steps is None:
        raise DiffuscopeError(f"{card.name} has no published sampler; choose another mode.")
    if settings.mode != "estimate" and card.diffusion.estimate_only:
        raise DiffuscopeError(
            f"{card.name} was trained to give the best estimate alone, not samples; choose the mode 'estimate'."
        )


def _prepare(
    image: Image,
    settings: RestoreSettings,
    model: Model,
    part: Selection,
    intensities: tuple[ChannelIntensity, ...],
    sinks: Mapping[str, Sink],
) -> _Work:
    evaluator = evaluator_for(model, image.plane_shape, part.region, tile=settings.tile, batch=settings.batch)
    bridging = Bridging(image, intensities, settings.defects, part.region)
    return _Work(image, settings, model, part, chain_for(model, settings), bridging, evaluator, sinks)


def _in_order(part: Selection, order: Sequence[int] | None) -> list[int]:
    if order is None:
        return list(part.planes)
    wanted = set(part.planes)
    first = [flat for flat in order if flat in wanted]
    return first + [flat for flat in part.planes if flat not in set(first)]


def _restore_plane(work: _Work, flat: int) -> Job[None]:
    """Restore one plane and write it."""
    plane = work.image.read_plane(flat)
    shown = work.bridging.shown(flat, plane)
    inside = tuple(slice(start, stop) for start, stop in work.part.region)
    crop = plane[inside]
    if shown.constant:
        results = _trivial(work, crop)  # nothing to restore in a constant plane
    else:
        condition = torch.from_numpy(shown.line.forward(shown.pixels))[None, None].to(work.model.device)
        results = yield from _chains(work, flat, condition, shown.line)
    for name, sample, values in results:
        _put_back(values, name, crop, shown, inside)
        index: Index = (*work.output_index(flat, sample), *work.whole())
        work.sinks[name][index] = values
        yield work.update(output=name, region=index, final=True)
    work.planes_done, work.tiles_done = work.planes_done + 1, 0
    yield work.update()


def _put_back(
    values: np.ndarray, name: str, crop: np.ndarray, shown: ShownPlane, inside: tuple[slice, ...]
) -> None:
    """Give defects their measured value again, and no value where none was measured."""
    if shown.kept is not None and name == "restored":
        kept = shown.kept[inside]
        values[kept] = crop[kept]
    values[shown.without[inside]] = np.nan


_Result = tuple[str, int | None, np.ndarray]


def _trivial(work: _Work, crop: np.ndarray) -> list[_Result]:
    zeros = ("deviation", None, np.zeros_like(crop))
    match work.settings.mode:
        case "samples":
            return [("restored", i, crop.copy()) for i in range(work.samples)]
        case "mean":
            return [("restored", None, crop.copy()), zeros]
        case "deviation":
            return [zeros]
        case _:
            return [("restored", None, crop.copy())]


def _chains(work: _Work, flat: int, condition: Tensor, line: IntensityMap) -> Job[list[_Result]]:
    """Run all chains of a plane; several samples go together where that fills a network call."""
    moments, results = Moments(), list[_Result]()
    together = work.evaluator.members()
    for first in range(0, work.samples, together):
        numbers = list(range(first, min(first + together, work.samples)))
        finals = yield from _chain(work, flat, numbers, condition, line)
        for number, final in zip(numbers, finals, strict=True):
            if work.settings.mode in ("mean", "deviation", "as-published"):
                moments.add(final[0])
            else:
                results.append(("restored", number, line.inverse(_array(final[0]))))
        if moments.count:
            yield from _show_moments(work, flat, moments, line)
    return results or _moment_results(work, moments, line)


def _moment_results(work: _Work, moments: Moments, line: IntensityMap) -> list[_Result]:
    restored: _Result = ("restored", None, line.inverse(_array(moments.mean)))
    if work.settings.mode == "as-published":
        return [restored]
    spread = line.inverse_spread(_array(moments.deviation)) * work.model.card.deviation_scale
    deviation: _Result = ("deviation", None, spread)
    if work.settings.mode == "deviation":
        return [deviation]
    return [restored, deviation]


def _show_moments(work: _Work, flat: int, moments: Moments, line: IntensityMap) -> Job[None]:
    for name, _, values in _moment_results(work, moments, line):
        if name == "restored" or moments.count > 1:
            index = (*work.output_index(flat), *work.whole())
            yield work.update(output=name, region=index, preview=values)


def _chain(
    work: _Work, flat: int, numbers: Sequence[int], condition: Tensor, line: IntensityMap
) -> Job[Tensor]:
    """Drive the solver of some samples of one plane; shows tiles and steps as they come."""
    solver = work.chain.start(_noise(work, flat, numbers))
    shown = work.settings.mode != "deviation" and (numbers[0] == 0 or work.settings.mode == "samples")

    def told(tile: TileDone) -> Update:
        if tile.estimate is None:
            work.messages.append(tile.message)
            return work.update(message=tile.message, warning=True)
        work.tiles_done += 1
        if not shown or (tile.member and work.settings.mode != "samples"):
            return work.update()
        index = (*work.output_index(flat, numbers[tile.member]), *tile.box)
        return work.update(output="restored", region=index, preview=line.inverse(_array(tile.estimate[0])))

    def answer(query: Query) -> Job[Tensor]:
        return relayed(work.evaluator(query.x, query.level, condition), told)

    return (yield from driven(solver, answer))


def _noise(work: _Work, flat: int, numbers: Sequence[int]) -> Noise:
    """Noise of the region for some samples; it depends on the seed, the sample, the plane and the position alone."""

    def draw(step: int) -> Tensor:
        seed, region = work.settings.seed, work.part.region
        planes = [positioned_noise(region, seed=seed, sample=n, step=step, plane=flat) for n in numbers]
        return torch.from_numpy(np.stack(planes)[:, None]).to(work.model.device)

    return draw


def _array(values: Tensor) -> np.ndarray:
    return values.detach().float().cpu().numpy()
