"""What became of each image of a batch, while it goes on."""

from __future__ import annotations

from html import escape
from pathlib import Path

from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from napari_diffuscope.batches.naming import shown_name
from napari_diffuscope.batches.plan import Plan
from napari_diffuscope.batches.table import Row
from napari_diffuscope.errors import printable
from napari_diffuscope.viewer.widgets import ERROR_COLOUR

WAITING = "waiting"


def _tip(text: object) -> str:
    """A tooltip that wraps; names of files may hold what looks like markup."""
    return f"<qt>{escape(printable(str(text)))}</qt>"


class StateTable(QTableWidget):
    """A line for each image: its name and its state, why it failed in the tooltip."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, 2, parent)
        self._results: dict[int, Path] = {}
        self._reasons: dict[int, str] = {}
        self.setHorizontalHeaderLabels(["Image", "State"])
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setMinimumHeight(150)
        self.setToolTip(
            "What became of each image; rest the pointer on a state to read why. Double-click opens the result."
        )
        self.verticalHeader().hide()
        self.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.horizontalHeader().setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)

    def show_plan(self, plan: Plan) -> None:
        """All images, waiting."""
        self._results.clear()
        self._reasons.clear()
        self.setRowCount(len(plan.items))
        for row, item in enumerate(plan.items):
            name = QTableWidgetItem(shown_name(item.source))
            name.setToolTip(_tip(item.source))
            self.setItem(row, 0, name)
            self.setItem(row, 1, QTableWidgetItem(WAITING))

    def show_row(self, row: Row) -> None:
        """What became of one."""
        cell = QTableWidgetItem(row.state)
        cell.setToolTip(_tip(row.message or row.result))
        if row.state == "failed":
            cell.setForeground(QColor(ERROR_COLOUR))
            self._reasons[row.number - 1] = row.message
        else:
            self._results[row.number - 1] = row.result
        self.setItem(row.number - 1, 1, cell)
        self.scrollToItem(cell)

    def name(self, line: int) -> str:
        """What the image in a line is called."""
        item = self.item(line, 0)
        return item.text() if item is not None else "an image"

    def reason(self, line: int) -> str:
        """Why there is no result in a line."""
        return self._reasons.get(line, "it is not made yet.")

    def result(self, line: int) -> Path | None:
        """File or folder of the result in a line, if there is one."""
        return self._results.get(line)
