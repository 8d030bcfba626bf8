"""The commands; each is made, and what it needs is loaded, only when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer


def _print_version(wanted: bool) -> None:
    if wanted:
        from napari_diffuscope import __version__

        typer.echo(__version__)
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit."),
    ] = False,
) -> None:
    """Run diffusion models on microscopy images."""


def make_app(asked: str | None = None) -> typer.Typer:
    """The command line of the methods that are registered now.

    Parameters
    ----------
    asked
        A command that will be asked for: it alone is made. All are where it is none of them.
    """
    app = typer.Typer(
        name="diffuscope",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    if asked in _OTHERS:
        _OTHERS[asked](app)
    elif not _add_methods(app, asked):
        for add in _OTHERS.values():
            add(app)
    return app


def _add_methods(app: typer.Typer, asked: str | None) -> bool:
    """Add the method that is asked for, or all; returns whether it is one."""
    from napari_diffuscope.cli.method_command import command_of
    from napari_diffuscope.methods.registry import METHODS

    alone = [method for method in METHODS.values() if method.name == asked]
    for method in alone or METHODS.values():
        app.command(method.name)(command_of(method))
    return bool(alone)


def _add_pairs(app: typer.Typer) -> None:
    from napari_diffuscope.cli.pairs import pairs_command

    app.command("pairs")(pairs_command())


def _add_repeat(app: typer.Typer) -> None:
    from napari_diffuscope.cli.repeat import repeat

    app.command("repeat")(repeat)


def _add_models(app: typer.Typer) -> None:
    from napari_diffuscope.cli import models

    app.add_typer(models.app, name="models")


def _add_compare(app: typer.Typer) -> None:
    from napari_diffuscope.cli.compare import compare_command

    app.command("compare")(compare_command())


def _add_samples(app: typer.Typer) -> None:
    from napari_diffuscope.cli.samples import samples

    app.command("samples")(samples)


def _add_devices(app: typer.Typer) -> None:
    from napari_diffuscope.cli.devices import devices

    app.command("devices")(devices)


def _add_train(app: typer.Typer) -> None:
    from napari_diffuscope.cli.train import train_command

    app.command("train")(train_command())


def _add_evaluate(app: typer.Typer) -> None:
    from napari_diffuscope.cli import evaluate

    app.add_typer(evaluate.app, name="evaluate")


_OTHERS: dict[str | None, Callable[[typer.Typer], None]] = {
    "pairs": _add_pairs,
    "repeat": _add_repeat,
    "models": _add_models,
    "compare": _add_compare,
    "samples": _add_samples,
    "devices": _add_devices,
    "train": _add_train,
    "evaluate": _add_evaluate,
}
"""What adds the commands that are no methods, in the order of the help."""
