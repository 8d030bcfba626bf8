"""Plugins › Diffuscope › Compare: choose layers, look at them in four ways, and measure them."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QShortcut, QTabWidget, QWidget

from napari_diffuscope.viewer.canvas_guard import CanvasGuard
from napari_diffuscope.viewer.compare.choice import CompareChoice
from napari_diffuscope.viewer.compare.comparison import Comparison
from napari_diffuscope.viewer.compare.look_page import LookPage
from napari_diffuscope.viewer.compare.looking import Looking
from napari_diffuscope.viewer.compare.numbers import NumbersPage
from napari_diffuscope.viewer.compare.plots import PlotsPage
from napari_diffuscope.viewer.compare.report import ReportPage
from napari_diffuscope.viewer.tabs import TabbedWidget
from napari_diffuscope.viewer.widgets import DOCK_WIDTH, column, scrolled


class CompareDock(TabbedWidget):
    """Compares two to nine layers, of ours or not.

    Parameters
    ----------
    napari_viewer
        The viewer, given by napari.
    """

    tab_title = "Compare"

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._guard = CanvasGuard(napari_viewer, self)
        self.comparison = Comparison(napari_viewer, self)
        self.looking = Looking(self.comparison, self)
        self.choice = CompareChoice(self.comparison)
        self.look = LookPage(self.looking)
        self.tabs = QTabWidget()
        self.numbers = NumbersPage(self.comparison)
        self.plots = PlotsPage(self.comparison)
        self.report = ReportPage(self.comparison, self.numbers)
        self.add_page("Look", "Look at the layers beside, over and against each other.", self.look)
        self.add_page(
            "Numbers", "Measure the layers against the reference, and each by itself.", self.numbers
        )
        self.add_page("Plots", "Draw profiles and curves of the layers.", self.plots)
        self.add_page("Report", "Write one page for a browser that shows the comparison.", self.report)
        column(self, self.choice, (self.tabs, 1), margins=(8, 8, 8, 0))
        for way in self.looking.ways.values():
            self._add_shortcut(way.key, way.name)

    def add_page(self, title: str, tooltip: str, page: QWidget) -> None:
        """Add a page, scrolled where it is higher than the dock."""
        self.tabs.setTabToolTip(self.tabs.addTab(scrolled(page), title), tooltip)

    def sizeHint(self) -> QSize:
        """As wide as the other docks."""
        return QSize(DOCK_WIDTH, 640)

    def leave(self) -> None:
        """Return to the user's view and let go of the viewer."""
        self.looking.leave_viewer()
        for page in (self.look, self.numbers, self.plots, self.report):
            page.disconnect_viewer()
        self.choice.disconnect_viewer()
        self.comparison.disconnect_viewer()
        self._guard.release()

    def _add_shortcut(self, key: str, name: str) -> None:
        """The key of a way, also while the dock has the keyboard."""
        shortcut = QShortcut(QKeySequence(key), self)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(lambda: self.looking.show(name))
