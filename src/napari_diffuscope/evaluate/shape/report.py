"""What an evaluation of shapes says: tables as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_diffuscope.evaluate import markdown
from napari_diffuscope.evaluate.bootstrap import Interval, mean_interval, paired_interval
from napari_diffuscope.evaluate.shape.classes import SPLITS, Scores, few
from napari_diffuscope.evaluate.shape.models import Contender, fold_count
from napari_diffuscope.evaluate.shape.predictions import ERRORS, ESTIMATE, FIT
from napari_diffuscope.evaluate.shape.settings import ShapeEvaluationSettings
from napari_diffuscope.evaluate.shape.spread import SampleSpread
from napari_diffuscope.evaluate.tables import Row

Method = tuple[str, str]
WORDS = {
    "iou": "IoU",
    "volume_error": "volume error",
    "surface_error": "surface error",
    "roughness_error": "roughness error",
}


def methods_of(rows: Sequence[Row]) -> list[Method]:
    """Methods and variants in the order of the table."""
    return list(dict.fromkeys((row["method"], row["variant"]) for row in rows))


def values_of(rows: Sequence[Row], method: Method, measure: str) -> dict[str, float]:
    """A measure of every cell."""
    return {row["cell"]: float(row[measure]) for row in rows if (row["method"], row["variant"]) == method}


def best_fit(rows: Sequence[Row]) -> Method:
    """The fit with the highest mean overlap."""
    fits = [method for method in methods_of(rows) if method[1] == FIT]
    return max(fits, key=lambda method: float(np.mean(list(values_of(rows, method, "iou").values()))))


def difference(
    rows: Sequence[Row], ours: Method, other: Method, measure: str, *, resamples: int, seed: int
) -> Interval:
    """Mean of ours minus the other's over the cells that both were tested on, with its paired 95 % interval."""
    first, second = values_of(rows, ours, measure), values_of(rows, other, measure)
    both = [cell for cell in first if cell in second]
    return paired_interval(
        [first[c] for c in both], [second[c] for c in both], resamples=resamples, seed=seed
    )


def report(
    rows: Sequence[Row],
    scores: Sequence[Scores],
    settings: ShapeEvaluationSettings,
    kinds: Sequence[Contender],
    spread: Sequence[SampleSpread] = (),
) -> str:
    """The whole report.

    Parameters
    ----------
    rows
        Of the table of results.
    scores
        Of the classification.
    settings
        What was tested.
    kinds
        The models; the first is compared with all else.
    spread
        Of the samples of the first; empty if it draws none.
    """
    ours = (kinds[0].label, ESTIMATE)
    cells = dict.fromkeys(row["cell"] for row in rows)
    words = [
        "# 3D shapes from one image",
        "",
        f"{len(cells)} cells of {Path(settings.data).name}, {_protocol(settings)}: every cell is predicted by a model "
        "that was trained without it, and by fits that were tuned without it. Means over cells, with 95 % bootstrap "
        "intervals. IoU: larger is better, 1 is perfect; errors are relative, |predicted - true| / true, smaller is "
        "better. *plane* is the IoU of the shape's middle plane with the outline.",
        "",
        *_main_table(rows, settings),
        "",
        f"## {kinds[0].label}, {ESTIMATE}, minus the others",
        "",
        "Paired over cells. IoU: above zero is better; errors: below zero is better.",
        "",
        *_differences(rows, ours, settings),
        "",
        "## IoU by class",
        "",
        *_classes(rows),
        "",
        "## Fits",
        "",
        "Free parameters are those with the highest mean IoU on the training cells of the fold. *Height* is half the "
        "height of a cell of the typical radius, in such radii (the radius is that of the circle of equal area, in "
        "voxels); *slope* is how much it grows with the radius; *middle* is how many voxels the middle lies above the "
        "image plane.",
        "",
        *_settings(rows),
        "",
        "## Trainings",
        "",
        *_trainings(kinds, settings),
    ]
    if spread:
        words += ["", "## Do samples differ as much as the truth?", "", *_spread(spread, settings)]
    if scores:
        words += ["", "## Which class is a cell of?", "", *_classification(scores, rows, settings)]
    return "\n".join(words) + "\n"


def _main_table(rows: Sequence[Row], settings: ShapeEvaluationSettings) -> list[str]:
    head = ("method", *(WORDS[measure] for measure in ERRORS), "plane", "evaluations", "s per cell")
    lines = []
    for method in methods_of(rows):
        intervals = [
            mean_interval(
                list(values_of(rows, method, measure).values()),
                resamples=settings.resamples,
                seed=settings.seed,
            )
            for measure in ERRORS
        ]
        evaluations = max(values_of(rows, method, "evaluations").values())
        cells = [
            _name(method),
            *(interval.text(3) for interval in intervals),
            f"{np.mean(list(values_of(rows, method, 'agreement').values())):.3f}",
            f"{evaluations:.0f}" if evaluations else "",
            f"{np.median(list(values_of(rows, method, 'seconds').values())):.2f}",
        ]
        lines.append(cells)
    return markdown.table(head, lines)


def _name(method: Method) -> str:
    return method[0] if method[1] == FIT else ", ".join(method)


def _differences(rows: Sequence[Row], ours: Method, settings: ShapeEvaluationSettings) -> list[str]:
    lines = []
    mine, best = values_of(rows, ours, "iou"), best_fit(rows)
    for method in methods_of(rows):
        if method == ours:
            continue
        gaps = [
            difference(rows, ours, method, m, resamples=settings.resamples, seed=settings.seed).text(
                3, signed=True
            )
            for m in ERRORS
        ]
        theirs = values_of(rows, method, "iou")
        wins = sum(mine[cell] > theirs[cell] for cell in theirs)
        name = f"{_name(method)} (the best fit)" if method == best else _name(method)
        lines.append([name, *gaps, f"{wins} of {len(theirs)}"])
    return markdown.table(["minus", *(WORDS[measure] for measure in ERRORS), "IoU better in"], lines)


def _classes(rows: Sequence[Row]) -> list[str]:
    classes = {row["cell"]: row["class"] for row in rows}
    kinds = sorted(set(classes.values()))
    counts = {kind: sum(k == kind for k in classes.values()) for kind in kinds}
    lines = []
    for method in methods_of(rows):
        overlaps = values_of(rows, method, "iou")
        means = [np.mean([v for cell, v in overlaps.items() if classes[cell] == kind]) for kind in kinds]
        lines.append([_name(method), *(f"{mean:.3f}" for mean in means)])
    return markdown.table(["method", *(f"{kind or 'all'} ({counts[kind]})" for kind in kinds)], lines)


def _protocol(settings: ShapeEvaluationSettings) -> str:
    if settings.kept_out:
        return "those that were kept out of the training"
    return f"{settings.folds}-fold cross-validation by cell"


def _settings(rows: Sequence[Row]) -> list[str]:
    tuned = {(row["method"], row["fold"], row["setting"]) for row in rows if row["variant"] == FIT}
    return markdown.table(["fit", "fold", "parameters"], sorted(tuned))


def _trainings(kinds: Sequence[Contender], settings: ShapeEvaluationSettings) -> list[str]:
    head = ("model", "fold", "parameters", "cells", "steps", "minutes", "threads")
    folds = range(1, fold_count(settings) + 1)
    return markdown.table(head, [_training(kind, fold) for kind in kinds for fold in folds])


def _training(kind: Contender, fold: int) -> list[str]:
    from napari_diffuscope.weights.folder import build_network

    card = kind.card(fold)
    size = sum(one.numel() for one in build_network(card.network, device="meta").parameters())
    training: dict[str, Any] = card.training
    minutes = f"{training['seconds'] / 60:.1f}" if "seconds" in training else ""
    return [
        kind.label,
        str(fold),
        f"{size / 1e6:.2f} M",
        *(str(training.get(key, "")) for key in ("cells", "steps")),
        minutes,
        str(training.get("threads", "")),
    ]


def _spread(spreads: Sequence[SampleSpread], settings: ShapeEvaluationSettings) -> list[str]:
    head = ("of", "truth between samples", "deviation", "error", "mean difference")
    rows = [
        (
            one.name,
            f"{100 * one.within:.0f} %",
            f"{100 * one.deviation:.1f} %",
            f"{100 * one.error:.1f} %",
            f"{100 * one.bias:+.1f} %",
        )
        for one in spreads
    ]
    return [
        f"{settings.samples} samples of each cell. If the truth were one more sample, it would lie between the "
        f"smallest and the largest of them in {100 * spreads[0].expected:.0f} % of the cells, and the error would be "
        f"{np.sqrt(1 + 1 / settings.samples):.2f} times the deviation. Deviation over the samples of a cell, and "
        "difference of their mean from the truth (root mean squares over cells, and its mean), relative to that mean.",
        "",
        *markdown.table(head, rows),
    ]


def _classification(
    scores: Sequence[Scores], rows: Sequence[Row], settings: ShapeEvaluationSettings
) -> list[str]:
    classes = {row["cell"]: row["class"] for row in rows}
    kinds = sorted(set(classes.values()))
    head = ("features", "macro-F1", *(f"F1 {kind}" for kind in kinds))
    lines = [
        (
            score.name,
            f"{np.mean(score.macro):.3f} ± {np.std(score.macro, ddof=1):.3f}",
            *(f"{score.each[kind]:.3f}" for kind in kinds),
        )
        for score in scores
    ]
    return [
        f"Random forests of {settings.trees} trees, {SPLITS} stratified parts (fewer where a class has fewer cells), "
        f"{settings.repeats} repeats; macro-F1 as mean ± standard deviation over repeats. *Added* and *repeated* are "
        f"training rows of the classes with few cells ({', '.join(few(list(classes.values())))}), up to the size of "
        "the largest class: from cells of the training part alone, shapes from models that never saw the cell. Only "
        "the cells themselves are tested on. *2D*: outline and grey values of the image. *True 3D*: features of the "
        "known shapes.",
        "",
        *markdown.table(head, lines),
    ]
