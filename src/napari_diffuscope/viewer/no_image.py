"""What takes the place of a chosen image where a method needs none."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFormLayout


class NoLayers:
    """No layers to choose from."""

    layer: Any = None
    layers: tuple[Any, ...] = ()

    def settle(self) -> None:
        """Nothing follows the active layer."""

    def choose(self, layer: Any) -> None:
        """There is nothing to choose."""

    def named(self, name: str) -> Any:
        """No layer."""
        return None


class NoImage(QObject):
    """Stands where other docks have an `ImageChoice`: one run, of no layer."""

    layer_changed = Signal()
    reading_changed = Signal()
    together_changed = Signal()
    layer: Any = None

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.layers = NoLayers()

    @property
    def together(self) -> list[Any]:
        """One run of nothing."""
        return [None]

    def add_to(self, layout: QFormLayout) -> None:
        """No rows."""

    def disconnect_viewer(self) -> None:
        """Nothing is held."""

    def axes_letters(self) -> str:
        """No axes."""
        return ""

    layer_axes = axes_letters
