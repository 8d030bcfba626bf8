"""``diffuscope train``: make a model from a recipe, or from a folder of pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from napari_diffuscope.cli.options import command_with, keyword, options_of, quiet_option, settings_from
from napari_diffuscope.cli.progress import show_progress
from napari_diffuscope.cli.signals import Stopped, end_at_once, handling
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.training.choices import TrainSettings

if TYPE_CHECKING:
    from napari_diffuscope.jobs import Update
    from napari_diffuscope.training.recipe import Recipe


def train_command() -> Callable[..., None]:
    """``diffuscope train RECIPE --option …``, for Typer."""
    summary = "Train a model from a recipe, on pairs or on images; stop with Ctrl-C and go on with --resume."
    return command_with([*_places(), *options_of(TrainSettings), *_again(), quiet_option()], summary, _run)


def _places() -> list[Parameter]:
    recipe = typer.Argument(metavar="[RECIPE.toml]", help="What to train, on what, how long.")
    pairs = typer.Option(metavar="FOLDER", help="Instead of a recipe: a folder with 'low' and 'high' images.")
    images = typer.Option(
        metavar="FOLDER", help="Instead of a recipe: a file or folder of images, with --learn."
    )
    out = typer.Option(help="Model folder to write; runs/NAME/NAME by default.")
    run = typer.Option("--run", "--run-folder", help="Folder for checkpoint and log; runs/NAME by default.")
    return [
        keyword("recipe_file", Path | None, recipe, None),
        keyword("pairs", Path | None, pairs, None),
        keyword("images", Path | None, images, None),
        keyword("out", Path | None, out, None),
        keyword("run", Path | None, run, None),
    ]


def _again() -> list[Parameter]:
    resume = typer.Option("--resume", help="Go on from the last checkpoint.")
    overwrite = typer.Option("--overwrite", help="Replace the model folder, if it holds one.")
    return [keyword("resume", bool, resume, False), keyword("overwrite", bool, overwrite, False)]


def _run(
    *,
    recipe_file: Path | None,
    pairs: Path | None,
    images: Path | None,
    out: Path | None,
    run: Path | None,
    resume: bool,
    overwrite: bool,
    quiet: bool,
    **values: Any,
) -> None:
    try:
        settings: TrainSettings = settings_from(TrainSettings, values)
        settings.check_one_of(recipe_file, pairs, images)
    except DiffuscopeError as error:
        raise typer.BadParameter(str(error)) from None
    recipe = settings.recipe(recipe_file, pairs, images)
    run = run or Path("runs") / recipe.name
    out = out or run / recipe.name
    from napari_diffuscope.jobs import run as run_job
    from napari_diffuscope.methods.device import choose_device
    from napari_diffuscope.training.loop import training_job
    from napari_diffuscope.training.place import check_places
    from napari_diffuscope.training.processes import is_first

    if settings.threads is not None:
        import torch

        torch.set_num_threads(settings.threads)
    speaks = is_first()
    if speaks:
        check_places(recipe, run, out, resume=resume, overwrite=overwrite)
    if speaks and recipe_file is None and not quiet:
        _show(recipe, run)
    job = training_job(
        recipe,
        run,
        out,
        resume=resume,
        overwrite=overwrite,
        device=choose_device(settings.device),
        workers=settings.workers,
    )
    with show_progress(recipe.name, quiet=quiet or not speaks) as on_update, stopping(on_update) as watched:
        card = run_job(job, watched)
    if speaks:
        typer.echo(f"{card.title}: written to {out}")


def _show(recipe: Recipe, run: Path) -> None:
    from napari_diffuscope.training.recipe_file import recipe_toml
    from napari_diffuscope.training.run_files import RECIPE_FILE

    typer.echo(recipe_toml(recipe), err=True)
    typer.echo(f"This recipe will be kept as {run / RECIPE_FILE}.", err=True)


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
