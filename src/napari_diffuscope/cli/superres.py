"""``diffuscope superres``: make an anisotropic stack isotropic."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_diffuscope.cli.progress import show_progress
from napari_diffuscope.cli.signals import exit_code
from napari_diffuscope.methods.common_settings import RGB, Defects
from napari_diffuscope.methods.superres.settings import (
    Pixels,
    SuperresMode,
    SuperresSettings,
    SuperresSolver,
)

if TYPE_CHECKING:
    from napari_diffuscope.imaging.image import Image

DEFAULTS = SuperresSettings()


def superres(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Stack with a z axis.")],
    output: Annotated[
        Path, typer.Argument(metavar="OUT", help="OUT.ome.zarr, or OUT.tif, to write or to go on with.")
    ],
    *,
    model: Annotated[
        str, typer.Option(help="Name in 'diffuscope models list', or path of a model.")
    ] = DEFAULTS.model,
    mode: Annotated[SuperresMode, typer.Option(help="What to compute.")] = DEFAULTS.mode,
    zoom: Annotated[
        float | None, typer.Option(help="How many times finer along z, instead of a step; 2 to 10.")
    ] = DEFAULTS.zoom,
    target_step: Annotated[
        float | None, typer.Option(help="Wanted z-step in µm; the pixel size by default.")
    ] = DEFAULTS.target_step,
    z_step: Annotated[
        float | None, typer.Option(help="Z-step of IN in µm, where the file is silent or wrong.")
    ] = DEFAULTS.z_step,
    pixel_size: Annotated[
        float | None, typer.Option(help="Pixel size of IN in µm, where the file is silent or wrong.")
    ] = DEFAULTS.pixel_size,
    samples: Annotated[
        int, typer.Option(min=1, help="Number of samples, for mean and deviation.")
    ] = DEFAULTS.samples,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Network evaluations per sample; the model's own number by default."),
    ] = DEFAULTS.steps,
    solver: Annotated[
        SuperresSolver | None, typer.Option(help="The model's own by default.")
    ] = DEFAULTS.solver,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the noise.")] = DEFAULTS.seed,
    consensus: Annotated[
        bool, typer.Option(help="Bring both directions of slices together after every step.")
    ] = DEFAULTS.consensus,
    reimpose: Annotated[
        bool | None,
        typer.Option(help="Put measured planes back; by default unless the model sharpens along z."),
    ] = DEFAULTS.reimpose,
    blur: Annotated[
        float, typer.Option(min=0.0, help="Standard deviation of a 3x3x3 Gaussian at the end, in voxels.")
    ] = DEFAULTS.blur,
    rgb: Annotated[RGB, typer.Option(help="How a colour stack is taken.")] = DEFAULTS.rgb,
    defects: Annotated[
        Defects, typer.Option(help="Hot and dead pixels, outliers: bridged for the network and kept, or not.")
    ] = DEFAULTS.defects,
    pixels: Annotated[
        Pixels, typer.Option(help="Pixel type: float32, or that of the input.")
    ] = DEFAULTS.pixels,
    device: Annotated[str, typer.Option(help="auto, or a name from 'diffuscope devices'.")] = DEFAULTS.device,
    block: Annotated[
        str | None,
        typer.Option(metavar="Z,Y,X", help="Least lengths of the pieces that are worked on, in voxels."),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Slices per network call; decided by default.")
    ] = DEFAULTS.batch,
    axes: Annotated[
        str | None, typer.Option(help="Axes of IN, such as ZYX, where the file is silent or wrong.")
    ] = None,
    series: Annotated[
        int | None,
        typer.Option(
            min=0, help="Which image of IN, counted from 0, where it holds several; the largest by default."
        ),
    ] = None,
    deviation: Annotated[
        Path | None, typer.Option(help="For mean: where to write the deviation; OUT_deviation by default.")
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE|-", help="Also write the record as JSON; - prints it."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only warnings.")] = False,
) -> None:
    """Fill in the planes between measured ones; the same command goes on after an interruption."""
    settings = SuperresSettings(
        model=model,
        mode=mode,
        zoom=zoom,
        target_step=target_step,
        z_step=z_step,
        pixel_size=pixel_size,
        samples=samples,
        steps=steps,
        solver=solver,
        seed=seed,
        consensus=consensus,
        reimpose=reimpose,
        blur=blur,
        rgb=rgb,
        defects=defects,
        pixels=pixels,
        device=device,
        block=None if block is None else parse_block(block),
        batch=batch,
    )
    if deviation is not None and mode != "mean":
        raise typer.BadParameter("it belongs to --mode mean alone.", param_hint="--deviation")

    from napari_diffuscope.cli.outputs import give_record, record_files
    from napari_diffuscope.imaging.files import open_image
    from napari_diffuscope.imaging.outputs import check_outputs, existing
    from napari_diffuscope.methods.superres.files import output_files

    files = output_files(output, mode, deviation)
    inputs = existing(source, model)
    check_outputs(record_files(json_file), inputs, wholes=files.values(), overwrite=overwrite)
    image = open_image(source, axes=axes, rgb=rgb, series=series)
    record = fill_in(image, settings, files, overwrite=overwrite, quiet=quiet)
    give_record(record, json_file, overwrite=overwrite)


def fill_in(
    image: Image,
    settings: SuperresSettings,
    files: Mapping[str, Path],
    *,
    overwrite: bool = False,
    quiet: bool = False,
) -> dict[str, Any]:
    """Super-resolve an image into files under a progress bar; goes on where it was stopped.

    Returns
    -------
    dict
        The record.

    Raises
    ------
    DiffuscopeError
        As the job.
    typer.Exit
        With 130 after Ctrl-C.
    """
    from napari_diffuscope.jobs import run
    from napari_diffuscope.methods.superres.files import opened_outputs
    from napari_diffuscope.methods.superres.job import superresolution_job

    try:
        with (
            opened_outputs(image, settings, files, overwrite=overwrite) as (sinks, states),
            show_progress(f"Filling in {image.name}", quiet=quiet) as on_update,
        ):
            result = run(superresolution_job(image, settings, sinks=sinks, states=states), on_update)
    except KeyboardInterrupt as stop:
        typer.echo("diffuscope: stopped; the same command goes on from here.", err=True)
        raise typer.Exit(exit_code(stop)) from None
    if not quiet:
        typer.echo(f"Wrote {' and '.join(map(str, files.values()))}", err=True)
    return result.record


def parse_block(text: str) -> tuple[int, int, int]:
    """Lengths of ``"Z,Y,X"`` in voxels.

    Raises
    ------
    typer.BadParameter
        If the text is something else.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 3 or not all(part.isdecimal() and int(part) for part in parts):
        raise typer.BadParameter(
            f"{text!r} is not understood; write Z,Y,X in voxels, such as 64,256,256.", param_hint="--block"
        )
    z, y, x = map(int, parts)
    return z, y, x
