"""``diffuscope repeat``: make a result again from the record that it carries."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.method import METHODS

if TYPE_CHECKING:
    from napari_diffuscope.imaging.image import Image


def repeat(
    result: Annotated[
        Path,
        typer.Argument(
            metavar="RESULT", help="File that restore, superres or shape wrote: TIFF or OME-Zarr."
        ),
    ],
    output: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", help="File to write, TIFF; of superres also OME-Zarr; of shape a folder."
        ),
    ],
    *,
    source: Annotated[
        Path | None, typer.Option("--input", help="The input, if it is no longer where the record says.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option("--labels", help="Of shape: the label image, likewise.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only warnings.")] = False,
) -> None:
    """Make a result again, with its input, model and settings."""
    from napari_diffuscope.cli.outputs import Destination, restore_to_files
    from napari_diffuscope.imaging.outputs import existing
    from napari_diffuscope.methods.restore.settings import RestoreSettings

    record = _record(result)
    if record["method"] in METHODS:
        repeat_declared(
            record, result, {"image": source, "labels": labels}, output, overwrite=overwrite, quiet=quiet
        )
        return
    if record["method"] == "superresolution":
        image = source or _source(record, result)
        _repeat_superres(record, result, image, output, overwrite=overwrite, quiet=quiet)
        return
    if record["method"] == "shape":
        found = labels or _source(record, result, "labels")
        image = source or _source(record, result)
        _repeat_shape(record, result, image, found, output, overwrite=overwrite, quiet=quiet)
        return
    settings = RestoreSettings.from_dict(record["settings"])
    source = source or _source(record, result)
    destination = Destination(output, overwrite=overwrite)
    destination.check(existing(result, source, settings.model), settings.mode)
    _check_model(record, settings.model)
    restore_to_files(_image(source, record, settings), settings, destination, quiet=quiet)


def repeat_declared(
    record: dict[str, Any],
    result: Path,
    named: Mapping[str, Path | None],
    output: Path,
    *,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Make a result again from its record; ``named`` are inputs that lie elsewhere now."""
    from napari_diffuscope.cli.method_command import opened_inputs, write_files

    method = METHODS.of_record(record)
    settings = method.settings.from_dict(record["settings"])
    sources = {}
    for each in method.inputs:
        entry = "input" if each is method.image else each.name
        if entry in record or not each.optional:
            sources[each.name] = named.get(each.name) or _source(record, result, entry)
    inputs = dict(opened_inputs(method, sources, settings))
    if method.image is not None:
        inputs[method.image.name] = _image(sources[method.image.name], record, settings)
    write_files(method, inputs, settings, output, overwrite=overwrite, quiet=quiet)


def _record(result: Path) -> dict[str, Any]:
    from napari_diffuscope.imaging.blocks import read_zarr_record
    from napari_diffuscope.imaging.tiff import read_record

    record = read_zarr_record(result) if result.suffix.lower() == ".zarr" else read_record(result)
    if record is None or record.get("method") not in ("restoration", "superresolution", "shape", *METHODS):
        raise DiffuscopeError(
            f"{result} holds no record of a restoration, super-resolution or shape; only files of results can be "
            "repeated."
        )
    return dict(record)


def _repeat_superres(
    record: dict[str, Any], result: Path, source: Path, output: Path, *, overwrite: bool, quiet: bool
) -> None:
    from napari_diffuscope.cli.superres import fill_in
    from napari_diffuscope.imaging.outputs import check_outputs, existing
    from napari_diffuscope.methods.superres.files import output_files
    from napari_diffuscope.methods.superres.settings import SuperresSettings

    settings = SuperresSettings.from_dict(record["settings"])
    files = output_files(output, settings.mode)
    check_outputs([], existing(result, source, settings.model), wholes=files.values())
    _check_model(record, settings.model)
    fill_in(_image(source, record, settings), settings, files, overwrite=overwrite, quiet=quiet)


def _repeat_shape(
    record: dict[str, Any],
    result: Path,
    source: Path,
    labels: Path,
    output: Path,
    *,
    overwrite: bool,
    quiet: bool,
) -> None:
    """The cell of a volume again."""
    from napari_diffuscope.cli.shape import predict_to_folder
    from napari_diffuscope.imaging.files import open_labels
    from napari_diffuscope.imaging.outputs import check_outputs, existing
    from napari_diffuscope.methods.shape.files import ShapeFolder
    from napari_diffuscope.methods.shape.settings import ShapeSettings
    from napari_diffuscope.methods.shape.source import labelled_plane

    settings = ShapeSettings.from_dict(record["settings"])
    check_outputs([], existing(result, source, labels, settings.model), folders=[output])
    _check_model(record, settings.model)
    outlines = open_labels(labels, series=(record["labels"] or {}).get("series"))
    given = labelled_plane(_image(source, record), outlines, settings)
    folder = ShapeFolder(output, unit=record["unit"], overwrite=overwrite)
    label = int(record["cell"]["label"])
    folder.check_replaced([label], inputs=existing(result, source, labels))
    predict_to_folder(given, settings, folder, only=[label], quiet=quiet)


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
    from napari_diffuscope.imaging.blocks import in_standard_order
    from napari_diffuscope.imaging.files import open_image

    rgb: Any = getattr(settings, "rgb", "luminance")
    image = open_image(source, axes=axes, rgb=rgb, series=record["input"].get("series"))
    return in_standard_order(image) if record["method"] == "superresolution" else image
