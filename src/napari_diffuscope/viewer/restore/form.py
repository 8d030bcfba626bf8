"""The controls of the Restore dock; everything that decides the numbers, as `RestoreSettings` and back."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.units import to_micrometres
from napari_diffuscope.methods.restore.settings import Mode, RestoreSettings
from napari_diffuscope.viewer.form_parts import (
    DeviceChoice,
    ImageChoice,
    arrange,
    lengths_of,
    offered_modes,
    seed_box,
    spin,
    steps_box,
)
from napari_diffuscope.viewer.limits import pixel_size_remark
from napari_diffuscope.viewer.model_choice import ModelChoice
from napari_diffuscope.viewer.restore.texts import (
    MODE_TEXTS,
    REGIONS,
    SAMPLED,
    SEEDED,
    STEPPED,
    region_texts,
)
from napari_diffuscope.viewer.widgets import (
    FractionSlider,
    add_row,
    choice,
    choose,
    fill,
    form,
    note,
    say,
    show_row,
    with_note,
)


class RestoreForm(QWidget):
    """All controls. ``changed`` tells that any of them changed."""

    changed = Signal()

    def __init__(self, viewer: Any, on_error: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.same_region: tuple[tuple[int, ...] | None, tuple[int, int, int, int] | None] | None = None
        self._make_input(viewer)
        self.model = ModelChoice("restore", on_error, RestoreSettings().model)
        self._make_method()
        self._make_advanced()
        self._lay_out()
        self._connect()
        self._take_model()

    # The controls

    def _make_input(self, viewer: Any) -> None:
        self.input = ImageChoice(
            viewer,
            "The image to restore.",
            "Each YX plane is restored on its own, each channel with its own intensity range.",
            self,
        )
        self.layer_choice = self.input.layers
        self.axes, self.axes_note, self.rgb = self.input.axes, self.input.axes_note, self.input.rgb

    def _make_method(self) -> None:
        self.mode = choice([], "What kind of answer you want.")
        self.mode_note = note()
        self.samples = spin(
            2, 1000, "How many plausible images to draw. More give a smoother mean; time grows with them."
        )
        self.samples.setValue(RestoreSettings().samples)
        self.strength = FractionSlider(
            RestoreSettings().strength,
            "How much detail to add to the best estimate: 0 keeps it, 1 makes a new sample of it.",
        )
        self.steps = steps_box()
        self.seed = seed_box()
        self.region = choice(
            [(text, key) for key, text in region_texts("Z").items() if key in REGIONS],
            "Which part to restore. Try the visible area first: it is quick and shows what to expect.",
        )
        self.device = DeviceChoice()

    def _make_advanced(self) -> None:
        self.defects = choice(
            [("Bridge, keep values", "keep"), ("Bridge", "bridge"), ("Ignore", "ignore")],
            "Single pixels that are no image: hot, dead, outliers. Bridged, they do not spoil what is around them; "
            "what they measured is kept in the result, or not.",
        )
        self.tile = spin(
            0,
            8192,
            "Edge of the square tiles that a large plane is cut into. "
            "Smaller tiles need less memory; the result is the same.",
            automatic=True,
        )
        self.tile.setSingleStep(64)
        self.tile.setSuffix(" px")
        self.batch = spin(
            0,
            1024,
            "Tiles computed at the same time. More use a graphics card better, and more memory.",
            automatic=True,
        )

    def _lay_out(self) -> None:
        self._form = form()
        self.input.add_to(self._form)
        add_row(self._form, "Model", self.model)
        add_row(self._form, "Mode", with_note(self.mode, self.mode_note))
        add_row(self._form, "Samples", self.samples)
        add_row(self._form, "Strength", self.strength)
        add_row(self._form, "Steps", self.steps)
        add_row(self._form, "Seed", self.seed)
        add_row(self._form, "Device", self.device)
        add_row(self._form, "Region", self.region)
        advanced = form()
        add_row(advanced, "Defects", self.defects)
        add_row(advanced, "Tile", self.tile)
        add_row(advanced, "Batch", self.batch)
        self.advanced, self._wheel = arrange(
            self,
            self._form,
            advanced,
            "For defects, large images and small memories; tiles and batches never change the result on a CPU.",
        )

    def _connect(self) -> None:
        self.input.layer_changed.connect(self._check_image)
        self.input.reading_changed.connect(self._check_image)
        self.model.model_changed.connect(self._take_model)
        self.mode.currentIndexChanged.connect(lambda _: self._take_mode())
        self.region.currentIndexChanged.connect(lambda _: self.changed.emit())

    # What they say

    @property
    def layer(self) -> Any:
        """The chosen layer, or ``None``."""
        return self.input.layer

    def image(self, layer: Any = None) -> Image:
        """The chosen layer, or another one read in the same way, as an image.

        Raises
        ------
        DiffuscopeError
            If none is chosen, or its axes do not fit.
        """
        return self.input.image(
            "There is no image to restore; open one with File › Open, or take one from the samples.", layer
        )

    def axes_letters(self) -> str:
        """Axes of the chosen layer, checked, without its colours."""
        return self.input.axes_letters()

    def layer_axes(self) -> str:
        """Axes of the chosen layer, with ``S`` for colours."""
        return self.input.layer_axes()

    def settings(self) -> RestoreSettings:
        """Settings as the controls show them, without the region (`RestoreDock.settings` adds it)."""
        if not self.model.model:
            raise DiffuscopeError("No restoration model is installed; open a model folder with Open….")
        return RestoreSettings(
            model=self.model.model,
            mode=self.mode.currentData(),
            samples=self.samples.value(),
            steps=self.steps.value() or None,
            seed=self.seed.value(),
            strength=self.strength.value(),
            device=self.device.currentData(),
            rgb=self.rgb.currentData(),
            defects=self.defects.currentData(),
            tile=self.tile.value() or None,
            batch=self.batch.value() or None,
        )

    def apply(self, settings: RestoreSettings) -> None:
        """Set all controls.

        Raises
        ------
        DiffuscopeError
            If the model is not at hand.
        """
        self.model.choose(settings.model)
        self._offer_modes(settings.mode)
        choose(self.mode, settings.mode)
        self.samples.setValue(settings.samples)
        self.steps.setValue(settings.steps or 0)
        self.seed.setValue(settings.seed)
        self.strength.setValue(settings.strength)
        self.device.choose(settings.device)
        choose(self.rgb, settings.rgb)
        choose(self.defects, settings.defects)
        self.tile.setValue(settings.tile or 0)
        self.batch.setValue(settings.batch or 0)
        self._apply_region(settings)
        self.changed.emit()

    def _apply_region(self, settings: RestoreSettings) -> None:
        self.same_region = None
        if settings.planes is not None or settings.crop is not None:
            self.same_region = (settings.planes, settings.crop)
        self._offer_regions()
        choose(self.region, "same" if self.same_region else "stack")

    def _offer_regions(self) -> None:
        """Name the parts of the image that can be restored; an image of one plane is no stack."""
        before, texts = self.region.currentData(), region_texts(self._stacked())
        fill(self.region, [(texts[key], key) for key in self._regions() if key in texts])
        if before not in texts:
            choose(self.region, "stack")

    def _regions(self) -> list[str]:
        return [*REGIONS, *(["same"] if self.same_region else [])]

    def _stacked(self) -> str:
        """Axes along which there are several planes; the colours of one image are no planes to the user."""
        try:
            image = self.image() if self.layer is not None else None
        except DiffuscopeError:
            image = None
        if image is None:
            return "Z"
        lengths = zip(image.axes, image.leading_shape, strict=False)
        colours = "C" if self.layer.rgb else ""
        return "".join(letter for letter, length in lengths if length > 1 and letter not in colours)

    # How they depend on each other

    def _check_image(self) -> None:
        """Say under the axes what they mean for this image, or what is wrong with them."""
        self.input.sizes.show_for(None, "")
        image = None
        if self.layer is None:
            say(self.axes_note, "")
        else:
            try:
                image = self.image()
                self.input.sizes.show_for(self.layer, self.axes_letters())
                say(self.axes_note, lengths_of(image) + self._pixel_size_remark(image))
            except DiffuscopeError as error:
                say(self.axes_note, str(error), error=True)
        self.model.judge([pixel_size_remark(self.model.card, image)])
        self._offer_regions()
        self.changed.emit()

    def _pixel_size_remark(self, image: Image) -> str:
        """The pixel size, and a warning where the model was made for others."""
        card = getattr(self, "model", None) and self.model.card
        size = to_micrometres(image.scale[-1], image.units[-1])
        if size is None:
            return " – pixel size unknown"
        outside = pixel_size_remark(card or None, image)
        return f" – {outside}" if outside else f" – pixels of {size:.3g} µm"

    def _take_model(self) -> None:
        self._offer_modes()
        self._check_image()

    def _offer_modes(self, wanted: Mode | None = None) -> None:
        modes = offered_modes(self.model.card, MODE_TEXTS, wanted)
        fill(self.mode, [(MODE_TEXTS[mode][0], mode) for mode in modes])
        self._take_mode()

    def _take_mode(self) -> None:
        mode: Mode = self.mode.currentData()
        say(self.mode_note, MODE_TEXTS[mode][1])
        self.samples.setMinimum(1 if mode == "samples" else 2)
        for control, modes in (
            (self.samples, SAMPLED),
            (self.strength, ("sharpened",)),
            (self.steps, STEPPED),
        ):
            show_row(self._form, control, mode in modes)
        show_row(self._form, self.seed, mode in SEEDED)
        self.changed.emit()
