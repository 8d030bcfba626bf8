"""The cells of napari's grid: how many rows and columns, and where on the canvas they lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

#: Least and largest size of names, whose letters are about as many pixels wide.
SMALLEST, LARGEST = 6.0, 10.0


def best_shape(
    count: int, size: Sequence[float], canvas: Sequence[float], *, in_line: bool = False
) -> tuple[int, int]:
    """Rows and columns in which pictures are shown largest.

    Parameters
    ----------
    count
        Number of pictures.
    size, canvas
        Height and width of a picture, and of the canvas.
    in_line
        One row or one column alone.
    """
    shapes = [(-(-count // columns), columns) for columns in range(1, count + 1)]
    if in_line:
        shapes = [shape for shape in shapes if 1 in shape]
    return max(shapes, key=lambda shape: (fitting_zoom(size, canvas, shape), -shape[0] * shape[1], -shape[0]))


def fitting_zoom(size: Sequence[float], canvas: Sequence[float], shape: tuple[int, int] = (1, 1)) -> float:
    """Pixels of the screen per unit at which a picture fills its cell."""
    return min(
        float(length) / cells / max(float(extent), 1e-12)
        for length, cells, extent in zip(canvas, shape, size, strict=True)
    )


def cell_boxes(viewer: Any) -> dict[tuple[int, int], tuple[float, float, float, float]]:
    """Where the cells that hold something lie: ``(left, top, width, height)`` in canvas pixels, by row and column."""
    height, width = (float(length) for length in viewer.canvas.size)
    grid, layers = viewer.canvas.grid, viewer.layers
    if not grid.enabled:
        return {(0, 0): (0.0, 0.0, width, height)}
    rows, columns = grid.actual_shape(layers)
    gap = _gap(grid.spacing, width / columns, height / rows)
    wide = (width - gap * (columns - 1)) / columns
    high = (height - gap * (rows - 1)) / rows
    taken = {grid.position(index, layers) for index, layer in enumerate(layers) if layer.visible}
    return {
        (row, column): (column * (wide + gap), row * (high + gap), wide, high)
        for row, column in sorted(taken)
        if row >= 0
    }


def show_names(viewer: Any, layers: Sequence[Any]) -> None:
    """Write the names of layers into their cells, in letters that let the longest one fit."""
    width = min(box[2] for box in cell_boxes(viewer).values())
    longest = max(len(layer.name) for layer in layers)
    for layer in layers:
        layer.name_overlay.font_size = min(max(width / longest, SMALLEST), LARGEST)
        layer.name_overlay.visible = True


def _gap(spacing: float, wide: float, high: float) -> float:
    return float(int(spacing)) if spacing >= 1 else float(int(spacing * np.mean([wide, high])))
