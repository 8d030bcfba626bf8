"""The tables of an evaluation of restoration, and how one is gone on with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.evaluate.folder import FIGURES, read_arguments, write_arguments
from napari_diffuscope.evaluate.restore.models import Candidate
from napari_diffuscope.evaluate.restore.settings import EvaluationSettings
from napari_diffuscope.evaluate.tables import KEY, Row, Table
from napari_diffuscope.jobs import Job, Update

FORMAT = 1
RESULTS = (
    *KEY,
    "region",
    "method",
    "kind",
    "psnr",
    "ssim",
    "ms_ssim",
    "nrmse",
    "pearson",
    "sharpness",
    "seconds",
    "setting",
)
SAMPLES = (*KEY, "model", "samples", "psnr", "ssim", "ms_ssim", "nrmse", "pearson", "sharpness")
COVERAGE = (*KEY, "model", "samples", "scale", "nominal", "found", "found_scaled")
DEVIATION = (*KEY, "model", "bin", "deviation", "error", "range")


@dataclass
class Tables:
    """Tables of results, running means, coverage and binned deviation."""

    results: Table
    samples: Table
    coverage: Table
    deviation: Table

    @classmethod
    def of(cls, out: Path) -> Tables:
        """Those of a folder, with the rows that they have."""
        return cls(
            Table(out / "results.csv", RESULTS, (*KEY, "region", "method", "kind")),
            Table(out / "samples.csv", SAMPLES, (*KEY, "model", "samples")),
            Table(out / "coverage.csv", COVERAGE, (*KEY, "model", "nominal")),
            Table(out / "deviation.csv", DEVIATION, (*KEY, "model", "bin")),
        )

    def forget(self, model: str) -> None:
        """Drop all rows of a model."""
        self.results.drop(lambda row: row["method"] == model)
        for table in (self.samples, self.coverage, self.deviation):
            table.drop(lambda row: row["model"] == model)


@dataclass(frozen=True)
class Evaluation:
    """Result of an evaluation.

    Parameters
    ----------
    out
        Folder with the tables, ``summary.md`` and figures.
    results, samples, coverage, deviation
        Rows of the tables of that name.
    labels
        Names of the models in the tables, in the order in which they were given.
    summary
        Text of ``summary.md``.
    """

    out: Path
    results: tuple[Row, ...]
    samples: tuple[Row, ...]
    coverage: tuple[Row, ...]
    deviation: tuple[Row, ...]
    labels: tuple[str, ...]
    summary: str


def resume(
    out: Path, settings: EvaluationSettings, models: tuple[Candidate, ...], tables: Tables
) -> Job[None]:
    """Check that the folder holds nothing else; forget rows of models that have changed."""
    known: dict[str, Any] = {}
    if (kept := read_arguments(out)) is not None:
        try:
            known, rows = dict(kept["models"]), dict(kept["settings"])
        except (LookupError, TypeError, ValueError) as error:
            raise DiffuscopeError(f"{out} holds another kind of evaluation; name another folder.") from error
        differing = [name for name, value in settings.of_the_rows().items() if rows.get(name) != value]
        if differing or kept.get("format") != FORMAT:
            what = f"with another {differing[0]}" if differing else "of another version"
            raise DiffuscopeError(f"{out} holds an evaluation {what}; name another folder.")
    elif any(out.glob("*.csv")):
        raise DiffuscopeError(f"{out} holds tables of something else; name another folder.")
    for model in models:
        facts = {"place": model.place, "sha256": model.sha256, "scale": model.card.deviation_scale}
        if model.label in known and {**known[model.label], "place": ""} != {**facts, "place": ""}:
            tables.forget(model.label)
            _forget_figures(out)
            yield Update(0, 0, f"{model.label} has changed; its rows are computed anew.", warning=True)
        known[model.label] = facts
    write_arguments(out, {"format": FORMAT, "settings": settings.of_the_rows(), "models": known})


def _forget_figures(out: Path) -> None:
    for file in (out / FIGURES).glob("case-*.png"):
        file.unlink()
