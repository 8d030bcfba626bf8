"""The controls of the dock for super-resolution: those of its declaration, sizes of the image and of the result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from qtpy.QtWidgets import QDoubleSpinBox, QFormLayout

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.blocks import in_standard_order
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.methods.method import Method
from napari_diffuscope.methods.superres.method import SUPERRES
from napari_diffuscope.methods.superres.scale import plan_scale
from napari_diffuscope.methods.superres.settings import MOST_ZOOM, SuperresSettings
from napari_diffuscope.viewer.declared_form import DeclaredForm
from napari_diffuscope.viewer.form_parts import lengths_of
from napari_diffuscope.viewer.superres.sizes import SizeBox, Sizes, sizes_of
from napari_diffuscope.viewer.superres.texts import NOTHING, TARGET_TEXTS, Target
from napari_diffuscope.viewer.widgets import add_row, choice, choose, note, say, show_row, with_note


class SuperresForm(DeclaredForm):
    """All controls. ``changed`` tells that any of them changed."""

    nothing = NOTHING
    rare = "For comparisons with the paper, and for small memories."

    def __init__(self, viewer: Any, method: Method, on_error: Callable[[str], None]) -> None:
        super().__init__(viewer, method, on_error)
        self.rows["samples"].widget.min = 2

    def add_image_rows(self, main: QFormLayout) -> None:
        """Sizes of the image and of the result."""
        self._form = main
        self.z_step = SizeBox(
            "Distance from one plane to the next, as set at the microscope. Taken from the image where it says so."
        )
        self.pixel_size = SizeBox(
            "Width of a pixel in the specimen. Taken from the image where it says so; pixels have to be square."
        )
        self.sizes_note, self.result_note = note(), note()
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
        add_row(main, "Z-step", self.z_step)
        add_row(main, "Pixel size", with_note(self.pixel_size, self.sizes_note))
        add_row(main, "Result", self.target)
        add_row(main, "Factor", self.zoom)
        add_row(main, "New z-step", self.step)
        main.addRow(self.result_note)

    def _connect(self) -> None:
        self.input.layer_changed.connect(self._follow)
        self.input.reading_changed.connect(self._follow)
        super()._connect()
        self.target.currentIndexChanged.connect(lambda _: self._take())
        for box in (self.z_step, self.pixel_size, self.zoom, self.step):
            box.valueChanged.connect(lambda _: self._take())
        self._follow()

    # What they say

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

    def own_values(self) -> dict[str, Any]:
        """The sizes of the result, and those that were typed."""
        target: Target = self.target.currentData()
        return {
            "zoom": round(self.zoom.value(), 4) if target == "zoom" else None,
            "target_step": round(self.step.value(), 6) if target == "step" else None,
            "z_step": self.z_step.typed,
            "pixel_size": self.pixel_size.typed,
        }

    def apply(self, settings: SuperresSettings) -> None:
        """Set all controls.

        Raises
        ------
        DiffuscopeError
            If the model is not at hand.
        """
        super().apply(settings)
        self.z_step.take(settings.z_step)
        self.pixel_size.take(settings.pixel_size)
        if settings.zoom is not None:
            self.zoom.setValue(settings.zoom)
        if settings.target_step is not None:
            self.step.setValue(settings.target_step)
        named = "zoom" if settings.zoom is not None else "step" if settings.target_step is not None else ""
        choose(self.target, named or "isotropic")
        self._take()

    def typed_sizes(self) -> dict[str, tuple[float, str]]:
        """Sizes in µm by axis letter, typed for a layer that has none: kept beside it."""
        if self.layer is None or sizes_of(self.image()) != Sizes():
            return {}
        z_step, pixel = self.z_step.typed, self.pixel_size.typed
        typed = {} if z_step is None else {"Z": (z_step, "micrometer")}
        return typed if pixel is None else typed | dict.fromkeys("YX", (pixel, "micrometer"))

    def remark(self, image: Image) -> str:
        """Lengths, and which level of several is taken."""
        return lengths_of(image) + (", full resolution of several" if self.layer.multiscale else "")

    # How they depend on each other

    def _follow(self) -> None:
        try:
            sizes = sizes_of(self.image()) if self.layer is not None else Sizes()
        except DiffuscopeError:
            sizes = Sizes()
        self.z_step.follow(sizes.z_step)
        self.pixel_size.follow(sizes.pixel_size)

    def _check_image(self) -> None:
        """Say what will come out, or what stands in the way."""
        target: Target = self.target.currentData()
        show_row(self._form, self.zoom, target == "zoom")
        show_row(self._form, self.step, target == "step")
        super()._check_image()
        for remark in (self.sizes_note, self.result_note):
            say(remark, "")
        if self.layer is None:
            say(self.input.axes_note, NOTHING)
        else:
            self._describe()

    def _describe(self) -> None:
        try:
            image = self.image()
        except DiffuscopeError:  # said under the axes
            return
        if "Z" in image.axes and sizes_of(image) == Sizes():
            known = bool(self.z_step.value() and self.pixel_size.value())
            say(
                self.sizes_note,
                "The image does not say its sizes; these count for the result."
                if known
                else "The image does not say its sizes; enter both.",
                error=not known and self.target.currentData() != "zoom",
            )
        try:
            say(self.result_note, self._result_in_words(self.checked_image()))
        except DiffuscopeError as error:
            say(self.result_note, str(error), error=True)

    def _target_settings(self) -> SuperresSettings:
        return SuperresSettings(**self.own_values())

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


def _real(low: float, high: float, tooltip: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(low, high)
    box.setToolTip(tooltip)
    return box


def _bytes(size: float) -> str:
    """``12 MB``, ``3.4 GB``."""
    return f"{size / 1e9:.2g} GB" if size >= 1e9 else f"{max(size / 1e6, 0.1):.2g} MB"
