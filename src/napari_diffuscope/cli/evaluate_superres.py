"""``diffuscope evaluate superres``: how good the planes are that were not measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from napari_diffuscope.cli.progress import show_progress
from napari_diffuscope.evaluate.superres.settings import SuperresEvaluationSettings

DEFAULTS = SuperresEvaluationSettings("")


def superres(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="Volume with equal voxels, whose planes are all known.")
    ],
    *,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder for table and figures; one that exists is resumed.")
    ],
    models: Annotated[
        list[str] | None, typer.Option("--models", metavar="MODEL", help="Name or path; repeat for several.")
    ] = None,
    variants: Annotated[
        list[str] | None,
        typer.Option(
            help="estimate, sample, sample-averaged, two-samples, mean or as-published; repeat; the first three by "
            "default."
        ),
    ] = None,
    factors: Annotated[
        list[int] | None, typer.Option(help="Every so many planes are kept; repeat; 2, 4 and 8 by default.")
    ] = None,
    planes: Annotated[
        str | None, typer.Option(metavar="A:B", help="Planes A to B - 1 of the volume; all by default.")
    ] = None,
    size: Annotated[
        int, typer.Option(min=16, help="Edge in pixels of the middle part that is used.")
    ] = DEFAULTS.size,
    steps: Annotated[int, typer.Option(min=1, help="Network evaluations per sample.")] = DEFAULTS.steps,
    samples: Annotated[int, typer.Option(min=2, help="Number of samples of a mean.")] = DEFAULTS.samples,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the samples.")] = DEFAULTS.seed,
    patch: Annotated[
        int, typer.Option(min=20, help="Edge of the patches whose distribution is compared.")
    ] = DEFAULTS.patch,
    axial_fwhm: Annotated[
        float, typer.Option(min=0.0, help="Blur along z before planes are taken away, in pixels.")
    ] = DEFAULTS.axial_fwhm,
    noise: Annotated[
        float, typer.Option(min=0.0, help="Noise on the planes that are kept, as a share of the range.")
    ] = DEFAULTS.noise,
    device: Annotated[str, typer.Option(help="auto, or a name from 'diffuscope devices'.")] = DEFAULTS.device,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only warnings.")] = False,
) -> None:
    """Take planes away from a volume and compare how models and classical methods put them back."""
    from napari_diffuscope.cli.ranges import parse_planes
    from napari_diffuscope.evaluate.superres.evaluation import superres_evaluation_job
    from napari_diffuscope.jobs import run

    chosen: dict[str, Any] = {"models": models, "variants": variants, "factors": factors}
    if planes is not None:
        numbers = parse_planes(planes)
        chosen["planes"] = (min(numbers), max(numbers) + 1)
    settings = SuperresEvaluationSettings(
        data=str(data),
        size=size,
        steps=steps,
        samples=samples,
        seed=seed,
        patch=patch,
        axial_fwhm=axial_fwhm,
        noise=noise,
        device=device,
        **{name: tuple(value) for name, value in chosen.items() if value},
    )
    with show_progress("evaluate", quiet=quiet) as on_update:
        run(superres_evaluation_job(settings, out), on_update)
    typer.echo(f"{out / 'superres.md'}: written")
