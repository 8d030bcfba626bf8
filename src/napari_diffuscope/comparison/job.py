"""A comparison as a job: its updates say how far it is, its result is a table."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from napari_diffuscope.comparison.measures import CORRELATION, ERRORS, OVERLAP, SQUIRREL, column
from napari_diffuscope.comparison.pairs import PASSES, PairBasis, Piece, in_parallel, pair_cells
from napari_diffuscope.comparison.placing import Box, Placed, common_field
from napari_diffuscope.comparison.sampling import grid_in_words, piece_count, pieces, sampled
from napari_diffuscope.comparison.settings import CompareSettings
from napari_diffuscope.comparison.singles import (
    OF_PLANES,
    Work,
    columns_of,
    combined,
    in_shells,
    pair_tasks,
    pixel_size,
    single_tasks,
)
from napari_diffuscope.comparison.table import IS_REFERENCE, Cell, Table, number_text
from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.jobs import Job, Update, announce
from napari_diffuscope.measure.overlap import OverlapCounter, label_array

MOST_PLANES = 16
"""Of a stack, measures of single planes are taken in at most so many, which are spread over it."""


@dataclass(frozen=True, eq=False)
class Scene:
    """What is compared, and where.

    Parameters
    ----------
    reference, others
        The images.
    within
        Part of the reference; all of it by default. One index along the leading axes for one plane.
    mask
        Labels or a drawn shape: where they are 0 nothing is counted.
    plane
        Index along the leading axes of the plane that is shown; the middle one by default.
    note
        What was taken for granted of all images together; empty for nothing.
    """

    reference: Placed
    others: tuple[Placed, ...]
    within: Box | None = None
    mask: Placed | None = None
    plane: tuple[int, ...] | None = None
    note: str = ""
    _fields: dict[str, Box] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        names = [self.reference.name, *(other.name for other in self.others)]
        if not self.others:
            raise DiffuscopeError("A comparison needs a reference and at least one other image.")
        if doubled := [name for name in names if names.count(name) > 1]:
            raise DiffuscopeError(
                f"Two images are called {quoted(doubled[0])}: rename one, so that the table can tell them apart."
            )

    def field_of(self, other: Placed) -> Box:
        """The part of the reference that an image shares, cut to the box around the mask."""
        if other.name not in self._fields:
            box = common_field(self.reference, [other], self.within)
            self._fields[other.name] = self._around_mask(box)
        return self._fields[other.name]

    @property
    def common(self) -> Box:
        """The part that all share."""
        if "" not in self._fields:
            self._fields[""] = self._around_mask(common_field(self.reference, self.others, self.within))
        return self._fields[""]

    def plane_of(self, box: Box) -> Box:
        """The plane of a box that is shown."""
        middle = [(start + stop - 1) // 2 for start, stop in box.ranges[:-2]]
        chosen = self.plane if self.plane is not None and len(self.plane) == len(middle) else middle
        inside = [
            min(max(int(at), start), stop - 1)
            for at, (start, stop) in zip(chosen, box.ranges[:-2], strict=True)
        ]
        return box.at(inside)

    def planes_of(self, box: Box) -> list[Box]:
        """The planes of a box on which measures of single planes are taken: all, or some that are spread over it."""
        count = math.prod(box.shape[:-2])
        if count == 1:
            return [self.plane_of(box)]
        chosen = np.unique(np.linspace(0, count - 1, min(count, MOST_PLANES)).round().astype(int))
        indices = np.stack(np.unravel_index(chosen, box.shape[:-2]), axis=1)
        starts = np.array([start for start, _ in box.ranges[:-2]])
        return [box.at((starts + index).tolist()) for index in indices]

    def _around_mask(self, box: Box) -> Box:
        if self.mask is None:
            return box
        plane = self.plane_of(box)
        if (self.mask.matrix[:, :-2] != 0).any():  # another mask in every plane
            return box
        rows, columns = np.nonzero(_covered(sampled(self.mask, plane)))
        if not rows.size:
            raise DiffuscopeError("The mask is empty in the common field: draw it where the images overlap.")
        (top, _), (left, _) = box.ranges[-2:]
        return Box(
            (
                *box.ranges[:-2],
                (top + int(rows.min()), top + int(rows.max()) + 1),
                (left + int(columns.min()), left + int(columns.max()) + 1),
            )
        )

    def where(self, piece: Box, *images: np.ndarray, straight: bool) -> np.ndarray | None:
        """Which pixels of a piece belong to the comparison; ``None`` for all."""
        chosen = None
        if self.mask is not None:
            chosen = _covered(sampled(self.mask, piece))
            chosen = None if chosen.all() else chosen
        if not straight:
            inside = np.all([np.isfinite(image) for image in images], axis=0)
            chosen = inside if chosen is None else chosen & inside
        return None if chosen is not None and chosen.all() else chosen


def _covered(mask: np.ndarray) -> np.ndarray:
    """Where a mask covers pixels; a value that is none covers none."""
    covered: np.ndarray = (mask != 0) & ~np.isnan(mask) if mask.dtype.kind == "f" else mask != 0
    return covered


def comparison_job(scene: Scene, settings: CompareSettings | None = None) -> Job[Table]:
    """All numbers of a comparison.

    Parameters
    ----------
    scene
        What is compared.
    settings
        How.

    Raises
    ------
    DiffuscopeError
        If images do not overlap, or labels are compared with an image.
    """
    settings = settings or CompareSettings()
    scene.common  # noqa: B018 - what does not overlap is told before the work begins
    notes = tuple(_notes(scene, settings))
    yield from announce(
        note for each in (scene.reference, *scene.others) for note in (*each.image.notes, each.note) if note
    )
    if settings.labels:
        return (yield from _labels_job(scene, notes))
    return (yield from _images_job(scene, settings, notes))


def _images_job(scene: Scene, settings: CompareSettings, notes: tuple[str, ...]) -> Job[Table]:
    steps = sum(PASSES * piece_count(scene.field_of(other)) for other in scene.others)
    alone = sum(1 for _ in _tasks_alone(scene, settings))
    total, done = steps + alone, 0
    rows: list[dict[str, Cell]] = [{} for _ in range(1 + len(scene.others))]
    rows[0] = {name: Cell(None, IS_REFERENCE) for name in (*ERRORS, *CORRELATION, *SQUIRREL)}
    bases: list[PairBasis] = []
    message = "Resolution and noise" if alone else ""
    of_planes: list[dict[str, list[Cell]]] = [{} for _ in rows]
    for number, cells in in_parallel(_tasks_alone(scene, settings)):
        for name, cell in (cells or {}).items():
            of_planes[int(number)].setdefault(name, []).append(cell)
        done += cells is not None
        yield Update(done, total, message)
        message = ""
    for row, measured in zip(rows, of_planes, strict=True):
        row |= {name: combined(several) for name, several in measured.items()}
    for row, other in zip(rows[1:], scene.others, strict=True):
        if settings.wants(tuple(ERRORS)):
            found, basis = yield from _counted(_pair(scene, other, settings), other, done, total)
            row |= found
            bases += [basis] if basis else []
        done += PASSES * piece_count(scene.field_of(other))
    yield Update(total, total)
    placed = (scene.reference, *scene.others)
    measures = columns_of(placed, settings)
    columns = tuple(
        column(name, _basis(name, scene, settings, bases), _unit(name, scene)) for name in measures
    )
    names = tuple(each.name for each in placed)
    return Table(columns, names, tuple(tuple(row[name] for name in measures) for row in rows), notes)


def _tasks_alone(
    scene: Scene, settings: CompareSettings
) -> Iterator[tuple[str, Callable[[], dict[str, Cell]]]]:
    """Work that needs no pass over all planes, by the number of the row."""
    planes = scene.planes_of(scene.common)
    for number, placed in enumerate((scene.reference, *scene.others)):
        works: list[Iterator[Work]] = [single_tasks(placed, planes, settings)]
        if number:
            box = scene.field_of(placed)
            works.insert(
                0, pair_tasks(scene.reference, placed, box, (scene.planes_of(box), planes), settings)
            )
        for names, work in itertools.chain(*works):
            yield str(number), lambda names=names, work=work: dict(zip(names, work(), strict=True))  # type: ignore[misc]


def _counted(
    work: Generator[int, None, tuple[dict[str, Cell], PairBasis | None]], other: Placed, done: int, total: int
) -> Job[tuple[dict[str, Cell], PairBasis | None]]:
    message = f"Errors of {other.name}"
    try:
        while True:
            yield Update(done + next(work), total, message)
            message = ""
    except StopIteration as stop:
        result: tuple[dict[str, Cell], PairBasis | None] = stop.value
        return result
    finally:
        work.close()


def _pair(
    scene: Scene, other: Placed, settings: CompareSettings
) -> Generator[int, None, tuple[dict[str, Cell], PairBasis | None]]:
    """Errors of one image; where nothing can be measured, every cell says why."""
    box = scene.field_of(other)

    def walk() -> Iterator[Piece]:
        for piece in pieces(box):
            truth, image = (sampled(each, piece) for each in (scene.reference, other))
            yield truth, image, scene.where(piece, truth, image, straight=other.straight)

    try:
        return (
            yield from pair_cells(walk, math.prod(box.shape), (scene.reference.name, other.name), settings)
        )
    except DiffuscopeError as error:
        return {name: Cell(None, str(error)) for name in ERRORS if name in settings.measures}, None


def _labels_job(scene: Scene, notes: tuple[str, ...]) -> Job[Table]:
    total = sum(piece_count(scene.field_of(other)) for other in scene.others)
    rows, done = [{name: Cell(None, IS_REFERENCE) for name in OVERLAP}], 0
    for other in scene.others:
        counter = OverlapCounter()
        for piece in pieces(scene.field_of(other)):
            true, seen = (
                label_array(sampled(each, piece), quoted(each.name)) for each in (scene.reference, other)
            )
            where = scene.where(piece, straight=True)
            counter.add(*((true, seen) if where is None else (true[where], seen[where])))
            done += 1
            yield Update(done, total)
        try:
            found = counter.result()
            rows.append({name: Cell(float(getattr(found, name))) for name in OVERLAP})
        except DiffuscopeError as error:
            rows.append({name: Cell(None, str(error)) for name in OVERLAP})
    names = (scene.reference.name, *(other.name for other in scene.others))
    grids = "; ".join(f"{other.name} {grid_in_words(other)}" for other in scene.others)
    columns = tuple(column(name, grids) for name in OVERLAP)
    return Table(columns, names, tuple(tuple(row[name] for name in OVERLAP) for row in rows), notes)


def _notes(scene: Scene, settings: CompareSettings) -> Iterator[str]:
    reference = scene.reference
    yield f"Reference: {reference.name}, {reference.image.axes} {reference.image.shape}."
    box = scene.common
    ranges = ", ".join(
        f"{letter} {start}:{stop}"
        for letter, (start, stop) in zip(reference.image.axes, box.ranges, strict=True)
    )
    size, unit = pixel_size(reference)
    yield f"Common field, in pixels of the reference ({number_text(size)} {unit} wide): {ranges}."
    if scene.mask is not None:
        yield f"Only pixels within {scene.mask.name} count."
    count = math.prod(box.shape[:-2])
    if not settings.labels and settings.wants(OF_PLANES) and count > 1:
        taken = len(scene.planes_of(box))
        of = "all" if taken == count else f"{taken} of the"
        yield f"Resolution, noise and SQUIRREL are medians over {of} {count} planes."
    if scene.note:
        yield scene.note
    for each in (reference, *scene.others):
        yield from (note for note in (*each.image.notes, each.note) if note)


def _basis(name: str, scene: Scene, settings: CompareSettings, bases: Sequence[PairBasis]) -> str:
    if name in ERRORS:
        return "; ".join(_error_basis(name, scene, settings, bases))
    planes = len(scene.planes_of(scene.common))
    several = f", median over {planes} planes" if planes > 1 else ""
    if name in CORRELATION:
        return "; ".join(
            f"{other.name} {grid_in_words(other)}{_rings_or_shells(scene, other)}" for other in scene.others
        )
    if name in SQUIRREL:
        return f"own pixels of each, fitted by a line after a Gaussian blur{several}"
    return f"own pixels of each image, no fit{several}"


def _rings_or_shells(scene: Scene, other: Placed) -> str:
    box = scene.field_of(other)
    if in_shells(scene.reference, box):
        return ", shells of the volume"
    planes = len(scene.planes_of(box))
    return f", median over {planes} planes" if planes > 1 else ""


def _error_basis(
    name: str, scene: Scene, settings: CompareSettings, bases: Sequence[PairBasis]
) -> Iterator[str]:
    if name.startswith("micro"):
        factors = [number_text(basis.micro.factor) for basis in bases if basis.micro]
        yield f"background at the 3rd percentile, factor {', '.join(factors) or 'none'}, range of the scaled reference"
        if bases and bases[0].every > 1:
            yield f"fitted on every {bases[0].every}th pixel"
    else:
        if name in ("nrmse", "psnr", "ssim", "ms_ssim"):
            ranges = dict.fromkeys(number_text(basis.data_range) for basis in bases if basis.data_range)
            whose = "given" if settings.data_range else "largest less smallest pixel of the reference"
            yield f"data range {', '.join(ranges) or 'none'} ({whose})"
        if name != "pearson":
            lines = [basis.line for basis in bases if basis.line]
            yield (
                "each image fitted by a line ("
                + ", ".join(f"{number_text(a)} × image + {number_text(b)}" for a, b in lines)
                + ")"
                if lines
                else "no fit"
            )
    yield "; ".join(f"{other.name} {grid_in_words(other)}" for other in scene.others)
    count = piece_count(scene.common)
    if count > 1 and name not in ("mae", "rmse", "nrmse", "psnr", "pearson"):
        yield f"mean over {count} planes or tiles"


def _unit(name: str, scene: Scene) -> str:
    if name in ("frc", "frc_frames", "frc_split", "decorrelation"):
        return {"pixel": "px"}.get(unit := pixel_size(scene.reference)[1], unit)
    return ""
