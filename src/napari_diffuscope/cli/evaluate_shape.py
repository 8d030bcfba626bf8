"""``diffuscope evaluate shape``: how good predicted 3D shapes are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_diffuscope.cli.progress import show_progress
from napari_diffuscope.evaluate.shape.settings import ShapeEvaluationSettings

DEFAULTS = ShapeEvaluationSettings("", recipe="any")


def shape(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA", help="Folder with image, mask and obj: cells whose 3D shape is known."
        ),
    ],
    *,
    out: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER", help="Folder for models, tables and figures; one that exists is resumed."
        ),
    ],
    recipe: Annotated[
        Path | None, typer.Option(metavar="RECIPE.toml", help="Network to train anew in every fold.")
    ] = None,
    models: Annotated[
        list[Path] | None,
        typer.Option(
            "--models", metavar="FOLDER", help="Holds models fold-1, fold-2, …; repeat for several."
        ),
    ] = None,
    one_pass: Annotated[
        bool, typer.Option(help="Also train the network of the recipe as a plain regression, in one pass.")
    ] = DEFAULTS.one_pass,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of each training.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Or its minutes.")] = None,
    folds: Annotated[int, typer.Option(min=2, help="Number of folds.")] = DEFAULTS.folds,
    fold: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Train this fold alone and compare later; repeat for several."),
    ] = None,
    samples: Annotated[int, typer.Option(min=2, help="Samples of a cell.")] = DEFAULTS.samples,
    sampling_steps: Annotated[
        int | None, typer.Option(min=1, help="Network evaluations per sample, instead of the model's own.")
    ] = None,
    classify: Annotated[
        bool, typer.Option(help="Also classify the cells; needs scikit-learn.")
    ] = DEFAULTS.classify,
    repeats: Annotated[
        int, typer.Option(min=2, help="Repeated splits of the classification.")
    ] = DEFAULTS.repeats,
    trees: Annotated[int, typer.Option(min=1, help="Trees of each forest.")] = DEFAULTS.trees,
    seed: Annotated[int, typer.Option(min=0, help="Of folds, trainings and samples.")] = DEFAULTS.seed,
    device: Annotated[str, typer.Option(help="auto, or a name from 'diffuscope devices'.")] = DEFAULTS.device,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only warnings.")] = False,
) -> None:
    """Cross-validate shapes by cell, against fits and a network of one pass; stop with Ctrl-C and go on later."""
    settings = ShapeEvaluationSettings(
        data=str(data),
        recipe=str(recipe or ""),
        one_pass=one_pass,
        models=tuple(map(str, models or ())),
        folds=folds,
        only=tuple(fold or ()),
        steps=steps,
        minutes=minutes,
        samples=samples,
        sampling_steps=sampling_steps,
        classify=classify,
        repeats=repeats,
        trees=trees,
        seed=seed,
        device=device,
    )
    from napari_diffuscope.evaluate.shape.evaluation import shape_evaluation_job
    from napari_diffuscope.jobs import run

    with show_progress("evaluate", quiet=quiet) as on_update:
        found = run(shape_evaluation_job(settings, out), on_update)
    typer.echo(f"{out / 'shape.md'}: written" if found.summary else f"{out / 'models'}: folds trained")
