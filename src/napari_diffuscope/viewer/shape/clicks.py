"""Clicks on cells: an own Points layer in which points are set, and Alt-click on the image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from napari.layers.base import ActionType
from qtpy.QtCore import QObject, Signal

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.viewer.shape.plane import CellPlane, check_view


class ClickTool(QObject):
    """Turns clicks into places in a plane.

    ``clicked`` brings a `CellPlane` and ``(y, x)`` in its pixels, ``failed`` a `DiffuscopeError`, ``toggled``
    whether plain clicks count.

    Parameters
    ----------
    viewer
        The viewer.
    plane
        Gives the plane that cells are clicked in; may raise a `DiffuscopeError`.
    mark
        Put into the metadata of the Points layer.
    """

    clicked = Signal(object, tuple)
    failed = Signal(object)
    toggled = Signal(bool)

    def __init__(
        self,
        viewer: Any,
        plane: Callable[[], CellPlane],
        mark: Mapping[str, Any],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._mark = dict(mark)
        self._viewer = viewer
        self._plane = plane
        self._points: Any = None
        self._key: tuple[Any, ...] = ()
        self._before: Any = None
        viewer.mouse_drag_callbacks.append(self._on_press)
        viewer.layers.events.removed.connect(self._on_removed)

    @property
    def points(self) -> Any:
        """The own Points layer, or ``None``."""
        return self._points

    @property
    def on(self) -> bool:
        """Whether a plain click sets a point."""
        return self._points is not None and str(self._points.mode) == "add" and self._is_active()

    def switch_on(self) -> None:
        """Let plain clicks count.

        Raises
        ------
        DiffuscopeError
            If there is no plane to click in, or the window shows something else.
        """
        plane = self._plane()
        check_view(self._viewer, plane)
        self._before = self._viewer.layers.selection.active
        points = self._layer_for(plane)
        self._viewer.layers.selection.active = points
        points.mode = "add"
        self.toggled.emit(True)

    def switch_off(self) -> None:
        """Return to panning and zooming, and to the layer that was selected."""
        if self._points is not None:
            self._points.mode = "pan_zoom"
            if self._is_active() and self._before is not None and self._before in self._viewer.layers:
                self._viewer.layers.selection.active = self._before
        self.toggled.emit(False)

    def close(self) -> None:
        """Let go of the viewer."""
        self.switch_off()
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        callbacks = self._viewer.mouse_drag_callbacks
        if self._on_press in callbacks:
            callbacks.remove(self._on_press)
        self._let_go()

    def _is_active(self) -> bool:
        return bool(self._viewer.layers.selection.active == self._points)

    def _layer_for(self, plane: CellPlane) -> Any:
        """Points with the axes of the image; another image gets a layer of its own."""
        if self._points is not None and self._key == plane.key[:2]:
            return self._points
        self._let_go()
        keywords = plane.keywords(plane.axes, (0.0, 0.0, 0.0), 1.0)
        places = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
        layer = plane.layer
        self._points = self._viewer.add_points(
            np.empty((0, layer.ndim)),
            ndim=layer.ndim,
            name=f"{layer.name} clicks",
            size=max(2.0, 0.012 * max(plane.image.plane_shape)),
            symbol="cross",
            face_color="yellow",
            border_color="black",
            metadata=dict(self._mark),
            **{
                **{name: keywords[name] for name in places},
                **{name: getattr(layer, name) for name in ("scale", "translate")},
            },
        )
        self._key = plane.key[:2]
        self._points.events.data.connect(self._on_data)
        self._points.events.mode.connect(self._on_mode)
        return self._points

    def _let_go(self) -> None:
        if self._points is not None:
            self._points.events.data.disconnect(self._on_data)
            self._points.events.mode.disconnect(self._on_mode)
            self._points = None

    def _on_removed(self, event: Any) -> None:
        if self._points is not None and event.value == self._points:
            self._let_go()
            self.toggled.emit(False)

    def _on_mode(self, event: Any) -> None:
        self.toggled.emit(str(event.mode) == "add")

    def _on_data(self, event: Any) -> None:
        if event.action != ActionType.ADDED:
            return
        indices = range(len(self._points.data))
        for index in event.data_indices:
            self._take(np.asarray(self._points.data[indices[index]]))

    def _on_press(self, viewer: Any, event: Any) -> None:
        """Alt-click: a point, whatever layer is selected, unless that layer does something with clicks."""
        if len(event.modifiers) != 1 or "Alt" not in event.modifiers:
            return
        active = self._viewer.layers.selection.active
        if active is not None and str(getattr(active, "mode", "pan_zoom")) != "pan_zoom":
            return
        try:
            plane = self._plane()
            check_view(self._viewer, plane)
        except DiffuscopeError as error:
            self.failed.emit(error)
            return
        points = self._layer_for(plane)
        self._viewer.layers.selection.active = active
        y, x = plane.in_plane(event.position)
        points.add(plane.data_point(y, x))
        event.handled = True

    def _take(self, point: np.ndarray) -> None:
        try:
            plane = self._plane()
            check_view(self._viewer, plane)
            if not plane.holds(point):
                raise DiffuscopeError("The point lies in another plane than the one that is shown.")
        except DiffuscopeError as error:
            self.failed.emit(error)
            return
        y, x = (float(point[plane.axes.index(letter)]) for letter in "YX")
        self.clicked.emit(plane, (y, x))


def places_of_points(viewer: Any, points: Any, plane: CellPlane) -> list[tuple[float, float]]:
    """Places in a plane of the points of a layer that lie in it.

    Parameters
    ----------
    viewer
        The viewer, whose sliders count for axes that the points have not.
    points
        A Points layer.
    plane
        The plane.

    Raises
    ------
    DiffuscopeError
        If none lies in it.
    """
    found = []
    shown = np.array(viewer.dims.point, dtype=float)
    for point in np.asarray(points.data):
        world = shown.copy()
        world[len(shown) - points.ndim :] = points.data_to_world(point)
        place = np.asarray(plane.layer.world_to_data(world))[-plane.layer.ndim :]
        if plane.holds(place):
            found.append((float(place[plane.axes.index("Y")]), float(place[plane.axes.index("X")])))
    if not found:
        raise DiffuscopeError(f"No point of {points.name!r} lies in the plane that is shown.")
    return found
