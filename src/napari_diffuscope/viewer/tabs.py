"""Our docks as tabs of one area: beside each other they would be slits."""

from __future__ import annotations

import weakref
from functools import partial
from typing import Any

from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import QDockWidget, QLabel, QMainWindow, QWidget

_open: weakref.WeakSet[QWidget] = weakref.WeakSet()


class TabbedWidget(QWidget):
    """A widget whose dock becomes a tab beside those of ours that are open.

    ``tab_title`` is what stands on the tab, short enough for four of them.
    """

    tab_title = ""
    _docked = False

    def leave(self) -> None:
        """Let go of the viewer; called when napari takes the dock out of the window."""

    def event(self, event: QEvent) -> bool:
        """Notice that napari put the widget into a dock, or took it out of the window."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is None and self._docked:
                self.leave()
            self._docked = self.parent() is not None
            if self._docked:  # napari has yet to put the dock into the window
                QTimer.singleShot(0, partial(join_tabs, self))
        return super().event(event)


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
