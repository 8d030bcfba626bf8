"""True and predicted shapes side by side: surfaces, and sections along z through the middle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_diffuscope.evaluate.drawing import COLOURS, DPI, new_figure, save_figure
from napari_diffuscope.evaluate.shape.predictions import ESTIMATE, SAMPLE, Results
from napari_diffuscope.evaluate.shape.report import best_fit, values_of
from napari_diffuscope.measure.shapes.meshes import surface_mesh
from napari_diffuscope.training.shape.cells import KnownCell

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mpl_toolkits.mplot3d import Axes3D

LIGHT = np.array([-0.4, -0.5, 0.77])
"""Where light comes from, as (x, y, z)."""

VIEW = (28, -55)
"""Elevation and azimuth in degrees."""

STEP = 2
"""Voxels that are averaged along each axis before a surface is drawn; a plot in 3D cannot show more."""


@dataclass(frozen=True)
class ShapeView:
    """A shape of a cell.

    Parameters
    ----------
    title
        What made it.
    occupied
        ``(Z, Y, X)`` bool.
    overlap
        With the truth, or ``None`` for the truth itself.
    """

    title: str
    occupied: np.ndarray
    overlap: float | None = None


def chosen_cells(cells: Sequence[KnownCell], overlaps: dict[str, float]) -> list[tuple[KnownCell, str]]:
    """Of each class the cell with the median overlap, and of all cells the one with the worst."""
    by_name = {cell.name: cell for cell in cells}
    medians = []
    for kind in sorted({cell.kind for cell in cells}):
        ordered = sorted((n for n in overlaps if by_name[n].kind == kind), key=lambda n: overlaps[n])
        medians.append(
            (by_name[ordered[len(ordered) // 2]], f"class {kind}, median IoU" if kind else "median IoU")
        )
    worst = min(overlaps, key=lambda name: overlaps[name])
    return [
        *medians,
        (
            by_name[worst],
            f"class {by_name[worst].kind}, worst IoU of all" if by_name[worst].kind else "worst IoU",
        ),
    ]


def draw_cells(folder: Path, cells: Sequence[KnownCell], labels: Sequence[str], results: Results) -> None:
    """Draw a cell per row: image, surfaces of truth and predictions, and sections.

    Parameters
    ----------
    folder
        For ``shapes.png``.
    cells
        All cells.
    labels
        Of the models; cells are chosen by the first.
    results
        Their predictions.
    """
    overlaps = values_of(results.table.rows, (labels[0], ESTIMATE), "iou")
    chosen = chosen_cells(cells, overlaps)
    views = [_views(cell, labels, results) for cell, _ in chosen]
    columns = 2 + len(views[0])
    figure = new_figure(1.75 * columns, 1.9 * len(chosen))
    grid = figure.add_gridspec(len(chosen), columns)
    for row, ((cell, words), shapes) in enumerate(zip(chosen, views, strict=True)):
        _draw_image(figure.add_subplot(grid[row, 0]), cell, words)
        for column, view in enumerate(shapes):
            _draw_surface(figure.add_subplot(grid[row, 1 + column], projection="3d"), view)
        _draw_section(figure.add_subplot(grid[row, columns - 1]), shapes, legend=row == 0)
    save_figure(figure, folder / "shapes.png", dpi=DPI)


def _views(cell: KnownCell, labels: Sequence[str], results: Results) -> list[ShapeView]:
    """Truth, estimate and a sample of the first model, estimates of the others, and the best fit."""
    rows = results.table.rows
    shown = [
        (labels[0], ESTIMATE),
        (labels[0], SAMPLE),
        *((label, ESTIMATE) for label in labels[1:]),
        best_fit(rows),
    ]
    titles = ["estimate", "one sample", *(label.removeprefix(labels[0]).strip("-") for label in labels[1:])]
    titles.append(best_fit(rows)[0])
    views = [ShapeView("truth", cell.occupied)]
    for (method, variant), title in zip(shown, titles, strict=True):
        value = values_of(rows, (method, variant), "iou").get(cell.name)
        if value is not None:
            views.append(ShapeView(title, results.volume(cell.name, method, variant), value))
    return views


def _draw_image(axes: Axes, cell: KnownCell, words: str) -> None:
    axes.imshow(cell.image, cmap="gray")
    axes.contour(cell.mask, [0.5], colors=[COLOURS[5]], linewidths=0.8)
    axes.set_title(f"{words}\nimage and outline", fontsize=7)
    axes.set_axis_off()


def _draw_surface(axes: Axes3D, view: ShapeView) -> None:
    from mpl_toolkits.mplot3d.art3d import Poly3DCollection

    side = len(view.occupied)
    if view.occupied.any():
        mesh = surface_mesh(_shrunk(view.occupied), STEP if side % STEP == 0 else 1)
        corners = mesh.vertices[mesh.faces][:, :, ::-1]
        normals = mesh.crosses / (np.linalg.norm(mesh.crosses, axis=1, keepdims=True) + 1e-12)
        shade = 0.35 + 0.65 * np.clip(normals @ (LIGHT / np.linalg.norm(LIGHT)), 0, 1)
        base = np.array([0.75, 0.18, 0.15] if view.overlap is None else [0.25, 0.5, 0.8])
        axes.add_collection3d(Poly3DCollection(corners, facecolors=shade[:, None] * base, edgecolors="none"))
    for limit in (axes.set_xlim, axes.set_ylim, axes.set_zlim):
        limit(0.12 * side, 0.88 * side)
    axes.set_box_aspect((1, 1, 1), zoom=1.25)
    axes.view_init(*VIEW)
    axes.set_axis_off()
    axes.set_title(
        view.title if view.overlap is None else f"{view.title}\nIoU {view.overlap:.2f}", fontsize=7
    )


def _shrunk(occupied: np.ndarray) -> np.ndarray:
    """Averaged down, as shares between 0 and 1 where the size allows, so that the surface stays smooth."""
    if len(occupied) % STEP:
        return occupied
    z, y, x = (size // STEP for size in occupied.shape)
    shares = occupied.reshape(z, STEP, y, STEP, x, STEP).mean((1, 3, 5)).astype(np.float32)
    return shares if shares.max() > 0.5 else np.asarray(shares > 0)


def _draw_section(axes: Axes, views: Sequence[ShapeView], *, legend: bool) -> None:
    """The section through the middle, z upwards: truth filled, estimate, one pass and fit as lines."""
    side = len(views[0].occupied)
    axes.imshow(views[0].occupied[:, side // 2], cmap="Reds", vmin=0, vmax=2.5, origin="lower")
    lines = [view for view in views[1:] if view.title != "one sample"]
    for number, view in enumerate(lines):
        section = view.occupied[:, side // 2]
        colour = COLOURS[number % len(COLOURS)]
        if section.any():
            axes.contour(section, [0.5], colors=[colour], linewidths=0.9)
        axes.plot([], [], color=colour, linewidth=0.9, label=view.title)
    axes.axhline(side // 2, color="0.6", linewidth=0.5, linestyle=":")
    axes.set_title("section x, z", fontsize=7)
    axes.set_xticks([])
    axes.set_yticks([])
    if legend:
        axes.legend(fontsize=5, loc="upper right", framealpha=0.7)
