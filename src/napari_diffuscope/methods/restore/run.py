"""What all planes of a restoration share: the model, the intensities, the part that is worked on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from napari_diffuscope.imaging.blocks import Block, PlaneReader
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.intensity import ChannelIntensity
from napari_diffuscope.imaging.line_filter import LineFilter
from napari_diffuscope.imaging.parts import part_of_large_planes
from napari_diffuscope.imaging.stack_intensity import measure_intensities
from napari_diffuscope.imaging.tiles import Region
from napari_diffuscope.jobs import Index, Job, Update
from napari_diffuscope.methods.blending import evaluator_for
from napari_diffuscope.methods.bridging import Bridging, ShownPlane, Tally
from napari_diffuscope.methods.error_bars import note_error_bars, unlike_measured
from napari_diffuscope.methods.evaluation import Evaluator
from napari_diffuscope.methods.noticed import Noticed
from napari_diffuscope.methods.ready import MEASURING, ready_model
from napari_diffuscope.methods.records import note_intensities
from napari_diffuscope.methods.restore.adaptation import Adaptation, inside, region_around
from napari_diffuscope.methods.restore.adapting import adaptations
from napari_diffuscope.methods.restore.chains import Chain, chain_for
from napari_diffuscope.methods.restore.empty_parts import EmptyParts
from napari_diffuscope.methods.restore.grid import Grid, grid_for, why_not
from napari_diffuscope.methods.restore.neighbours import (
    KEY,
    KeptPlanes,
    Neighbours,
    Read,
    noises_of,
    planes_to_keep,
)
from napari_diffuscope.methods.restore.outputs import Selection, select
from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.methods.work import Work
from napari_diffuscope.weights.model import Model


@dataclass
class Run:
    """What all planes share, and how far the job is; ``remembered`` keeps the last plane for its next part."""

    work: Work
    image: Image
    settings: RestoreSettings
    model: Model
    part: Selection
    chain: Chain
    bridging: Bridging
    evaluators: Mapping[int, Evaluator]
    empty_parts: EmptyParts
    reader: Read
    grid: Grid | None = None
    adapted: Mapping[int, Adaptation] = field(default_factory=dict)
    around: Region | None = None
    neighbours: Neighbours | None = None
    tally: Tally = field(default_factory=Tally)
    planes_done: int = 0
    tiles_done: int = 0
    unlike: int = 0
    remembered: dict[int, tuple[np.ndarray, ShownPlane]] | None = None

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

    def evaluator(self, flat: int) -> Evaluator:
        """What evaluates the network of a plane: one for all, or one for each channel."""
        return self.evaluators[self.image.channel_of(flat) if self.adapted else 0]

    @property
    def tiles_per_plane(self) -> int:
        """Updates of a plane."""
        return len(next(iter(self.evaluators.values())).tiles()) * self.chain.evaluations * self.samples

    def update(self, **what: Any) -> Update:
        """An update with the count of tiles done, over all planes."""
        self.work.total = len(self.part.planes) * self.tiles_per_plane
        self.work.done = self.planes_done * self.tiles_per_plane + self.tiles_done
        return self.work.update(**what)

    def missing(self, flats: Iterable[int]) -> Iterator[int]:
        """Planes that the outputs do not have; the others are counted."""
        for flat in flats:
            if not all(map(self.work.written, self.blocks(flat))):
                yield flat
                continue
            self._count(flat, Noticed.of(self.work.facts(self.blocks(flat)[0])))

    def note(self, flat: int, noticed: Noticed) -> Job[None]:
        """Count a plane as done."""
        self.tiles_done = 0
        self._count(flat, noticed)
        yield self.update()

    def _count(self, flat: int, noticed: Noticed) -> None:
        """Count a plane that is done, by this run or an earlier one."""
        self.planes_done += 1
        self.tally.add(noticed.defects)
        self.empty_parts.add(noticed.empty)
        self.work.record["planes_done"].append(flat)
        self.unlike += unlike_measured(noticed.measures, self.model.card)
        if measures := noticed.measures:
            self.work.record.setdefault("noise", {})[str(flat)] = {
                name: round(value, 4) for name, value in measures.items()
            }
        if noticed.left_out:
            self.left_out[str(flat)] = list(noticed.left_out)
        self.work.record["defects"] = self.tally.to_dict()
        self.empty_parts.note(self.work.record)

    @property
    def left_out(self) -> dict[str, list[int]]:
        """Neighbours that were not used, by the plane at work; as they stand in the record."""
        found: dict[str, list[int]] = self.work.record.get(KEY, {}).get("left_out", {})
        return found

    @property
    def worked_on(self) -> Region:
        """What the network is asked for, for the region that is wanted."""
        return self.grid.region_there if self.grid else self.around or self.part.region

    def forward(self, pixels: np.ndarray, flat: int) -> np.ndarray:
        """A whole plane as the model is shown it."""
        line = self._filter(flat)
        pixels = pixels if line is None else line.forward(pixels)
        return self.grid.forward(pixels) if self.grid else pixels

    def back(self, values: np.ndarray, flat: int) -> np.ndarray:
        """What the model made, in pixels of the image."""
        if self.grid:
            values = self.grid.back(values)
        line = self._filter(flat)
        values = values if line is None else line.back(values)
        return values if self.around is None else values[inside(self.part.region, self.around)].copy()

    def _filter(self, flat: int) -> LineFilter | None:
        adapted = self.adapted.get(self.image.channel_of(flat))
        return None if adapted is None else adapted.filter

    def plane(self, flat: int) -> tuple[np.ndarray, ShownPlane]:
        """A plane as it is stored, and as the network sees it."""
        if self.remembered is not None and flat in self.remembered:
            return self.remembered[flat]
        pixels = self.reader(flat)
        both = pixels, self.bridging.shown(flat, pixels)
        if self.remembered is not None:
            self.remembered.clear()
            self.remembered[flat] = both
        return both

    def blocks(self, flat: int) -> list[Block]:
        """Blocks of the outputs that a plane fills: one, or one for every sample."""
        index = self.image.plane_index(flat)
        place = tuple(i - first for i, first in zip(index, self.part.first, strict=True))
        leads = [(n,) for n in range(self.samples)] if self.settings.mode == "samples" else [()]
        plan = self.work.plan
        return [plan[int(np.ravel_multi_index((*lead, *place, 0, 0), plan.grid))] for lead in leads]

    def region(self, flat: int, sample: int = 0, inside: Sequence[slice] | None = None) -> Index:
        """Where a plane (of a sample), or a part of it, lies in the outputs."""
        blocks = self.blocks(flat)
        region = blocks[min(sample, len(blocks) - 1)].region
        return region if inside is None else (*region[:-2], *inside)


def begun_run(work: Work) -> Job[Run]:
    """What a restoration begins with: the model and the intensities of the whole image.

    Raises
    ------
    DiffuscopeError
        For an unknown model or device, a part that the image does not have, or too little memory.
    """
    image, crop = part_of_large_planes(work.image, work.settings.crop)
    yield from (work.warn(note) for note in image.notes if note not in work.record["messages"])
    settings = replace(work.settings, crop=crop)
    part = select(image, settings)  # refused before anything is loaded
    model = yield from ready_model(work)
    if settings.mode in ("mean", "deviation") and (
        said := note_error_bars(work.record, model.card, settings)
    ):
        yield work.warn(said)
    yield work.update(message=MEASURING)
    intensities = measure_intensities(image, robust=settings.defects != "ignore")
    note_intensities(work.record, intensities)
    adapted: dict[int, Adaptation] = {}
    if settings.adapts:
        grid = grid_for(model.card, image, part.region) if settings.resample else None
        adapted = yield from adaptations(work, model, image, intensities, part.planes, grid)
    elif settings.adapt and settings.joined_along:
        yield work.warn("Not adapted: a plane that is joined with its neighbours has another noise.")
    elif settings.adapt:
        yield work.warn(
            f"Not adapted: that is for the best estimate alone, not for the mode {settings.mode!r}."
        )
    run = run_of(work, image, settings, model, intensities, adapted)
    yield from _with_neighbours(run)
    if settings.resample and (said := run.grid.sentence if run.grid else why_not(model.card, image)):
        yield work.warn(said)
    return run


def _with_neighbours(run: Run) -> Job[None]:
    """Measure what joining planes asks for, where it is asked for."""
    letter = run.settings.joined_along
    if letter is None:
        return
    yield run.work.update(message="Measuring the noise of neighbouring planes.")
    channels = [run.image.channel_of(flat) for flat in run.part.planes]
    beside = replace(run.bridging, tally=Tally())
    beside.lines = run.bridging.lines
    run.reader = KeptPlanes(run.reader, planes_to_keep(run.image, letter))
    noises = noises_of(run.image, letter, beside, channels)
    run.neighbours = Neighbours(run.image, letter, beside, run.reader, noises)
    run.work.record[KEY] = run.neighbours.to_dict()
    if run.neighbours.too_small:
        yield run.work.warn(
            "Neighbours are not used: the noise of planes so small, or of one value, cannot be told."
        )


def run_of(
    work: Work,
    image: Image,
    settings: RestoreSettings,
    model: Model,
    intensities: Sequence[ChannelIntensity],
    adapted: Mapping[int, Adaptation],
) -> Run:
    """A run on the part that settings ask for.

    Raises
    ------
    DiffuscopeError
        For planes or a crop that the image does not have, and pixels too far from those of the model.
    """
    part = select(image, settings)
    filtered = any(each.filter is not None for each in adapted.values())
    around = region_around(adapted.values(), part.region, image.plane_shape) if filtered else None
    grid = grid_for(model.card, image, around or part.region) if settings.resample else None
    shape, region = (grid.there, grid.region_there) if grid else (image.plane_shape, around or part.region)
    models = {channel: each.model(model) for channel, each in adapted.items()} or {0: model}
    evaluators = {
        channel: evaluator_for(each, shape, region, tile=settings.tile, batch=settings.batch)
        for channel, each in models.items()
    }
    bridging = Bridging(image, intensities, settings.defects, part.region)
    # Beside parts that are left out, what runs on along lines could not be undone.
    whole = grid is not None or around is not None
    empty_parts = EmptyParts(settings.skip_below, part.region, whole=whole)
    chain = chain_for(model, settings)
    reader = PlaneReader(image)
    return Run(
        work,
        image,
        settings,
        model,
        part,
        chain,
        bridging,
        evaluators,
        empty_parts,
        reader,
        grid,
        adapted,
        around,
    )
