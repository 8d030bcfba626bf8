"""A combo box of the viewer's layers of one kind, which follows the active layer until the user chooses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.layers import Image
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QComboBox, QSizePolicy, QWidget

from napari_diffuscope.methods.records import RECORD_KEY

#: Key in the metadata of layers that only show a comparison: no user's image, and nothing to work on.
DISPLAY_KEY = "napari-diffuscope-display"


def is_display(layer: Any) -> bool:
    """Whether a layer only shows a comparison."""
    return DISPLAY_KEY in layer.metadata


def is_result(layer: Any) -> bool:
    """Whether one of our methods made a layer."""
    return RECORD_KEY in layer.metadata


class LayerChoice(QComboBox):
    """Choice among the layers of one class.

    It follows the layer that is active in the layer list, results of ours aside, until a layer is chosen here or
    `settle` is called; when that layer is removed, it follows again. ``layer_changed`` tells that another layer
    (or none) is chosen, never that a layer changed its name.

    Parameters
    ----------
    viewer
        The viewer.
    tooltip
        What it is for.
    kind
        Class of the layers.
    hidden
        Tells of a layer whether it is not to be offered.
    nothing
        Text of an entry for no layer, which is then chosen at first; empty for none.
    """

    layer_changed = Signal()

    def __init__(
        self,
        viewer: Any,
        tooltip: str,
        *,
        kind: type = Image,
        hidden: Callable[[Any], bool] | None = None,
        nothing: str = "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setToolTip(tooltip)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._viewer, self._kind, self._nothing = viewer, kind, nothing
        self._hidden = hidden or (lambda layer: False)
        self._layers: list[Any] = []
        self._chosen: Any = None
        self._settled = bool(nothing)
        self._connect(True)
        self.currentIndexChanged.connect(self._take_index)
        self.rebuild()

    @property
    def layer(self) -> Any:
        """The chosen layer, or ``None``."""
        return self._chosen

    @property
    def layers(self) -> list[Any]:
        """All that can be chosen."""
        return list(self._layers)

    def choose(self, layer: Any) -> None:
        """Choose a layer of the viewer, or ``None`` where there is an entry for none."""
        entries = self._entries()
        if layer in entries:
            self._settled = True
            self.setCurrentIndex(entries.index(layer))

    def settle(self) -> None:
        """Stay with the layer that is chosen now: the user has begun to work on it."""
        self._settled = self._settled or self._chosen is not None

    def named(self, name: str) -> Any:
        """The layer of a name, or ``None``."""
        return next((layer for layer in self._layers if layer.name == name), None)

    def disconnect_viewer(self) -> None:
        """Let go of the viewer and its layers."""
        self._connect(False)
        for layer in self._layers:
            layer.events.name.disconnect(self._rename)
        self._layers, self._chosen = [], None

    def rebuild(self, event: Any = None) -> None:
        """List the layers anew."""
        before, old = self._chosen, self._layers
        self._layers = [
            layer
            for layer in self._viewer.layers
            if isinstance(layer, self._kind) and not is_display(layer) and not self._hidden(layer)
        ]
        for layer in old:
            if layer not in self._layers:
                layer.events.name.disconnect(self._rename)
        for layer in self._layers:
            if layer not in old:
                layer.events.name.connect(self._rename)
        if self._chosen is not None and self._chosen not in self._layers:
            self._chosen, self._settled = None, bool(self._nothing)
        if not self._settled:
            self._chosen = self._followed()
        self._write_names()
        if self._chosen != before:  # proxies are equal, not identical
            self.layer_changed.emit()

    def _followed(self) -> Any:
        """The active layer where it can be worked on; else what was followed before, or the topmost."""
        active = self._viewer.layers.selection.active
        if active in self._layers and not is_result(active):
            return active
        if self._chosen in self._layers:
            return self._chosen
        inputs = [layer for layer in self._layers if not is_result(layer)]
        return next(iter([*reversed(inputs), *reversed(self._layers)]), None)

    def _entries(self) -> list[Any]:
        return [None, *self._layers] if self._nothing else list(self._layers)

    def _connect(self, connect: bool) -> None:
        layers = self._viewer.layers
        for emitter in (layers.events.inserted, layers.events.removed, layers.events.reordered):
            (emitter.connect if connect else emitter.disconnect)(self.rebuild)
        active = layers.selection.events.active
        (active.connect if connect else active.disconnect)(self._follow)

    def _follow(self, event: Any = None) -> None:
        if not self._settled:
            self.rebuild()

    def _write_names(self) -> None:
        entries = self._entries()
        with QSignalBlocker(self):
            self.clear()
            self.addItems([self._nothing if entry is None else entry.name for entry in entries])
            self.setCurrentIndex(entries.index(self._chosen) if self._chosen in entries else -1)
        self.setPlaceholderText("Open an image first")

    def _rename(self, event: Any = None) -> None:
        for index, entry in enumerate(self._entries()):
            if entry is not None:
                self.setItemText(index, entry.name)

    def _take_index(self, index: int) -> None:
        entries = self._entries()
        chosen = entries[index] if 0 <= index < len(entries) else None
        self._settled = True
        if chosen != self._chosen:
            self._chosen = chosen
            self.layer_changed.emit()
