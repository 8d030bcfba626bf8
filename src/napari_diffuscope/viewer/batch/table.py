"""What became of each image of a batch, while it goes on."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from napari_diffuscope.batches.plan import Plan, shown_name
from napari_diffuscope.batches.table import Row
from napari_diffuscope.viewer.widgets import ERROR_COLOUR

WAITING = "waiting"


class StateTable(QTableWidget):
    """A line for each image: its name and its state, why it failed in the tooltip."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, 2, parent)
        self._results: dict[int, Path] = {}
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
        self.setRowCount(len(plan.items))
        for row, item in enumerate(plan.items):
            name = QTableWidgetItem(shown_name(item.source))
            name.setToolTip(f"<qt>{item.source}</qt>")
            self.setItem(row, 0, name)
            self.setItem(row, 1, QTableWidgetItem(WAITING))

    def show_row(self, row: Row) -> None:
        """What became of one."""
        cell = QTableWidgetItem(row.state)
        cell.setToolTip(f"<qt>{row.message or row.result}</qt>")
        if row.state == "failed":
            cell.setForeground(QColor(ERROR_COLOUR))
        else:
            self._results[row.number - 1] = row.result
        self.setItem(row.number - 1, 1, cell)
        self.scrollToItem(cell)

    def result(self, line: int) -> Path | None:
        """File or folder of the result in a line, if there is one."""
        return self._results.get(line)
