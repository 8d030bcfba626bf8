"""``diffuscope pairs``: training pairs of images and their low-quality twins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import Parameter
from pathlib import Path
from typing import Any

import typer

from napari_diffuscope.cli.options import (
    command_with,
    keyword,
    options_of,
    quiet_option,
    scene_options,
    settings_from,
)
from napari_diffuscope.cli.progress import show_progress
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.generate.pairs import PairSettings


def pairs_command() -> Callable[..., None]:
    """``diffuscope pairs IN… --out FOLDER --option …``, for Typer."""
    source = typer.Argument(
        metavar="IN...", help="Images of high quality, generated or real: files, or folders of files."
    )
    out = typer.Option(metavar="FOLDER", help="Where to put 'high' and 'low'; new or empty.")
    parameters = [
        keyword("sources", list[Path], source, Parameter.empty),
        keyword("out", Path, out, Parameter.empty),
        *options_of(PairSettings),
        *scene_options(),
        quiet_option(),
    ]
    summary = (
        "Make training pairs: images and their low-quality twins, in 'high' and 'low' under equal names."
    )
    return command_with(parameters, summary, _run)


def _run(
    *,
    sources: Sequence[Path],
    out: Path,
    series: int | None,
    scene: str | None,
    quiet: bool,
    **values: Any,
) -> None:
    from napari_diffuscope.imaging.files import open_image, where_several
    from napari_diffuscope.imaging.scenes import one_of
    from napari_diffuscope.jobs import run
    from napari_diffuscope.simulate.twins import TwinOptics, pairs_job

    settings = settings_from(PairSettings, values)
    wanted = one_of(series, scene)
    images = [open_image(path, series=where_several(path, wanted)) for path in _files(sources)]
    with show_progress("Making pairs", quiet=quiet) as on_update:
        count = run(pairs_job(images, TwinOptics(**settings.to_dict()), out), on_update)
    typer.echo(f"Wrote {count} pairs into {out / 'high'} and {out / 'low'}.", err=True)


def _files(sources: Sequence[Path]) -> list[Path]:
    """All image files, of folders those in them."""
    from napari_diffuscope.imaging.listing import image_files, is_folder

    found: list[Path] = []
    for source in sources:
        found += image_files(source) if is_folder(source) else [source]
    if not found:
        raise DiffuscopeError("There are no images to make pairs of; name files or folders.")
    return found
