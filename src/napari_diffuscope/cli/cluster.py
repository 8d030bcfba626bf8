"""``--cluster``: who makes the pieces of a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from inspect import Parameter
from typing import Any

import typer

from napari_diffuscope.cli.options import COMPUTING, keyword
from napari_diffuscope.cli.signals import exit_code
from napari_diffuscope.methods.cluster.address import HELP, SHOWN, parse_address


def cluster_option() -> Parameter:
    """``--cluster``."""
    option = typer.Option("--cluster", metavar=SHOWN, help=HELP, rich_help_panel=COMPUTING)
    return keyword("cluster", str | None, option, None)


@contextmanager
def team_for(cluster: str | None, settings: Any, *, quiet: bool) -> Iterator[Any]:
    """The cluster that was asked for, ``None`` if none was; says what is there.

    Raises
    ------
    DiffuscopeError
        If it is not understood, or nobody answers.
    typer.Exit
        After Ctrl-C while it is sought.
    """
    if cluster is None:
        yield None
        return
    parse_address(cluster)
    from napari_diffuscope.methods.cluster.connecting import opened_team

    def tell(line: str) -> None:
        if not quiet:
            typer.echo(line, err=True)

    try:
        with opened_team(cluster, device=getattr(settings, "device", "cpu"), tell=tell) as team:
            yield team
    except KeyboardInterrupt as stop:
        typer.echo("diffuscope: stopped.", err=True)
        raise typer.Exit(exit_code(stop)) from None
