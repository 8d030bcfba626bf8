"""Layers that are worked in one run: the channels that napari has split, and others of the same size and place."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QMenu, QPushButton, QSizePolicy

from napari_diffuscope.viewer.layer_choice import LayerChoice, is_result

#: Longest name of a layer on the button and in its menu.
LONGEST = 40
#: Longest text on the button, in characters: what a dock of its usual width shows.
LONGEST_TEXT = 32


class Together(QPushButton):
    """A button that says which layers are worked with the chosen one, and lets others be checked.

    The channels of one image are checked at first. ``layers_changed`` tells that there are others, or other checks.

    Parameters
    ----------
    choice
        The choice of the first layer.
    viewer
        The viewer.
    """

    layers_changed = Signal()

    def __init__(self, choice: LayerChoice, viewer: Any) -> None:
        super().__init__()
        self._choice, self._viewer = choice, viewer
        self._checked: dict[int, bool] = {}
        self.setToolTip(
            "Layers that are worked in the same run with the same settings, each into a result of its own: the "
            "channels of an image that napari opened as several layers, and other layers of the same size."
        )
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setMenu(QMenu(self))
        self.menu().aboutToShow.connect(self._fill)
        choice.layer_changed.connect(self._take_layer)
        self._connect(True)
        self.refresh()

    @property
    def others(self) -> list[Any]:
        """Layers that could be worked together with the chosen one."""
        chosen = self._choice.layer
        if chosen is None:
            return []
        return [each for each in self._choice.layers if each != chosen and fit_together(chosen, each)]

    @property
    def layers(self) -> list[Any]:
        """The chosen layer and those checked, in the order of the layer list; empty without a chosen one."""
        chosen = self._choice.layer
        if chosen is None:
            return []
        others = [each for each in self.others if self.checked(each)]
        return [each for each in self._choice.layers if each == chosen or each in others]

    def checked(self, layer: Any) -> bool:
        """Whether another layer is worked together with the chosen one."""
        return self._checked.get(_identity(layer), of_one_image(self._choice.layer, layer))

    def check(self, layer: Any, checked: bool) -> None:
        """Work another layer together with the chosen one, or not."""
        self._checked[_identity(layer)] = checked
        self._choice.settle()
        self.refresh()

    def refresh(self, event: Any = None) -> None:
        """Say which layers they are."""
        names = [_short(layer.name) for layer in self.layers]
        text = f"{len(names)} layers: {', '.join(names)}"
        # A longer text is cut at both ends, and then even the number cannot be read; the menu names the layers.
        short = text if len(text) <= LONGEST_TEXT else f"{len(names)} layers"
        self.setText("This layer alone" if len(names) < 2 else short)
        self.layers_changed.emit()

    def disconnect_viewer(self) -> None:
        """Let go of the viewer."""
        self._connect(False)

    def _connect(self, connect: bool) -> None:
        events = self._viewer.layers.events
        for emitter in (events.inserted, events.removed, events.reordered):
            (emitter.connect if connect else emitter.disconnect)(self.refresh)

    def _take_layer(self) -> None:
        self._checked.clear()
        self.refresh()

    def _fill(self) -> None:
        menu = self.menu()
        menu.clear()
        for layer in self.others:
            action = menu.addAction(_short(layer.name))
            action.setCheckable(True)
            action.setChecked(self.checked(layer))
            action.toggled.connect(lambda on, layer=layer: self.check(layer, on))


def fit_together(layer: Any, other: Any) -> bool:
    """Whether two image layers have the same pixels at the same place, and neither is a result of ours."""
    if is_result(other) or layer.rgb != other.rgb or layer.ndim != other.ndim:
        return False
    return (
        _shape(layer) == _shape(other)
        and [str(unit) for unit in layer.units] == [str(unit) for unit in other.units]
        and np.allclose(layer.data_to_world(np.zeros(layer.ndim)), other.data_to_world(np.zeros(layer.ndim)))
        and np.allclose(layer.data_to_world(np.ones(layer.ndim)), other.data_to_world(np.ones(layer.ndim)))
    )


def of_one_image(layer: Any, other: Any) -> bool:
    """Whether two layers that fit together are channels of one image.

    They are if they came from one file, or are added up on the screen in different colours, as napari shows channels:
    the first one covers what is below, the others are added to it.
    """
    path = layer.source.path
    if path is not None and path == other.source.path:
        return True
    blendings = {str(each.blending) for each in (layer, other)}
    colours = {each.colormap.name for each in (layer, other)}
    added = "additive" in blendings and blendings <= {"additive", "translucent_no_depth"}
    return added and len(colours) == 2 and "gray" not in colours


def _shape(layer: Any) -> tuple[int, ...]:
    return tuple((layer.data[0] if layer.multiscale else layer.data).shape)


def _identity(layer: Any) -> int:
    return id(getattr(layer, "__wrapped__", layer))


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
