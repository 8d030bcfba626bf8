"""The open images, to be ticked: which of them are learned from."""

from __future__ import annotations

from typing import Any

from napari.layers import Image
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QPaintEvent
from qtpy.QtWidgets import QListWidget, QListWidgetItem

from napari_diffuscope.viewer.layer_choice import is_display, is_result
from napari_diffuscope.viewer.widgets import paint_hint

HEIGHT = 84


class LayerList(QListWidget):
    """Image layers with a box each. ``edited`` tells that others are ticked.

    Images that a user opened are ticked as they come, results of ours are not.

    Parameters
    ----------
    viewer
        The viewer.
    tooltip
        What they are for.
    """

    edited = Signal()

    def __init__(self, viewer: Any, tooltip: str) -> None:
        super().__init__()
        self._viewer = viewer
        self._layers: list[Any] = []
        self.setToolTip(tooltip)
        self.setFixedHeight(HEIGHT)
        self.itemChanged.connect(lambda _: self.edited.emit())
        self._connect(True)
        self.rebuild()

    @property
    def ticked(self) -> list[Any]:
        """The layers that are ticked, in the order of the layer list."""
        return [layer for row, layer in enumerate(self._layers) if self._is_ticked(row)]

    def tick(self, *layers: Any) -> None:
        """Tick these layers alone."""
        for row, layer in enumerate(self._layers):
            self.item(row).setCheckState(_state(layer in layers))

    def rebuild(self, event: Any = None) -> None:
        """List the layers anew; ticks stay."""
        before, ticked = self._layers, self.ticked
        self._layers = [
            layer for layer in self._viewer.layers if isinstance(layer, Image) and not is_display(layer)
        ]
        for layer in before:
            if layer not in self._layers:
                layer.events.name.disconnect(self._rename)
        with QSignalBlocker(self):
            self.clear()
            for layer in self._layers:
                item = QListWidgetItem(layer.name)
                item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
                item.setCheckState(_state(layer in ticked if layer in before else not is_result(layer)))
                self.addItem(item)
                if layer not in before:
                    layer.events.name.connect(self._rename)
        self.edited.emit()

    def disconnect_viewer(self) -> None:
        """Let go of the viewer and its layers."""
        self._connect(False)
        for layer in self._layers:
            layer.events.name.disconnect(self._rename)
        self._layers = []

    def paintEvent(self, event: QPaintEvent) -> None:
        """The list; an empty one says what to do."""
        super().paintEvent(event)
        if not self.count():
            paint_hint(self, "Open images with File › Open")

    def _is_ticked(self, row: int) -> bool:
        return bool(self.item(row).checkState() == Qt.CheckState.Checked)

    def _connect(self, connect: bool) -> None:
        events = self._viewer.layers.events
        for emitter in (events.inserted, events.removed, events.reordered):
            (emitter.connect if connect else emitter.disconnect)(self.rebuild)

    def _rename(self, event: Any = None) -> None:
        with QSignalBlocker(self):
            for row, layer in enumerate(self._layers):
                self.item(row).setText(layer.name)


def _state(ticked: bool) -> Qt.CheckState:
    return Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked
