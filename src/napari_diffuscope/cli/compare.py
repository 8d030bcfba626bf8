"""``diffuscope compare``: numbers of images against a reference, and one page that shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_diffuscope.cli.progress import show_progress
from napari_diffuscope.methods.common_settings import parse_crop

NUMBERS, PICTURE = "Numbers", "Files"
FILES = ("report.html", "numbers.csv", "numbers.md")


def compare(
    reference: Annotated[
        Path,
        typer.Argument(
            metavar="REFERENCE", help="What the others are held against: a long exposure, a truth."
        ),
    ],
    others: Annotated[list[Path], typer.Argument(metavar="OTHERS…", help="Images of the same place.")],
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FOLDER",
            help="Folder for report.html (one page without a network), numbers.csv and numbers.md; without it the "
            "numbers are printed.",
            rich_help_panel=PICTURE,
        ),
    ] = None,
    fit: Annotated[
        bool,
        typer.Option(
            "--fit",
            help="Fit each image to the reference by a line first: for images in other units. It hides errors of "
            "intensity.",
            rich_help_panel=NUMBERS,
        ),
    ] = False,
    data_range: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER",
            help="Range of intensities that errors are set against; by default that of the reference.",
            rich_help_panel=NUMBERS,
        ),
    ] = None,
    measures: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,…",
            help="Only these measures, by their names in numbers.csv.",
            rich_help_panel=NUMBERS,
        ),
    ] = None,
    plane: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Compare one plane, counted from 0 along all leading axes; all planes by default.",
            rich_help_panel=NUMBERS,
        ),
    ] = None,
    crop: Annotated[
        str | None,
        typer.Option(
            metavar="Y0:Y1,X0:X1",
            help="Compare a part of each plane, in pixels of the reference.",
            rich_help_panel=NUMBERS,
        ),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Labels: only pixels where they are not 0 count.", rich_help_panel=NUMBERS
        ),
    ] = None,
    labels: Annotated[
        bool,
        typer.Option(
            "--labels", help="The files are labels: IoU, Dice, volume ratio.", rich_help_panel=NUMBERS
        ),
    ] = False,
    frc_of_results: Annotated[
        bool,
        typer.Option(
            "--frc-of-results",
            help="Fourier ring correlation also of results of a model, where it measures the model.",
            rich_help_panel=NUMBERS,
        ),
    ] = False,
    axes: Annotated[
        str | None,
        typer.Option(
            help="Axes of all files, such as TZYX, where they are silent or wrong.", rich_help_panel=PICTURE
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that exist.", rich_help_panel=PICTURE)
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress, only warnings.", rich_help_panel=PICTURE)
    ] = False,
) -> None:
    """Compare images with a reference: numbers, curves and one page that shows them."""
    from napari_diffuscope.comparison.job import comparison_job
    from napari_diffuscope.comparison.measures import checked_measures
    from napari_diffuscope.comparison.opening import open_scene
    from napari_diffuscope.comparison.report import report_job
    from napari_diffuscope.comparison.settings import CompareSettings
    from napari_diffuscope.imaging.outputs import check_outputs, working_in
    from napari_diffuscope.jobs import run

    chosen = checked_measures(measures.split(",") if measures is not None else None)
    settings = CompareSettings(chosen, fit, data_range, labels, frc_of_results)
    files = [] if out is None else [out / name for name in FILES]
    inputs = [reference, *others, *([mask] if mask else [])]
    check_outputs(
        files, [path for path in inputs if path.exists()], folders=[out] if out else [], overwrite=overwrite
    )
    scene = open_scene(
        reference,
        others,
        axes=axes,
        labels=labels,
        mask=mask,
        plane=plane,
        crop=None if crop is None else parse_crop(crop),
    )
    with show_progress("Comparing", quiet=quiet) as on_update:
        if out is None:
            typer.echo(run(comparison_job(scene, settings), on_update).to_markdown())
            return
        with working_in(out):
            report = run(report_job(scene, settings), on_update)
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
