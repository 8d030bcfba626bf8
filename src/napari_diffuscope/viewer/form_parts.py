"""Parts of the docks' forms: which image and its axes, spin boxes, the device."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QSlider,
    QWidget,
)
from superqt import QCollapsible

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.axes import checked_axes
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.viewer.layer_choice import LayerChoice
from napari_diffuscope.viewer.layer_sizes import (
    LayerSizes,
    own_sizes,
    says_sizes,
    set_sizes_with_results,
    sizes_of_layer,
)
from napari_diffuscope.viewer.layers import guess_axes, image_from_layer
from napari_diffuscope.viewer.together import Together
from napari_diffuscope.viewer.widgets import (
    IgnoreWheel,
    add_row,
    button,
    choice,
    column,
    fill,
    fold,
    note,
    say,
    show_row,
    with_note,
)
from napari_diffuscope.weights.card import ModelCard

M = TypeVar("M", bound=str)
"""A mode of a method."""


class ImageChoice(QObject):
    """The controls that say which layer is worked on and what its dimensions are.

    ``layer_changed`` tells of another layer, ``reading_changed`` that its axes or colours are read in another way,
    ``together_changed`` that others are worked together with it.

    Parameters
    ----------
    viewer
        The viewer.
    what_for
        Begins the tooltip of the layer: ``"The image to restore."``.
    axes_use
        Ends the tooltip of the axes: what the method does with them.
    several
        Whether several layers can be worked in one run.
    """

    layer_changed = Signal()
    reading_changed = Signal()
    together_changed = Signal()

    def __init__(
        self,
        viewer: Any,
        what_for: str,
        axes_use: str,
        parent: QObject | None = None,
        *,
        several: bool = True,
    ) -> None:
        super().__init__(parent)
        self.layers = LayerChoice(
            viewer,
            f"{what_for} It follows the layer that is active in the layer list until you choose one here. "
            "It stays as it is: the result is a new layer.",
        )
        self.together_button = Together(self.layers, viewer) if several else None
        self.axes = QLineEdit()
        self.axes.setMaxLength(5)
        self.axes.setToolTip(
            "What each dimension of the image is, one letter each: T time, C channel, Z depth, Y height, X width. "
            + axes_use
        )
        self.axes_note = note()
        self.rgb = choice(
            [("Luminance (grey)", "luminance"), ("Red, green, blue one by one", "channels")],
            "The image is in colour. Take its brightness as one grey image, or each colour by itself, which gives "
            "three coloured layers.",
        )
        self.sizes = SizeOffer(viewer, self)
        self.sizes.given.connect(self._take_layer)
        self.layers.layer_changed.connect(self._take_layer)
        if self.together_button is not None:
            self.together_button.layers_changed.connect(self._show_together)
        for edited in (self.axes.textEdited, self.rgb.activated):
            edited.connect(lambda _: self.layers.settle())
        self.axes.textEdited.connect(lambda _: self.reading_changed.emit())
        self.rgb.currentIndexChanged.connect(lambda _: self.reading_changed.emit())
        self._form: QFormLayout | None = None

    @property
    def layer(self) -> Any:
        """The chosen layer, or ``None``."""
        return self.layers.layer

    def add_to(self, layout: QFormLayout) -> None:
        """Put the controls into a form."""
        self._form = layout
        add_row(layout, "Image", self.layers)
        if self.together_button is not None:
            add_row(layout, "Layers", self.together_button)
        add_row(layout, "Axes", with_note(self.axes, self.axes_note))
        add_row(layout, "Colour", self.rgb)
        layout.addRow(self.sizes)
        self._guess()

    @property
    def together(self) -> list[Any]:
        """All layers of the next run: the chosen one and those that are worked together with it."""
        if self.together_button is not None:
            return self.together_button.layers
        return [] if self.layer is None else [self.layer]

    def disconnect_viewer(self) -> None:
        """Let go of the viewer and its layers."""
        if self.together_button is not None:
            self.together_button.disconnect_viewer()
        self.layers.disconnect_viewer()

    def image(self, nothing: str, layer: Any = None) -> Image:
        """The chosen layer as an image.

        Parameters
        ----------
        nothing
            What to say where no layer is chosen.
        layer
            Another layer, read in the same way.

        Raises
        ------
        DiffuscopeError
            If none is chosen, or its axes do not fit.
        """
        layer = layer if layer is not None else self.layer
        if layer is None:
            raise DiffuscopeError(nothing)
        return image_from_layer(layer, axes=self.axes.text(), rgb=self.rgb.currentData())

    def read_as(self, axes: str) -> bool:
        """Read the dimensions of the chosen layer as somebody said before; whether they fit.

        Parameters
        ----------
        axes
            One letter per dimension, with ``S`` for colours.
        """
        letters = axes.upper().replace("S", "")
        if self.layer is None or len(letters) != self.layer.ndim:
            return False
        self.axes.setText(letters)
        self.reading_changed.emit()
        return True

    def axes_letters(self) -> str:
        """Axes of the chosen layer, checked, without its colours."""
        return checked_axes(self.axes.text(), self.layer.ndim)

    def layer_axes(self) -> str:
        """Axes of the chosen layer, with ``S`` for colours."""
        return self.axes_letters() + "S" * bool(self.layer.rgb)

    def _guess(self) -> None:
        layer = self.layer
        self.axes.setText(guess_axes(layer) if layer is not None else "")
        if self._form is not None:
            show_row(self._form, self.rgb, layer is not None and bool(layer.rgb))
        self._show_together()

    def _show_together(self) -> None:
        if self._form is not None and self.together_button is not None:
            show_row(self._form, self.together_button, bool(self.together_button.others))
        self.together_changed.emit()

    def _take_layer(self) -> None:
        self._guess()
        self.layer_changed.emit()


class SizeOffer(QWidget):
    """Says where the sizes of a layer were taken from that has none itself, and offers to give them to it.

    ``given`` tells that the user accepted.
    """

    given = Signal()

    def __init__(self, viewer: Any, owner: ImageChoice) -> None:
        super().__init__()
        self._viewer, self._owner = viewer, owner
        self._steps: dict[str, tuple[float, str]] = {}
        self.setToolTip(
            "Sizes that do not stand on the layer itself; they count for results and saved files."
        )
        self.remark = note()
        self.button = button(
            "Set on layer",
            "Give these sizes to the layer, and to the results that were made from it, as their scale: the window "
            "then shows them true to size, with a scale bar. Without this your layer stays as it is.",
            self._give,
        )
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.remark, 1)
        row.addWidget(self.button)
        self.setVisible(False)

    def show_for(self, layer: Any, axes: str, typed: Mapping[str, tuple[float, str]] | None = None) -> None:
        """Look at a layer.

        Parameters
        ----------
        layer, axes
            The layer and the letters of its dimensions; ``None`` for no layer.
        typed
            Sizes that somebody typed, by axis letter.
        """
        self._steps = {}
        if layer is not None and len(axes) == layer.ndim and not says_sizes(own_sizes(layer, axes)):
            sizes = sizes_of_layer(layer, axes)
            chosen = {a: step for a, step in (typed or {}).items() if a in axes}
            self._steps = chosen or (sizes.steps if says_sizes(sizes) else {})
            words = LayerSizes(sizes.steps | chosen).in_words
            whence = "as typed" if chosen else f"from the file {sizes.file}" if sizes.file else "as noted"
            say(self.remark, f"{words[:1].upper()}{words[1:]}, {whence}; the layer itself says none.")
        self.setVisible(bool(self._steps))

    def _give(self) -> None:
        layer, axes = self._owner.layer, self._owner.axes_letters()
        set_sizes_with_results(self._viewer, layer, axes, self._steps)
        self._viewer.reset_view()
        self.given.emit()


class DeviceChoice(QComboBox):
    """Where to compute; knows graphics cards only once torch is loaded."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setToolTip("Where to compute. Automatic takes a graphics card if there is one.")
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self.refresh()

    def refresh(self) -> None:
        """List the devices that are known now."""
        entries = [("Automatic", "auto"), ("CPU", "cpu"), *_graphics_cards()]
        kept = self.currentData()
        if kept and kept not in [value for _, value in entries]:
            entries.append((kept, kept))
        fill(self, entries)

    def choose(self, device: str) -> None:
        """Choose a device, known or not."""
        if self.findData(device) < 0:
            self.addItem(device, device)
        self.setCurrentIndex(self.findData(device))


def lengths_of(image: Image) -> str:
    """``Z 9, Y 256, X 256``."""
    return ", ".join(f"{letter} {length}" for letter, length in zip(image.axes, image.shape, strict=True))


def check_box(text: str, tooltip: str) -> QCheckBox:
    """An unchecked box."""
    box = QCheckBox(text)
    box.setToolTip(tooltip)
    return box


def offered_modes(card: ModelCard | None, modes: Iterable[M], wanted: M | None) -> list[M]:
    """Modes that a model can do, and the wanted one; all while no model is chosen."""
    published = card is None or card.diffusion.published_steps is not None
    sampled = card is None or not card.diffusion.estimate_only
    able = {"estimate": True, "as-published": published}
    return [mode for mode in modes if able.get(mode, sampled) or mode == wanted]


def arrange(
    widget: QWidget, main: QFormLayout, advanced: QFormLayout, tooltip: str
) -> tuple[QCollapsible, IgnoreWheel]:
    """Lay out a dock's form: its rows, and below them those that few need, folded away.

    Returns
    -------
    tuple
        The folded part, and what lets the wheel scroll the form; both have to be kept.
    """
    folded = fold("Advanced", advanced)
    folded.setToolTip(tooltip)
    column(widget, main, folded, margins=(8, 8, 8, 4))
    return folded, keep_wheel_for_scrolling(widget)


def keep_wheel_for_scrolling(widget: QWidget) -> IgnoreWheel:
    """Let the wheel scroll the form; the returned object has to be kept."""
    wheel = IgnoreWheel(widget)
    for kind in (QComboBox, QAbstractSpinBox, QSlider):
        for control in widget.findChildren(kind):
            control.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            control.installEventFilter(wheel)
    return wheel


def _graphics_cards() -> list[tuple[str, str]]:
    torch = sys.modules.get("torch")
    if torch is None:  # importing it here would stall the window
        return []
    cards = []
    if torch.cuda.is_available():
        cards = [
            (f"{torch.cuda.get_device_name(i)} (cuda:{i})", f"cuda:{i}")
            for i in range(torch.cuda.device_count())
        ]
        cards.insert(0, ("Graphics card (cuda)", "cuda"))
    if torch.backends.mps.is_available():
        cards.append(("Apple graphics (mps)", "mps"))
    return cards
