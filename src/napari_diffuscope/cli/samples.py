"""``diffuscope samples``: the sample images, as files."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from napari_diffuscope.atomic import replace_bytes
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import writing
from napari_diffuscope.imaging.outputs import check_outputs, working_in
from napari_diffuscope.simulate.sample_files import SAMPLE_FOLDER


def samples(
    folder: Annotated[Path, typer.Argument(metavar="OUT_FOLDER", help="Where to put them; made if absent.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files of the same name.")] = False,
) -> None:
    """Copy the sample images, and what is known about each, into a folder."""
    files = sample_files()
    check_outputs([], [SAMPLE_FOLDER], folders=[folder])
    if not overwrite and (there := [file.name for file in files if (folder / file.name).exists()]):
        raise DiffuscopeError(f"{folder} already has {', '.join(there)}; add --overwrite to replace them.")
    written: list[Path] = []
    with working_in(folder):
        try:
            for file in files:
                _copy(file, folder / file.name, written, overwrite=overwrite)
        except BaseException:
            if not overwrite:  # else what was there before is gone
                _take_away(written)
            raise
    for path in written:
        typer.echo(path)


def _copy(file: Path, path: Path, written: list[Path], *, overwrite: bool) -> None:
    with writing(path):
        replace_bytes(path, file.read_bytes(), overwrite=overwrite)
    written.append(path)


def _take_away(written: list[Path]) -> None:
    """Delete files of this run."""
    with suppress(OSError):
        for path in written:
            path.unlink(missing_ok=True)


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
