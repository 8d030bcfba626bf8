"""``diffuscope repeat``: make a result again from the record that it carries."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.cluster.address import HELP, SHOWN
from napari_diffuscope.methods.method import loaded
from napari_diffuscope.methods.registry import METHODS

if TYPE_CHECKING:
    from napari_diffuscope.imaging.image import Image


def repeat(
    result: Annotated[
        Path,
        typer.Argument(metavar="RESULT", help="File of a result: TIFF or OME-Zarr."),
    ],
    output: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="File to write, TIFF or OME-Zarr; of shape a folder."),
    ],
    *,
    source: Annotated[
        Path | None, typer.Option("--input", help="The input, if it is no longer where the record says.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option("--labels", help="Of shape: the label image, likewise.")
    ] = None,
    cluster: Annotated[str | None, typer.Option("--cluster", metavar=SHOWN, help=HELP)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only warnings.")] = False,
) -> None:
    """Make a result again, with its input, model and settings."""
    from napari_diffuscope.cli.cluster import team_for
    from napari_diffuscope.cli.method_command import write_to
    from napari_diffuscope.methods.opening import opened_inputs

    record = _record(result)
    method = METHODS.of_record(record)
    settings: Any = method.settings.from_dict(record["settings"])
    named = {"image": source, "labels": labels}
    sources, series = {}, {}
    for each in method.inputs:
        entry = "input" if each is method.image else each.name
        if entry in record or not each.optional:
            sources[each.name] = named.get(each.name) or _source(record, result, entry)
            series[each.name] = (record.get(entry) or {}).get("series")
    if hasattr(settings, "model"):
        _check_model(record, settings.model)
    main = method.image.name if method.image is not None else ""
    others = {name: source for name, source in sources.items() if name != main}
    inputs = {main: _image(sources[main], record, settings)} if main else {}
    inputs |= opened_inputs(method, others, settings, series=series)
    into: Any = loaded(method.destination)
    storing = into.storing_of(method, record)
    destination = into(method, inputs, settings, output, storing=storing, overwrite=overwrite)
    destination.repeated = record
    with team_for(cluster, settings, quiet=quiet) as team:
        write_to(destination, [result, *sources.values()], quiet=quiet, team=team)


def _record(result: Path) -> dict[str, Any]:
    from napari_diffuscope.imaging.record_of_file import record_of_file

    record = record_of_file(result)
    if record is None or record.get("method") not in METHODS:
        raise DiffuscopeError(
            f"{result} holds no record of a run of {', '.join(METHODS)}; only files of results can be repeated."
        )
    return dict(record)


def _source(record: dict[str, Any], result: Path, what: str = "input") -> Path:
    named = record[what] or {}
    found = named.get("source")
    if not found or not Path(found).exists():
        raise DiffuscopeError(
            f"The {what} of {result} ({found or named.get('name', 'unknown')}) is not there; "
            f"name its file with --{what}."
        )
    return Path(found)


def _check_model(record: dict[str, Any], model: str) -> None:
    from napari_diffuscope.weights.card import read_card
    from napari_diffuscope.weights.catalogue import find_model

    path = find_model(model)
    if path.is_dir() and (found := read_card(path).sha256) != record["model"]["sha256"]:
        raise DiffuscopeError(
            f"The model {model} has other weights than those of the record (sha256 {found[:12]}… instead of "
            f"{record['model']['sha256'][:12]}…); get the model of that time."
        )


def _image(source: Path, record: dict[str, Any], settings: Any = None) -> Image:
    """The input with the axes that it had, whether the file or the user named them.

    Raises
    ------
    DiffuscopeError
        If the file cannot be read with them, or holds something else now.
    """
    shape, axes = tuple(record["input"]["shape"]), record["input"]["axes"]
    image = None
    for letters in dict.fromkeys([record.get("axes"), None, axes]):
        with suppress(DiffuscopeError):  # those of a layer, with axes of length 1 which its file has not
            image = _read(source, record, settings, letters)
            if (image.axes, image.shape) == (axes, shape):
                return image
    image = image or _read(source, record, settings, None)
    raise DiffuscopeError(
        f"{source} is not the input of the record: it is {image.axes} {image.shape}, the input was {axes} {shape}."
    )


def _read(source: Path, record: dict[str, Any], settings: Any, axes: str | None) -> Image:
    from napari_diffuscope.imaging.files import open_image

    rgb: Any = getattr(settings, "rgb", "luminance")
    return open_image(source, axes=axes, rgb=rgb, series=record["input"].get("series"))
