"""A table of numbers that fits a narrow dock: measures down, images across."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from napari_diffuscope.comparison.table import Table


class NumberTable(QTableWidget):
    """Shows a table; what a number means, and why one is missing, stands in the tooltips."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setMinimumHeight(220)
        self.setToolTip("Measures and images; rest the pointer on a name or a dash to read what it means")
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)

    def show_table(self, table: Table | None) -> None:
        """Show other numbers, or none."""
        self.clear()
        if table is None:
            self.setRowCount(0)
            self.setColumnCount(0)
            return
        self.setRowCount(len(table.columns))
        self.setColumnCount(len(table.rows))
        for row, column in enumerate(table.columns):
            basis = f"\n\nHere: {column.basis}." if column.basis else ""
            self.setVerticalHeaderItem(row, _item(column.title, f"{column.help}{basis}"))
        for place, name in enumerate(table.rows):
            role = "The reference" if place == 0 else "Compared with the reference"
            self.setHorizontalHeaderItem(place, _item(name, f"{name}. {role}.\n" + "\n".join(table.notes)))
            for row, cell in enumerate(table.cells[place]):
                column = table.columns[row]
                value = "" if cell.value is None else f"{column.title} of {name}: {cell.value!r}. "
                words = f"{value}{cell.why}"
                item = _item(cell.text, words)
                item.setTextAlignment(int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter))
                self.setItem(row, place, item)
        self.resizeRowsToContents()


def _item(text: str, tooltip: str) -> QTableWidgetItem:
    item = QTableWidgetItem(text)
    item.setToolTip(f"<qt>{_escaped(tooltip)}</qt>")  # rich text, which wraps
    return item


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("\n", "<br>")
