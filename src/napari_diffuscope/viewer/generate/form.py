"""The form of the dock Generate: the rows that know more than their declaration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from napari.layers import Image as ImageLayer
from napari.layers import Labels
from qtpy.QtWidgets import QComboBox, QFormLayout

from napari_diffuscope.imaging.image import Image
from napari_diffuscope.methods.method import Inputs, Method
from napari_diffuscope.viewer.declared_form import DeclaredForm
from napari_diffuscope.viewer.layer_choice import LayerChoice
from napari_diffuscope.viewer.layers import guess_axes, image_from_layer, source_of
from napari_diffuscope.viewer.region import current_plane, flat_plane
from napari_diffuscope.viewer.widgets import FractionSlider, add_row, form, show_row

ANY = "any"


class GenerateForm(DeclaredForm):
    """Controls of the dock Generate; parameters as of `DeclaredForm`."""

    def __init__(self, viewer: Any, method: Method, on_error: Callable[[str], None]) -> None:
        self._viewer = viewer
        self.structure = QComboBox()
        self.structure.setEditable(True)
        self.structure.setToolTip(
            "Which structure to make. A mixture may be typed, such as microtubules:0.7,mitochondria:0.3."
        )
        self.like = LayerChoice(
            viewer,
            "An image to start from: what is made is like the plane of it that you see, and of its size.",
            kind=ImageLayer,
            nothing="Nothing: noise alone",
        )
        self.mask = LayerChoice(
            viewer,
            "Fill a part of that image: where these labels are not 0 it is made anew, elsewhere it stays as it is.",
            kind=Labels,
            nothing="Nothing: make all of it anew",
        )
        self.strength = FractionSlider(
            0.5, "How much of the image is made anew: near 0 almost the image itself, 1 another image."
        )
        self._steering: QFormLayout = form()
        super().__init__(viewer, method, on_error)

    def own_settings(self) -> tuple[str, ...]:
        """The class has the names of the model to choose from; the strength is shown where there is an image."""
        return ("class_",)

    def add_own_rows(self, main: QFormLayout, advanced: QFormLayout) -> None:
        """Class; image to start from, strength and mask."""
        add_row(main, "Class", self.structure)
        add_row(main, "Start from", self.like)
        add_row(main, "Strength", self.strength)
        add_row(main, "Fill", self.mask)
        self._steering = main
        self.structure.currentTextChanged.connect(lambda _: self._take())
        self.like.layer_changed.connect(self._take)
        self.mask.layer_changed.connect(self._take)
        self.strength.slider.valueChanged.connect(lambda _: self._take())

    def own_values(self) -> dict[str, Any]:
        """Class and strength."""
        typed = self.structure.currentText().strip()
        strength = max(self.strength.value(), 0.01) if self.like.layer is not None else None
        return {"class_": None if typed in ("", ANY) else typed, "strength": strength}

    def apply(self, settings: Any) -> None:
        """Set all controls."""
        super().apply(settings)
        self.structure.setCurrentText(settings.class_ or ANY)
        if settings.strength is not None:
            self.strength.setValue(settings.strength)

    def choose_inputs(self, record: Mapping[str, Any]) -> list[str]:
        """Choose the layers that a result was made from; returns the names of those that are not open."""
        missing = []
        for name, choice in (("like", self.like), ("mask", self.mask)):
            wanted = (record.get(name) or {}).get("name")
            choice.choose(choice.named(wanted) if wanted else None)
            if wanted and choice.layer is None:
                missing.append(wanted)
        return missing

    def inputs(self) -> Inputs:
        """The planes in view of the chosen layers.

        Raises
        ------
        DiffuscopeError
            If a layer is no image.
        """
        chosen = {"like": self.like.layer, "mask": self.mask.layer}
        return {name: self._plane(layer) for name, layer in chosen.items() if layer is not None}

    def disconnect_viewer(self) -> None:
        """Let go of the viewer."""
        self.like.disconnect_viewer()
        self.mask.disconnect_viewer()

    def _plane(self, layer: Any) -> Image:
        axes = guess_axes(layer)
        if isinstance(getattr(layer, "__wrapped__", layer), Labels):
            whole = Image.wrap(layer.data, axes, name=layer.name, source=source_of(layer))
        else:
            whole = image_from_layer(layer, axes=axes)
        if whole.plane_count == 1 and len(whole.shape) == 2:
            return whole
        index = current_plane(self._viewer, layer, axes=axes, image=whole)
        pixels = np.asarray(whole.read_plane(flat_plane(whole, index)))
        return Image.wrap(pixels, "YX", scale=whole.scale[-2:], units=whole.units[-2:], name=whole.name)

    def _take_model(self) -> None:
        card = self.model.card if self.model is not None else None
        chosen = self.structure.currentText()
        names = list(card.classes) if card else []
        if card is None or not names or card.class_optional:
            names.insert(0, ANY)
        self.structure.clear()
        self.structure.addItems(names)
        if chosen in names:
            self.structure.setCurrentText(chosen)
        super()._take_model()

    def _take(self) -> None:
        if not hasattr(self, "advanced"):
            return
        card, like = self.model.card if self.model is not None else None, self.like.layer is not None
        super()._take()
        for field, visible in (
            (self.structure, bool(card and card.classes)),
            (self.strength, like),
            (self.mask, like),
        ):
            show_row(self._steering, field, visible)
        for name in ("size", "width"):
            self.rows.show(name, not like)
        self.rows.show("density", bool(card and card.density))
        self.rows.show("guidance", bool(card and card.class_optional))
