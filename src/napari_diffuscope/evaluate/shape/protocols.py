"""What the classification of cells is given: features of planes, of true shapes and of predicted ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from napari_diffuscope.evaluate.shape.classes import Protocol
from napari_diffuscope.evaluate.shape.predictions import ESTIMATE, SAMPLE, Results
from napari_diffuscope.evaluate.tables import Table, Value
from napari_diffuscope.measure.shapes.features import FEATURES, shape_features
from napari_diffuscope.measure.shapes.plane_features import plane_features
from napari_diffuscope.training.shape.cells import KnownCell

TRUTH = "truth"
HEIGHTS = (-6, -4, -2, 2, 4, 6)
"""Planes above and below that of the image, at which predicted shapes are cut: the cell slightly out of focus."""

COPIES = 16
"""How often a cell may be repeated, at most, by the protocols that only repeat."""


def feature_table(out: Path) -> Table:
    """Features of true and predicted shapes, kept on disk."""
    return Table(
        out / "features.csv", ("cell", "class", "method", "variant", *FEATURES), ("cell", "method", "variant")
    )


def predicted_variants(samples: int) -> tuple[str, ...]:
    """The estimate and every sample of a model that draws them."""
    return (ESTIMATE, *(f"{SAMPLE}-{number}" for number in range(samples)))


def measure_features(
    cells: Sequence[KnownCell], method: str, variants: Sequence[str], results: Results, table: Table
) -> Iterator[str]:
    """Fill the table of features; yields the cell that is next.

    Features of predicted shapes are measured anew where the prediction was made after them.
    """
    there = {(row["cell"], row["method"], row["variant"]) for row in table.rows}
    measured = table.path.stat().st_mtime if table.path.exists() else 0.0
    for cell in cells:
        wanted = [(TRUTH, TRUTH), *((method, variant) for variant in variants)]
        old = [
            pair
            for pair in wanted
            if (cell.name, *pair) in there
            and (pair[0] == TRUTH or results.path(cell.name, *pair).stat().st_mtime <= measured)
        ]
        if len(old) == len(wanted):
            continue
        yield cell.name
        table.add([_row(cell, *pair, results) for pair in wanted if pair not in old])


def _row(cell: KnownCell, method: str, variant: str, results: Results) -> dict[str, Value]:
    occupied = cell.occupied if method == TRUTH else results.volume(cell.name, method, variant)
    # A prediction may be empty: it has no features, which a forest takes as zeros.
    features = shape_features(occupied) if occupied.any() else dict.fromkeys(FEATURES, 0.0)
    return {"cell": cell.name, "class": cell.kind, "method": method, "variant": variant, **features}


def protocols(
    cells: Sequence[KnownCell], method: str, variants: Sequence[str], results: Results, table: Table
) -> tuple[Protocol, ...]:
    """All ways to learn classes that are compared.

    Parameters
    ----------
    cells
        All cells.
    method, variants
        Which predicted shapes are used; the first variant gives features of every cell.
    results
        Their volumes.
    table
        Their features, and those of the true shapes.
    """
    rows = {(r["cell"], r["method"], r["variant"]): [float(r[n]) for n in FEATURES] for r in table.rows}
    plane = np.array([list(plane_features(cell.image, cell.mask).values()) for cell in cells])
    true = np.array([rows[cell.name, TRUTH, TRUTH] for cell in cells])
    shapes = [np.array([rows[cell.name, method, variant] for variant in variants]) for cell in cells]
    first = np.array([features[0] for features in shapes])
    cut = [_cut_features(cell, method, variants, results) for cell in cells]
    return (
        Protocol("2D", plane),
        Protocol("2D, few cells repeated", plane, [np.repeat(row[None], COPIES, 0) for row in plane]),
        Protocol("2D, predicted shapes cut above and below added", plane, cut),
        Protocol("2D and predicted 3D", np.concatenate([plane, first], 1)),
        Protocol("true 3D", true),
        Protocol("true 3D, few cells repeated", true, [np.repeat(row[None], COPIES, 0) for row in true]),
        Protocol("true 3D, predicted shapes added", true, shapes),
    )


def _cut_features(cell: KnownCell, method: str, variants: Sequence[str], results: Results) -> np.ndarray:
    """2D features of a cell as if it had been imaged a little higher or lower: ``(k, features)``, k from 1."""
    features = [list(plane_features(cell.image, cell.mask).values())]
    for variant in variants:
        occupied = results.volume(cell.name, method, variant)
        for height in HEIGHTS:
            place = cell.side // 2 + height * cell.side // 64
            mask = occupied[place] if 0 <= place < cell.side else np.zeros_like(cell.mask)
            if mask.sum() > 0.25 * cell.mask.sum():
                features.append(list(plane_features(cell.image, mask).values()))
    return np.array(features)
