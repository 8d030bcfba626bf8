"""``diffuscope samples``: the sample images, as files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.simulate.sample_files import SAMPLE_FOLDER


def samples(
    folder: Annotated[Path, typer.Argument(metavar="OUT_FOLDER", help="Where to put them; made if absent.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files of the same name.")] = False,
) -> None:
    """Copy the sample images, and what is known about each, into a folder."""
    files = sample_files()
    if folder.exists() and not folder.is_dir():
        raise DiffuscopeError(f"{folder} is a file; name a folder for the sample images.")
    if not overwrite and (there := [file.name for file in files if (folder / file.name).exists()]):
        raise DiffuscopeError(f"{folder} already has {', '.join(there)}; add --overwrite to replace them.")
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copyfile(file, folder / file.name)
        typer.echo(folder / file.name)


def sample_files() -> list[Path]:
    """Files of the sample data that came with the package, sorted by name.

    Raises
    ------
    DiffuscopeError
        If the installation lacks them.
    """
    files = sorted(SAMPLE_FOLDER.iterdir()) if SAMPLE_FOLDER.is_dir() else []
    if not (files := [file for file in files if file.is_file()]):
        raise DiffuscopeError("This installation has no sample images; install napari-diffuscope again.")
    return files
