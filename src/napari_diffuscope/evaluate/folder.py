"""The folder of an evaluation: its tables, what they were made with, and that one evaluation writes at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_diffuscope.atomic import replace_text
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.evaluate.models import Candidate
from napari_diffuscope.evaluate.settings import EvaluationSettings
from napari_diffuscope.evaluate.tables import COVERAGE, DEVIATION, KEY, RESULTS, SAMPLES, Table
from napari_diffuscope.jobs import Job, Update

ARGUMENTS = "evaluation.json"
FORMAT = 1
FIGURES = "figures"


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


@contextmanager
def only_one(out: Path) -> Iterator[None]:
    """Two evaluations in one folder would mix their rows."""
    lock = out / ".running"
    if lock.exists() and _alive(lock):
        raise DiffuscopeError(f"Another evaluation is writing to {out}; wait for it or name another folder.")
    lock.write_text(str(os.getpid()), encoding="utf-8")
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _alive(lock: Path) -> bool:
    import psutil

    text = lock.read_text(encoding="utf-8")
    return text.isdigit() and int(text) != os.getpid() and bool(psutil.pid_exists(int(text)))


def resume(
    out: Path, settings: EvaluationSettings, models: tuple[Candidate, ...], tables: Tables
) -> Job[None]:
    """Check that the folder holds nothing else; forget rows of models that have changed."""
    path = out / ARGUMENTS
    known: dict[str, Any] = {}
    if path.is_file():
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            known, rows = dict(kept["models"]), kept["settings"]
        except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
            raise DiffuscopeError(f"{path} cannot be read ({error}); name another folder.") from error
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
    _write(path, {"format": FORMAT, "settings": settings.of_the_rows(), "models": known})


def _forget_figures(out: Path) -> None:
    for file in (out / FIGURES).glob("case-*.png"):
        file.unlink()


def _write(path: Path, values: Any) -> None:
    replace_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")
