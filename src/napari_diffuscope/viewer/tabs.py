"""Our docks as tabs of one area: beside each other they would be slits."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import napari
from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import QDockWidget, QLabel, QMainWindow, QWidget

_open: weakref.WeakSet[QWidget] = weakref.WeakSet()


class TabbedWidget(QWidget):
    """A widget whose dock becomes a tab beside those of ours that are open.

    ``tab_title`` is what stands on the tab, short enough for four of them.
    """

    tab_title = ""
    _docked = False

    def takes(self, paths: Sequence[Path]) -> bool:
        """Whether files and folders that hang over the dock may be dropped: here, models may."""
        return bool(paths) and all(looks_like_model(path) for path in paths)

    def take(self, paths: Sequence[Path]) -> None:
        """Import models that were dropped, in the dock Models."""
        viewer = napari.current_viewer()
        if viewer is not None:
            _, dock = viewer.window.add_plugin_dock_widget("napari-diffuscope", "Models")
            dock.take(paths)

    def leave(self) -> None:
        """Let go of the viewer; called when napari takes the dock out of the window."""

    def event(self, event: QEvent) -> bool:
        """Notice that napari put the widget into a dock, or took it out of the window."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is None and self._docked:
                self.leave()
            self._docked = self.parent() is not None
            self.setAcceptDrops(self._docked)
            if self._docked:  # napari has yet to put the dock into the window
                QTimer.singleShot(0, partial(join_tabs, self))
        if event.type() in (QEvent.Type.DragEnter, QEvent.Type.DragMove, QEvent.Type.Drop):
            return self._dropped(event)
        return super().event(event)

    def _dropped(self, event: Any) -> bool:
        """Take files and folders that somebody drags onto the dock; others are left to what lies below."""
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        if not self.takes(paths):
            event.ignore()
            return False
        event.acceptProposedAction()
        if event.type() == QEvent.Type.Drop:
            self.take(paths)
        return True


MODEL_ENDINGS = (".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".zip", ".tar", ".tgz", ".gz")
MODEL_FILES = ("model.json", "model_index.json", "config.json")


def looks_like_model(path: Path) -> bool:
    """Whether a file or folder may be a model, by its name alone or by the files that every model folder has."""
    if path.is_dir():
        return any((path / name).is_file() for name in MODEL_FILES)
    return path.name.lower().endswith(MODEL_ENDINGS)


def join_tabs(widget: QWidget) -> None:
    """Put the dock of a widget onto the dock of ours that is in the same area of the same window, and show it.

    Does nothing for the first one, one that floats, and one that is already among the tabs.
    """
    dock, window = _dock_of(widget)
    _open.add(widget)
    if dock is not None:
        _shorten(dock, getattr(widget, "tab_title", ""))
    if dock is None or window is None or dock.isFloating():
        return
    for other in list(_open):
        beside, its_window = _dock_of(other)
        if beside is None or beside is dock or its_window is not window or beside.isFloating():
            continue
        if window.dockWidgetArea(beside) == window.dockWidgetArea(dock):
            if beside not in window.tabifiedDockWidgets(dock):
                window.tabifyDockWidget(beside, dock)
            dock.show()
            dock.raise_()
            return


def _shorten(dock: QDockWidget, tab_title: str) -> None:
    """Leave out the name of the plugin, which napari adds: neither tab nor title bar has room for it."""
    before = dock.windowTitle()
    title = before.split(" (napari-")[0]
    bar = dock.titleBarWidget()
    for label in bar.findChildren(QLabel) if bar is not None else []:
        if label.text() == before:
            label.setText(title)
    dock.setWindowTitle(tab_title or title)


def _dock_of(widget: QWidget) -> tuple[Any, Any]:
    """The dock that holds a widget, and its window."""
    try:
        parent: QWidget | None = widget.parentWidget()
        while parent is not None and not isinstance(parent, QDockWidget):
            parent = parent.parentWidget()
        window = parent.parentWidget() if parent is not None else None
    except RuntimeError:  # deleted by Qt already
        return None, None
    return parent, window if isinstance(window, QMainWindow) else None
