"""Shapes of cells by fits and by models that never saw them, with their errors; volumes stay on disk."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from napari_diffuscope.atomic import replacing
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.evaluate.shape.fits import FITS, tune
from napari_diffuscope.evaluate.shape.models import Contender, check_unseen
from napari_diffuscope.evaluate.shape.settings import ShapeEvaluationSettings
from napari_diffuscope.evaluate.tables import Table, Value
from napari_diffuscope.imaging.failures import writing
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.jobs import run
from napari_diffuscope.measure.shapes.errors import shape_errors
from napari_diffuscope.methods.running import memory_job
from napari_diffuscope.methods.shape.method import SHAPE
from napari_diffuscope.methods.shape.result import CellShape
from napari_diffuscope.methods.shape.settings import ShapeMode, ShapeSettings
from napari_diffuscope.training.shape.cells import KnownCell

ERRORS = ("iou", "volume_error", "surface_error", "roughness_error")
COLUMNS = (
    "fold",
    "cell",
    "class",
    "method",
    "variant",
    *ERRORS,
    "agreement",
    "true_volume",
    "volume",
    "evaluations",
    "seconds",
    "setting",
    "sha256",
)
IDENTITY = ("cell", "method", "variant")
FIT = "fit"
ESTIMATE: Final = "estimate"
SAMPLE: Final = "sample"
ENSEMBLE: Final = "ensemble"


@dataclass(frozen=True)
class Results:
    """Errors of all predictions, and their volumes as TIFF files.

    Parameters
    ----------
    table
        One row for each cell, method and variant.
    folder
        Of the volumes.
    """

    table: Table
    folder: Path

    @classmethod
    def of(cls, out: Path) -> Results:
        """Those of the folder of an evaluation."""
        return cls(Table(out / "results.csv", COLUMNS, IDENTITY), out / "shapes")

    def path(self, cell: str, method: str, variant: str) -> Path:
        """File of a volume."""
        return self.folder / method.replace(" ", "-") / f"{cell}-{variant}.tif"

    def volume(self, cell: str, method: str, variant: str) -> np.ndarray:
        """A predicted shape, ``(Z, Y, X)`` bool."""
        import tifffile

        return np.asarray(tifffile.imread(self.path(cell, method, variant)) > 0)

    def keep(self, cell: str, method: str, variant: str, occupied: np.ndarray) -> None:
        """Write a predicted shape."""
        import tifffile

        path = self.path(cell, method, variant)
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as file:
                tifffile.imwrite(
                    file, occupied.astype(np.uint8), compression="zlib", metadata={"axes": "ZYX"}
                )

    def has(self, cell: str, method: str, variant: str, sha256: str = "") -> bool:
        """Whether a prediction is there, made with the same weights."""
        rows = [
            r for r in self.table.rows if (r["cell"], r["method"], r["variant"]) == (cell, method, variant)
        ]
        return bool(rows) and rows[0]["sha256"] == sha256 and self.path(cell, method, variant).exists()


def row_of(
    fold: int,
    cell: KnownCell,
    method: str,
    variant: str,
    occupied: np.ndarray,
    *,
    seconds: float,
    evaluations: int = 0,
    setting: str = "",
    sha256: str = "",
) -> dict[str, Value]:
    """A row of the table."""
    true = cell.occupied
    middle = occupied[cell.side // 2]
    return {
        "fold": fold,
        "cell": cell.name,
        "class": cell.kind,
        "method": method,
        "variant": variant,
        **shape_errors(occupied, true),
        "agreement": float((middle & cell.mask).sum() / max((middle | cell.mask).sum(), 1)),
        "true_volume": int(true.sum()),
        "volume": int(occupied.sum()),
        "evaluations": evaluations,
        "seconds": seconds,
        "setting": setting,
        "sha256": sha256,
    }


def fit_fold(
    fold: int, training: Sequence[KnownCell], test: Sequence[KnownCell], results: Results
) -> Iterator[str]:
    """Tune all fits on the training cells and apply them to the others; yields what is being done."""
    for family in FITS:
        if all(results.has(cell.name, family.name, FIT) for cell in test):
            continue
        yield f"tuning the {family.name}, fold {fold}"
        fit, rows = tune(family, training), []
        for cell in test:
            began = time.perf_counter()
            occupied = fit.shape_of(cell.mask, cell.side)
            seconds = time.perf_counter() - began
            results.keep(cell.name, family.name, FIT, occupied)
            rows.append(row_of(fold, cell, family.name, FIT, occupied, seconds=seconds, setting=fit.setting))
        results.table.add(rows)


def variants_of(contender: Contender, fold: int) -> tuple[str, ...]:
    """How a model can be used."""
    only = contender.card(fold).diffusion.estimate_only
    return (ESTIMATE,) if only else (ESTIMATE, SAMPLE, ENSEMBLE)


def predict_fold(
    contender: Contender,
    fold: int,
    test: Sequence[KnownCell],
    settings: ShapeEvaluationSettings,
    results: Results,
) -> Iterator[str]:
    """Predict the cells that a model never saw; yields the cell that is next.

    Raises
    ------
    DiffuscopeError
        If the model may have seen one of them, or cannot be used on it.
    """
    check_unseen(contender, fold, [cell.name for cell in test])
    sha256 = contender.card(fold).sha256
    for cell in test:
        missing = [
            variant
            for variant in variants_of(contender, fold)
            if not results.has(cell.name, contender.label, variant, sha256)
        ]
        if not missing:
            continue
        yield f"{contender.label}, fold {fold}: {cell.name}"
        rows = []
        if ESTIMATE in missing:
            rows += list(_predicted(contender, fold, cell, settings, results, mode=ESTIMATE))
        if SAMPLE in missing or ENSEMBLE in missing:
            rows += list(_predicted(contender, fold, cell, settings, results, mode=ENSEMBLE))
        results.table.add(rows)


def _predicted(
    contender: Contender,
    fold: int,
    cell: KnownCell,
    settings: ShapeEvaluationSettings,
    results: Results,
    *,
    mode: ShapeMode,
) -> Iterator[dict[str, Value]]:
    """Rows of the best estimate, or of an ensemble and its first sample."""
    chosen = ShapeSettings(
        model=str(contender.place(fold)),
        mode=mode,
        samples=settings.samples,
        steps=None if mode == ESTIMATE else settings.sampling_steps,
        seed=settings.seed,
        window="plane",
        anyway=True,
        device=settings.device,
    )
    began = time.perf_counter()
    shape, evaluations = _shape_of(cell, chosen)
    seconds = time.perf_counter() - began
    drawn = max(len(shape.samples), 1)
    predicted: list[tuple[str, np.ndarray, int, float]] = [
        (mode, shape.occupied, evaluations * drawn, seconds)
    ]
    for number, sample in enumerate(shape.samples):
        results.keep(cell.name, contender.label, f"{SAMPLE}-{number}", sample)
    if shape.samples:
        predicted.append((SAMPLE, shape.samples[0], evaluations, seconds / len(shape.samples)))
    for variant, occupied, count, taken in predicted:
        results.keep(cell.name, contender.label, variant, occupied)
        yield row_of(
            fold,
            cell,
            contender.label,
            variant,
            occupied,
            seconds=taken,
            evaluations=count,
            sha256=contender.card(fold).sha256,
        )


def _shape_of(cell: KnownCell, chosen: ShapeSettings) -> tuple[CellShape, int]:
    """The predicted shape of a cell, and network evaluations of each sample."""
    inputs = {
        "image": Image.wrap(cell.image, "YX"),
        "labels": Image.wrap(cell.mask.astype(np.int32), "YX"),
    }
    shapes = run(memory_job(SHAPE, inputs, chosen)).value
    if not shapes.cells:
        raise DiffuscopeError(
            f"No shape was predicted for {cell.name}: {shapes.refused.get(1, 'no cell found')}"
        )
    return shapes.cells[0], int(shapes.record["sampler"]["evaluations"])
