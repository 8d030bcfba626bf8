"""A choice among the layers of one class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QComboBox


class LayersOfKind(QComboBox):
    """A combo box of the viewer's layers of one class, and maybe of an entry for none of them.

    ``chosen`` tells that another one is chosen, by the user or because the layer was removed.

    Parameters
    ----------
    viewer
        The viewer.
    kind
        Class of the layers.
    own
        Tells of a layer whether it is one of ours, which are not offered.
    nothing
        Text of the entry for no layer; empty for none.
    tooltip
        What it is for.
    """

    chosen = Signal()

    def __init__(
        self, viewer: Any, kind: type, own: Callable[[Any], bool], nothing: str, tooltip: str
    ) -> None:
        super().__init__()
        self.setToolTip(tooltip)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self._viewer, self._kind, self._own, self._nothing = viewer, kind, own, nothing
        self._layers: list[Any] = []
        self._chosen: Any = None
        self._connect(True)
        self.currentIndexChanged.connect(self._take_index)
        self.rebuild()

    @property
    def layer(self) -> Any:
        """The chosen layer, or ``None``."""
        return self._chosen

    def choose(self, layer: Any) -> None:
        """Choose a layer, or ``None`` for no layer."""
        entries = self._entries()
        for index, entry in enumerate(entries):
            if entry == layer:
                self.setCurrentIndex(index)

    def named(self, name: str) -> Any:
        """The layer of a name, or ``None``."""
        return next((layer for layer in self._layers if layer.name == name), None)

    def rebuild(self, event: Any = None) -> None:
        """List the layers anew."""
        before = self._chosen
        for layer in self._layers:
            layer.events.name.disconnect(self._rename)
        self._layers = [
            layer for layer in self._viewer.layers if isinstance(layer, self._kind) and not self._own(layer)
        ]
        for layer in self._layers:
            layer.events.name.connect(self._rename)
        if self._chosen is not None and self._chosen not in self._layers:
            self._chosen = None
        entries = self._entries()
        if self._chosen is None and entries:
            self._chosen = entries[0]
        with QSignalBlocker(self):
            self.clear()
            self.addItems([self._nothing if entry is None else entry.name for entry in entries])
            self.setCurrentIndex(entries.index(self._chosen) if entries else -1)
        if self._chosen != before:
            self.chosen.emit()

    def disconnect_viewer(self) -> None:
        """Let go of the viewer and its layers."""
        self._connect(False)
        for layer in self._layers:
            layer.events.name.disconnect(self._rename)
        self._layers, self._chosen = [], None

    def _entries(self) -> list[Any]:
        return [None, *self._layers] if self._nothing else list(self._layers)

    def _connect(self, connect: bool) -> None:
        events = self._viewer.layers.events
        for emitter in (events.inserted, events.removed, events.reordered):
            (emitter.connect if connect else emitter.disconnect)(self.rebuild)

    def _rename(self, event: Any = None) -> None:
        for index, entry in enumerate(self._entries()):
            if entry is not None:
                self.setItemText(index, entry.name)

    def _take_index(self, index: int) -> None:
        entries = self._entries()
        chosen = entries[index] if 0 <= index < len(entries) else None
        if chosen != self._chosen:
            self._chosen = chosen
            self.chosen.emit()
