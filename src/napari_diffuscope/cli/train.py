"""``diffuscope train``: make a model from a recipe, or from a folder of pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_diffuscope.cli.progress import show_progress
from napari_diffuscope.cli.signals import Stopped, end_at_once, handling
from napari_diffuscope.methods.restore.settings import DEFAULT_MODEL

if TYPE_CHECKING:
    from napari_diffuscope.jobs import Update
    from napari_diffuscope.training.recipe import Recipe

NOTHING = "nothing"


def train(
    recipe_file: Annotated[
        Path | None, typer.Argument(metavar="[RECIPE.toml]", help="What to train, on what, how long.")
    ] = None,
    *,
    pairs: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Instead of a recipe: a folder with 'low' and 'high' images."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the new model, with --pairs.")] = None,
    start_from: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="MODEL",
            help=f"Model to begin with, or '{NOTHING}'; with --pairs {DEFAULT_MODEL} by default.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Model folder to write; runs/NAME/NAME by default.")
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option("--run", "--run-folder", help="Folder for checkpoint and log; runs/NAME by default."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the model folder, if it holds one.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    steps: Annotated[
        int | None, typer.Option(min=1, help="Number of steps, instead of the recipe's.")
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes that simulate the batches.")] = 1,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only warnings.")] = False,
) -> None:
    """Train a model from a recipe or on pairs; stop with Ctrl-C and go on with --resume."""
    recipe = _with_steps(_recipe(recipe_file, pairs, name, start_from), steps)
    run = run or Path("runs") / recipe.name
    out = out or run / recipe.name
    from napari_diffuscope.jobs import run as run_job
    from napari_diffuscope.methods.device import choose_device
    from napari_diffuscope.training.loop import training_job
    from napari_diffuscope.training.place import check_places
    from napari_diffuscope.training.processes import is_first

    speaks = is_first()
    if speaks:
        check_places(recipe, run, out, resume=resume, overwrite=overwrite)
    if speaks and pairs is not None and not quiet:
        _show(recipe, run)
    job = training_job(
        recipe,
        run,
        out,
        resume=resume,
        overwrite=overwrite,
        device=choose_device(device),
        workers=workers,
    )
    with show_progress(recipe.name, quiet=quiet or not speaks) as on_update, stopping(on_update) as watched:
        card = run_job(job, watched)
    if speaks:
        typer.echo(f"{card.title}: written to {out}")


def _recipe(recipe_file: Path | None, pairs: Path | None, name: str | None, start: str | None) -> Recipe:
    """The recipe in a file, or one for a folder of pairs."""
    from napari_diffuscope.training.recipe import read_recipe

    if (recipe_file is None) == (pairs is None):
        raise typer.BadParameter("give either a recipe or --pairs FOLDER")
    if start is not None and Path(start).exists():
        start = str(Path(start).resolve())
    if recipe_file is not None:
        return _started(read_recipe(recipe_file), start)
    if pairs is None or name is None:
        raise typer.BadParameter("--pairs needs a --name for the new model")
    if not name or Path(name).name != name or name.startswith("."):
        raise typer.BadParameter(f"--name {name!r} cannot be the name of a folder")
    from napari_diffuscope.training.defaults import pairs_recipe

    start = start or DEFAULT_MODEL
    return pairs_recipe(pairs, name, start_from=None if start == NOTHING else start)


def _started(recipe: Recipe, start: str | None) -> Recipe:
    """A recipe that begins with another model than it says."""
    if start is None:
        return recipe
    return replace(recipe, start_from=None if start == NOTHING else start)


def _show(recipe: Recipe, run: Path) -> None:
    from napari_diffuscope.training.place import RECIPE_FILE
    from napari_diffuscope.training.recipe_file import recipe_toml

    typer.echo(recipe_toml(recipe), err=True)
    typer.echo(f"This recipe is kept as {run / RECIPE_FILE}.", err=True)


@contextmanager
def stopping(on_update: Callable[[Update], None]) -> Iterator[Callable[[Update], None]]:
    """Let the first signal to stop end the training between two steps, with a checkpoint, and the next one at once.

    Parameters
    ----------
    on_update
        Called with every update.

    Yields
    ------
    Callable
        To be called instead.
    """
    asked: int | None = None
    training = False

    def ask(number: int, frame: Any) -> None:
        nonlocal asked
        if asked is not None:
            end_at_once(number)
        asked = number
        if not training:
            raise Stopped(number)
        with suppress(OSError):  # a terminal that hung up
            typer.echo("Stopping after this step, with a checkpoint; Ctrl-C again stops at once.", err=True)

    def watched(update: Update) -> None:
        nonlocal training
        training = update.total > 0
        on_update(update)
        if asked is not None:
            raise Stopped(asked)

    with handling(ask):
        yield watched


def _with_steps(recipe: Recipe, steps: int | None) -> Recipe:
    return (
        recipe if steps is None else replace(recipe, optimisation=replace(recipe.optimisation, steps=steps))
    )
