"""The command line: one command per method, with the defaults of the window.

Exit codes: 0 done, 1 something that the user can mend (one sentence on stderr), 2 wrong usage, 130 stopped
with Ctrl-C, 128 and the number of any other signal to stop. Commands import torch only when they run.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from napari_diffuscope.cli import devices, evaluate, models, repeat, samples
from napari_diffuscope.cli.compare import compare_command
from napari_diffuscope.cli.method_command import command_of
from napari_diffuscope.cli.pairs import pairs_command
from napari_diffuscope.cli.signals import exit_code, late_signals_change_nothing, stoppable
from napari_diffuscope.cli.train import train_command
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.registry import METHODS

__all__ = ["app", "main"]


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


def make_app() -> typer.Typer:
    """The command line of the methods that are registered now."""
    app = typer.Typer(
        name="diffuscope",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for method in METHODS.values():
        app.command(method.name)(command_of(method))
    app.command("pairs")(pairs_command())
    app.command("repeat")(repeat.repeat)
    app.add_typer(models.app, name="models")
    app.command("compare")(compare_command())
    app.command("samples")(samples.samples)
    app.command("devices")(devices.devices)
    app.command("train")(train_command())
    app.add_typer(evaluate.app, name="evaluate")
    return app


app = make_app()


def program() -> None:
    """Run the command line as a process of its own, which ends with it: ``diffuscope`` in a terminal.

    Raises
    ------
    SystemExit
        As :func:`main`.
    """
    late_signals_change_nothing()
    main()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line.

    Parameters
    ----------
    arguments
        Words after the program's name; those of the process by default.

    Raises
    ------
    SystemExit
        With the exit code, unless the command succeeded and printed nothing amiss.
    """
    try:
        with stoppable():
            make_app()(list(arguments) if arguments is not None else None, prog_name="diffuscope")
    except DiffuscopeError as error:
        typer.echo(f"diffuscope: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt as stop:
        typer.echo("diffuscope: stopped.", err=True)
        sys.exit(exit_code(stop))
