"""The command of a method, made from its declaration."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_diffuscope.cli.options import keyword, options_of, settings_from
from napari_diffuscope.cli.progress import show_progress
from napari_diffuscope.cli.signals import exit_code
from napari_diffuscope.methods.method import Inputs, Method

FILES = "Files"


def command_of(method: Method) -> Callable[..., None]:
    """``diffuscope METHOD IN OUT --option …``, for Typer.

    Parameters
    ----------
    method
        Which.
    """
    parameters = [*_arguments(method), *options_of(method.settings), *_file_options(method)]

    def command(**values: Any) -> None:
        _run(method, values)

    command.__name__, command.__doc__ = method.name, method.summary
    command.__signature__ = Signature(parameters, return_annotation=None)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command


def _arguments(method: Method) -> list[Parameter]:
    """IN, where it needs an image, and OUT; further inputs are options, which must be given where they are needed."""
    arguments = []
    if method.image is not None:
        arguments.append(_argument("source", "IN", method.image.help))
    arguments.append(_argument("output", "OUT", "OUT.tif or OUT.ome.zarr, to write or to go on with."))
    for each in method.others:
        option = typer.Option(f"--{each.name}", metavar="FILE", help=each.help)
        kind, default = (Path | None, None) if each.optional else (Path, Parameter.empty)
        arguments.append(keyword(each.name, kind, option, default))
    return arguments


def _argument(name: str, shown: str, help: str) -> Parameter:
    annotation = Annotated[Path, typer.Argument(metavar=shown, help=help)]
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation)


def _file_options(method: Method) -> list[Parameter]:
    options = []
    if method.image is not None:
        axes = typer.Option(
            help="Axes of IN, such as TZYX, where the file is silent or wrong.", rich_help_panel=FILES
        )
        options.append(keyword("axes", str | None, axes, None))
        series = typer.Option(
            min=0,
            help="Which image of IN, counted from 0, where it holds several; the largest by default.",
            rich_help_panel=FILES,
        )
        options.append(keyword("series", int | None, series, None))
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
    quiet = typer.Option("--quiet", "-q", help="No progress, only warnings.", rich_help_panel=FILES)
    return [
        *options,
        keyword("json_file", Path | None, record, None),
        keyword("overwrite", bool, overwrite, False),
        keyword("quiet", bool, quiet, False),
    ]


def _run(method: Method, values: dict[str, Any]) -> None:
    settings = settings_from(method.settings, values)
    given = {each.name: values["source" if each is method.image else each.name] for each in method.inputs}
    sources = {name: path for name, path in given.items() if path is not None}
    inputs = opened_inputs(method, sources, settings, axes=values.get("axes"), series=values.get("series"))
    beside = {name: values[name] for name in method.beside if values[name] is not None}
    write_files(
        method,
        inputs,
        settings,
        values["output"],
        beside=beside,
        record_file=values["json_file"],
        overwrite=values["overwrite"],
        quiet=values["quiet"],
    )


def opened_inputs(
    method: Method,
    sources: dict[str, Path],
    settings: Any,
    *,
    axes: str | None = None,
    series: int | None = None,
) -> Inputs:
    """The inputs of a method from files, those that are given; ``axes`` and ``series`` are those of the image."""
    from napari_diffuscope.imaging.files import open_image

    image = method.image
    return {
        each.name: open_image(
            sources[each.name],
            axes=axes if each is image else None,
            rgb=getattr(settings, "rgb", "luminance"),
            series=series if each is image else None,
        )
        for each in method.inputs
        if each.name in sources
    }


def write_files(
    method: Method,
    inputs: Inputs,
    settings: Any,
    output: Path,
    *,
    beside: dict[str, Path] | None = None,
    record_file: Path | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> dict[str, Any]:
    """Run a method into files under a progress bar; goes on where it was stopped.

    Returns
    -------
    dict
        The record.

    Raises
    ------
    DiffuscopeError
        As the job, and for files that must not be written.
    typer.Exit
        With 130 after Ctrl-C.
    """
    from napari_diffuscope.cli.outputs import give_record, record_files
    from napari_diffuscope.imaging.outputs import check_outputs, existing
    from napari_diffuscope.methods.storing import output_files, run_to_files

    files = output_files(method, inputs, settings, output, beside)
    read = existing(*(image.source for image in inputs.values()), getattr(settings, "model", None))
    check_outputs(record_files(record_file), read, wholes=files.values(), overwrite=overwrite)
    name = next((image.name for image in inputs.values()), output.name)
    try:
        with show_progress(f"{method.doing} {name}", quiet=quiet) as on_update:
            result = run_to_files(method, inputs, settings, files, overwrite=overwrite, on_update=on_update)
    except KeyboardInterrupt as stop:
        typer.echo("diffuscope: stopped; the same command goes on from here.", err=True)
        raise typer.Exit(exit_code(stop)) from None
    give_record(result.record, record_file, overwrite=overwrite)
    if not quiet:
        typer.echo(f"Wrote {' and '.join(map(str, files.values()))}", err=True)
    return result.record
