"""The job of a batch: one image after the other, none of which stops the rest. Free of torch until it begins."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from napari_diffuscope.batches.plan import Item, Plan, shown_name
from napari_diffuscope.batches.table import Report, Row, write_table
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.formats import is_zarr
from napari_diffuscope.imaging.outputs import existing, working_in
from napari_diffuscope.imaging.record_of_file import record_of_file
from napari_diffuscope.jobs import Job, Update, relayed
from napari_diffuscope.methods.method import Method, loaded
from napari_diffuscope.methods.opening import opened_inputs
from napari_diffuscope.methods.records import made_with

SHARE = 1000
"""Units of progress of one image."""

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
        If the folder or the table cannot be written. An image that cannot be read, or on which the method refuses to
        work, is told in its row and stops nothing.
    """
    rows: dict[int, Row] = {}
    how = {"storing": storing, "axes": axes, "series": series, "overwrite": overwrite}
    program = BatchProgram(plan, settings, how)
    count = Count(len(plan.items) * SHARE, rescue=program.lost)

    def note(number: int, row: Row) -> Job[None]:
        item = plan.items[number]
        rows[number] = row = replace(row, image=item.source, result=item.output)
        write_table(plan.folder, [rows[each] for each in sorted(rows)])
        on_row(row)
        count.done = len(rows) * SHARE
        if row.state == "failed":
            yield count.update(message=f"{shown_name(item.source)}: {row.message}", warning=True)

    with working_in(plan.folder), nullcontext() if team is None else team.leading(program.sent()) as crew:
        if crew is not None:
            yield from crew.each(count, IMAGES, range(len(plan.items)), program.row, note)
        else:
            # One model for all of them; imported here, for it imports torch.
            from napari_diffuscope.weights.shelf import Shelf

            here = BatchProgram(plan, settings, {**how, "shelf": Shelf()})
            for number in range(len(plan.items)):
                yield from note(number, (yield from here.row(number)))
    return Report(tuple(rows[number] for number in sorted(rows)), plan.folder)


@dataclass
class Count:
    """How far a batch is, with the manners of `Work`.

    Parameters
    ----------
    total
        Of all images.
    rescue
        What is said of an image over which workers died.
    """

    total: int
    done: int = 0
    record: dict[str, Any] = field(default_factory=lambda: {"messages": []})
    sinks: Mapping[str, Any] = field(default_factory=dict)
    rescue: Callable[[int, DiffuscopeError], Row] | None = None

    def update(self, **what: Any) -> Update:
        """An update that says how far it is."""
        return Update(min(self.done, self.total), self.total, **what)


@dataclass(frozen=True)
class BatchProgram:
    """The images of a batch, as this process or a worker works on them.

    Parameters
    ----------
    plan, settings, how
        As of the batch.
    place
        Folder in which the command runs.
    facts
        What must be equal in all processes.
    """

    plan: Plan
    settings: Any
    how: Mapping[str, Any]
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

    def row(self, number: int) -> Job[Row]:
        """What comes of one image."""
        return _row(self.plan, self.plan.items[number], self.settings, self.how)

    def begun(self, crew: Any, shelf: Any) -> Job[None]:
        """The job of a worker, which works on the images that it is asked for.

        Raises
        ------
        DiffuscopeError
            If something needed is not there, or not the same.
        """
        from napari_diffuscope.methods.cluster.sending import placed

        here = replace(self, how={**self.how, "shelf": shelf})
        if Path.cwd() != self.place:
            here = replace(
                here, plan=_placed(self.plan, self.place), settings=placed(self.settings, self.place)
            )
        self.facts.check(here.settings)
        count = Count(len(self.plan.items) * SHARE)

        def counted(number: int) -> Job[Row]:
            def told(update: Update) -> Update:
                count.done = update.done - number * SHARE
                return update

            count.done = 0
            return relayed(here.row(number), told)

        return crew.each(count, IMAGES, (), counted, _nothing)  # type: ignore[no-any-return]


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


def _row(plan: Plan, item: Item, settings: Any, how: Mapping[str, Any]) -> Job[Row]:
    """What comes of one image."""
    started = time.perf_counter()
    told: list[str] = []
    try:
        if item.output.exists() and not how["overwrite"]:
            told = list(_differences(plan.method, item, settings))
            return Row(item.number, item.source, item.output, "there already", message=" ".join(told))
        yield _update(plan, item, 0, message=shown_name(item.source))
        record = yield from _worked(plan, item, settings, how)
        told = record.get("messages", [])
        state: Any = "done"
    except DiffuscopeError as error:
        state, told = "failed", [str(error)]
    seconds = time.perf_counter() - started
    return Row(item.number, item.source, item.output, state, seconds, " ".join(told))


def _worked(plan: Plan, item: Item, settings: Any, how: Mapping[str, Any]) -> Job[dict[str, Any]]:
    method = plan.method
    assert method.image is not None
    sources = {method.image.name: item.source, **item.others}
    inputs = opened_inputs(method, sources, settings, axes=how["axes"], series=how["series"])
    into: Any = loaded(method.destination)
    item.output.parent.mkdir(parents=True, exist_ok=True)
    destination = into(
        method, inputs, settings, item.output, storing=how["storing"], overwrite=how["overwrite"]
    )
    destination.check(existing(*sources.values(), getattr(settings, "model", None)))
    stored = yield from relayed(
        destination.job(shelf=how["shelf"]), lambda update: _within_batch(plan, item, update)
    )
    return dict(stored.record)


def _within_batch(plan: Plan, item: Item, update: Update) -> Update:
    """An update of one image as one of the batch; pictures are left out, for nobody looks at them."""
    share = round(SHARE * update.done / update.total) if update.total else 0
    message = f"{shown_name(item.source)}: {update.message}" if update.message else ""
    return _update(plan, item, share, message=message, warning=update.warning)


def _update(plan: Plan, item: Item, share: int, **what: Any) -> Update:
    return Update((item.number - 1) * SHARE + share, len(plan.items) * SHARE, **what)


def _differences(method: Method, item: Item, settings: Any) -> Iterator[str]:
    """What tells that a result that is there is not the one that was asked for."""
    record = None
    for path in _files_of(item.output):
        if (record := record_of_file(path)) is not None:
            break
    if record is None:
        yield "It carries no record, so that nobody knows how it was made."
    elif not _made_alike(record, method, settings):
        yield "It was made with other settings; --overwrite makes it again."


def _files_of(output: Path) -> list[Path]:
    if output.is_dir() and not is_zarr(output):
        return sorted(output.glob("*.tif"))[:1]
    return [output]


def _made_alike(record: Mapping[str, Any], method: Method, settings: Any) -> bool:
    try:
        return made_with(record, method.name, settings)
    except DiffuscopeError:  # settings of another version
        return False
