"""``diffuscope train``: make a model from a recipe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_diffuscope.cli.progress import show_progress
from napari_diffuscope.errors import DiffuscopeError

if TYPE_CHECKING:
    from napari_diffuscope.training.recipe import Recipe


def train(
    recipe_file: Annotated[
        Path, typer.Argument(metavar="RECIPE.toml", help="What to train, on what, how long.")
    ],
    *,
    out: Annotated[
        Path | None, typer.Option(help="Model folder to write, or to replace; runs/NAME/NAME by default.")
    ] = None,
    run: Annotated[
        Path | None, typer.Option(help="Folder for the checkpoint and the log; runs/NAME by default.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    steps: Annotated[
        int | None, typer.Option(min=1, help="Number of steps, instead of the recipe's.")
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes that simulate the batches.")] = 1,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only warnings.")] = False,
) -> None:
    """Train a model from a recipe; stop with Ctrl-C and go on with --resume."""
    from napari_diffuscope.training.recipe import read_recipe

    recipe = _with_steps(read_recipe(recipe_file), steps)
    run = run or Path("runs") / recipe.name
    out = out or run / recipe.name
    if not resume and _has_checkpoint(run):
        raise DiffuscopeError(
            f"{run} holds an earlier training; add --resume to go on with it, or name another --run."
        )

    from napari_diffuscope.jobs import run as run_job
    from napari_diffuscope.methods.device import choose_device
    from napari_diffuscope.training.loop import training_job

    job = training_job(recipe, run, out, resume=resume, device=choose_device(device), workers=workers)
    with show_progress(recipe.name, quiet=quiet) as on_update:
        card = run_job(job, on_update)
    typer.echo(f"{card.title}: written to {out}")


def _with_steps(recipe: Recipe, steps: int | None) -> Recipe:
    return (
        recipe if steps is None else replace(recipe, optimisation=replace(recipe.optimisation, steps=steps))
    )


def _has_checkpoint(run: Path) -> bool:
    from napari_diffuscope.training.state import CHECKPOINT

    return (run / CHECKPOINT).exists()
