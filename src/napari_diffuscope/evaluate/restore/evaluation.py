"""The evaluation of models for restoration, from test cases to tables and figures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.evaluate.calibration import card_path, store_fit
from napari_diffuscope.evaluate.folder import FIGURES
from napari_diffuscope.evaluate.harness import Evaluated, Findings, evaluation_job
from napari_diffuscope.evaluate.restore.baselines import INPUT, METHODS, Best, chosen_methods
from napari_diffuscope.evaluate.restore.calibration import (
    calibration_facts,
    calibration_job,
    is_calibrated,
)
from napari_diffuscope.evaluate.restore.cases import Case, CaseName, case_names, make_case
from napari_diffuscope.evaluate.restore.classical import search_cases
from napari_diffuscope.evaluate.restore.fields import read_fields, swapped_pairs
from napari_diffuscope.evaluate.restore.figures import draw_case, draw_curves
from napari_diffuscope.evaluate.restore.judge import (
    MEASURES,
    MIDDLE,
    WHOLE,
    Judged,
    honesty,
    keys,
    quality,
    running_means,
)
from napari_diffuscope.evaluate.restore.models import (
    Candidate,
    Timed,
    candidates,
    draw_samples,
    estimate,
    middle,
)
from napari_diffuscope.evaluate.restore.report import report
from napari_diffuscope.evaluate.restore.settings import RESTORE, STANDARD, RestoreEvaluationSettings
from napari_diffuscope.evaluate.restore.summary import write_summary
from napari_diffuscope.evaluate.restore.tables import Outcome, Tables, resume
from napari_diffuscope.evaluate.restore.work import (
    EvaluationRun,
    classical_left,
    figure_name,
    flat_inside,
    models_left,
    plan,
)
from napari_diffuscope.evaluate.tables import KEY, Row, Table
from napari_diffuscope.jobs import Job, Update, relayed, run
from napari_diffuscope.weights.card import read_card


def restore_findings(settings: RestoreEvaluationSettings, out: Path) -> Job[Findings]:
    """Test models and classical methods on equal cases, in the folder ``out``.

    Yields
    ------
    Update
        In hundredths of a second that the work is expected to take on a processor.

    Raises
    ------
    DiffuscopeError
        For data or models that cannot be used, or a folder that holds another evaluation.
    """
    methods, left_out = chosen_methods(settings.methods, settings.target)
    if left_out:
        yield Update(0, 0, left_out, warning=True)
    yield Update(0, 0, "Opening models and data")
    models = candidates(settings.models, (INPUT, *METHODS))
    fields = read_fields(
        settings.data, seed=settings.seed, edge=settings.size, shrink=settings.shrink, limit=settings.limit
    )
    if settings.calibrate:
        models = yield from _calibrated(models, settings)
    tables = Tables.of(out)
    yield from resume(out, settings, models, tables)
    names = case_names(fields, settings.noises, settings.levels, settings.target)
    for note in (*swapped_pairs(fields), *_flat(names, settings)):
        yield Update(0, 0, note, warning=True)
    work = plan(settings, out, tables, methods, models, names)
    yield from _classical(work)
    yield from _of_models(work)
    return _finish(work)


def _flat(names: Sequence[CaseName], settings: RestoreEvaluationSettings) -> Iterator[str]:
    flat = list(dict.fromkeys(name.field.name for name in names if flat_inside(name, settings)))
    if flat and settings.limit_sampled:
        yield (
            f"The middle {settings.crop} x {settings.crop} pixels of {', '.join(flat[:3])} are the same everywhere: no "
            f"samples are drawn of {'it' if len(flat) == 1 else f'these {len(flat)} images'}."
        )


@contextmanager
def _naming(case: Case) -> Iterator[None]:
    """Say of which image an error is."""
    try:
        yield
    except DiffuscopeError as error:
        raise DiffuscopeError(f"{case.name.field.source}, {case.name.field.name}: {error}") from error


def evaluate_restoration(
    data: Sequence[str | os.PathLike[str]] | str | os.PathLike[str] = STANDARD,
    models: Sequence[str | os.PathLike[str]] | str | os.PathLike[str] = (),
    *,
    out: str | os.PathLike[str],
    on_update: Callable[[Update], None] | None = None,
    **choices: Any,
) -> Evaluated:
    """Test models for restoration in one call; the same as ``diffuscope evaluate restore``.

    Parameters
    ----------
    data
        ``standard``, folders of clean images, folders with ``high`` and ``low``; one or several.
    models
        Names or paths; one or several.
    out
        Folder for tables and figures.
    on_update
        Called with every :class:`~napari_diffuscope.jobs.Update`.
    choices
        Further fields of :class:`~napari_diffuscope.evaluate.restore.settings.RestoreEvaluationSettings`.
    """
    settings = RestoreEvaluationSettings(data=data, models=models, **choices)  # type: ignore[arg-type]
    return run(evaluation_job(RESTORE, settings, Path(out)), on_update)


def _calibrated(
    models: tuple[Candidate, ...], settings: RestoreEvaluationSettings
) -> Job[tuple[Candidate, ...]]:
    """Fit and store the calibration of each model that draws samples, unless its card has it already."""
    calibrated = []
    for model in models:
        if not model.samples or is_calibrated(model, settings):
            calibrated.append(model)
            continue
        card_path(model.place)  # before the work, not after it
        said = f"calibrating {model.label}"
        fit = yield from relayed(
            calibration_job(model, settings),
            lambda update, said=said: replace(update, message=said if update.done == 0 else ""),  # type: ignore[misc]
        )
        store_fit(model.place, fit, {**calibration_facts(settings), "sha256": model.sha256})
        calibrated.append(replace(model, card=read_card(card_path(model.place).parent)))
    return tuple(calibrated)


def _classical(work: EvaluationRun) -> Job[None]:
    """All classical methods of all cases."""
    left, workers = classical_left(work)
    if left:
        yield work.update(message="classical methods")
    costs = [cost for _, cost in left]
    searches = search_cases([part for part, _ in left], seed=work.settings.seed, workers=workers)
    with closing(searches):
        for searched in searches:
            if searched is not None:
                work.done += costs[searched.number]
                _keep_classical(work, searched.case, searched.best)
            yield work.update()


def _keep_classical(work: EvaluationRun, case: Case, results: dict[str, Best]) -> None:
    panel = work.panel(case)
    rows: list[Judged] = []
    for method, best in results.items():
        if panel is not None:
            panel.whole[method] = best.image
        facts: Judged = {"method": method, "kind": "", "seconds": best.seconds, "setting": best.setting}
        rows += _rows(work, case, best.image, facts)
    work.tables.results.add(rows)


def _rows(work: EvaluationRun, case: Case, image: np.ndarray, facts: Judged) -> list[Judged]:
    """Rows of a result of the whole field: on all of it and, where samples are drawn, on its middle."""
    with _naming(case):
        rows: list[Judged] = [{**keys(case), "region": WHOLE, **facts, **quality(case, image)}]
        if case.name.key in work.sampled:
            crop = work.settings.crop
            inner = quality(case, image[middle(image.shape, crop)], crop)
            rows.append({**keys(case), "region": MIDDLE, **facts, **inner})
    return rows


def _of_models(work: EvaluationRun) -> Job[None]:
    """Estimates and samples of all models, case by case; the figure of a case as soon as it is complete."""
    left = models_left(work)
    if left:
        yield work.update(message="models")
    for number, (name, model, sampled, cost) in enumerate(left):
        case = make_case(name, seed=work.settings.seed)
        yield from _one_model(work, case, model, sampled, cost)
        work.done += cost
        yield work.update()
        if number + 1 == len(left) or left[number + 1][0] is not name:
            _draw_panel(work, name)
    for key in list(work.panels):  # of cases without a model
        _draw_panel(work, work.panels[key].case.name)


def _one_model(work: EvaluationRun, case: Case, model: Candidate, sampled: bool, cost: float) -> Job[None]:
    settings, panel = work.settings, work.panel(case)
    share = 0.1 if sampled else 1.0
    ways = {"adapt": settings.adapt, "mirrored": settings.mirrored}
    whole = estimate(model, case.noisy, device=settings.device, **ways)
    done = yield from _inside(work, whole, share * cost)
    words = {"adapt": "adapted", "mirrored": "over mirror images"}
    setting = ", ".join(words[name] for name, chosen in ways.items() if chosen)
    facts: Judged = {"method": model.label, "kind": "estimate", "seconds": done.seconds, "setting": setting}
    rows = _rows(work, case, done.image, facts)
    if panel is not None:
        panel.whole[model.label] = done.image
    if sampled:
        chain = draw_samples(
            model,
            case.noisy,
            settings.crop,
            samples=settings.samples,
            steps=settings.steps,
            seed=settings.seed,
            device=settings.device,
        )
        drawn = yield from _inside(work, chain, 0.9 * cost)
        rows += _keep_samples(work, case, model, drawn)
        if panel is not None and panel.samples is None:
            panel.samples, panel.sampler = drawn.image, model.label
    work.tables.results.add(rows)


def _inside(work: EvaluationRun, job: Job[Timed], cost: float) -> Job[Timed]:
    """Pass on how far a part of the work is."""
    return (yield from relayed(job, lambda update: work.update(cost * update.done / max(update.total, 1))))


def _keep_samples(work: EvaluationRun, case: Case, model: Candidate, drawn: Timed) -> list[Judged]:
    """Store what is known of samples; returns the rows of one sample and of the mean of all."""
    crop, count = work.settings.crop, len(drawn.image)
    with _naming(case):
        means = running_means(case, drawn.image, crop, model.label)
        shares, errors = honesty(case, drawn, crop, model)
    work.tables.samples.add(means)
    work.tables.coverage.add(shares)
    work.tables.deviation.add(errors)
    rows: list[Judged] = []
    for kind, row, seconds in (
        ("sample", means[0], drawn.seconds / count),
        ("mean", means[-1], drawn.seconds),
    ):
        setting = f"{row['samples']} samples of {work.settings.steps} steps"
        facts: Judged = {"method": model.label, "kind": kind, "seconds": seconds, "setting": setting}
        rows.append({**keys(case), "region": MIDDLE, **facts, **{name: row[name] for name in MEASURES}})
    return rows


def _draw_panel(work: EvaluationRun, name: CaseName) -> None:
    panel = work.panels.pop(name.key, None)
    if panel is None:
        return
    folder = work.out / FIGURES
    draw_case(folder / f"{figure_name(name)}.png", panel, work.models, work.settings.crop)


def _finish(work: EvaluationRun) -> Findings:
    """Summary and figures of everything that was asked for."""
    methods = {INPUT, *work.methods, *(model.label for model in work.models)}
    cases = {name.key for name in work.names}

    def asked(table: Table, column: str) -> tuple[Row, ...]:
        return tuple(
            row for row in table.rows if row[column] in methods and tuple(row[part] for part in KEY) in cases
        )

    tables = work.tables
    outcome = Outcome(
        asked(tables.results, "method"),
        asked(tables.samples, "model"),
        asked(tables.coverage, "model"),
        asked(tables.deviation, "model"),
        tuple(model.label for model in work.models),
    )
    write_summary(work.out, outcome.results, outcome.labels)
    rows = {name: getattr(outcome, name) for name in ("results", "samples", "coverage", "deviation")}
    return Findings(rows, report(outcome, work.settings, work.models), partial(draw_curves, outcome))
