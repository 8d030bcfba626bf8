"""Which layers are compared: a reference, and others that are checked."""

from __future__ import annotations

from typing import Any

from napari.layers import Image, Labels
from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QFormLayout, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from napari_diffuscope.viewer.compare.comparison import MOST, Comparison, comparable, is_deviation
from napari_diffuscope.viewer.layer_choice import LayerChoice
from napari_diffuscope.viewer.widgets import add_row, form

#: Rows of the list that are seen at once.
ROWS = 4


class CompareChoice(QWidget):
    """A combo box for the reference and a list of the others.

    Parameters
    ----------
    comparison
        Takes what is chosen.
    """

    def __init__(self, comparison: Comparison) -> None:
        super().__init__()
        self._comparison, self._viewer = comparison, comparison.viewer
        self.reference = LayerChoice(
            self._viewer,
            "What the others are compared with: the ground truth or the best image that you have, else the raw image.",
            kind=(Image, Labels),  # type: ignore[arg-type]
            hidden=lambda layer: not comparable(layer),
        )
        self.others = QListWidget()
        self.others.setToolTip(
            "Check the layers to compare with the reference, up to eight. They may have other pixel sizes, "
            "another place or rotation, and may be images, colour images or labels."
        )
        self.others.setSelectionMode(QListWidget.SelectionMode.NoSelection)
        self.others.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.others.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self._listed: list[Any] = []
        self._checked: list[Any] = []
        layout: QFormLayout = form()
        add_row(layout, "Reference", self.reference)
        add_row(layout, "Others", self.others)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addLayout(layout)
        self._checked = _at_first(self._viewer)
        if self._checked:
            self.reference.choose(self._checked[0])
        self._connect(True)
        self.rebuild()
        self.reference.layer_changed.connect(self.rebuild)
        self.others.itemChanged.connect(self._on_checked)

    def choose(self, reference: Any, others: list[Any]) -> None:
        """Choose the reference and the others."""
        self._checked = [reference, *others]
        self.reference.choose(reference)
        self.rebuild()

    def rebuild(self, event: Any = None) -> None:
        """List the layers anew, and compare those that are checked."""
        reference = self.reference.layer
        self._listed = [
            each for each in reversed(list(self._viewer.layers)) if comparable(each) and each != reference
        ]
        with QSignalBlocker(self.others):
            self.others.clear()
            for layer in self._listed:
                item = QListWidgetItem(layer.name)
                item.setToolTip(layer.name)
                item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
                checked = layer in self._checked
                item.setCheckState(Qt.CheckState.Checked if checked else Qt.CheckState.Unchecked)
                self.others.addItem(item)
        height = self.others.sizeHintForRow(0) if self._listed else self.fontMetrics().height() + 4
        self.others.setFixedHeight(height * min(max(len(self._listed), 1), ROWS) + 6)
        self._tell()

    def disconnect_viewer(self) -> None:
        """Let go of the viewer."""
        self._connect(False)
        self.reference.disconnect_viewer()

    def _connect(self, connect: bool) -> None:
        events = self._viewer.layers.events
        for emitter in (events.inserted, events.removed):
            (emitter.connect if connect else emitter.disconnect)(self.rebuild)
        name = self._viewer.layers.events.renamed if hasattr(self._viewer.layers.events, "renamed") else None
        if name is not None:
            (name.connect if connect else name.disconnect)(self.rebuild)

    def _on_checked(self, item: QListWidgetItem) -> None:
        layer = self._listed[self.others.row(item)]
        if item.checkState() == Qt.CheckState.Checked:
            self._checked.append(layer)
        else:
            self._checked = [each for each in self._checked if each != layer]
        self.reference.settle()
        self._tell()

    def _tell(self) -> None:
        reference = self.reference.layer
        if reference is None:
            self._comparison.choose([])
            return
        # As in the layer list, the lowest first; not as it is now, for a comparison changes the order.
        known = [each for each in self._checked if each in self._listed]
        self._comparison.choose([reference, *known])


def _at_first(viewer: Any) -> list[Any]:
    """The selected layers where there are several, else the visible images; the reference first."""
    layers = [each for each in viewer.layers if comparable(each)]
    selected = [each for each in layers if each in viewer.layers.selection]
    if len(selected) < 2:
        selected = [
            each for each in layers if each.visible and isinstance(each, Image) and not is_deviation(each)
        ]
    return selected[:MOST]
