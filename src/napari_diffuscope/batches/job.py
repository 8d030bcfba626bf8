"""The job of a batch: one image after the other, none of which stops the rest. Free of torch until it begins."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
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


def batch_job(
    plan: Plan,
    settings: Any,
    *,
    storing: Any = None,
    axes: str | None = None,
    series: Mapping[str, int | str | None] | None = None,
    overwrite: bool = False,
    on_row: Callable[[Row], None] = lambda row: None,
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
    # One model for all of them; imported here, for it imports torch.
    from napari_diffuscope.weights.shelf import Shelf

    shelf, rows = Shelf(), list[Row]()
    how = {"storing": storing, "axes": axes, "series": series, "overwrite": overwrite, "shelf": shelf}
    with working_in(plan.folder):
        for item in plan.items:
            rows.append((yield from _row(plan, item, settings, how)))
            write_table(plan.folder, rows)
            on_row(rows[-1])
            if rows[-1].state == "failed":
                yield _update(
                    plan, item, SHARE, message=f"{shown_name(item.source)}: {rows[-1].message}", warning=True
                )
    return Report(tuple(rows), plan.folder)


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
