"""Small pieces that the docks share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from qtpy.QtCore import QEvent, QObject, QSignalBlocker, Qt
from qtpy.QtGui import QPainter
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QSlider,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_diffuscope.errors import DiffuscopeError

#: Pixels that a dock asks for: wide enough for its sentences, so that one is as wide as the next.
DOCK_WIDTH = 370
#: Readable on napari's dark and light theme.
ERROR_COLOUR = "#e0524d"


class IgnoreWheel(QObject):
    """Lets the wheel scroll the dock instead of changing the control under the pointer."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Pass wheel events of unfocused controls on to the scroll area."""
        if event.type() == QEvent.Type.Wheel and not watched.hasFocus():
            event.ignore()
            return True
        return False


def choice(entries: Sequence[tuple[str, Any]], tooltip: str) -> QComboBox:
    """A combo box of (text, value) that fits a narrow dock."""
    box = QComboBox()
    box.setToolTip(tooltip)
    keep_narrow(box)
    fill(box, entries)
    return box


def keep_narrow(box: QComboBox) -> None:
    """Let a combo box be narrower than its longest entry."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(8)
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)


def fill(box: QComboBox, entries: Sequence[tuple[str, Any]]) -> None:
    """Replace the entries of a combo box, keeping the chosen value where it is still there."""
    chosen = box.currentData()
    with QSignalBlocker(box):
        box.clear()
        for text, value in entries:
            box.addItem(text, value)
        choose(box, chosen)


def choose(box: QComboBox, value: Any) -> bool:
    """Choose the entry with a value; whether there is one."""
    for index in range(box.count()):
        if box.itemData(index) == value:
            box.setCurrentIndex(index)
            return True
    return False


def note(text: str = "") -> QLabel:
    """A small explanation that wraps."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setStyleSheet("font-size: 11px;")
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    return label


def with_note(control: QWidget, remark: QLabel) -> QWidget:
    """A control with a note close below it."""
    both = QWidget()
    both.setToolTip(control.toolTip())
    layout = QVBoxLayout(both)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(3)
    layout.addWidget(control)
    layout.addWidget(remark)
    return both


def say(label: QLabel, text: str, *, error: bool = False) -> None:
    """Show a sentence in a note, errors in their colour; an empty one takes no room."""
    label.setStyleSheet(f"font-size: 11px; color: {ERROR_COLOUR};" if error else "font-size: 11px;")
    label.setText(text)
    label.setVisible(bool(text))


def paint_hint(view: QAbstractItemView, text: str) -> None:
    """Write into an empty list what to do with it; to be called when it is painted."""
    painter = QPainter(view.viewport())
    painter.setOpacity(0.6)
    painter.drawText(view.viewport().rect(), Qt.AlignmentFlag.AlignCenter, text)
    painter.end()


def button(text: str, tooltip: str, on_click: Callable[[], None] | None = None) -> QPushButton:
    """A push button; what it does can be said later."""
    made = QPushButton(text)
    made.setToolTip(tooltip)
    if on_click is not None:
        made.clicked.connect(lambda: on_click())
    return made


def form() -> QFormLayout:
    """A form whose fields use the whole width."""
    layout = QFormLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setVerticalSpacing(6)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    layout.setRowWrapPolicy(QFormLayout.RowWrapPolicy.DontWrapRows)
    return layout


def add_row(layout: QFormLayout, text: str, field: QWidget) -> None:
    """A labelled control; the label explains as much as the control."""
    label = QLabel(text)
    label.setToolTip(field.toolTip())
    label.setBuddy(field)
    layout.addRow(label, field)


def show_row(layout: QFormLayout, field: QWidget, visible: bool) -> None:
    """Show or hide a control with its label."""
    label = layout.labelForField(field)
    for widget in (label, field):
        if widget is not None:
            widget.setVisible(visible)


def fold(title: str, layout: QFormLayout) -> QCollapsible:
    """A part of the dock that is closed at first."""
    content = QWidget()
    content.setLayout(layout)
    collapsible = QCollapsible(title, expandedIcon="▾", collapsedIcon="▸")
    collapsible.setDuration(0)
    collapsible.layout().setContentsMargins(0, 0, 0, 0)
    collapsible.addWidget(content)
    content.setEnabled(False)  # what cannot be seen is no stop of the Tab key
    collapsible.toggled.connect(content.setEnabled)
    collapsible.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
    return collapsible


def column(owner: QWidget, *parts: Any, margins: tuple[int, int, int, int] = (0, 0, 0, 0)) -> None:
    """Lay out a widget: one part below the other, and what room is left below them.

    Parameters
    ----------
    owner
        The widget.
    parts
        Widgets and layouts, or pairs of one and its share of the room that is left.
    margins
        Left, above, right, below.
    """
    layout = QVBoxLayout(owner)
    layout.setContentsMargins(*margins)
    for part in parts:
        one, share = part if isinstance(part, tuple) else (part, 0)
        if isinstance(one, QLayout):
            layout.addLayout(one, share)
        else:
            layout.addWidget(one, share)
    if not any(isinstance(part, tuple) for part in parts):
        layout.addStretch(1)


def in_a_row(*widgets: QWidget) -> QHBoxLayout:
    """Widgets beside each other."""
    row = QHBoxLayout()
    row.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        row.addWidget(widget)
    return row


def scrolled(widget: QWidget) -> QScrollArea:
    """A widget that scrolls where it is higher than its room."""
    scroll = QScrollArea()
    scroll.setWidgetResizable(True)
    scroll.setFrameShape(QFrame.Shape.NoFrame)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    scroll.setWidget(widget)
    return scroll


class FractionSlider(QWidget):
    """A slider from 0 to 1 with its value beside it; keeps a value that was set to its last digit."""

    def __init__(self, value: float, tooltip: str) -> None:
        super().__init__()
        self.setToolTip(tooltip)
        self._value = value
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, 100)
        self.slider.setToolTip(tooltip)
        self.label = QLabel()
        self.label.setMinimumWidth(32)
        self.slider.valueChanged.connect(lambda position: self._show(position / 100))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.slider)
        layout.addWidget(self.label)
        self.setValue(value)

    def value(self) -> float:
        """The fraction."""
        return self._value

    def setValue(self, value: float) -> None:
        """Set the fraction."""
        self.slider.setValue(round(value * 100))
        self._show(value)

    def _show(self, value: float) -> None:
        self._value = value
        self.label.setText(f"{value:.2f}")


def guarded(fail: Callable[[DiffuscopeError], None], action: Callable[[], None]) -> None:
    """Do something for the user; what goes wrong goes to ``fail``."""
    try:
        action()
    except DiffuscopeError as error:
        fail(error)
