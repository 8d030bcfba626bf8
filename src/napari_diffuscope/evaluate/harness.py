"""The harness of all evaluations: one folder, one report, figures where they can be drawn, and going on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.evaluate.declared import Evaluation, EvaluationSettings
from napari_diffuscope.evaluate.drawing import can_draw
from napari_diffuscope.evaluate.folder import FIGURES, check_place, write_text
from napari_diffuscope.evaluate.tables import Row
from napari_diffuscope.imaging.outputs import working_in
from napari_diffuscope.jobs import Job, Update, announce
from napari_diffuscope.methods.method import loaded

NO_FIGURES = "Figures are left out: matplotlib is not installed ('napari-diffuscope[plots]')."


@dataclass(frozen=True)
class Findings:
    """What the work of an evaluation gave.

    Parameters
    ----------
    tables
        Rows by the name of their table.
    report
        Text of the report, Markdown.
    draw
        Draws figures into a folder; called only where figures can be drawn.
    """

    tables: Mapping[str, Iterable[Row]]
    report: str
    draw: Callable[[Path], Any] | None = None


@dataclass(frozen=True)
class Evaluated:
    """Result of an evaluation.

    Parameters
    ----------
    out
        Folder with tables, report and figures.
    tables
        Rows by the name of their table.
    report
        Text of the report; empty while something is missing that has to be made first.
    """

    out: Path
    tables: Mapping[str, tuple[Row, ...]]
    report: str


def evaluation_job(evaluation: Evaluation, settings: EvaluationSettings, out: Path) -> Job[Evaluated]:
    """Run an evaluation; everything is decided by its settings.

    Parameters
    ----------
    evaluation
        Which.
    settings
        What is tested, of the class that the evaluation declares.
    out
        Folder for tables, report and figures. Where it holds an evaluation with equal facts, what is missing is
        added: further models may be named later.

    Yields
    ------
    Update
        Of the work, in units of its own.

    Raises
    ------
    DiffuscopeError
        For data or models that cannot be used, a folder that holds something else, or one that another evaluation is
        writing to: their rows would be mixed.
    """
    check_place(out, settings.places())
    yield from announce([NO_FIGURES] if not can_draw() else [])
    if evaluation.before and not (yield from loaded(evaluation.before)(settings, out)):
        return Evaluated(out, {}, "")
    with working_in(out):
        findings: Findings = yield from loaded(evaluation.findings)(settings, out)
        write_text(out / evaluation.report, findings.report)
        if findings.draw is not None and can_draw():
            yield Update(0, 0, "Drawing figures")
            findings.draw(out / FIGURES)
    return Evaluated(out, {name: tuple(rows) for name, rows in findings.tables.items()}, findings.report)


def label_of(name: str, place: str, taken: Collection[str]) -> str:
    """What a model is called in tables: its name, or where it lies if that is taken.

    Raises
    ------
    DiffuscopeError
        If both are taken.
    """
    label = place if name in taken else name
    if label in taken:
        raise DiffuscopeError(f"{place} is named twice, or like a method; name each model once.")
    return label
