"""The report of an evaluation: ``summary.md``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from napari_diffuscope.evaluate import markdown
from napari_diffuscope.evaluate.restore.baselines import INPUT
from napari_diffuscope.evaluate.restore.cases import BACKGROUND
from napari_diffuscope.evaluate.restore.judge import MEASURES, MIDDLE, WHOLE, calibration_in_words
from napari_diffuscope.evaluate.restore.models import PLANE, Candidate
from napari_diffuscope.evaluate.restore.settings import PHOTONS, WITHOUT, RestoreEvaluationSettings
from napari_diffuscope.evaluate.restore.summary import (
    EVERYWHERE,
    Condition,
    comparison_rows,
    matching,
    methods_in,
    spread,
    title_of,
)
from napari_diffuscope.evaluate.restore.tables import Outcome
from napari_diffuscope.evaluate.statistics import ALL, Spread, conditions, spread_of
from napari_diffuscope.evaluate.tables import Row
from napari_diffuscope.measure.deviations import conformal

DIGITS = {"psnr": 2, "ssim": 3, "ms_ssim": 4, "nrmse": 4, "pearson": 4, "sharpness": 2, "seconds": 2}
NAMES = {
    "psnr": "PSNR (dB)",
    "ssim": "SSIM",
    "ms_ssim": "MS-SSIM",
    "nrmse": "NRMSE",
    "pearson": "Pearson",
    "sharpness": "sharpness",
    "seconds": "seconds",
}


def report(outcome: Outcome, settings: RestoreEvaluationSettings, models: Sequence[Candidate]) -> str:
    """Text of ``summary.md``."""
    rows = outcome.results
    parts = [
        _head(rows, settings),
        _quality(rows),
        _tests(rows, outcome.labels),
        _sampling(outcome),
        _uncertainty(outcome, models),
        _costs(rows, models),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(rows: Sequence[Row], settings: RestoreEvaluationSettings) -> str:
    cases = {tuple(row[part] for part in ("source", "name", "noise", "level")) for row in rows}
    fields = {(row["source"], row["name"]) for row in rows}
    levels = ", ".join(
        f"{name} {PHOTONS[name]:g}{' (without noise)' if name == WITHOUT else ''}" for name in settings.levels
    )
    target = {
        "equal-blur": "the noise-free image at equal blur",
        "sharp": "the same specimen, noise-free, with a spot half as wide",
    }[settings.target]
    return "\n".join(
        [
            "# Restoration: evaluation",
            "",
            f"{len(cases)} cases of {len(fields)} fields of {settings.size}² pixels at most, seed {settings.seed}. "
            f"Target: {target}. Noise is named after its strength; photons at the brightest pixel: {levels}; "
            f"background {BACKGROUND:.0%} of it.",
            "Classical methods have the settings that are best for each image, found with the truth at hand; models "
            "have none. The range for PSNR, SSIM and NRMSE is that of the truth. Sharpness is the power in the upper "
            "half of the frequencies below the cut-off, relative to the truth: 1 is as sharp, more is noise or "
            "invention. Real pairs are fitted to their truth by a straight line first.",
        ]
    )


def _quality(rows: Sequence[Row]) -> str:
    whole = [row for row in rows if row["region"] == WHOLE]
    parts = ["## Quality", "", "Median over images (25th–75th percentile; mean)."]
    for source in dict.fromkeys(row["source"] for row in whole):
        inside = [row for row in whole if row["source"] == source]
        columns = [*conditions(inside), (source, ALL, ALL)]
        for measure in ("psnr", "ssim", "sharpness"):
            parts += ["", f"### {source}: {NAMES[measure]}", "", *_table(inside, columns, measure)]
    parts += ["", "### All data: all measures, median", "", *_overview(whole)]
    return "\n".join(parts)


def _table(rows: Sequence[Row], columns: Sequence[Condition], measure: str) -> list[str]:
    heads = [ALL if noise == ALL else _words(noise, level) for _, noise, level in columns]
    counts = [len(_cases(matching(rows, column))) for column in columns]
    lines = []
    for method, kind in methods_in(rows):
        spreads = (spread(matching(rows, column), method, kind, measure) for column in columns)
        lines.append([title_of(method, kind), *(_cell(each, measure) for each in spreads)])
    return markdown.table(
        ["method", *(f"{h} (n={n})" for h, n in zip(heads, counts, strict=True))],
        lines,
    )


def _words(noise: str, level: str) -> str:
    return noise if noise == level else f"{noise}, {level}"


def _cases(rows: Iterable[Row]) -> set[tuple[str, ...]]:
    return {tuple(row[part] for part in ("source", "name", "noise", "level")) for row in rows}


def _cell(spread: Spread | None, measure: str) -> str:
    if spread is None:
        return "–"
    median, low, high, mean = (
        f"{value:.{DIGITS[measure]}f}" for value in (spread.median, spread.low, spread.high, spread.mean)
    )
    return f"**{median}** ({low}–{high}; {mean})"


def _overview(rows: Sequence[Row]) -> list[str]:
    lines = []
    for method, kind in methods_in(rows):
        spreads = {measure: spread(rows, method, kind, measure) for measure in MEASURES}
        medians = (f"{s.median:.{DIGITS[m]}f}" if s is not None else "–" for m, s in spreads.items())
        lines.append([title_of(method, kind), *medians])
    return markdown.table(["method", *(NAMES[measure] for measure in MEASURES)], lines)


def _tests(rows: Sequence[Row], labels: Sequence[str]) -> str:
    comparisons = comparison_rows(rows, labels)
    if not comparisons:
        return ""
    sources = list(dict.fromkeys(row["source"] for row in comparisons if row["source"] != ALL))
    wanted = [(source, ALL, ALL) for source in sources] + [EVERYWHERE] * (len(sources) != 1)
    head = ("data", "against", "won", "difference (dB)", "p, median test", "p, sign test")
    lines = [
        (
            row["source"],
            title_of(row["other"]),
            f"{row['wins']} of {row['images']}",
            f"{float(row['difference_db']):+.2f}",
            _p(row["p_median"]),
            _p(row["p_sign"]),
        )
        for row in comparisons
        if (row["source"], row["noise"], row["level"]) in wanted
    ]
    words = [
        "## Against the other methods",
        "",
        f"PSNR of the best estimate of {labels[0]}: cases won, median difference, p of the median "
        "test (which ignores that cases are paired) and of the sign test (which does not). By noise and level: "
        "`tests.csv`.",
        "",
    ]
    return "\n".join([*words, *markdown.table(head, lines)])


def _p(text: str) -> str:
    value = float(text)
    return "–" if np.isnan(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _sampling(outcome: Outcome) -> str:
    inner = [row for row in outcome.results if row["region"] == MIDDLE]
    if not outcome.samples:
        return ""
    columns = [*_joined(inner), EVERYWHERE]
    parts = [
        "## Samples and their means",
        "",
        "On the middle of the sampled cases alone, so that all numbers of this section compare.",
    ]
    for measure in ("psnr", "ssim", "sharpness"):
        parts += ["", f"### {NAMES[measure]}", "", *_table(inner, columns, measure)]
    parts += ["", "### Number of averaged samples", "", *_counts(outcome.samples)]
    return "\n".join(parts)


def _joined(rows: Sequence[Row]) -> list[Condition]:
    """Noises and levels over all sources."""
    return list(dict.fromkeys((ALL, noise, level) for _, noise, level in conditions(rows)))


def _counts(rows: Sequence[Row]) -> list[str]:
    numbers = sorted({int(row["samples"]) for row in rows})
    lines = []
    for model in dict.fromkeys(row["model"] for row in rows):
        for measure in ("psnr", "ssim", "sharpness"):
            cells = []
            for number in numbers:
                chosen = (r for r in rows if r["model"] == model and int(r["samples"]) == number)
                spread = spread_of(float(row[measure]) for row in chosen)
                cells.append("–" if spread is None else f"{spread.mean:.{DIGITS[measure]}f}")
            lines.append([model, f"{NAMES[measure]}, mean", *cells])
    return markdown.table(["model", "measure", *map(str, numbers)], lines)


def _uncertainty(outcome: Outcome, models: Sequence[Candidate]) -> str:
    if not outcome.coverage:
        return ""
    nominal = sorted({row["nominal"] for row in outcome.coverage}, key=float)
    parts = [
        "## Honesty of the deviation",
        "",
        "Share of pixels whose truth lies within the interval predicted from the samples (mean over cases): of samples "
        "as they are drawn, with intervals of a normal distribution; and with deviation and intervals as calibrated in "
        "the model's card (measured, or the factor).",
        "",
    ]
    lines = []
    for model in (m for m in models if any(row["model"] == m.label for row in outcome.coverage)):
        mine = [row for row in outcome.coverage if row["model"] == model.label]
        for condition in [*_joined(mine), EVERYWHERE]:
            part = matching(mine, condition)
            words = ALL if condition == EVERYWHERE else _words(*condition[1:])
            scale = calibration_in_words(model.card)
            ways = [("as drawn", "found"), (scale, "found_scaled")]
            for words_of, column in ways if scale != "1" else ways[:1]:
                shares = [
                    f"{np.mean([float(r[column]) for r in part if r['nominal'] == n]):.1%}" for n in nominal
                ]
                lines.append([model.label, words, words_of, *shares])
    head = ["model", "data", "calibration", *(f"{float(n):.0%}" for n in nominal)]
    over_images = _over_images(outcome.coverage, models, nominal)
    return "\n".join(
        [*parts, *markdown.table(head, lines), "", *over_images, *_errors(outcome.deviation, models)]
    )


MOST_IMAGES = 0.9
"""Share of further images that conformal intervals are for."""


def _over_images(rows: Sequence[Row], models: Sequence[Candidate], nominal: Sequence[str]) -> list[str]:
    """Conformal intervals over images: how much wider they must be to suit nine of ten images, not the mean."""
    words = [
        "Half widths of these intervals in deviations: in the model's card, what the median image needs to hold its "
        f"nominal share, and what is enough for {MOST_IMAGES:.0%} of further images of this kind (conformal, over "
        "images); and the shares found on the images, from the least to the largest:",
        "",
    ]
    lines = []
    for model in models:
        for level in nominal:
            part = [row for row in rows if row["model"] == model.label and row["nominal"] == level]
            if not part:
                continue
            needed = [float(row["needed"]) for row in part]
            enough = conformal(needed, MOST_IMAGES)
            found = sorted(float(row["found_scaled"]) for row in part)
            own = f"{float(part[0]['width']):.2f}" if part[0]["width"] else "–"
            shown = f"{enough:.2f}" if enough is not None else f"needs more than {len(needed)} images"
            lines.append(
                [
                    model.label,
                    f"{float(level):.0%}",
                    own,
                    f"{np.median(needed):.2f}",
                    shown,
                    f"{found[0]:.1%} to {found[-1]:.1%}",
                ]
            )
    head = ["model", "nominal", "card", "median image", f"{MOST_IMAGES:.0%} of images", "found"]
    return [*words, *markdown.table(head, lines), ""]


def _errors(rows: Sequence[Row], models: Sequence[Candidate]) -> list[str]:
    numbers = sorted({int(row["bin"]) for row in rows})
    words = [
        "Root mean squared error against predicted deviation in bins of equally many pixels, from the least to the "
        "most uncertain, in % of the range of the truth (mean over cases):",
        "",
    ]
    lines = []
    for model in models:
        mine = [row for row in rows if row["model"] == model.label]
        if not mine:
            continue
        error, spread, given = (
            _binned(mine, numbers, lambda row, name=name: float(row[name]) / float(row["range"]))  # type: ignore[misc]
            for name in ("error", "deviation", "given")
        )
        scale = calibration_in_words(model.card)
        lines_of = [
            ("error", error),
            ("deviation as drawn", spread),
            (f"deviation, calibrated ({scale})", given),
        ]
        for title, values in lines_of if scale != "1" else lines_of[:2]:
            gap = "" if title == "error" else f"{100 * np.abs(values - error).mean():.2f}"
            lines.append([model.label, title, *(f"{100 * value:.2f}" for value in values), gap])
    return [*words, *markdown.table(["model", "", *(str(n + 1) for n in numbers), "mean gap"], lines)]


def _binned(rows: Sequence[Row], numbers: Sequence[int], value: Callable[[Row], float]) -> np.ndarray:
    return np.array([np.mean([value(row) for row in rows if int(row["bin"]) == n]) for n in numbers])


def _costs(rows: Sequence[Row], models: Sequence[Candidate]) -> str:
    words = [
        "## Cost",
        "",
        "Seconds per image (median; without loading weights; classical methods for one call at the best setting, "
        "measured while other cases ran beside it); samples on the middle part. Overhead: pixels evaluated over "
        f"pixels of the image, for a plane of {PLANE}².",
        "",
    ]
    lines = []
    overheads = {model.label: f"{model.overhead:.2f}" for model in models}
    for method, kind in methods_in(rows):
        region = MIDDLE if kind in ("sample", "mean") else WHOLE
        seconds = spread([row for row in rows if row["region"] == region], method, kind, "seconds")
        if seconds is not None and method != INPUT:
            overhead = overheads.get(method, "–") if kind == "estimate" else "–"
            lines.append([title_of(method, kind), f"{seconds.median:.2f}", overhead])
    return "\n".join([*words, *markdown.table(["method", "seconds", "overhead"], lines)])
