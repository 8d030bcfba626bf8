"""Several images with one command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from napari_diffuscope.batches.settings import BatchSettings
from napari_diffuscope.cli.cluster import team_for
from napari_diffuscope.cli.options import settings_from
from napari_diffuscope.cli.progress import show_progress
from napari_diffuscope.cli.signals import exit_code
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.method import Method

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
    from napari_diffuscope.batches.plan import Plan, planned, shown_name
    from napari_diffuscope.jobs import run

    for name in ("json_file", *method.beside):
        if values.get(name) is not None:
            raise DiffuscopeError(
                f"--{name.removesuffix('_file')} names one file, but there are several images; leave it out."
            )
    others = {each.name: values[each.name] for each in method.others if values[each.name] is not None}
    choices = settings_from(BatchSettings, values)
    plan: Plan = planned(
        method,
        values["sources"],
        values["output"],
        settings,
        choices=choices,
        others=others,
        series=series[method.image.name] if method.image is not None else None,
    )
    _tell_left_out(plan)
    if values["dry_run"]:
        _tell_plan(plan, overwrite=values["overwrite"])
        return
    how = {"storing": storing, "axes": values["axes"], "series": series, "overwrite": values["overwrite"]}
    quiet = values["quiet"]
    try:
        with (
            team_for(values["cluster"], settings, quiet=quiet) as team,
            show_progress(f"{method.doing} {len(plan.items)} images", quiet=quiet) as on_update,
        ):
            report = run(batch_job(plan, settings, team=team, **how), on_update)
    except KeyboardInterrupt as stop:
        typer.echo("diffuscope: stopped; the same command goes on from here.", err=True)
        raise typer.Exit(exit_code(stop)) from None
    typer.echo(report.in_words(), err=True)
    if failed := report.of("failed"):
        names = ", ".join(shown_name(row.image) for row in failed[:MOST_NAMED])
        raise DiffuscopeError(
            f"{len(failed)} of {len(report.rows)} images failed ({names}{', …' if len(failed) > MOST_NAMED else ''})."
        )


def _tell_plan(plan: Any, *, overwrite: bool) -> None:
    """Where each result would go."""
    for item in plan.items:
        there = "" if overwrite or not item.output.exists() else " (there already)"
        typer.echo(f"{item.source} -> {item.output}{there}")
    typer.echo(f"{len(plan.items)} images. Nothing was written.")


def _tell_left_out(plan: Any) -> None:
    if plan.left_out:
        names = ", ".join(path.name for path in plan.left_out[:MOST_NAMED])
        more = ", …" if len(plan.left_out) > MOST_NAMED else ""
        typer.echo(f"Note: No images by their names, left out: {names}{more}.", err=True)
