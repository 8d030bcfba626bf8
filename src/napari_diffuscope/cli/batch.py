"""Several images with one command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from napari_diffuscope.batches.settings import BatchSettings
from napari_diffuscope.cli.cluster import team_for
from napari_diffuscope.cli.options import settings_from
from napari_diffuscope.cli.progress import show_progress
from napari_diffuscope.cli.signals import exit_code, stop_if_told
from napari_diffuscope.errors import DiffuscopeError, printable
from napari_diffuscope.methods.method import Method

if TYPE_CHECKING:
    from napari_diffuscope.batches.plan import Plan
    from napari_diffuscope.batches.table import Report

MOST_NAMED = 5
"""Files that are named in one message."""


def run_batch(
    method: Method,
    settings: Any,
    storing: Any,
    series: Mapping[str, int | str | None],
    values: Mapping[str, Any],
) -> None:
    """Work on several images, and say what came of them.

    Parameters
    ----------
    method, settings, storing
        What is done, and how it is written.
    series
        Which image of a file is meant, by the name of the input.
    values
        All that the command was called with.

    Raises
    ------
    DiffuscopeError
        If the batch cannot begin.
    typer.Exit
        With 1 if an image failed, and as the shell expects after a signal to stop.
    """
    from napari_diffuscope.batches.job import batch_job
    from napari_diffuscope.jobs import Update, run

    plan = _planned(method, settings, series, values)
    for remark in plan.notes:
        typer.echo(f"Note: {remark}", err=True)
    if values["dry_run"]:
        _tell_plan(plan, overwrite=values["overwrite"])
        return
    how = {"storing": storing, "axes": values["axes"], "series": series, "overwrite": values["overwrite"]}
    quiet = values["quiet"]
    try:
        with (
            team_for(values["cluster"], settings, quiet=quiet) as team,
            show_progress(f"{method.doing} {_images(plan.items)}", quiet=quiet, counted=False) as show,
        ):

            def on_update(update: Update) -> None:
                stop_if_told()
                show(update)

            report = run(batch_job(plan, settings, team=team, **how), on_update)
    except KeyboardInterrupt as stop:
        typer.echo("diffuscope: stopped; the same command goes on from here.", err=True)
        raise typer.Exit(exit_code(stop)) from None
    _tell_report(report)


def _planned(
    method: Method, settings: Any, series: Mapping[str, int | str | None], values: Mapping[str, Any]
) -> Plan:
    """Which images there are, and where their results go; refuses what cannot be asked of several."""
    from napari_diffuscope.batches.plan import check_choices, planned

    for name in ("json_file", *method.beside):
        if values.get(name) is not None:
            raise DiffuscopeError(
                f"--{name.removesuffix('_file')} names one file, but there are several images; leave it out."
            )
    others = {each.name: values[each.name] for each in method.others if values[each.name] is not None}
    plan = planned(
        method,
        values["sources"],
        values["output"],
        settings,
        choices=settings_from(BatchSettings, values),
        others=others,
        series=series[method.image.name] if method.image is not None else None,
    )
    check_choices(settings, values["axes"])
    return plan


def _tell_report(report: Report) -> None:
    """What came of the images; images that failed are an error."""
    from napari_diffuscope.batches.naming import shown_name

    typer.echo(report.in_words(), err=True)
    if failed := report.of("failed"):
        names = ", ".join(shown_name(row.image) for row in failed[:MOST_NAMED])
        raise DiffuscopeError(
            f"{len(failed)} of {len(report.rows)} images failed ({names}{', …' if len(failed) > MOST_NAMED else ''})."
        )
    if report.missing:
        raise DiffuscopeError(report.missing)


def _tell_plan(plan: Plan, *, overwrite: bool) -> None:
    """Where each result would go."""
    from napari_diffuscope.batches.tally import is_there

    for item in plan.items:
        there = " (there already)" if is_there(item.output) and not overwrite else ""
        lacking = [f" (no {name}: {path})" for name, path in item.others.items() if not path.exists()]
        typer.echo(printable(f"{item.source} -> {item.output}{there}{''.join(lacking)}"))
    typer.echo(f"{_images(plan.items)}. Nothing was written.")


def _images(items: Sequence[Any]) -> str:
    return "1 image" if len(items) == 1 else f"{len(items)} images"
