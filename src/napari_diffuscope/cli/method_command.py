"""The command of a method, made from its declaration."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_diffuscope.batches.settings import BatchSettings
from napari_diffuscope.cli.batch import run_batch
from napari_diffuscope.cli.cluster import cluster_option, team_for
from napari_diffuscope.cli.options import command_with, keyword, options_of, quiet_option, settings_from
from napari_diffuscope.cli.progress import show_progress
from napari_diffuscope.cli.signals import exit_code
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.scenes import one_of
from napari_diffuscope.methods.method import Input, Method, loaded
from napari_diffuscope.methods.storing import Destination, whole_alone

FILES = "Files"
BATCHES = "Several images"


def command_of(method: Method) -> Callable[..., None]:
    """``diffuscope METHOD IN OUT --option …``, for Typer.

    Parameters
    ----------
    method
        Which.
    """
    storing = options_of(method.storing, FILES) if method.storing is not None else []
    parameters = [*_arguments(method), *options_of(method.settings), *storing, *_file_options(method)]
    return command_with(parameters, method.summary, lambda **values: _run(method, values), method.name)


def _arguments(method: Method) -> list[Parameter]:
    """IN, where it needs an image, and OUT; further inputs are options, which must be given where they are needed."""
    arguments = []
    into: Any = loaded(method.destination)
    what, shown = into.what, "FILE"
    if method.image is not None:
        more = " Several, or a folder, are worked on one after the other."
        arguments.append(_argument("sources", list[Path], "IN...", method.image.help + more))
        what, shown = f"{what} Of several images a folder.", "FILE|FOLDER"
    arguments.append(_argument("output", Path, into.shown, what))
    for each in method.others:
        more = (
            " Of several images a folder of files of equal names, or a pattern with {name}."
            if method.image
            else ""
        )
        option = typer.Option(f"--{each.name}", metavar=shown, help=each.help + more)
        kind, default = (Path | None, None) if each.optional else (Path, Parameter.empty)
        arguments.append(keyword(each.name, kind, option, default))
    return arguments


def _argument(name: str, kind: Any, shown: str, help: str) -> Parameter:
    annotation = Annotated[kind, typer.Argument(metavar=shown, help=help)]
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation)


def _file_options(method: Method) -> list[Parameter]:
    options = []
    if method.image is not None:
        axes = typer.Option(
            help="Axes of IN, such as TZYX, where the file is silent or wrong.", rich_help_panel=FILES
        )
        options.append(keyword("axes", str | None, axes, None))
        options += options_of(BatchSettings, BATCHES)
    for each in method.inputs:
        name = "IN" if each is method.image else each.name.upper()
        series = typer.Option(
            min=0,
            help=f"Which image of {name}, counted from 0, where it holds several; the largest by default.",
            rich_help_panel=FILES,
        )
        scene = typer.Option(
            metavar="NAME|NUMBER",
            help="The same by its name, such as the scene of a microscope's file, or A/1/0 of a plate.",
            rich_help_panel=FILES,
        )
        options.append(keyword(_option_of(method, each, "series"), int | None, series, None))
        options.append(keyword(_option_of(method, each, "scene"), str | None, scene, None))
    for name in method.beside:
        option = typer.Option(
            f"--{name}",
            metavar="FILE",
            help=f"Where to write the {name}; OUT_{name} by default.",
            rich_help_panel=FILES,
        )
        options.append(keyword(name, Path | None, option, None))
    record = typer.Option(
        "--json", metavar="FILE|-", help="Also write the record as JSON; - prints it.", rich_help_panel=FILES
    )
    overwrite = typer.Option("--overwrite", help="Replace files that exist.", rich_help_panel=FILES)
    dry_run = typer.Option(
        "--dry-run",
        help="Write nothing: say what would be written, how much room it needs, and how long it takes, tried on "
        "three blocks.",
        rich_help_panel=FILES,
    )
    return [
        *options,
        cluster_option(),
        keyword("json_file", Path | None, record, None),
        keyword("overwrite", bool, overwrite, False),
        keyword("dry_run", bool, dry_run, False),
        quiet_option(FILES),
    ]


def _run(method: Method, values: dict[str, Any]) -> None:
    settings = settings_from(method.settings, values)
    storing = settings_from(method.storing, values) if method.storing is not None else None
    sources = values.get("sources", [])
    series = {each.name: _which(method, each, values) for each in method.inputs}
    from napari_diffuscope.batches.plan import is_batch
    from napari_diffuscope.methods.opening import opened_inputs

    if method.image is not None and is_batch(
        method, sources, values["output"], series=series[method.image.name]
    ):
        run_batch(method, settings, storing, series, values)
        return
    given = {each.name: sources[0] if each is method.image else values[each.name] for each in method.inputs}
    given = {name: path for name, path in given.items() if path is not None}
    inputs = opened_inputs(method, given, settings, axes=values.get("axes"), series=series)
    beside = {name: values[name] for name in method.beside if values[name] is not None}
    overwrite = values["overwrite"]
    destination = loaded(method.destination)(
        method, inputs, settings, values["output"], storing=storing, beside=beside, overwrite=overwrite
    )
    if values["dry_run"]:
        from napari_diffuscope.cli.rehearsal import rehearse

        destination.check(existing_files(given.values(), settings))
        rehearse(destination, quiet=values["quiet"])
        return
    with team_for(values["cluster"], settings, quiet=values["quiet"]) as team:
        write_to(
            destination, given.values(), record_file=values["json_file"], quiet=values["quiet"], team=team
        )


def write_to(
    destination: Destination,
    sources: Iterable[Path],
    *,
    record_file: Path | None = None,
    quiet: bool = False,
    team: Any = None,
) -> dict[str, Any]:
    """Run a method into files under a progress bar.

    Parameters
    ----------
    destination
        What is done, and where it goes.
    sources
        Files that are read.
    record_file
        JSON file of the record, ``-`` for stdout.
    quiet
        Whether only warnings are told.
    team
        A connected cluster that makes the pieces, if any.

    Returns
    -------
    dict
        The record.

    Raises
    ------
    DiffuscopeError
        As the job, for files that must not be written, and for what could not be written beside a whole result.
    typer.Exit
        With 130 after Ctrl-C.
    """
    from napari_diffuscope.cli.outputs import give_record, record_files

    method, inputs, settings = destination.method, destination.inputs, destination.settings
    destination.check(existing_files(sources, settings), record_files(record_file))
    name = next((image.name for image in inputs.values()), destination.output.name)
    try:
        with show_progress(f"{method.doing} {name}", quiet=quiet) as on_update:
            stored = destination.write(on_update, **({} if team is None else {"team": team}))
    except KeyboardInterrupt as stop:
        typer.echo(f"diffuscope: {destination.stopped}", err=True)
        raise typer.Exit(exit_code(stop)) from None
    missing = stored.missing
    try:
        if stored.record:
            give_record(stored.record, record_file, overwrite=destination.overwrite)
    except DiffuscopeError as error:
        missing = f"{missing} {error}" if missing else whole_alone(destination.output, error)
    if missing:
        raise DiffuscopeError(missing)
    if not quiet:
        typer.echo(stored.said, err=True)
    return stored.record


def existing_files(sources: Iterable[Path], settings: Any) -> list[Path]:
    """Files that are read: those that were named, and the model where it is one."""
    from napari_diffuscope.imaging.outputs import existing

    return list(existing(*sources, getattr(settings, "model", None)))


def _which(method: Method, each: Input, values: dict[str, Any]) -> int | str | None:
    """Which image of the file of an input was asked for."""
    series, scene = (values.get(_option_of(method, each, what)) for what in ("series", "scene"))
    return one_of(series, scene)


def _option_of(method: Method, each: Input, what: str) -> str:
    """Name of the option that says which image of the file of an input is meant."""
    return what if each is method.image else f"{each.name}_{what}"
