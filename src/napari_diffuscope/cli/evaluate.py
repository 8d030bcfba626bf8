"""``diffuscope evaluate``: how good models are, against classical methods at their best."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import Parameter
from pathlib import Path
from typing import Any

import typer

from napari_diffuscope.cli.options import command_with, keyword, options_of, quiet_option, settings_from
from napari_diffuscope.cli.progress import show_progress
from napari_diffuscope.evaluate.declared import Evaluation
from napari_diffuscope.evaluate.generate.settings import GENERATE
from napari_diffuscope.evaluate.restore.settings import RESTORE
from napari_diffuscope.evaluate.shape.settings import SHAPE
from napari_diffuscope.evaluate.superres.settings import SUPERRES
from napari_diffuscope.methods.declared import settings_of

EVALUATIONS = (RESTORE, SUPERRES, SHAPE, GENERATE)

app = typer.Typer(help="Measure how good models are.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Measure how good models are."""


def command_of(evaluation: Evaluation) -> Callable[..., None]:
    """``diffuscope evaluate NAME DATA --out FOLDER --option …``, for Typer."""
    out = typer.Option(
        metavar="FOLDER", help="Folder for tables, report and figures; one that exists is gone on with."
    )
    parameters = [
        _data_of(evaluation),
        keyword("out", Path, out, Parameter.empty),
        *(option for option in options_of(evaluation.settings) if option.name != "data"),
        quiet_option(),
    ]
    return command_with(parameters, evaluation.summary, partial(_run, evaluation), evaluation.name)


def _data_of(evaluation: Evaluation) -> Parameter:
    data = next(each for each in settings_of(evaluation.settings) if each.name == "data")
    kind: Any = list[str] if data.item else str
    shown = "DATA..." if data.item else "DATA"
    return keyword("data", kind, typer.Argument(metavar=shown, help=data.help), Parameter.empty)


def _run(evaluation: Evaluation, *, out: Path, quiet: bool, **values: Any) -> None:
    settings = settings_from(evaluation.settings, values)
    from napari_diffuscope.evaluate.harness import evaluation_job
    from napari_diffuscope.jobs import run

    with show_progress("evaluate", quiet=quiet) as on_update:
        done = run(evaluation_job(evaluation, settings, out), on_update)
    typer.echo(f"{out / evaluation.report}: written" if done.report else f"{out}: ready for the comparison")


for _evaluation in EVALUATIONS:
    app.command(_evaluation.name)(command_of(_evaluation))
    for _name in _evaluation.former:
        app.command(_name, hidden=True)(command_of(_evaluation))
