"""The command line: one command per method, with the defaults of the window.

Exit codes: 0 done, 1 something that the user can mend (one sentence on stderr), 2 wrong usage, 130 stopped
with Ctrl-C, 128 and the number of any other signal to stop. Only the command that is asked for is loaded, and torch
only when it runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from napari_diffuscope.cli.app import make_app
from napari_diffuscope.cli.signals import exit_code, late_signals_change_nothing, stoppable
from napari_diffuscope.errors import DiffuscopeError

__all__ = ["main", "program"]


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
            words = sys.argv[1:] if arguments is None else list(arguments)
            app = make_app(words[0] if words else None)
            app(None if arguments is None else words, prog_name="diffuscope")
    except DiffuscopeError as error:
        typer.echo(f"diffuscope: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt as stop:
        typer.echo("diffuscope: stopped.", err=True)
        sys.exit(exit_code(stop))
