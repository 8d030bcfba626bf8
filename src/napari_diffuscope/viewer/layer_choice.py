"""A combo box of the viewer's image layers that keeps up with the layer list."""

from __future__ import annotations

from typing import Any

from napari.layers import Image
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QComboBox, QSizePolicy, QWidget


class LayerChoice(QComboBox):
    """Choice of an image layer; starts with the active one and then stays with the user's choice.

    ``layer_changed`` tells that another layer (or none) is chosen, never that a layer changed its name.
    """

    layer_changed = Signal()

    def __init__(self, viewer: Any, tooltip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setToolTip(tooltip)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._viewer = viewer
        self._layers: list[Any] = []
        self._chosen: Any = None
        self._connect(True)
        self.currentIndexChanged.connect(self._take_index)
        active = viewer.layers.selection.active
        self._chosen = active if isinstance(active, Image) else None
        self._rebuild()

    @property
    def layer(self) -> Any:
        """The chosen layer, or ``None``."""
        return self._chosen

    @property
    def layers(self) -> list[Any]:
        """All that can be chosen."""
        return list(self._layers)

    def choose(self, layer: Any) -> None:
        """Choose a layer of the viewer."""
        if layer in self._layers:
            self.setCurrentIndex(self._layers.index(layer))

    def named(self, name: str) -> Any:
        """The image layer of a name, or ``None``."""
        return next((layer for layer in self._layers if layer.name == name), None)

    def disconnect_viewer(self) -> None:
        """Let go of the viewer and its layers."""
        self._connect(False)
        for layer in self._layers:
            layer.events.name.disconnect(self._rename)
        self._layers, self._chosen = [], None

    def _connect(self, connect: bool) -> None:
        events = self._viewer.layers.events
        for emitter in (events.inserted, events.removed, events.reordered):
            (emitter.connect if connect else emitter.disconnect)(self._rebuild)

    def _rebuild(self, event: Any = None) -> None:
        before, old = self._chosen, self._layers
        self._layers = [layer for layer in self._viewer.layers if isinstance(layer, Image)]
        for layer in old:
            if layer not in self._layers:
                layer.events.name.disconnect(self._rename)
        for layer in self._layers:
            if layer not in old:
                layer.events.name.connect(self._rename)
        if self._chosen not in self._layers:
            self._chosen = self._layers[-1] if self._layers else None
        self._write_names()
        if self._chosen != before:  # proxies are equal, not identical
            self.layer_changed.emit()

    def _write_names(self) -> None:
        with QSignalBlocker(self):
            self.clear()
            self.addItems([layer.name for layer in self._layers])
            self.setCurrentIndex(self._layers.index(self._chosen) if self._layers else -1)
        self.setPlaceholderText("Open an image first")

    def _rename(self, event: Any = None) -> None:
        for index, layer in enumerate(self._layers):
            self.setItemText(index, layer.name)

    def _take_index(self, index: int) -> None:
        chosen = self._layers[index] if 0 <= index < len(self._layers) else None
        if chosen != self._chosen:
            self._chosen = chosen
            self.layer_changed.emit()
