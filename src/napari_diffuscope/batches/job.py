"""The job of a batch: one image after the other, none of which stops the rest. Free of torch until it begins."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari_diffuscope.batches.differences import differences
from napari_diffuscope.batches.plan import Item, Plan, check_choices
from napari_diffuscope.batches.table import Report, Row, State, write_table
from napari_diffuscope.batches.tally import Tally, is_there, weights_of
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.outputs import existing, working_in
from napari_diffuscope.jobs import Job, Update, relayed
from napari_diffuscope.methods.declared import idle_choices
from napari_diffuscope.methods.method import loaded
from napari_diffuscope.methods.opening import opened_inputs
from napari_diffuscope.methods.work import ONE_OF_MANY

IMAGES = "images"


def batch_job(
    plan: Plan,
    settings: Any,
    *,
    storing: Any = None,
    axes: str | None = None,
    series: Mapping[str, int | str | None] | None = None,
    overwrite: bool = False,
    on_row: Callable[[Row], None] = lambda row: None,
    team: Any = None,
) -> Job[Report]:
    """Run a method on all images of a plan; the same call goes on where an earlier one was stopped.

    Parameters
    ----------
    plan
        Which images, and where results go.
    settings, storing
        Of the method; of how its results are written.
    axes, series
        Of all images, where they are silent or wrong; which image of each file.
    overwrite
        Whether results that are there are made again; else they stay, which the table says.
    on_row
        Called with what came of an image, as soon as that is known.
    team
        A connected cluster that works on several images at the same time, if any.

    Returns
    -------
    Report
        What came of each; also in ``batch.csv`` of the folder, which is kept up to date.

    Raises
    ------
    DiffuscopeError
        If the folder cannot be written, the model is missing, or the axes are none. An image that cannot be read, or
        on which the method refuses to work, is told in its row and stops nothing.
    """
    check_choices(settings, axes)
    rows: dict[int, Row] = {}
    how = {"storing": storing, "axes": axes, "series": series, "overwrite": overwrite}
    weights = weights_of(item for item in plan.items if overwrite or not is_there(item.output))
    program = BatchProgram(plan, settings, how, weights)
    tally = Tally(weights, len(plan.items), rescue=program.lost)
    missing = ""

    def note(number: int, row: Row) -> Job[None]:
        nonlocal missing
        item = plan.items[number]
        rows[number] = row = replace(row, image=item.source, result=item.output)
        before, missing = missing, _unwritten(plan.folder, [rows[each] for each in sorted(rows)])
        on_row(row)
        failed = row.state == "failed"
        tally.end(item, failed=failed)
        yield tally.update(message=f"{item.shown}: {row.message}" if failed else "", warning=failed)
        if missing and not before:
            yield tally.update(message=missing, warning=True)

    with working_in(plan.folder), nullcontext() if team is None else team.leading(program.sent()) as crew:
        if crew is not None:
            yield from crew.each(tally, IMAGES, range(len(plan.items)), _elsewhere, note)
        else:
            # One model for all of them; imported here, for it imports torch.
            from napari_diffuscope.weights.shelf import Shelf

            here = replace(program, how={**how, "shelf": Shelf()})
            for number in range(len(plan.items)):
                yield from note(number, (yield from here.row(number, tally)))
    return Report(tuple(rows[number] for number in sorted(rows)), plan.folder, missing)


def _unwritten(folder: Path, rows: list[Row]) -> str:
    """Write the table, and say why if that cannot be done: somebody may have it open, and it is no reason to stop."""
    try:
        write_table(folder, rows)
    except DiffuscopeError as error:
        return str(error)
    return ""


@dataclass(frozen=True)
class BatchProgram:
    """The images of a batch, as this process or a worker works on them.

    Parameters
    ----------
    plan, settings, how
        As of the batch.
    weights
        How much work each image is.
    place
        Folder in which the command runs.
    facts
        What must be equal in all processes.
    """

    plan: Plan
    settings: Any
    how: Mapping[str, Any]
    weights: Mapping[int, float]
    place: Path = Path()
    facts: Any = None

    def sent(self) -> BatchProgram:
        """The same, ready to be sent to workers."""
        from napari_diffuscope.methods.cluster.sending import Facts

        return replace(self, place=Path.cwd(), facts=Facts.here(self.settings))

    def lost(self, number: int, error: DiffuscopeError) -> Row:
        """What is said of an image over which workers died."""
        item = self.plan.items[number]
        return Row(item.number, item.source, item.output, "failed", message=str(error))

    def row(self, number: int, tally: Tally) -> Job[Row]:
        """What comes of one image."""
        return _row(self.plan, self.plan.items[number], self.settings, self.how, tally)

    def begun(self, crew: Any, shelf: Any) -> Job[None]:
        """The job of a worker, which works on the images that it is asked for.

        Raises
        ------
        DiffuscopeError
            If something needed is not there, or not the same.
        """
        from napari_diffuscope.methods.cluster.sending import placed

        here = replace(self, how={**self.how, "shelf": shelf, "elsewhere": True})
        if Path.cwd() != self.place:
            here = replace(
                here, plan=_placed(self.plan, self.place), settings=placed(self.settings, self.place)
            )
        self.facts.check(here.settings)
        tally = Tally(self.weights, len(self.plan.items))

        def counted(number: int) -> Job[Row]:
            row = yield from here.row(number, tally)
            tally.end(here.plan.items[number], failed=False)
            return row

        return crew.each(tally, IMAGES, (), counted, _nothing)  # type: ignore[no-any-return]


def _elsewhere(number: int) -> Job[Row]:
    """Images are made by workers."""
    raise NotImplementedError


def _nothing(number: int, row: Row) -> Job[None]:
    yield from ()


def _placed(plan: Plan, place: Path) -> Plan:
    """The plan with files that are found from every folder."""
    items = (
        replace(
            item,
            source=place / item.source,
            output=place / item.output,
            others={name: place / path for name, path in item.others.items()},
        )
        for item in plan.items
    )
    return replace(plan, folder=place / plan.folder, items=tuple(items))


def _row(plan: Plan, item: Item, settings: Any, how: Mapping[str, Any], tally: Tally) -> Job[Row]:
    """What comes of one image."""
    started = time.perf_counter()
    told: list[str] = []
    state: State = "failed"
    try:
        if is_there(item.output) and not how["overwrite"]:
            told = list(differences(plan.method, item, settings))
            return Row(item.number, item.source, item.output, "there already", message=" ".join(told))
        yield tally.begin(item)
        told = yield from _worked(plan, item, settings, how, tally)
        state = "done"
    except Exception as error:  # whatever it is, the other images are not to wait for it
        told = [_explained(error, elsewhere=how.get("elsewhere", False))]
    seconds = time.perf_counter() - started
    return Row(item.number, item.source, item.output, state, seconds, " ".join(told))


def _explained(error: Exception, *, elsewhere: bool) -> str:
    """What went wrong, in a sentence; on a worker with its name, where that machine is what has to be mended."""
    from napari_diffuscope.methods.cluster.sending import ended_here

    if elsewhere and (ended := ended_here(error)) is not None:
        return str(ended)
    if isinstance(error, DiffuscopeError):
        return str(error)
    text = (str(error).strip().splitlines() or [""])[0]
    return str(
        DiffuscopeError(
            f"Something unforeseen went wrong with this image ({type(error).__name__}: {text}); try it alone, and "
            "report it if that fails as well."
        )
    )


def _worked(plan: Plan, item: Item, settings: Any, how: Mapping[str, Any], tally: Tally) -> Job[list[str]]:
    """Work on one image; returns what the run had to say."""
    method = plan.method
    assert method.image is not None
    sources = {method.image.name: item.source, **item.others}
    inputs = opened_inputs(method, sources, settings, axes=how["axes"], series=how["series"])
    image = inputs[method.image.name]
    settings, left_out = settings.fitting(image.lengths)
    if left_out:
        inputs = {**inputs, method.image.name: replace(image, notes=(*image.notes, left_out))}
    into: Any = loaded(method.destination)
    item.output.parent.mkdir(parents=True, exist_ok=True)
    destination = into(
        method, inputs, settings, item.output, storing=how["storing"], overwrite=how["overwrite"]
    )
    destination.check(existing(*sources.values(), getattr(settings, "model", None)))
    warned: list[str] = []
    of_all = idle_choices(settings)  # told once, with the plan

    def within(update: Update) -> Update:
        if update.warning and update.message in of_all:
            update = replace(update, message="", warning=False)
        if update.warning:
            warned.append(update.message)
        return tally.within(item, update)

    stored = yield from relayed(destination.job(shelf=how["shelf"], **{ONE_OF_MANY: True}), within)
    told = dict.fromkeys([*stored.record.get("messages", []), *warned, *filter(None, [stored.missing])])
    return [sentence for sentence in told if sentence not in of_all]
