"""The rows of the mask of uncertainty: a slider, which side of it, and the button that makes the layer."""

from __future__ import annotations

import math
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFormLayout, QLabel
from superqt import QLabeledDoubleSlider

from napari_diffuscope.viewer.compare.mask import UncertaintyMask, slider_range
from napari_diffuscope.viewer.layer_choice import LayerChoice
from napari_diffuscope.viewer.widgets import add_row, button, choice


class MaskRows:
    """Controls of an `UncertaintyMask`.

    Parameters
    ----------
    viewer
        The viewer.
    deviation
        The choice of the deviation.
    """

    def __init__(self, viewer: Any, deviation: LayerChoice) -> None:
        self._viewer, self._deviation = viewer, deviation
        self.mask = UncertaintyMask(viewer)
        tip = "Deviation, in intensities, at which the mask ends: what the model itself calls uncertain lies beyond."
        self.threshold = QLabeledDoubleSlider()
        self.threshold.setToolTip(tip)
        self.threshold.setOrientation(Qt.Orientation.Horizontal)
        self.threshold.setEdgeLabelMode(QLabeledDoubleSlider.EdgeLabelMode.LabelIsValue)
        self.side = choice(
            (("where the model is unsure", False), ("where the model is sure", True)),
            "Mark the pixels whose deviation exceeds the slider, or those where it does not: "
            "measure within the latter to leave out what the model has guessed.",
        )
        self.button = button(
            "Make mask",
            "Make a Labels layer of these pixels. It follows the slider, and stays when the comparison ends.",
            self.make,
        )
        deviation.layer_changed.connect(self._take_layer)
        self.threshold.valueChanged.connect(self._update)
        self.side.currentIndexChanged.connect(self._update)
        self._take_layer()

    def add_to(self, layout: QFormLayout) -> None:
        """Put the controls into a form."""
        add_row(layout, "Beyond", self.threshold)
        add_row(layout, "Mark", self.side)
        layout.addRow(QLabel(""), self.button)

    def make(self) -> None:
        """Make the mask, or change it."""
        layer = self._deviation.layer
        if layer is not None:
            self.mask.show(layer, self.threshold.value(), sure=self.side.currentData())

    def _update(self, value: Any = None) -> None:
        if self.mask.there:
            self.make()

    def _take_layer(self) -> None:
        layer = self._deviation.layer
        for control in (self.threshold, self.side, self.button):
            control.setEnabled(layer is not None)
        if layer is not None:
            low, typical, high = slider_range(self._viewer, layer)
            self.threshold.setRange(low, high)
            self.threshold.setDecimals(max(0, 3 - math.floor(math.log10(high - low))) if high > low else 3)
            self.threshold.setValue(typical)
