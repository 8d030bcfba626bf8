"""The folder of an evaluation: its tables, what they were made with, and that one evaluation writes at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_diffuscope.atomic import replace_text
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.evaluate.restore.models import Candidate
from napari_diffuscope.evaluate.restore.settings import EvaluationSettings
from napari_diffuscope.evaluate.tables import COVERAGE, DEVIATION, KEY, RESULTS, SAMPLES, Table
from napari_diffuscope.imaging.failures import writing
from napari_diffuscope.imaging.outputs import check_outputs, existing, foreign_in, working_in
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
def evaluating_in(out: Path, inputs: Iterable[str | os.PathLike[str]]) -> Iterator[None]:
    """Evaluate in a folder, made where missing; two evaluations at once would mix their rows.

    Raises
    ------
    DiffuscopeError
        As :func:`check_place`, or if another evaluation is writing there.
    """
    check_place(out, inputs)
    with working_in(out):
        yield


def check_place(out: Path, inputs: Iterable[str | os.PathLike[str]]) -> None:
    """Refuse a folder that is an input, or holds something else than an evaluation.

    Raises
    ------
    DiffuscopeError
        If so, or it cannot be written to.
    """
    check_outputs([], existing(*inputs), folders=[out])
    if (foreign := foreign_in(out, ())) is not None and not (out / ARGUMENTS).is_file():
        raise DiffuscopeError(
            f"{out} is not empty and holds no evaluation ({foreign} lies in it); name another folder."
        )


def read_arguments(out: Path) -> Any:
    """What the evaluation in a folder was made with; ``None`` where there is none.

    Raises
    ------
    DiffuscopeError
        If the file is damaged.
    """
    path = out / ARGUMENTS
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DiffuscopeError(f"{path} cannot be read; name another folder.") from error


def write_arguments(out: Path, values: Any) -> None:
    """Keep what an evaluation is made with.

    Raises
    ------
    DiffuscopeError
        If it cannot be written.
    """
    write_text(out / ARGUMENTS, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str, *, newline: str | None = None) -> None:
    """Write a text file of an evaluation, all or nothing.

    Raises
    ------
    DiffuscopeError
        If it cannot be written.
    """
    with writing(path):
        replace_text(path, text, newline=newline)


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
