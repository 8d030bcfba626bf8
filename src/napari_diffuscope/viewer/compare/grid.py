"""Beside each other: a cell for each layer, one camera, one set of sliders, and one cursor in all cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from qtpy.QtCore import QTimer

from napari_diffuscope.viewer.compare.cells import best_shape, cell_boxes, fitting_zoom, show_names
from napari_diffuscope.viewer.compare.comparison import unit_factors, world_box
from napari_diffuscope.viewer.compare.overlay import Mark, in_words
from napari_diffuscope.viewer.compare.stage import Stage
from napari_diffuscope.viewer.compare.volume import brightest_along
from napari_diffuscope.viewer.compare.way import Way

Box = tuple[float, float, float, float]
"""Left, top, width and height of a cell, in pixels of the canvas."""

#: Pixels between cells.
GAP = 4
#: Milliseconds after which names and scale bars come: napari takes longer to make them than to show the images.
LATER = 250


class Grid(Way):
    """napari's own grid, with names, a scale bar and the cross of the cursor in each cell."""

    name, title, key = "grid", "Grid", "G"
    purpose = "All layers beside each other, moved and zoomed together; a cross marks the same place in each."

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._inside = False
        self._ratio = 1.0
        self._place: tuple[float, ...] = ()
        self._sight: tuple[Any, ...] = ()
        self._bar_before: tuple[bool, bool] | None = None
        self._decorating = QTimer(stage.widget)
        self._decorating.setSingleShot(True)
        self._decorating.setInterval(LATER)
        self._decorating.timeout.connect(self._decorate)

    def enter(self) -> None:
        """Put each layer into a cell; the same part of the specimen stays in view."""
        viewer, layers = self.viewer, self.comparison.layers
        camera = viewer.scene.camera
        center, zoom = tuple(camera.center), camera.zoom
        size = _size_in_view(viewer, layers)
        shape = best_shape(len(layers), size, viewer.canvas.size)
        self._ratio = fitting_zoom(size, viewer.canvas.size, shape) / fitting_zoom(size, viewer.canvas.size)
        self.stage.present(layers, drawn=False)
        grid = viewer.canvas.grid
        grid.stride, grid.shape, grid.spacing, grid.enabled = 1, shape, GAP, True
        camera.center, camera.zoom = center, zoom * self._ratio
        viewer.mouse_move_callbacks.append(self._on_mouse)
        self.stage.on_leave = self._forget_mouse
        self._inside = True
        self._decorating.start()

    def leave(self) -> None:
        """Return to one view."""
        if not self._inside:
            return
        self._inside = False
        self._decorating.stop()
        if self._on_mouse in self.viewer.mouse_move_callbacks:
            self.viewer.mouse_move_callbacks.remove(self._on_mouse)
        self._forget_mouse()
        self.stage.on_leave = lambda: None
        viewer, camera = self.viewer, self.viewer.scene.camera
        center, zoom = tuple(camera.center), camera.zoom
        self._undecorate()
        viewer.canvas.grid.enabled = False
        camera.center, camera.zoom = center, zoom / self._ratio

    def follow(self) -> None:
        """Move the crosses with the images; in 3D a camera that turned looks along another line."""
        self._sight = ()
        if self._place:
            self._mark()
        else:
            self.stage.overlay.mark([])

    def _decorate(self) -> None:
        """Write the names and draw a scale bar into every cell."""
        show_names(self.viewer, self.comparison.layers)
        bar = self.viewer.canvas.overlays.scale_bar
        self._bar_before = (bar.gridded, bar.visible)
        bar.visible = True  # before it is in all cells: napari looks for those of the cells at once
        bar.gridded = True

    def _undecorate(self) -> None:
        for layer in self.comparison.layers:
            layer.name_overlay.visible = False
        if self._bar_before is not None:
            bar = self.viewer.canvas.overlays.scale_bar
            bar.gridded = False
            bar.visible = self._bar_before[1]
            bar.gridded = self._bar_before[0]
            self._bar_before = None

    def point_at(self, place: Sequence[float]) -> None:
        """Draw the cross at a place of the world."""
        self._place = tuple(float(at) for at in place)
        self._mark()

    def look_along(self, at: tuple[float, float], place: Sequence[float], direction: Sequence[float]) -> None:
        """Draw the cross of 3D: on the same line of sight in all cells, with the brightest value along it.

        Parameters
        ----------
        at
            Where the line meets the canvas, x and y in its pixels.
        place, direction
            A point of the line and its direction in the world.
        """
        self._place, self._sight = (), (at, place, direction)
        self._mark_sight()

    def _on_mouse(self, viewer: Any, event: Any) -> None:
        if self.viewer.dims.ndisplay == 3:
            self.look_along((float(event.pos[0]), float(event.pos[1])), event.position, event.view_direction)
        else:
            self._sight = ()
            self.point_at(event.position)

    def _forget_mouse(self) -> None:
        self._place = self._sight = ()
        self.stage.overlay.mark([])

    def _mark_sight(self) -> None:
        (x, y), place, direction = self._sight
        boxes = cell_boxes(self.viewer)
        under = next((box for box in boxes.values() if _within(x, y, box)), None)
        marks = []
        for layer, box in self._cells(boxes) if under is not None else ():
            value = in_words(brightest_along(self.viewer, layer, place, direction))
            text = value if value == "–" else f"max {value}"
            marks.append(Mark(box[0] + x - under[0], box[1] + y - under[1], text, box))  # type: ignore[index]
        self.stage.overlay.mark(marks)

    def _cells(self, boxes: dict[tuple[int, int], Box]) -> Iterator[tuple[Any, Box]]:
        """Each compared layer and its cell."""
        grid, layers = self.viewer.canvas.grid, list(self.viewer.layers)
        for layer in self.comparison.layers:
            box = boxes.get(tuple(grid.position(layers.index(layer), layers)))
            if box is not None:
                yield layer, box

    def _mark(self) -> None:
        """Draw the cross in every cell, with the layer's value there."""
        viewer = self.viewer
        if viewer.dims.ndisplay != 2 or len(self._place) != viewer.dims.ndim:
            self.stage.overlay.mark([])
            return
        boxes = cell_boxes(viewer)
        marks = []
        for layer, box in self._cells(boxes):
            x, y = on_canvas(viewer, self._place, box)
            marks.append(Mark(x, y, in_words(value_at(viewer, layer, self._place)), box))
        self.stage.overlay.mark(marks)


def _within(x: float, y: float, box: Box) -> bool:
    left, top, width, height = box
    return left <= x < left + width and top <= y < top + height


def on_canvas(viewer: Any, place: tuple[float, ...], box: Box) -> tuple[float, float]:
    """Where a place of the world is drawn in a cell in 2D, in pixels of the canvas: x and y."""
    camera = viewer.scene.camera
    left, top, width, height = box
    rows, columns = (place[axis] for axis in viewer.dims.displayed)
    down, across = (str(each) for each in camera.orientation2d)
    dy = (rows - camera.center[-2]) * camera.zoom * (-1 if down == "up" else 1)
    dx = (columns - camera.center[-1]) * camera.zoom * (-1 if across == "left" else 1)
    return left + width / 2 + dx, top + height / 2 + dy


def value_at(viewer: Any, layer: Any, place: tuple[float, ...]) -> Any:
    """Value of a layer at a place of the world; ``None`` outside of it."""
    point = np.array(place, dtype=float)
    point[len(point) - layer.ndim :] *= unit_factors(viewer, layer)
    return layer.get_value(tuple(point), world=True)


def _size_in_view(viewer: Any, layers: list[Any]) -> tuple[float, float]:
    """Height and width of what the layers cover together, along the axes that the window shows."""
    boxes = np.array([world_box(viewer, layer) for layer in layers])
    lengths = (boxes[:, 1].max(0) - boxes[:, 0].min(0))[list(viewer.dims.displayed)[-2:]]
    lengths = np.where(np.isfinite(lengths), lengths, 1.0)
    return float(lengths[0]), float(lengths[1])
