"""Features of the predicted shapes in a table that sorts, and as columns."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QBrush, QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from napari_diffuscope.viewer.widgets import ERROR_COLOUR

if TYPE_CHECKING:
    from napari_diffuscope.methods.shape.result import CellShape

SPREAD = "_spread"
AGREEMENT, DISTANCE = "mask_agreement", "distance_from_training"
CELL, REMARK, WHERE = "cell", "remark", "outlined in"


def feature_columns(cells: Iterable[CellShape]) -> dict[str, np.ndarray]:
    """One array per feature: ``index`` (the label), the features, their spreads and the agreement with the mask."""
    shapes = sorted(cells, key=lambda shape: shape.label)
    names = list(shapes[0].features) if shapes else []
    spread = sorted({name for shape in shapes for name in shape.spread}, key=names.index)
    columns = {"index": np.array([shape.label for shape in shapes], dtype=int)}
    for name in names:
        columns[name] = np.array([shape.features.get(name, math.nan) for shape in shapes])
        if name in spread:
            columns[name + SPREAD] = np.array([shape.spread.get(name, math.nan) for shape in shapes])
    if any(shape.distance is not None for shape in shapes):
        columns[DISTANCE] = np.array([math.nan if s.distance is None else s.distance for s in shapes])
    columns[AGREEMENT] = np.array([shape.mask_agreement for shape in shapes])
    return columns


@dataclass(frozen=True)
class Row:
    """One cell in the table.

    Parameters
    ----------
    key
        Which cell: whatever the table's owner needs to find it again.
    label, where
        Its number, and where its outline is, in words.
    features, spread
        By name; empty for a cell without a shape.
    remark
        What is amiss with it.
    """

    key: Any
    label: int
    where: str
    features: dict[str, float]
    spread: dict[str, float]
    remark: str = ""


class FeatureTable(QTableWidget):
    """Cells and their features; a click on a head sorts, one on a row emits ``row_clicked`` with the row's key."""

    row_clicked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, 0, parent)
        self.setToolTip(
            "One row for every cell. Click on a head to sort, on a row to go to the cell. The spread in brackets is "
            "that of the model, how much its samples differ: it is no error bar, true cells often lie outside. "
            "Take volumes from the best estimate."
        )
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setDefaultSectionSize(22)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self.horizontalHeader().setSortIndicator(0, Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)
        self.setMinimumHeight(120)
        self.cellClicked.connect(self._on_clicked)
        self._columns: list[str] = []

    def show_rows(self, rows: list[Row], units: dict[str, str]) -> None:
        """Replace what is shown; order and selection stay.

        Parameters
        ----------
        rows
            The cells.
        units
            Unit of every feature.
        """
        chosen = self.chosen
        with QSignalBlocker(self):
            self.setSortingEnabled(False)
            self._set_columns(rows, units)
            self.setRowCount(len(rows))
            for number, row in enumerate(rows):
                self._fill(number, row)
            self.setSortingEnabled(True)
        self.choose(chosen)

    @property
    def chosen(self) -> Any:
        """Key of the selected row, or ``None``."""
        rows = self.selectionModel().selectedRows()
        return self.item(rows[0].row(), 0).data(Qt.ItemDataRole.UserRole) if rows else None

    def choose(self, key: Any) -> None:
        """Select the row of a cell and scroll to it."""
        for number in range(self.rowCount()):
            if key is not None and self.item(number, 0).data(Qt.ItemDataRole.UserRole) == key:
                self.selectRow(number)
                self.scrollToItem(self.item(number, 0))
                return

    def _set_columns(self, rows: list[Row], units: dict[str, str]) -> None:
        names = next((list(row.features) for row in rows if row.features), [])
        columns = [CELL, *([WHERE] if len({row.where for row in rows}) > 1 else []), *names]
        if any(row.remark for row in rows):
            columns.insert(1, REMARK)
        if columns == self._columns:
            return
        self._columns = columns
        self.setColumnCount(len(columns))
        self.setHorizontalHeaderLabels([_head(name, units.get(name, "")) for name in columns])
        for number, name in enumerate(columns):
            self.setColumnWidth(number, {CELL: 44, REMARK: 120, WHERE: 90}.get(name, 120))

    def _fill(self, number: int, row: Row) -> None:
        for column, name in enumerate(self._columns):
            item = _item(name, row)
            item.setData(Qt.ItemDataRole.UserRole, row.key)
            if row.remark:
                item.setToolTip(row.remark)
                if not row.features:
                    item.setForeground(QBrush(QColor(ERROR_COLOUR)))
            self.setItem(number, column, item)

    def _on_clicked(self, row: int, column: int) -> None:
        self.row_clicked.emit(self.item(row, 0).data(Qt.ItemDataRole.UserRole))


class _Item(QTableWidgetItem):
    """An entry that sorts by its value; what is missing comes last."""

    def __init__(self, text: str, value: Any) -> None:
        super().__init__(text)
        self.value = value

    def __lt__(self, other: QTableWidgetItem) -> bool:
        return bool(self.value < other.value)


def _item(name: str, row: Row) -> _Item:
    if name == CELL:
        return _Item(str(row.label), row.label)
    if name in (REMARK, WHERE):
        text = row.remark if name == REMARK else row.where
        return _Item(text, text)
    value = row.features.get(name, math.nan)
    item = _Item(_number(value, row.spread.get(name)), math.inf if math.isnan(value) else value)
    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    return item


def _number(value: float, spread: float | None) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:.4g}" if spread is None else f"{value:.4g} (spread {spread:.2g})"


def _head(name: str, unit: str) -> str:
    words = name.replace("_", " ")
    return f"{words} ({unit})" if unit else words
