"""Handing a model on: as a folder, a zip archive, or a package of the BioImage Model Zoo."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from napari_diffuscope.atomic import replacing
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import writing
from napari_diffuscope.imaging.outputs import check_outputs
from napari_diffuscope.weights.card import CARD_FILE
from napari_diffuscope.weights.describe import inspect, model_name
from napari_diffuscope.weights.folder import write_folder
from napari_diffuscope.weights.model import model_place
from napari_diffuscope.weights.place import MODEL_FOLDER_FILES, ORIGIN_FILE, ExportFormat, check_model_place


def export_model(
    name_or_path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    format: ExportFormat = "folder",
    authors: Sequence[str] = (),
    overwrite: bool = False,
) -> tuple[Path, str]:
    """Write a model where others can take it; importing it gives the same weights and card, bit by bit.

    Parameters
    ----------
    name_or_path
        A name in the catalogue, a model folder, or a checkpoint that is understood.
    out
        The folder to make, or the zip file; where it is a folder that exists, a zip file in it, named like the model.
    format
        ``folder``, ``zip``, or ``bioimageio``: a zip file that is a package of the BioImage Model Zoo as well, whose
        network is one denoising step.
    authors
        Names of who made the model, for ``bioimageio``.
    overwrite
        Whether what is there is replaced, if it is a model or a zip file.

    Returns
    -------
    Path, str
        What was written, and a sentence about it.

    Raises
    ------
    DiffuscopeError
        If the model is damaged, or the place is taken.
    """
    place, target = model_place(name_or_path), Path(out).expanduser()
    if format == "folder":
        check_outputs([], [place], wholes=[target])
        check_model_place(target.resolve(), overwrite=overwrite)
        _write_folder(place, target, overwrite=overwrite)
        return target, f"{target} holds the model."
    target = _zip_place(place, target, overwrite=overwrite)
    check_outputs([target], [place], overwrite=overwrite)
    with writing(Path("the folder for temporary files")):
        temporary = tempfile.TemporaryDirectory(prefix="diffuscope-", ignore_cleanup_errors=True)
    with temporary as name:
        return target, _pack(
            place, Path(name) / model_name(place), target, format, authors, overwrite=overwrite
        )


def _zip_place(place: Path, target: Path, *, overwrite: bool) -> Path:
    if target.is_dir():
        target = target / f"{model_name(place)}.zip"
    if target.suffix.lower() != ".zip":
        raise DiffuscopeError(
            f"{target} has to end in .zip, or to be a folder that exists; give another name."
        )
    if target.exists() and not (overwrite and zipfile.is_zipfile(target)):
        if zipfile.is_zipfile(target):
            raise DiffuscopeError(
                f"{target} exists already; replace it with --overwrite, or give another name."
            )
        raise DiffuscopeError(f"{target} is no zip file, so that it is not replaced; give another name.")
    return target


def _pack(
    place: Path, folder: Path, target: Path, format: ExportFormat, authors: Sequence[str], *, overwrite: bool
) -> str:
    from napari_diffuscope.weights.zoo_package import check_zoo_package, write_zoo_files

    _write_folder(place, folder, overwrite=False)
    added, sentence = [], f"{target} holds the model."
    if format == "bioimageio":
        added = write_zoo_files(folder, authors)
        sentence += f" {check_zoo_package(folder)}"
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target, overwrite=overwrite) as file, zipfile.ZipFile(file, "w") as archive:
            for name in (*MODEL_FOLDER_FILES, *added):
                if (folder / name).is_file():
                    archive.write(folder / name, name)
    return sentence


def _write_folder(place: Path, target: Path, *, overwrite: bool) -> None:
    """The model as a folder of its own, all that belongs to it and nothing about where it came from."""
    inspected = inspect(place)
    has_card = (place / CARD_FILE).is_file()
    kept = [
        name
        for name in MODEL_FOLDER_FILES[2:]
        if name != ORIGIN_FILE and has_card and (place / name).is_file()
    ]
    files = {name: (place / name).read_bytes() for name in kept}
    write_folder(
        target, replace(inspected.card, name=target.name), inspected.tensors, overwrite=overwrite, files=files
    )
