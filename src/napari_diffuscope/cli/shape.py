"""``diffuscope shape``: predict the 3D shapes of labelled cells."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_diffuscope.cli.progress import show_progress
from napari_diffuscope.cli.signals import exit_code
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.shape.settings import (
    ShapeDefects,
    ShapeMode,
    ShapeSettings,
    ShapeSolver,
    Threshold,
    WindowKind,
)

if TYPE_CHECKING:
    from napari_diffuscope.methods.shape.files import ShapeFolder
    from napari_diffuscope.methods.shape.result import Shapes
    from napari_diffuscope.methods.shape.source import LabelledPlane

DEFAULTS = ShapeSettings()


def shape(
    source: Annotated[Path, typer.Argument(metavar="IMAGE", help="Image of cells.")],
    output: Annotated[
        Path, typer.Argument(metavar="OUT_FOLDER", help="Folder for a volume of every cell and features.csv.")
    ],
    *,
    labels: Annotated[
        Path, typer.Option(metavar="LABELS", help="Label image: every cell has a number of its own.")
    ],
    model: Annotated[
        str, typer.Option(help="Name in 'diffuscope models list', or path of a model.")
    ] = DEFAULTS.model,
    mode: Annotated[ShapeMode, typer.Option(help="What to compute.")] = DEFAULTS.mode,
    samples: Annotated[
        int, typer.Option(min=1, help="Number of samples, for ensemble and as-published.")
    ] = DEFAULTS.samples,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Network evaluations per sample; the model's own number by default."),
    ] = DEFAULTS.steps,
    solver: Annotated[ShapeSolver | None, typer.Option(help="The model's own by default.")] = DEFAULTS.solver,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the noise.")] = DEFAULTS.seed,
    threshold: Annotated[
        Threshold,
        typer.Option(
            help="Probability from which on a voxel is cell; model: what overlapped best in training."
        ),
    ] = DEFAULTS.threshold,
    largest: Annotated[bool, typer.Option(help="Keep the largest connected piece alone.")] = DEFAULTS.largest,
    match_mask: Annotated[
        bool, typer.Option(help="Make the plane of the image equal to the outline.")
    ] = DEFAULTS.match_mask,
    anyway: Annotated[
        bool, typer.Option(help="Also try cells at the border, tiny, huge, hollow or in pieces.")
    ] = DEFAULTS.anyway,
    window: Annotated[
        WindowKind, typer.Option(help="cell: around every cell; plane: IMAGE is the model's window itself.")
    ] = DEFAULTS.window,
    plane: Annotated[
        int | None, typer.Option(min=0, help="Which plane of IMAGE, counted from 0, where it has several.")
    ] = DEFAULTS.plane,
    pixel_size: Annotated[
        float | None, typer.Option(help="Pixel size of IMAGE in µm, where the file is silent or wrong.")
    ] = DEFAULTS.pixel_size,
    defects: Annotated[
        ShapeDefects, typer.Option(help="Hot and dead pixels, outliers: bridged for the network, or not.")
    ] = DEFAULTS.defects,
    device: Annotated[str, typer.Option(help="auto, or a name from 'diffuscope devices'.")] = DEFAULTS.device,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Samples per network call; decided by default.")
    ] = DEFAULTS.batch,
    only: Annotated[
        str | None, typer.Option(metavar="LABEL,…", help="Labels to work on, such as 3,5,8; all by default.")
    ] = None,
    probability: Annotated[
        bool, typer.Option("--probability", help="Also write probabilities, and deviations of samples.")
    ] = False,
    mesh: Annotated[str | None, typer.Option(metavar="stl|obj|ply", help="Also write surfaces.")] = None,
    axes: Annotated[
        str | None, typer.Option(help="Axes of IMAGE, such as TCYX, where the file is silent or wrong.")
    ] = None,
    series: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Which image of IMAGE, counted from 0, where it holds several; the largest by default.",
        ),
    ] = None,
    labels_series: Annotated[int | None, typer.Option(min=0, help="Which image of LABELS, likewise.")] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE|-", help="Also write the record as JSON; - prints it."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on after an interruption: finished shapes are kept.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only warnings.")] = False,
) -> None:
    """Predict the 3D shape of every labelled cell from one plane."""
    settings = ShapeSettings(
        model=model,
        mode=mode,
        samples=samples,
        steps=steps,
        solver=solver,
        seed=seed,
        threshold=threshold,
        largest=largest,
        match_mask=match_mask,
        anyway=anyway,
        window=window,
        plane=plane,
        pixel_size=pixel_size,
        defects=defects,
        device=device,
        batch=batch,
    )
    chosen = None if only is None else parse_labels(only)

    from napari_diffuscope.cli.outputs import give_record, record_files
    from napari_diffuscope.imaging.files import open_image, open_labels
    from napari_diffuscope.imaging.outputs import check_outputs, existing
    from napari_diffuscope.measure.shapes.meshes import MESH_FORMATS
    from napari_diffuscope.methods.shape.cells import find_cells
    from napari_diffuscope.methods.shape.files import ShapeFolder
    from napari_diffuscope.methods.shape.record import unit_of
    from napari_diffuscope.methods.shape.source import labelled_plane

    if mesh is not None and mesh not in MESH_FORMATS:
        raise typer.BadParameter(f"{mesh!r} is none of {', '.join(MESH_FORMATS)}.", param_hint="--mesh")
    records = record_files(json_file)
    check_outputs(records, existing(source, labels, model), folders=[output], overwrite=overwrite)
    image = open_image(source, axes=axes, series=series)
    given = labelled_plane(image, open_labels(labels, series=labels_series), settings)
    folder = ShapeFolder(
        output,
        unit=unit_of(given.pixel_size),
        probability=probability,
        mesh=mesh,
        overwrite=overwrite,
        resume=resume,
    )
    cells = [cell.label for cell in find_cells(given.labels, only=chosen)]
    folder.check_replaced(cells, inputs=existing(source, labels), others=records)
    if resume:
        chosen = _left_to_do(given, settings, folder, chosen)
        if not chosen:
            with folder:
                folder.finish(None, {})
            if not quiet:
                typer.echo(f"All shapes are in {output} already.", err=True)
            return
    record = predict_to_folder(given, settings, folder, only=chosen, quiet=quiet)
    give_record(record, json_file, overwrite=overwrite)


def _left_to_do(
    given: LabelledPlane, settings: ShapeSettings, folder: ShapeFolder, only: list[int] | None
) -> list[int]:
    """Labels whose shapes are not in the folder yet.

    Raises
    ------
    DiffuscopeError
        If shapes in it were made otherwise.
    """
    from napari_diffuscope.methods.shape.cells import find_cells
    from napari_diffuscope.methods.shape.record import made_alike
    from napari_diffuscope.weights.model import load_model

    wanted = [cell.label for cell in find_cells(given.labels, only=only)]
    sha256, image, labels = load_model(settings.model).sha256, given.inputs["image"], given.inputs["labels"]

    def is_same(record: Mapping[str, Any]) -> bool:
        names = [(record.get(key) or {}).get("name") for key in ("input", "labels")]
        return names == [image.name, labels.name] and made_alike(record, settings, sha256)

    done = folder.keep(wanted, is_same)
    return [label for label in wanted if label not in done]


def predict_to_folder(
    given: LabelledPlane,
    settings: ShapeSettings,
    folder: ShapeFolder,
    *,
    only: list[int] | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Predict shapes into a folder under a progress bar; finished cells stay when it is stopped.

    Returns
    -------
    dict
        The record.

    Raises
    ------
    DiffuscopeError
        As the job, and if no cell has a shape in the end.
    typer.Exit
        With 130 after Ctrl-C.
    """
    with folder:
        result = _predicted(given, settings, folder, only=only, quiet=quiet)
    _conclude(result, folder, quiet=quiet)
    return folder.whole(result.record)


def _predicted(
    given: LabelledPlane,
    settings: ShapeSettings,
    folder: ShapeFolder,
    *,
    only: list[int] | None,
    quiet: bool,
) -> Shapes:
    from napari_diffuscope.jobs import run
    from napari_diffuscope.methods.shape.job import shape_job

    result: Shapes | None = None
    try:
        with show_progress(f"Shapes in {given.inputs['image'].name}", quiet=quiet) as on_update:
            job = shape_job(
                given.plane,
                given.labels,
                settings,
                pixel_size=given.pixel_size,
                only=only,
                on_cell=folder.add,
                keep=False,
                inputs=given.inputs,
            )
            result = run(job, on_update)
    except KeyboardInterrupt as stop:
        typer.echo(f"diffuscope: stopped; shapes that were finished are in {folder.path}.", err=True)
        raise typer.Exit(exit_code(stop)) from None
    finally:
        folder.finish(result.record if result else None, result.refused if result else {})
    return result


def _conclude(result: Shapes, folder: ShapeFolder, *, quiet: bool) -> None:
    count = len(folder.whole(result.record)["cells"])
    if not count:
        raise DiffuscopeError(
            f"No shape was predicted: all {len(result.refused)} cells were refused; {folder.path / 'features.csv'} "
            "says why."
        )
    if not quiet:
        kept = f", {len(folder.kept)} of them earlier" if folder.kept else ""
        typer.echo(f"Wrote {count} shape{'s' if count > 1 else ''} into {folder.path}{kept}", err=True)


def parse_labels(text: str) -> list[int]:
    """Labels of ``"3,5,8"``.

    Raises
    ------
    typer.BadParameter
        If the text is something else.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise typer.BadParameter(
            f"{text!r} is not understood; write labels such as 3,5,8.", param_hint="--only"
        )
    return [int(part) for part in parts]
