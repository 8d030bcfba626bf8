"""``diffuscope restore``: remove the noise from an image file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_diffuscope.cli.ranges import parse_crop, parse_planes
from napari_diffuscope.methods.common_settings import RGB, Defects
from napari_diffuscope.methods.restore.settings import Mode, RestoreSettings

DEFAULTS = RestoreSettings()


def restore(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Image to restore.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="TIFF file to write.")],
    *,
    model: Annotated[
        str, typer.Option(help="Name in 'diffuscope models list', or path of a model.")
    ] = DEFAULTS.model,
    mode: Annotated[Mode, typer.Option(help="What to compute.")] = DEFAULTS.mode,
    samples: Annotated[
        int, typer.Option(min=1, help="Number of samples, for modes of several.")
    ] = DEFAULTS.samples,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Network evaluations per sample; the model's own number by default."),
    ] = DEFAULTS.steps,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the noise.")] = DEFAULTS.seed,
    strength: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="For sharpened: how much is drawn anew.")
    ] = DEFAULTS.strength,
    device: Annotated[str, typer.Option(help="auto, or a name from 'diffuscope devices'.")] = DEFAULTS.device,
    axes: Annotated[
        str | None, typer.Option(help="Axes of IN, such as TZYX, where the file is silent or wrong.")
    ] = None,
    series: Annotated[
        int | None,
        typer.Option(
            min=0, help="Which image of IN, counted from 0, where it holds several; the largest by default."
        ),
    ] = None,
    rgb: Annotated[RGB, typer.Option(help="How a colour image is taken.")] = DEFAULTS.rgb,
    planes: Annotated[
        str | None, typer.Option(metavar="LIST", help='Which planes: "3", "0,4", "2:7" (2 to 6).')
    ] = None,
    crop: Annotated[
        str | None, typer.Option(metavar="Y0:Y1,X0:X1", help="Part of each plane, in pixels.")
    ] = None,
    defects: Annotated[
        Defects, typer.Option(help="Hot and dead pixels, outliers: bridged for the network and kept, or not.")
    ] = DEFAULTS.defects,
    tile: Annotated[
        int | None, typer.Option(min=1, help="Edge of a tile in pixels; from the free memory by default.")
    ] = DEFAULTS.tile,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Tiles per network call; decided by default.")
    ] = DEFAULTS.batch,
    deviation: Annotated[
        Path | None,
        typer.Option(help="For mean: where to write the deviation; OUT_deviation.tif by default."),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE|-", help="Also write the record as JSON; - prints it."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only warnings.")] = False,
) -> None:
    """Remove the noise from an image; axes and pixel sizes are kept."""
    settings = RestoreSettings(
        model=model,
        mode=mode,
        samples=samples,
        steps=steps,
        seed=seed,
        strength=strength,
        device=device,
        planes=None if planes is None else parse_planes(planes),
        crop=None if crop is None else parse_crop(crop),
        rgb=rgb,
        defects=defects,
        tile=tile,
        batch=batch,
    )
    if deviation is not None and mode != "mean":
        raise typer.BadParameter("it belongs to --mode mean alone.", param_hint="--deviation")

    from napari_diffuscope.cli.outputs import Destination, restore_to_files
    from napari_diffuscope.imaging.files import open_image
    from napari_diffuscope.imaging.outputs import existing

    destination = Destination(output, deviation=deviation, record=json_file, overwrite=overwrite)
    destination.check(existing(source, model), mode)
    image = open_image(source, axes=axes, rgb=rgb, series=series)
    restore_to_files(image, settings, destination, quiet=quiet)
