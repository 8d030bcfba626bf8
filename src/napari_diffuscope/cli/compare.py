"""``diffuscope compare``: numbers of images against a reference, and one page that shows them."""

from __future__ import annotations

from collections.abc import Callable
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
from napari_diffuscope.comparison.settings import CompareSettings
from napari_diffuscope.methods.common_settings import parse_crop

NUMBERS, PICTURE = "Numbers", "Files"
FILES = ("report.html", "numbers.csv", "numbers.md")


def compare_command() -> Callable[..., None]:
    """``diffuscope compare REFERENCE OTHERS… --out FOLDER --option …``, for Typer."""
    summary = "Compare images with a reference: numbers, curves and one page that shows them."
    settings = options_of(CompareSettings, NUMBERS)
    return command_with([*_arguments(), *settings, *_region(), *_file_options()], summary, _run)


def _arguments() -> list[Parameter]:
    first = typer.Argument(
        metavar="REFERENCE", help="What the others are held against: a long exposure, a truth."
    )
    rest = typer.Argument(metavar="OTHERS…", help="Images of the same place.")
    return [
        keyword("reference", Path, first, Parameter.empty),
        keyword("others", list[Path], rest, Parameter.empty),
    ]


def _region() -> list[Parameter]:
    """What of the images is compared."""
    plane = typer.Option(
        min=0,
        help="Compare one plane, counted from 0 along all leading axes; all planes by default.",
        rich_help_panel=NUMBERS,
    )
    crop = typer.Option(
        metavar="Y0:Y1,X0:X1",
        help="Compare a part of each plane, in pixels of the reference.",
        rich_help_panel=NUMBERS,
    )
    mask = typer.Option(
        metavar="FILE", help="Labels: only pixels where they are not 0 count.", rich_help_panel=NUMBERS
    )
    return [
        keyword("plane", int | None, plane, None),
        keyword("crop", str | None, crop, None),
        keyword("mask", Path | None, mask, None),
    ]


def _file_options() -> list[Parameter]:
    out = typer.Option(
        metavar="FOLDER",
        help="Folder for report.html (one page without a network), numbers.csv and numbers.md; without it the "
        "numbers are printed.",
        rich_help_panel=PICTURE,
    )
    axes = typer.Option(
        help="Axes of all files, such as TZYX, where they are silent or wrong.", rich_help_panel=PICTURE
    )
    overwrite = typer.Option("--overwrite", help="Replace files that exist.", rich_help_panel=PICTURE)
    return [
        keyword("out", Path | None, out, None),
        keyword("axes", str | None, axes, None),
        *scene_options(PICTURE),
        keyword("overwrite", bool, overwrite, False),
        quiet_option(PICTURE),
    ]


def _run(
    *,
    reference: Path,
    others: list[Path],
    plane: int | None,
    crop: str | None,
    mask: Path | None,
    out: Path | None,
    axes: str | None,
    series: int | None,
    scene: str | None,
    overwrite: bool,
    quiet: bool,
    **values: Any,
) -> None:
    settings = settings_from(CompareSettings, values)
    part = None if crop is None else parse_crop(crop)
    from napari_diffuscope.comparison.job import comparison_job
    from napari_diffuscope.comparison.opening import open_scene
    from napari_diffuscope.comparison.report import report_job
    from napari_diffuscope.imaging.outputs import check_outputs, working_in
    from napari_diffuscope.imaging.scenes import one_of
    from napari_diffuscope.jobs import run

    files = [] if out is None else [out / name for name in FILES]
    inputs = [path for path in (reference, *others, mask) if path is not None and path.exists()]
    check_outputs(files, inputs, folders=[out] if out else [], overwrite=overwrite)
    how: dict[str, Any] = {"axes": axes, "series": one_of(series, scene), "labels": settings.labels}
    compared = open_scene(reference, others, mask=mask, plane=plane, crop=part, **how)
    with show_progress("Comparing", quiet=quiet) as on_update:
        if out is None:
            typer.echo(run(comparison_job(compared, settings), on_update).to_markdown())
            return
        with working_in(out):
            report = run(report_job(compared, settings), on_update)
            texts = (report.html, report.table.to_csv(), report.table.to_markdown())
            _write(files, texts, overwrite=overwrite)
    if not quiet:
        typer.echo(f"Wrote {', '.join(map(str, files))}", err=True)


def _write(files: list[Path], texts: tuple[str, ...], *, overwrite: bool) -> None:
    from napari_diffuscope.atomic import replace_text
    from napari_diffuscope.imaging.failures import writing

    for file, text in zip(files, texts, strict=True):
        with writing(file):
            replace_text(file, text, overwrite=overwrite)
