"""What an evaluation still has to do, and how long that will take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_diffuscope.evaluate.drawing import can_draw
from napari_diffuscope.evaluate.folder import FIGURES
from napari_diffuscope.evaluate.restore.baselines import COSTS, INPUT
from napari_diffuscope.evaluate.restore.cases import Case, CaseName
from napari_diffuscope.evaluate.restore.classical import workers_for
from napari_diffuscope.evaluate.restore.figures import Panel
from napari_diffuscope.evaluate.restore.judge import MIDDLE, WHOLE
from napari_diffuscope.evaluate.restore.models import Candidate, middle
from napari_diffuscope.evaluate.restore.settings import RestoreEvaluationSettings
from napari_diffuscope.evaluate.restore.tables import Tables
from napari_diffuscope.evaluate.tables import KEY
from napari_diffuscope.jobs import Update

ESTIMATE_COST = 8
SAMPLE_COST = 0.3
"""In tenths of a second: of an estimate of 256², and of one evaluation of 128²."""


@dataclass
class EvaluationRun:
    """What is shared by all steps, and how far the work is."""

    settings: RestoreEvaluationSettings
    out: Path
    tables: Tables
    methods: tuple[str, ...]
    models: tuple[Candidate, ...]
    names: tuple[CaseName, ...]
    sampled: frozenset[tuple[str, ...]]
    drawn: frozenset[tuple[str, ...]]
    panels: dict[tuple[str, ...], Panel] = field(default_factory=dict)
    done: float = 0
    total: float = 0

    def update(self, part: float = 0, **what: Any) -> Update:
        """An update with the work done so far, and ``part`` of what is under way."""
        return Update(round(10 * (self.done + part)), max(round(10 * self.total), 1), **what)

    def panel(self, case: Case) -> Panel | None:
        """Where the images of a case are kept for its figure; ``None`` where it gets none."""
        key = case.name.key
        return self.panels.setdefault(key, Panel(case)) if key in self.drawn else None


def plan(
    settings: RestoreEvaluationSettings,
    out: Path,
    tables: Tables,
    methods: tuple[str, ...],
    models: tuple[Candidate, ...],
    names: tuple[CaseName, ...],
) -> EvaluationRun:
    """Decide what is sampled and drawn, and how much is left to do."""
    sampled = sampled_cases(
        [name for name in names if not flat_inside(name, settings)], settings.limit_sampled
    )
    first: dict[tuple[str, ...], CaseName] = {}
    for name in names:
        if name.key in sampled or settings.limit_sampled == 0:
            first.setdefault((name.field.source, name.noise, name.level), name)
    drawn = frozenset(
        name.key
        for name in first.values()
        if can_draw() and not (out / FIGURES / f"{figure_name(name)}.png").exists()
    )
    work = EvaluationRun(settings, out, tables, methods, models, names, sampled, drawn)
    work.total = sum(cost for _, cost in classical_left(work)[0]) + sum(
        cost for *_, cost in models_left(work)
    )
    return work


def flat_inside(name: CaseName, settings: RestoreEvaluationSettings) -> bool:
    """Whether the part of a field that would be sampled has no content, so that nothing can be measured on it."""
    part = name.field.clean[middle(name.field.clean.shape, settings.crop)]
    return bool(part.max() <= part.min())


def figure_name(name: CaseName) -> str:
    """File name, without ending, of the figure of a case."""
    words = "-".join(("case", name.field.source, name.field.name, name.noise, name.level))
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in words)


def sampled_cases(names: Sequence[CaseName], limit: int) -> frozenset[tuple[str, ...]]:
    """Cases that are sampled: of each data set, noise and level one of each group, then the next of each."""
    seen: dict[tuple[str, ...], int] = {}
    ranked: dict[tuple[str, ...], list[tuple[int, int, CaseName]]] = {}
    for place, name in enumerate(names):
        bucket = (name.field.source, name.noise, name.level)
        turn = seen[(*bucket, name.field.group)] = seen.get((*bucket, name.field.group), -1) + 1
        ranked.setdefault(bucket, []).append((turn, place, name))
    return frozenset(
        name.key for bucket in ranked.values() for _, _, name in sorted(bucket, key=lambda e: e[:2])[:limit]
    )


def _methods_of(work: EvaluationRun, name: CaseName) -> tuple[str, ...]:
    """The input and the classical methods that can treat a case."""
    blind = name.field.low is not None or name.target != "sharp"
    return (INPUT, *(method for method in work.methods if not (blind and method == "richardson-lucy")))


def _done(work: EvaluationRun) -> set[tuple[tuple[str, ...], str, str, str]]:
    return {
        (tuple(row[part] for part in KEY), row["method"], row["kind"], row["region"])
        for row in work.tables.results.rows
    }


def classical_left(work: EvaluationRun) -> tuple[list[tuple[tuple[CaseName, tuple[str, ...]], float]], int]:
    """Cases, their missing methods and what they cost; and how many are treated at a time."""
    done, left = _done(work), []
    share = (work.settings.size / 256) ** 2
    for name in work.names:
        wanted = _methods_of(work, name)
        if name.key not in work.drawn:
            regions = (WHOLE, MIDDLE) if name.key in work.sampled else (WHOLE,)
            wanted = tuple(m for m in wanted if any((name.key, m, "", r) not in done for r in regions))
        if wanted:
            left.append(((name, wanted), share * sum(COSTS[method] for method in wanted)))
    at_once = workers_for(sum(cost for _, cost in left))
    return [(part, cost / at_once) for part, cost in left], at_once


def models_left(work: EvaluationRun) -> list[tuple[CaseName, Candidate, bool, float]]:
    """Cases, models, whether samples are wanted, and what they cost."""
    done, left = _done(work), []
    one = ESTIMATE_COST * (work.settings.size / 256) ** 2
    many = SAMPLE_COST * work.settings.samples * work.settings.steps * (work.settings.crop / 128) ** 2
    for name in work.names:
        for model in work.models:
            sampled = name.key in work.sampled and model.samples
            needed = [("estimate", WHOLE)] + ([("estimate", MIDDLE)] if name.key in work.sampled else [])
            needed += [("mean", MIDDLE)] if sampled else []
            if name.key in work.drawn or any((name.key, model.label, *part) not in done for part in needed):
                left.append((name, model, sampled, one + many * sampled))
    return left
