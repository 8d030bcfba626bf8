"""The evaluation of shapes: cross-validation by cell, against fits of the outline and a network of one pass."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.evaluate.folder import keep_arguments
from napari_diffuscope.evaluate.harness import Findings
from napari_diffuscope.evaluate.shape.classes import Scores, check_installed, classify, splits_of
from napari_diffuscope.evaluate.shape.figures import draw_cells
from napari_diffuscope.evaluate.shape.models import (
    Contender,
    contenders,
    fold_count,
    pending,
    split,
    train_folds,
)
from napari_diffuscope.evaluate.shape.predictions import Results, fit_fold, predict_fold
from napari_diffuscope.evaluate.shape.protocols import (
    feature_table,
    measure_features,
    predicted_variants,
    protocols,
)
from napari_diffuscope.evaluate.shape.report import report
from napari_diffuscope.evaluate.shape.settings import ShapeEvaluationSettings
from napari_diffuscope.evaluate.shape.spread import spreads
from napari_diffuscope.evaluate.tables import Table
from napari_diffuscope.imaging.failures import writing
from napari_diffuscope.jobs import Job, Update
from napari_diffuscope.training.shape.cells import KnownCell, read_cells

SCORES = ("protocol", "repeat", "macro_f1")


def train_models(settings: ShapeEvaluationSettings, out: Path) -> Job[bool]:
    """Train models on all folds but one; whether there is one for every fold.

    Yields
    ------
    Update
        Of the trainings.

    Raises
    ------
    DiffuscopeError
        For cells, recipes or models that cannot be used, or a folder that holds another evaluation.
    """
    if settings.classify and not settings.only:
        check_installed()
    yield Update(0, 0, "Reading cells")
    read_cells(Path(settings.data))
    kinds = contenders(settings, out)
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    data = str(Path(settings.data).resolve())
    keep_arguments(out, {"kind": "shape", **settings.facts(), "data": data})
    for kind in kinds:
        if kind.recipe is not None:
            yield from train_folds(kind, settings, out)
    if settings.only:
        yield Update(1, 1, "These folds are trained; once all are, run it without naming folds.")
        return False
    for kind in kinds:
        if missing := pending(kind, settings):
            raise DiffuscopeError(
                f"There is no model {kind.place(missing[0])}; train the fold or name another folder."
            )
    return True


def shape_findings(settings: ShapeEvaluationSettings, out: Path) -> Job[Findings]:
    """Let the model of each fold predict the cells that it never saw, and compare.

    Yields
    ------
    Update
        Of each fold and method.

    Raises
    ------
    DiffuscopeError
        For a model that may have seen a cell, or cannot be used on it.
    """
    cells = read_cells(Path(settings.data))
    kinds, results = contenders(settings, out), Results.of(out)
    folds = split(cells, kinds, settings)
    yield from _predict(kinds, cells, folds, settings, results)
    cells = tuple(cell for cell in cells if folds[cell.name])
    scores = yield from _classified(kinds[0], cells, settings, results, out)
    labels = [kind.label for kind in kinds]
    yield Update(0, 0, "Comparing samples with the truth")
    only = kinds[0].card(1).diffusion.estimate_only
    spread = () if only else spreads(cells, labels[0], settings.samples, results)
    return Findings(
        {"results": results.table.rows},
        report(results.table.rows, scores, settings, kinds, spread),
        lambda folder: draw_cells(folder, cells, labels, results),
    )


def _predict(
    kinds: Sequence[Contender],
    cells: Sequence[KnownCell],
    folds: dict[str, int],
    settings: ShapeEvaluationSettings,
    results: Results,
) -> Job[None]:
    count = fold_count(settings)
    total, done = count * (1 + len(kinds)), 0
    for fold in range(1, count + 1):
        training = [cell for cell in cells if folds[cell.name] != fold]
        test = [cell for cell in cells if folds[cell.name] == fold]
        for message in fit_fold(fold, training, test, results):
            yield Update(done, total, message)
        done += 1
        for kind in kinds:
            for message in predict_fold(kind, fold, test, settings, results):
                yield Update(done, total, message)
            done += 1
    yield Update(done, total)


def _classified(
    kind: Contender,
    cells: Sequence[KnownCell],
    settings: ShapeEvaluationSettings,
    results: Results,
    out: Path,
) -> Job[tuple[Scores, ...]]:
    classes = [cell.kind for cell in cells]
    if not settings.classify:
        return ()
    if not splits_of(classes):
        message = "Cells are not classified: there are too few classes, or too few cells of one of them."
        yield Update(0, 0, message, warning=True)
        return ()
    only = kind.card(1).diffusion.estimate_only
    variants = predicted_variants(0 if only else settings.samples)
    table = feature_table(out)
    for name in measure_features(cells, kind.label, variants, results, table):
        yield Update(0, 0, f"Features of {name}")
    ways = protocols(cells, kind.label, variants, results, table)
    scores: tuple[Scores, ...] = ()
    count, total = 0, settings.repeats * len(ways)
    for step in classify(ways, classes, repeats=settings.repeats, trees=settings.trees, seed=settings.seed):
        if isinstance(step[0], Scores):
            scores = tuple(score for score in step if isinstance(score, Scores))
        else:
            yield Update(count, total, f"Classifying: {step[0]}, {step[1]}")
            count += 1
    _keep_scores(out, scores)
    return scores


def _keep_scores(out: Path, scores: Sequence[Scores]) -> None:
    table = Table(out / "classification.csv", SCORES, ("protocol", "repeat"))
    table.drop(lambda row: True)
    table.add(
        {"protocol": score.name, "repeat": repeat, "macro_f1": value}
        for score in scores
        for repeat, value in enumerate(score.macro)
    )
