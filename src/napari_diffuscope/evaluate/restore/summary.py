"""The summary of an evaluation: ``summary.csv`` and ``tests.csv``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from napari_diffuscope.evaluate.restore.baselines import INPUT, METHODS, TITLES
from napari_diffuscope.evaluate.restore.judge import MEASURES, MIDDLE, WHOLE
from napari_diffuscope.evaluate.statistics import ALL, Spread, by_case, compared, conditions, spread_of
from napari_diffuscope.evaluate.tables import Row, write_csv

Condition = tuple[str, str, str]
EVERYWHERE: Condition = (ALL, ALL, ALL)

_SUMMARY = (
    "region",
    "source",
    "noise",
    "level",
    "method",
    "kind",
    "measure",
    "images",
    "median",
    "q1",
    "q3",
    "mean",
)
_TESTS = (
    "source",
    "noise",
    "level",
    "ours",
    "other",
    "images",
    "wins",
    "difference_db",
    "p_median",
    "p_sign",
)


def write_summary(out: Path, rows: Sequence[Row], labels: Sequence[str]) -> None:
    """Write the medians and the tests of the first model."""
    write_csv(out / "summary.csv", _SUMMARY, summary_rows(rows))
    write_csv(out / "tests.csv", _TESTS, comparison_rows(rows, labels))


def title_of(method: str, kind: str = "") -> str:
    """What a method is called in tables: ``BM3D``, ``model, mean of samples``."""
    if method in TITLES:
        return TITLES[method]
    return {"": method, "estimate": method, "sample": f"{method}, one sample", "mean": f"{method}, mean"}[
        kind
    ]


def methods_in(rows: Iterable[Row]) -> list[tuple[str, str]]:
    """Methods and kinds, classical ones first."""
    methods = dict.fromkeys((row["method"], row["kind"]) for row in rows)
    order = (INPUT, *METHODS)
    return sorted(methods, key=lambda m: order.index(m[0]) if m[0] in order else len(order))


def matching(rows: Iterable[Row], condition: Condition) -> list[Row]:
    """Rows of a condition; ``all`` stands for any source, noise or level."""
    return [
        row
        for row in rows
        if all(
            want in (ALL, row[part])
            for want, part in zip(condition, ("source", "noise", "level"), strict=True)
        )
    ]


def summary_rows(rows: Sequence[Row]) -> list[Row]:
    """Spread of every measure, for each region, condition, method and kind."""
    made = []
    for region in (WHOLE, MIDDLE):
        inside = [row for row in rows if row["region"] == region]
        for condition in all_conditions(inside):
            part = matching(inside, condition)
            for method, kind in methods_in(part):
                for measure in (*MEASURES, "seconds"):
                    values_spread = spread(part, method, kind, measure)
                    if values_spread is not None:
                        numbers = (
                            values_spread.count,
                            values_spread.median,
                            values_spread.low,
                            values_spread.high,
                            values_spread.mean,
                        )
                        values = (region, *condition, method, kind, measure, *(f"{n:.6g}" for n in numbers))
                        made.append(dict(zip(_SUMMARY, values, strict=True)))
    return made


def all_conditions(rows: Sequence[Row]) -> list[Condition]:
    """Each source, noise and level; each noise and level; each source; everything."""
    single = conditions(rows)
    sources = list(dict.fromkeys(source for source, _, _ in single))
    wide = [(ALL, noise, level) for _, noise, level in single]
    wider = [(source, ALL, ALL) for source in sources]
    return list(dict.fromkeys([*single, *wide, *wider, EVERYWHERE]))


def spread(rows: Iterable[Row], method: str, kind: str, measure: str) -> Spread | None:
    """Spread of a measure of a method over rows."""
    return spread_of(
        float(row[measure])
        for row in rows
        if row["method"] == method and row["kind"] == kind and row[measure]
    )


def comparison_rows(rows: Sequence[Row], labels: Sequence[str]) -> list[Row]:
    """The first model against every other method, for each condition."""
    if not labels:
        return []
    whole, ours = [row for row in rows if row["region"] == WHOLE], labels[0]
    made = []
    for condition in all_conditions(whole):
        part = matching(whole, condition)
        mine = by_case(part, "psnr", lambda row: row["method"] == ours)
        for method, _ in methods_in(part):
            theirs = by_case(part, "psnr", lambda row, method=method: row["method"] == method)  # type: ignore[misc]
            shared = [key for key in mine if key in theirs]
            if method == ours or not shared:
                continue
            comparison = compared([mine[key] for key in shared], [theirs[key] for key in shared])
            numbers = (
                comparison.count,
                comparison.wins,
                comparison.difference,
                comparison.p,
                comparison.p_sign,
            )
            values = (*condition, ours, method, *(f"{n:.4g}" for n in numbers))
            made.append(dict(zip(_TESTS, values, strict=True)))
    return made
