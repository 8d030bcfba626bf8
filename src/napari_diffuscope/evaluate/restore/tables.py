"""The tables of an evaluation of restoration, and how one is gone on with."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.evaluate.folder import FIGURES, read_arguments, write_arguments
from napari_diffuscope.evaluate.restore.models import Candidate
from napari_diffuscope.evaluate.restore.settings import RestoreEvaluationSettings
from napari_diffuscope.evaluate.tables import KEY, Row, Table
from napari_diffuscope.jobs import Job, Update
from napari_diffuscope.weights.card import ModelCard

FORMAT = 2
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
COVERAGE = (*KEY, "model", "samples", "scale", "nominal", "found", "found_scaled", "width", "needed")
DEVIATION = (*KEY, "model", "bin", "deviation", "given", "error", "range")


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
class Outcome:
    """Rows of all that was asked for.

    Parameters
    ----------
    results, samples, coverage, deviation
        Of the tables of that name.
    labels
        Names of the models in the tables, in the order in which they were named.
    """

    results: tuple[Row, ...]
    samples: tuple[Row, ...]
    coverage: tuple[Row, ...]
    deviation: tuple[Row, ...]
    labels: tuple[str, ...]


def resume(
    out: Path, settings: RestoreEvaluationSettings, models: tuple[Candidate, ...], tables: Tables
) -> Job[None]:
    """Check that the folder holds nothing else; forget rows of models that have changed."""
    tested: dict[str, Any] = {}
    if (written := read_arguments(out)) is not None:
        try:
            tested, facts = dict(written["models"]), dict(written["settings"])
        except (LookupError, TypeError, ValueError) as error:
            raise DiffuscopeError(f"{out} holds another kind of evaluation; name another folder.") from error
        differing = [name for name, value in settings.facts().items() if facts.get(name) != value]
        if differing or written.get("format") != FORMAT:
            what = f"with another {differing[0]}" if differing else "of another version"
            raise DiffuscopeError(f"{out} holds an evaluation {what}; name another folder.")
    elif any(out.glob("*.csv")):
        raise DiffuscopeError(f"{out} holds tables of something else; name another folder.")
    for model in models:
        version = {
            "place": model.place,
            "sha256": model.sha256,
            "scale": model.card.deviation_scale,
            "fit": _fit(model.card),
        }
        if model.label in tested and {**tested[model.label], "place": ""} != {**version, "place": ""}:
            tables.forget(model.label)
            _forget_figures(out)
            yield Update(0, 0, f"{model.label} has changed; its rows are computed anew.", warning=True)
        tested[model.label] = version
    write_arguments(out, {"format": FORMAT, "settings": settings.facts(), "models": tested})


def _fit(card: ModelCard) -> Any:
    """As JSON gives it back."""
    return None if card.deviation_fit is None else json.loads(json.dumps(asdict(card.deviation_fit)))


def _forget_figures(out: Path) -> None:
    for file in (out / FIGURES).glob("case-*.png"):
        file.unlink()
