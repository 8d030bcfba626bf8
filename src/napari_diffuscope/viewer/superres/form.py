"""The controls of the dock for super-resolution, as `SuperresSettings` and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QDoubleSpinBox, QWidget

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.blocks import in_standard_order
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.methods.superres.method import SUPERRES
from napari_diffuscope.methods.superres.scale import plan_scale
from napari_diffuscope.methods.superres.settings import MOST_ZOOM, SuperresMode, SuperresSettings
from napari_diffuscope.viewer.form_parts import (
    DeviceChoice,
    ImageChoice,
    arrange,
    check_box,
    lengths_of,
    offered_modes,
    seed_box,
    spin,
    steps_box,
)
from napari_diffuscope.viewer.limits import pixel_size_remark
from napari_diffuscope.viewer.model_choice import ModelChoice
from napari_diffuscope.viewer.superres.sizes import SizeBox, Sizes, sizes_of
from napari_diffuscope.viewer.superres.texts import (
    MODE_TEXTS,
    NOTHING,
    SAMPLED,
    SEEDED,
    STEPPED,
    TARGET_TEXTS,
    Target,
)
from napari_diffuscope.viewer.widgets import (
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

DEFAULTS = SuperresSettings()


class SuperresForm(QWidget):
    """All controls. ``changed`` tells that any of them changed."""

    changed = Signal()

    def __init__(self, viewer: Any, on_error: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._make_input(viewer)
        self._make_target()
        self.model = ModelChoice("superres", on_error, DEFAULTS.model)
        self._make_method()
        self._make_advanced()
        self._lay_out()
        self._connect()
        self._take_layer()
        self._offer_modes()

    # The controls

    def _make_input(self, viewer: Any) -> None:
        self.input = ImageChoice(
            viewer,
            "The stack to fill in.",
            "Planes are filled in along Z; channels and times are worked one by one.",
            self,
        )
        self.z_step = SizeBox(
            "Distance from one plane to the next, as set at the microscope. Taken from the image where it says so."
        )
        self.pixel_size = SizeBox(
            "Width of a pixel in the specimen. Taken from the image where it says so; pixels have to be square."
        )
        self.sizes_note = note()

    def _make_target(self) -> None:
        self.target = choice(
            [(text, key) for key, text in TARGET_TEXTS.items()],
            "How fine the result shall be along z. Cubic voxels, as long along z as a pixel is wide, can be turned "
            "and measured in 3D.",
        )
        self.zoom = _real(1.01, MOST_ZOOM, "How many planes take the place of one; whole numbers are exact.")
        self.zoom.setValue(2.0)
        self.zoom.setSuffix(" ×")
        self.step = _real(0.0001, 1000.0, "Distance of the planes of the result.")
        self.step.setDecimals(4)
        self.step.setSuffix(" µm")
        self.step.setValue(0.1)
        self.result_note = note()

    def _make_method(self) -> None:
        self.mode = choice([], "What kind of answer you want.")
        self.mode_note = note()
        self.samples = spin(
            2, 1000, "How many plausible volumes to draw. More give a smoother mean; time grows with them."
        )
        self.samples.setValue(DEFAULTS.samples)
        self.steps = steps_box()
        self.seed = seed_box()
        self.device = DeviceChoice()

    def _make_advanced(self) -> None:
        self.reimpose = choice(
            [
                ("As suits the model", None),
                ("Put back unchanged", True),
                ("Let the model estimate them", False),
            ],
            "What becomes of your own planes. A model that only fills in keeps them bit for bit; one that also "
            "sharpens along z has to estimate them, or their blur would come back.",
        )
        self.consensus = check_box(
            "Agree after every step",
            "XZ and YZ slices are brought together after every step, so that the volume is of one piece. "
            "Unchecked, two volumes are made and averaged, as in the paper.",
        )
        self.consensus.setChecked(DEFAULTS.consensus)
        self.solver = choice(
            [("The model's own", None), ("DPM-Solver++", "dpm-solver++"), ("DDIM", "ddim")],
            "The way from noise to a volume, for samples. The model's own is fast and good.",
        )
        self.blur = _real(
            0.0, 5.0, "Gaussian blur of the result, in voxels; the paper offers 0.5, 0 is none."
        )
        self.blur.setSingleStep(0.1)
        self.defects = choice(
            [("Bridge, keep values", "keep"), ("Bridge", "bridge"), ("Ignore", "ignore")],
            "Single pixels that are no image: hot, dead, outliers. Bridged, they do not spoil what is around them; "
            "what they measured is kept where your own planes are, or not.",
        )
        self.pixels = choice(
            [("Real numbers (float32)", "float32"), ("As the image", "input")],
            "Kind of numbers of the result. As the image rounds whole numbers.",
        )
        self.batch = spin(
            0,
            4096,
            "Slices computed at the same time. More use a graphics card better, and more memory.",
            automatic=True,
        )

    def _lay_out(self) -> None:
        self._form = form()
        self.input.add_to(self._form)
        add_row(self._form, "Z-step", self.z_step)
        add_row(self._form, "Pixel size", with_note(self.pixel_size, self.sizes_note))
        add_row(self._form, "Result", self.target)
        add_row(self._form, "Factor", self.zoom)
        add_row(self._form, "New z-step", self.step)
        self._form.addRow(self.result_note)
        add_row(self._form, "Model", self.model)
        add_row(self._form, "Mode", with_note(self.mode, self.mode_note))
        add_row(self._form, "Samples", self.samples)
        add_row(self._form, "Steps", self.steps)
        add_row(self._form, "Seed", self.seed)
        add_row(self._form, "Device", self.device)
        advanced = form()
        add_row(advanced, "Own planes", self.reimpose)
        add_row(advanced, "Directions", self.consensus)
        add_row(advanced, "Solver", self.solver)
        add_row(advanced, "Blur", self.blur)
        add_row(advanced, "Defects", self.defects)
        add_row(advanced, "Pixels", self.pixels)
        add_row(advanced, "Batch", self.batch)
        self.advanced, self._wheel = arrange(
            self, self._form, advanced, "For comparisons with the paper, and for small memories."
        )

    def _connect(self) -> None:
        self.input.layer_changed.connect(self._take_layer)
        self.input.reading_changed.connect(self._take_layer)
        self.model.model_changed.connect(self._offer_modes)
        self.model.model_changed.connect(self._check)
        self.mode.currentIndexChanged.connect(lambda _: self._take_mode())
        self.target.currentIndexChanged.connect(lambda _: self._check())
        for box in (self.z_step, self.pixel_size, self.zoom, self.step):
            box.valueChanged.connect(lambda _: self._check())

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
        return self.input.image(NOTHING, layer)

    def checked_image(self) -> Image:
        """The image, if planes can be filled in.

        Raises
        ------
        DiffuscopeError
            In one sentence, why not.
        """
        image = self.image()
        if not self.layer.rgb and image.shape[-1] in (3, 4) and image.axes.endswith("ZYX"):
            raise DiffuscopeError(
                f"{image.name!r} looks like a colour image that was opened as a stack; open it as colours, "
                "or as one stack for each."
            )
        target: Target = self.target.currentData()
        if "Z" in image.axes and target != "zoom" and not self.z_step.value():
            raise DiffuscopeError(
                f"The distance between the planes of {image.name!r} is not known; enter the z-step."
            )
        if "Z" in image.axes and target == "isotropic" and not self.pixel_size.value():
            raise DiffuscopeError(f"The pixel size of {image.name!r} is not known; enter it.")
        plan_scale(in_standard_order(image), self._target_settings())
        return image

    def settings(self) -> SuperresSettings:
        """Settings as the controls show them.

        Raises
        ------
        DiffuscopeError
            If there is no model.
        """
        if not self.model.model:
            raise DiffuscopeError(
                "No model for super-resolution is installed; train one (diffuscope train), or open one with …."
            )
        target = self._target_settings()
        return SuperresSettings(
            model=self.model.model,
            mode=self.mode.currentData(),
            zoom=target.zoom,
            target_step=target.target_step,
            z_step=target.z_step,
            pixel_size=target.pixel_size,
            samples=self.samples.value(),
            steps=self.steps.value() or None,
            solver=self.solver.currentData(),
            seed=self.seed.value(),
            consensus=self.consensus.isChecked(),
            reimpose=self.reimpose.currentData(),
            blur=round(self.blur.value(), 4),
            rgb=self.input.rgb.currentData(),
            defects=self.defects.currentData(),
            pixels=self.pixels.currentData(),
            device=self.device.currentData(),
            batch=self.batch.value() or None,
        )

    def _target_settings(self) -> SuperresSettings:
        target: Target = self.target.currentData()
        return SuperresSettings(
            zoom=round(self.zoom.value(), 4) if target == "zoom" else None,
            target_step=round(self.step.value(), 6) if target == "step" else None,
            z_step=self.z_step.typed,
            pixel_size=self.pixel_size.typed,
        )

    def apply(self, settings: SuperresSettings) -> None:
        """Set all controls.

        Raises
        ------
        DiffuscopeError
            If the model is not at hand.
        """
        self.model.choose(settings.model)
        self._offer_modes(settings.mode)
        choose(self.mode, settings.mode)
        self.z_step.take(settings.z_step)
        self.pixel_size.take(settings.pixel_size)
        if settings.zoom is not None:
            self.zoom.setValue(settings.zoom)
        if settings.target_step is not None:
            self.step.setValue(settings.target_step)
        named = "zoom" if settings.zoom is not None else "step" if settings.target_step is not None else ""
        choose(self.target, named or "isotropic")
        self.samples.setValue(settings.samples)
        self.steps.setValue(settings.steps or 0)
        self.seed.setValue(settings.seed)
        self.device.choose(settings.device)
        for box, value in (
            (self.solver, settings.solver),
            (self.reimpose, settings.reimpose),
            (self.input.rgb, settings.rgb),
            (self.defects, settings.defects),
            (self.pixels, settings.pixels),
        ):
            choose(box, value)
        self.consensus.setChecked(settings.consensus)
        self.blur.setValue(settings.blur)
        self.batch.setValue(settings.batch or 0)
        self._check()

    def typed_sizes(self) -> dict[str, tuple[float, str]]:
        """Sizes in µm by axis letter, typed for a layer that has none: kept beside it."""
        if self.layer is None or sizes_of(self.image()) != Sizes():
            return {}
        z_step, pixel = self.z_step.typed, self.pixel_size.typed
        typed = {} if z_step is None else {"Z": (z_step, "micrometer")}
        return typed if pixel is None else typed | dict.fromkeys("YX", (pixel, "micrometer"))

    # How they depend on each other

    def _take_layer(self) -> None:
        try:
            sizes = sizes_of(self.image()) if self.layer is not None else Sizes()
        except DiffuscopeError:
            sizes = Sizes()
        self.z_step.follow(sizes.z_step)
        self.pixel_size.follow(sizes.pixel_size)
        self._check()

    def _check(self) -> None:
        """Say what will come out, or what stands in the way."""
        target: Target = self.target.currentData()
        show_row(self._form, self.zoom, target == "zoom")
        show_row(self._form, self.step, target == "step")
        for remark in (self.input.axes_note, self.sizes_note, self.result_note):
            say(remark, "")
        self.input.sizes.show_for(None, "")
        if self.layer is None:
            say(self.input.axes_note, NOTHING)
        else:
            self._describe()
        self.changed.emit()

    def _describe(self) -> None:
        try:
            image = self.image()
        except DiffuscopeError as error:
            say(self.input.axes_note, str(error), error=True)
            return
        self.input.sizes.show_for(self.layer, self.input.axes_letters(), self.typed_sizes())
        self.model.judge([pixel_size_remark(self.model.card, image)])
        remark = ", full resolution of several" if self.layer.multiscale else ""
        say(self.input.axes_note, lengths_of(image) + remark)
        if "Z" in image.axes and sizes_of(image) == Sizes():
            say(
                self.sizes_note,
                "The image does not say its sizes; these count for the result."
                if self.z_step.value() and self.pixel_size.value()
                else "The image does not say its sizes; enter both.",
                error=not (self.z_step.value() and self.pixel_size.value()) and target_needs_sizes(self),
            )
        try:
            say(self.result_note, self._result_in_words(self.checked_image()))
        except DiffuscopeError as error:
            say(self.result_note, str(error), error=True)

    def _result_in_words(self, image: Image) -> str:
        settings = self._target_settings()
        scale = plan_scale(in_standard_order(image), settings)
        spec = SUPERRES.outputs({"image": image}, settings)[0].spec
        z = spec.axes.index("Z")
        size = 4 * float(np.prod(spec.shape, dtype=np.float64))
        lengths = " × ".join(map(str, spec.shape[-3:]))
        unit = {"micrometer": "µm"}.get(spec.units[z], spec.units[z])
        text = (
            f"{scale.factor / scale.stride:.3g} times finer: {scale.planes} planes become {scale.output}, "
            f"{spec.scale[z]:.4g} {unit} apart. {lengths} voxels, {_bytes(size)}."
        )
        if not scale.exact:
            text += (
                f" The factor is no whole number: {scale.factor} steps are made of each and resampled, "
                "so your own planes are not kept bit for bit."
            )
        return text

    def _offer_modes(self, wanted: SuperresMode | None = None) -> None:
        modes = offered_modes(self.model.card, MODE_TEXTS, wanted)
        fill(self.mode, [(MODE_TEXTS[mode][0], mode) for mode in modes])
        self._take_mode()

    def _take_mode(self) -> None:
        mode: SuperresMode = self.mode.currentData()
        say(self.mode_note, MODE_TEXTS[mode][1])
        show_row(self._form, self.samples, mode in SAMPLED)
        show_row(self._form, self.steps, mode in STEPPED)
        show_row(self._form, self.seed, mode in SEEDED)
        self.changed.emit()


def target_needs_sizes(form: SuperresForm) -> bool:
    """Whether the result cannot be planned without sizes."""
    return bool(form.target.currentData() != "zoom")


def _real(low: float, high: float, tooltip: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(low, high)
    box.setToolTip(tooltip)
    return box


def _bytes(size: float) -> str:
    """``12 MB``, ``3.4 GB``."""
    return f"{size / 1e9:.2g} GB" if size >= 1e9 else f"{max(size / 1e6, 0.1):.2g} MB"
