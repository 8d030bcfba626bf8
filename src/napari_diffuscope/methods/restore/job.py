"""Restoration of a stack, plane by plane; Osuna-Vargas et al., WACV 2025 (arXiv 2409.12078).

A diffusion model that is conditioned on the noisy image gives samples of what the clean image may have been. Their
mean is the best estimate in the least-squares sense and their spread says where it is uncertain. A network that was
also trained at pure noise gives that mean in a single evaluation, which is the default here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_diffuscope.diffusion.moments import Moments
from napari_diffuscope.diffusion.noise import positioned_noise
from napari_diffuscope.diffusion.solvers import Query, driven
from napari_diffuscope.imaging.blocks.sink import BlockFacts
from napari_diffuscope.imaging.intensity_map import IntensityMap
from napari_diffuscope.jobs import Job, Update, relayed
from napari_diffuscope.methods.bridging import ShownPlane
from napari_diffuscope.methods.error_bars import given_deviation, measured_noise, unlike_sentence
from napari_diffuscope.methods.evaluation import TileDone
from napari_diffuscope.methods.noticed import Noticed
from napari_diffuscope.methods.restore.chains import Noise
from napari_diffuscope.methods.restore.empty_parts import leave
from napari_diffuscope.methods.restore.neighbours import JoinedPlane, left_out_sentence
from napari_diffuscope.methods.restore.outputs import DEVIATION, RESTORED, Selection
from napari_diffuscope.methods.restore.run import Run, begun_run
from napari_diffuscope.methods.work import Work

_Result = tuple[str, int | None, np.ndarray]
"""Name of the output, number of the sample, pixels of the plane."""


def restore_job(work: Work) -> Job[None]:
    """Restore an image plane by plane; planes that the outputs have are not made again.

    Parameters
    ----------
    work
        Its image is YX to TCZYX, and read one plane at a time; the option ``order`` has flat indices of planes in
        the order in which to work, ascending by default. Blocks of the outputs are planes.

    Yields
    ------
    Update
        At every tile and step; ``preview`` is the current estimate of ``region`` of an output. A plane is written
        once, when it is finished, and announced with ``final``.

    Raises
    ------
    DiffuscopeError
        For an unknown model or device, a part that the image does not have, or too little memory.
    """
    run = yield from begun_run(work)
    settings, part = run.settings, run.part
    work.record.setdefault("planes_done", [])
    flats = run.missing(_in_order(part, work.options.get("order")))
    yield from work.each("planes", flats, lambda flat: restore_plane(run, flat), run.note)
    yield run.update()
    made = {block.index for flat in part.planes for block in run.blocks(flat)}
    for block in work.plan:
        if block.index not in made:  # planes between those that were asked for
            work.leave_blank(block)
    yield from map(work.warn, run.tally.sentences(kept=settings.defects == "keep"))
    yield from map(work.warn, run.empty_parts.sentences)
    if said := left_out_sentence(run.left_out):
        yield work.warn(said)
    if run.unlike:
        yield work.warn(unlike_sentence(run.unlike, len(part.planes)))


def _in_order(part: Selection, order: Sequence[int] | None) -> list[int]:
    if order is None:
        return list(part.planes)
    wanted = set(part.planes)
    first = [flat for flat in order if flat in wanted]
    return first + [flat for flat in part.planes if flat not in set(first)]


def restore_plane(run: Run, flat: int) -> Job[Noticed]:
    """Restore one plane and write it; returns what was noticed in it."""
    noticed, measures, left_out = Noticed(), dict[str, float](), tuple[int, ...]()
    if not all(map(run.work.written, run.blocks(flat))):
        plane, shown = run.plane(flat)
        inside = tuple(slice(start, stop) for start, stop in run.part.region)
        crop = plane[inside]
        empty = run.empty_parts.of(flat, shown.pixels)
        run.evaluator(flat).left_out = None if run.empty_parts.whole else empty
        if shown.constant or (empty is not None and empty.all()):
            results = _trivial(run, crop)  # nothing to restore in a constant plane
        else:
            seen = _seen(run, flat, shown)
            measures, left_out = seen.measures, seen.left_out
            results = [
                (name, sample, run.back(values, flat))
                for name, sample, values in (yield from _chains(run, flat, seen))
            ]
        for name, _, values in results:
            leave(values, name, crop, empty)
            _put_back(values, name, crop, shown, inside)
        noticed = Noticed(run.bridging.tally.taken(), run.empty_parts.taken(), measures, left_out)
        yield from _write(run, flat, results, noticed.facts())
    return noticed


@dataclass(frozen=True, eq=False)
class _Seen:
    """A plane in values of the network, their intensity map, and what error bars ask of its noise.

    With neighbours it is joined with them, and some may have been left out.
    """

    condition: Tensor
    line: IntensityMap
    measures: dict[str, float]
    left_out: tuple[int, ...] = ()


def _seen(run: Run, flat: int, shown: ShownPlane) -> _Seen:
    whole = JoinedPlane(shown.pixels) if run.neighbours is None else run.neighbours.joined(flat, shown)
    pixels = shown.line.forward(run.forward(whole.pixels, flat))
    spread = run.settings.mode in ("mean", "deviation")
    measures = measured_noise(pixels, run.model.card, run.settings.error_bars) if spread else {}
    condition = torch.from_numpy(pixels)[None, None].to(run.model.device)
    return _Seen(condition, shown.line, measures, whole.left_out)


def _write(run: Run, flat: int, results: Sequence[_Result], facts: BlockFacts) -> Job[None]:
    """Write what the outputs do not have yet, and say so."""
    blocks = run.blocks(flat)
    run.update()
    for name, sample, values in results:
        block = blocks[sample or 0]
        yield run.work.put(name, block, values.reshape(block.shape), facts)


def _put_back(
    values: np.ndarray, name: str, crop: np.ndarray, shown: ShownPlane, inside: tuple[slice, ...]
) -> None:
    """Give defects their measured value again, and no value where none was measured."""
    if shown.kept is not None and name == RESTORED:
        kept = shown.kept[inside]
        values[kept] = crop[kept]
    values[shown.without[inside]] = np.nan


def _trivial(run: Run, crop: np.ndarray) -> list[_Result]:
    zeros = (DEVIATION, None, np.zeros_like(crop))
    match run.settings.mode:
        case "samples":
            return [(RESTORED, i, crop.copy()) for i in range(run.samples)]
        case "mean":
            return [(RESTORED, None, crop.copy()), zeros]
        case "deviation":
            return [zeros]
        case _:
            return [(RESTORED, None, crop.copy())]


def _chains(run: Run, flat: int, seen: _Seen) -> Job[list[_Result]]:
    """Run all chains of a plane; several samples go together where that fills a network call."""
    moments, results = Moments(), list[_Result]()
    together = run.evaluator(flat).members()
    for first in range(0, run.samples, together):
        numbers = list(range(first, min(first + together, run.samples)))
        finals = yield from _chain(run, flat, numbers, seen)
        for number, final in zip(numbers, finals, strict=True):
            if run.settings.mode in ("mean", "deviation", "as-published"):
                moments.add(final[0])
            else:
                results.append((RESTORED, number, seen.line.inverse(_array(final[0]))))
        if moments.count:
            yield from _show_moments(run, flat, moments, seen)
    return results or _moment_results(run, moments, seen)


def _moment_results(run: Run, moments: Moments, seen: _Seen) -> list[_Result]:
    restored: _Result = (RESTORED, None, seen.line.inverse(_array(moments.mean)))
    if run.settings.mode == "as-published":
        return [restored]
    drawn, how = _array(moments.deviation), run.settings.error_bars
    spread = given_deviation(drawn, seen.line, run.model.card, how, seen.measures)
    deviation: _Result = (DEVIATION, None, spread)
    if run.settings.mode == "deviation":
        return [deviation]
    return [restored, deviation]


def _show_moments(run: Run, flat: int, moments: Moments, seen: _Seen) -> Job[None]:
    for name, _, values in _moment_results(run, moments, seen):
        if name == RESTORED or moments.count > 1:
            yield run.update(output=name, region=run.region(flat), preview=run.back(values, flat))


def _chain(run: Run, flat: int, numbers: Sequence[int], seen: _Seen) -> Job[Tensor]:
    """Drive the solver of some samples of one plane; shows tiles and steps as they come."""
    solver = run.chain.start(_noise(run, flat, numbers))
    shown = run.settings.mode != "deviation" and (numbers[0] == 0 or run.settings.mode == "samples")

    def told(tile: TileDone) -> Update:
        if tile.estimate is None:
            return run.work.warn(tile.message)
        run.tiles_done += 1
        if not shown or run.around or (tile.member and run.settings.mode != "samples"):
            return run.update()
        pixels, box = seen.line.inverse(_array(tile.estimate[0])), tile.box
        if run.grid is not None:
            if (glimpse := run.grid.glimpse(pixels, box)) is None:
                return run.update()
            pixels, box = glimpse
        region = run.region(flat, numbers[tile.member], box)
        return run.update(output=RESTORED, region=region, preview=pixels)

    def answer(query: Query) -> Job[Tensor]:
        evaluation = run.evaluator(flat)(query.x, query.level, seen.condition, query.mirrored)
        return relayed(evaluation, told)

    return (yield from driven(solver, answer))


def _noise(run: Run, flat: int, numbers: Sequence[int]) -> Noise:
    """Noise of the region for some samples; it depends on the seed, the sample, the plane and the position alone."""

    def draw(step: int) -> Tensor:
        seed = run.settings.seed
        planes = [
            positioned_noise(run.worked_on, seed=seed, sample=n, step=step, plane=flat) for n in numbers
        ]
        return torch.from_numpy(np.stack(planes)[:, None]).to(run.model.device)

    return draw


def _array(values: Tensor) -> np.ndarray:
    return values.detach().float().cpu().numpy()
