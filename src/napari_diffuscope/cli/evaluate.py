"""``diffuscope evaluate``: how good models are, against classical methods at their best."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_diffuscope.cli.evaluate_shape import shape
from napari_diffuscope.cli.evaluate_superres import superres
from napari_diffuscope.cli.progress import show_progress
from napari_diffuscope.evaluate.restore.settings import EvaluationSettings

DEFAULTS = EvaluationSettings()

app = typer.Typer(help="Measure how good models are.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Measure how good models are."""


app.command("superres")(superres)
app.command("shape")(shape)


@app.command("restoration")
def restoration(
    data: Annotated[
        list[str],
        typer.Argument(
            metavar="DATA...",
            help="'standard' (simulated), a folder of clean TIFF images or one of them, or a folder with high/ "
            "and low/ of equal names.",
        ),
    ],
    *,
    out: Annotated[
        Path,
        typer.Option(metavar="FOLDER", help="Folder for tables and figures; one that exists is resumed."),
    ],
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--models", metavar="MODEL", help="Name or path; repeat for several. The first is compared."
        ),
    ] = None,
    target: Annotated[
        str, typer.Option(help="equal-blur, or sharp (a spot half as wide).")
    ] = DEFAULTS.target,
    noise: Annotated[
        list[str] | None, typer.Option(help="camera or scanner; repeat for several, all by default.")
    ] = None,
    levels: Annotated[
        list[str] | None, typer.Option(help="low, medium or high noise; repeat, all by default.")
    ] = None,
    methods: Annotated[
        list[str] | None,
        typer.Option(help="gaussian, median, tv, nlm, bm3d, richardson-lucy; repeat, all by default."),
    ] = None,
    samples: Annotated[int, typer.Option(min=2, help="Number of samples.")] = DEFAULTS.samples,
    steps: Annotated[int, typer.Option(min=1, help="Network evaluations per sample.")] = DEFAULTS.steps,
    sampled_crop: Annotated[
        int, typer.Option(min=16, help="Edge in pixels of the part that is sampled.")
    ] = DEFAULTS.sampled_crop,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Most fields of a structure (2 by default), and planes of a file."),
    ] = None,
    limit_sampled: Annotated[
        int, typer.Option(min=0, help="Sampled cases for each data set, noise and level.")
    ] = DEFAULTS.limit_sampled,
    seed: Annotated[int, typer.Option(min=0, help="Decides structures, noise and samples.")] = DEFAULTS.seed,
    size: Annotated[int, typer.Option(min=16, help="Edge of a field in pixels.")] = DEFAULTS.size,
    shrink: Annotated[
        int, typer.Option(min=1, help="Factor by which clean real images are averaged down.")
    ] = DEFAULTS.shrink,
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate", help="First fit the scale of the deviation and write it to the models' cards."
        ),
    ] = False,
    calibration_images: Annotated[
        int, typer.Option(min=1, help="On how many images; 18 are one of every structure, noise and level.")
    ] = DEFAULTS.calibration_images,
    device: Annotated[str, typer.Option(help="auto, or a name from 'diffuscope devices'.")] = DEFAULTS.device,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only warnings.")] = False,
) -> None:
    """Compare models with classical methods on noisy images whose truth is known; stop with Ctrl-C and go on later."""
    from napari_diffuscope.evaluate.restore.evaluation import evaluation_job
    from napari_diffuscope.jobs import run

    chosen: dict[str, Any] = {"noises": noise, "levels": levels, "methods": methods, "target": target}
    settings = EvaluationSettings(
        data=tuple(data),
        models=tuple(models or ()),
        samples=samples,
        steps=steps,
        sampled_crop=sampled_crop,
        limit=limit,
        limit_sampled=limit_sampled,
        seed=seed,
        size=size,
        shrink=shrink,
        calibrate=calibrate,
        calibration_images=calibration_images,
        device=device,
    )
    given: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in chosen.items() if v}
    settings = replace(settings, **given)
    with show_progress("evaluate", quiet=quiet) as on_update:
        run(evaluation_job(settings, out), on_update)
    typer.echo(f"{out / 'summary.md'}: written")
