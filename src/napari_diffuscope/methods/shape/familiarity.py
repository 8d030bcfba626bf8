"""How far a cell is from those that a model learned from, by what its plane shows. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import binary_erosion, gaussian_filter

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.shapes.plane_features import plane_features
from napari_diffuscope.methods.shape.cells import Cell
from napari_diffuscope.methods.shape.conditions import image_in_mask
from napari_diffuscope.methods.shape.window import ShapeWindow
from napari_diffuscope.weights.card_parts import CellFeatures

OUTLINE = ("solidity", "eccentricity", "extent", "circularity")
GREY = ("mean", "deviation", "skewness", "gradient", "ring_1", "ring_2", "ring_3", "ring_4")
NAMES = (*OUTLINE, *GREY, "fine_detail", "pixels_across")
"""Form of the outline, grey values of the stretched cell in the model's window, fine detail (logarithm), and the
larger extent in pixels of the image (logarithm): how finely the cell was imaged."""

QUANTILE = 0.95
"""Share of the training cells that lie below the limit."""

SHRINKAGE = 0.1
"""Share of the identity in the correlations: a few dozen cells do not tell those of 14 features."""

FLOOR = 1e-3
INTERIOR = 4
"""Voxels from the outline on from which fine detail is counted."""


def cell_values(plane: np.ndarray, cell: Cell, window: ShapeWindow) -> np.ndarray:
    """Features of one cell in the order of :data:`NAMES`, float64.

    Parameters
    ----------
    plane
        ``(Y, X)``.
    cell
        Of that plane.
    window
        The model's window around it.

    Raises
    ------
    DiffuscopeError
        If nothing of the cell is left in the window.
    """
    mask = window.mask(cell)
    if not mask.any():
        raise DiffuscopeError(f"Nothing is left of cell {cell.label} in the model's window; it is too thin.")
    image = image_in_mask(window.image(plane), mask)
    found = plane_features(image, mask)
    inner = binary_erosion(mask, iterations=INTERIOR)
    fine = (image - gaussian_filter(image, 1.0))[inner if inner.any() else mask]
    found["fine_detail"] = float(np.log(fine.std() + FLOOR))
    found["pixels_across"] = float(np.log(cell.extent))
    return np.array([found[name] for name in NAMES])


def measured_cells(values: np.ndarray) -> CellFeatures:
    """What is known of training cells, from the features of each.

    Parameters
    ----------
    values
        ``(cells, features)`` in the order of :data:`NAMES`; at least three cells.

    Returns
    -------
    CellFeatures
        Its limit is the distance below which 95 % of the cells lie, each compared with the others.
    """
    if len(values) < 3:
        raise DiffuscopeError(
            f"{len(values)} cells are too few to say what cells look like; at least 3 are needed."
        )
    each = [_distance(one, _statistics(np.delete(values, place, 0))) for place, one in enumerate(values)]
    mean, deviation, correlation = _statistics(values)
    return CellFeatures(
        names=NAMES,
        mean=_rounded(mean),
        deviation=_rounded(deviation),
        correlation=tuple(_rounded(row) for row in correlation),
        limit=round(float(np.quantile(each, QUANTILE)), 2),
        cells=len(values),
    )


def distance_from(known: CellFeatures, values: np.ndarray) -> float:
    """Mahalanobis distance of a cell from the training cells: in standard deviations, correlations allowed for."""
    if known.names != NAMES:
        raise DiffuscopeError("The card describes its training cells by other features; measure them anew.")
    return _distance(values, (np.array(known.mean), np.array(known.deviation), np.array(known.correlation)))


def in_words(distance: float, limit: float) -> str:
    """``distance 13.4 from the cells of its training, of which 95 % lie below 5.58``."""
    return (
        f"distance {distance:.1f} from the cells of its training, of which {QUANTILE:.0%} lie below {limit:g}"
    )


_Statistics = tuple[np.ndarray, np.ndarray, np.ndarray]


def _statistics(values: np.ndarray) -> _Statistics:
    """Mean, standard deviation, and shrunk correlations; features that do not vary count as hardly varying."""
    mean = values.mean(0)
    deviation = np.maximum(values.std(0, ddof=1), 1e-6 * np.maximum(np.abs(mean), 1.0))
    scaled = (values - mean) / deviation
    correlation = scaled.T @ scaled / (len(values) - 1)
    identity = np.eye(len(mean))
    return mean, deviation, (1 - SHRINKAGE) * correlation + SHRINKAGE * identity


def _distance(values: np.ndarray, known: _Statistics) -> float:
    mean, deviation, correlation = known
    away = (values - mean) / deviation
    return float(np.sqrt(away @ np.linalg.solve(correlation, away)))


def _rounded(values: Sequence[float] | np.ndarray) -> tuple[float, ...]:
    return tuple(float(f"{value:.5g}") for value in values)
