"""A guard against a crash of napari's canvas when layers are removed."""

from __future__ import annotations

import contextlib
from typing import Any

from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QMainWindow, QWidget


class CanvasGuard:
    """Makes the canvas current in OpenGL whenever a layer is about to be removed.

    napari 0.9 frees the textures and buffers of a removed layer at once, in whatever OpenGL context is current:
    outside of drawing that is not the canvas's own, and the next drawings read freed memory (seen with Mesa 22.3,
    where removing two layers in a row ends the process). While one of our docks is open this cannot happen.

    Parameters
    ----------
    viewer
        The viewer.
    widget
        A widget in its window.
    """

    def __init__(self, viewer: Any, widget: QWidget) -> None:
        self._viewer = viewer
        self._widget = widget
        self._canvases: list[QOpenGLWidget] = []
        viewer.layers.events.removing.connect(self._make_current)

    def release(self) -> None:
        """Stop watching."""
        self._viewer.layers.events.removing.disconnect(self._make_current)

    def _make_current(self, event: Any = None) -> None:
        with contextlib.suppress(RuntimeError):  # Qt has deleted the window already
            window = _main_window(self._widget)
            if window is not None:
                self._canvases = window.findChildren(QOpenGLWidget)
            for canvas in self._canvases:
                canvas.makeCurrent()


def _main_window(widget: QWidget | None) -> QMainWindow | None:
    """The main window around a widget, also when its dock floats."""
    while widget is not None and not isinstance(widget, QMainWindow):
        widget = widget.parentWidget()
    return widget
