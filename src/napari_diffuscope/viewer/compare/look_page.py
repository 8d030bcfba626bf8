"""The page *Look* of the dock: the four ways, and what can be changed of each."""

from __future__ import annotations

from typing import Any

from napari.layers import Image
from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QFormLayout,
    QGridLayout,
    QPushButton,
    QWidget,
)

from napari_diffuscope.viewer.compare.comparison import comparable, is_deviation
from napari_diffuscope.viewer.compare.keys import taken_keys
from napari_diffuscope.viewer.compare.looking import Looking
from napari_diffuscope.viewer.compare.mask_row import MaskRows
from napari_diffuscope.viewer.compare.way import Way
from napari_diffuscope.viewer.layer_choice import LayerChoice
from napari_diffuscope.viewer.widgets import (
    add_row,
    button,
    choice,
    choose,
    column,
    fill,
    fold,
    form,
    note,
    say,
    show_row,
)


class LookPage(QWidget):
    """Buttons for the ways, their options, and the sentence that says what is seen.

    Parameters
    ----------
    looking
        Does it.
    """

    def __init__(self, looking: Looking) -> None:
        super().__init__()
        self._looking, self._viewer = looking, looking.comparison.viewer
        self.buttons: dict[str, QPushButton] = {}
        self.back_button = button(
            "Back to my view",
            "End the comparison: layers, their order, contrast, visibility and the camera return to what they were.",
            looking.end,
        )
        self.shared = QCheckBox("One contrast for all")
        self.shared.setToolTip(
            "Show all images with the contrast limits of the reference, so that equal intensities look equal; "
            "otherwise each image keeps its own. A layer that is saved meanwhile is saved with the contrast it shows."
        )
        self.shared.toggled.connect(looking.share_contrast)
        self.against = choice((), "Which layer stands against the reference in Swipe and Difference.")
        self.against.currentIndexChanged.connect(lambda _: looking.compare_with(self.against.currentData()))
        self.message = note()
        self._make_swipe()
        self._make_blink()
        self._make_difference()
        self.mask = MaskRows(self._viewer, self.deviation)
        self._lay_out()
        looking.changed.connect(self._update)
        looking.said.connect(lambda text, error: say(self.message, text, error=error))
        looking.comparison.changed.connect(self._list_others)
        looking.comparison.renamed.connect(self._name_others)
        looking.comparison.moved.connect(self._update)
        self._list_others()
        self._update()

    def disconnect_viewer(self) -> None:
        """Let go of the viewer."""
        self.deviation.disconnect_viewer()

    def _make_swipe(self) -> None:
        self.divider = choice(
            (("Upright", True), ("Lying", False)),
            "Whether the divider stands upright or lies across the image.",
        )
        self.divider.currentIndexChanged.connect(
            lambda _: self._looking.do(lambda: self._looking.swipe.turn(upright=self.divider.currentData()))
        )

    def _make_blink(self) -> None:
        self.pace = choice(
            (("Blink", "blink"), ("Fade back and forth", "rock"), ("By hand, key N", "hand")),
            "Whether the layers jump, fade into each other, or wait for the key N, which shows the next one.",
        )
        self.rate = _spin(0.2, 10.0, 2.0, " per second", "How many layers are shown in a second.")
        for signal in (self.pace.currentIndexChanged, self.rate.valueChanged):
            signal.connect(self._take_pace)

    def _make_difference(self) -> None:
        self.quantity = choice(
            (("Difference", "absolute"), ("In percent", "relative"), ("In deviations", "deviations")),
            "The difference in units of intensity, in percent of the reference, or its size in units of the deviation "
            "that the model gave: beyond 2 or 3 the model was wrong and did not know it.",
        )
        self.fit = QCheckBox("Fit intensities first")
        self.fit.setToolTip(
            "Bring the other image to the reference by one factor and one offset before subtracting, for images of "
            "other exposure or normalisation. The line is stated below."
        )
        self.limit = _spin(
            0.0, 1e9, 0.0, "", "Value at either end of the colours; 0 for one that suits the image."
        )
        self.limit.setDecimals(3)
        self.limit.setSpecialValueText("as it suits")
        self.deviation = LayerChoice(
            self._viewer,
            "The layer with the deviation (uncertainty) of the result, for a difference in deviations and for masks.",
            kind=Image,
            hidden=lambda layer: not comparable(layer) or layer.rgb,
            nothing="none",
        )
        for signal in (self.quantity.currentIndexChanged, self.fit.toggled, self.limit.valueChanged):
            signal.connect(self._take_difference)
        self.deviation.layer_changed.connect(self._take_difference)

    def _lay_out(self) -> None:
        grid = QGridLayout()
        for number, way in enumerate(self._looking.ways.values()):
            self.buttons[way.name] = self._way_button(way)
            grid.addWidget(self.buttons[way.name], number // 2, number % 2)
        self.options: QFormLayout = form()
        add_row(self.options, "Against", self.against)
        add_row(self.options, "Divider", self.divider)
        add_row(self.options, "Change", self.pace)
        add_row(self.options, "Rate", self.rate)
        add_row(self.options, "Show", self.quantity)
        self.options.addRow("", self.fit)
        add_row(self.options, "Colours to", self.limit)
        uncertainty: QFormLayout = form()
        add_row(uncertainty, "Deviation", self.deviation)
        self.mask.add_to(uncertainty)
        self.uncertainty = fold("Uncertainty", uncertainty)
        parts = (grid, self.back_button, self.shared, self.options, self.message, self.uncertainty)
        column(self, *parts, margins=(8, 8, 8, 8))

    def _way_button(self, way: Way) -> QPushButton:
        free = way.key not in taken_keys(self._viewer)
        text = f"{way.title}  ({way.key})" if free else way.title
        made = button(
            text, f"{way.purpose} Press again to return to your view.", lambda: self._toggle(way.name)
        )
        made.setCheckable(True)
        return made

    def _toggle(self, name: str) -> None:
        if self._looking.way == name:
            self._looking.end()
        else:
            self._looking.show(name)
        self._check_buttons()  # a sentence that was said stays

    def _check_buttons(self) -> None:
        for name, each in self.buttons.items():
            each.setChecked(name == self._looking.way)

    def _update(self) -> None:
        on = self._looking.way
        self._check_buttons()
        self.back_button.setEnabled(bool(on))
        rows: dict[QWidget, tuple[str, ...]] = {
            self.against: ("swipe", "difference") if self.against.count() > 1 else (),
            self.divider: ("swipe",),
            self.pace: ("blink",),
            self.rate: ("blink",),
            self.quantity: ("difference",),
            self.fit: ("difference",),
            self.limit: ("difference",),
        }
        for field, ways in rows.items():
            show_row(self.options, field, on in ways)
        if on in ("", "grid", "swipe", "blink") and not self._looking.comparison.complaint:
            say(self.message, self._in_words(on))

    def _in_words(self, on: str) -> str:
        """What is to be known of a way while it is on."""
        if on and self._looking.comparison.field is None:
            return "These layers do not overlap: they lie in different places of the window. Check their pixel sizes."
        in_3d = self._viewer.dims.ndisplay == 3
        return {
            "grid": "Point at a place: the cross shows the same line of sight in all images, and the brightest value "
            "along it in images that are in memory."
            if in_3d
            else "Point at a place: the cross shows it in all images, with their values.",
            "swipe": "Drag the divider over the image.",
            "blink": "The key N shows the next layer.",
        }.get(on, "")

    def _list_others(self) -> None:
        with QSignalBlocker(self.against):
            fill(self.against, [(layer.name, layer) for layer in self._looking.comparison.others])
        self._looking.compare_with(self.against.currentData())
        self._find_deviation()
        complaint = self._looking.comparison.complaint
        say(self.message, complaint)
        for each in self.buttons.values():
            each.setEnabled(not complaint)
        self._update()

    def _name_others(self) -> None:
        for number in range(self.against.count()):
            self.against.setItemText(number, self.against.itemData(number).name)

    def _find_deviation(self) -> None:
        """Take the newest deviation that a method made, unless one is chosen."""
        known = [layer for layer in self.deviation.layers if is_deviation(layer)]
        if known and self.deviation.layer is None:
            self.deviation.choose(known[-1])

    def _take_pace(self, value: Any = None) -> None:
        self._looking.do(lambda: self._looking.blink.set_pace(self.pace.currentData(), self.rate.value()))

    def _take_difference(self, value: Any = None) -> None:
        if self.quantity.currentData() == "deviations" and self.deviation.layer is None:
            self._find_deviation()
        self._looking.do(
            lambda: self._looking.difference.change(
                quantity=self.quantity.currentData(),
                fit=self.fit.isChecked(),
                deviation=self.deviation.layer,
                limit=self.limit.value() or None,
            )
        )
        with QSignalBlocker(self.quantity):  # what was refused is not shown as chosen
            choose(self.quantity, self._looking.difference.quantity)


def _spin(low: float, high: float, value: float, suffix: str, tooltip: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(low, high)
    box.setValue(value)
    box.setSuffix(suffix)
    box.setDecimals(1)
    box.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
    box.setKeyboardTracking(False)
    box.setToolTip(tooltip)
    box.setAlignment(Qt.AlignmentFlag.AlignLeft)
    return box
