"""The form of a method, made from its declaration: the image, the model, a row for every setting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QWidget

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.methods.declared import settings_of
from napari_diffuscope.methods.method import Method
from napari_diffuscope.viewer.form_parts import DeviceChoice, ImageChoice, arrange, lengths_of, offered_modes
from napari_diffuscope.viewer.limits import pixel_size_remark
from napari_diffuscope.viewer.model_choice import ModelChoice
from napari_diffuscope.viewer.no_image import NoImage
from napari_diffuscope.viewer.setting_rows import SettingRows
from napari_diffuscope.viewer.widgets import add_row, choose, form, say
from napari_diffuscope.weights.card import ModelCard

APART = ("model", "device", "rgb")
"""Settings whose controls know more than their declaration: the models at hand, the devices, the colours of a layer."""


class DeclaredForm(QWidget):
    """All controls of a method. ``changed`` tells that any of them changed.

    Parameters
    ----------
    viewer
        The viewer.
    method
        The method.
    on_error
        Called with a sentence when a folder is no model.
    """

    changed = Signal()

    nothing = "There is no image to work on; open one with File › Open, or take one from the samples."
    """What to say where no image is chosen."""

    rare = "Rarely needed: for comparisons, and for large images and small memories."
    """What the part that is folded away is for."""

    def __init__(
        self, viewer: Any, method: Method, on_error: Callable[[str], None], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.method = method
        names = [setting.name for setting in settings_of(method.settings)]
        self.input = self._make_input(viewer)
        self.model = self._make_model(on_error) if "model" in names else None
        self.device = DeviceChoice() if "device" in names else None
        self.rows = SettingRows(method.settings, (*APART, *self.own_settings()), self._take)
        self._lay_out()
        self._connect()
        self._take_model()

    def prefer_tile(self, tile: int) -> None:
        """Begin with tiles of a size, where the method has tiles."""
        if "tile" in self.rows:
            self.rows["tile"].value = tile

    def _way_out(self, remark: str, image: Image | None) -> str:
        """What can be done about a pixel size that the model does not know."""
        if not remark or image is None or "resample" not in self.rows or "unknown" in remark:
            return ""
        if self.rows["resample"].value:
            return "it is resampled for the model, and the result taken back to its pixels"
        return "turn on Resample under Advanced to bring it to the nearest size that the model knows"

    # What a method may fill in

    def own_settings(self) -> tuple[str, ...]:
        """Settings that the form shows in its own way."""
        return ()

    def add_image_rows(self, main: QFormLayout) -> None:
        """Rows of the method that belong to the image, below its choice."""

    def add_own_rows(self, main: QFormLayout, advanced: QFormLayout) -> None:
        """Rows of the method between the model and the settings."""

    def own_values(self) -> dict[str, Any]:
        """What is chosen in them, as settings."""
        return {}

    def typed_sizes(self) -> dict[str, tuple[float, str]]:
        """Sizes by axis letter that were typed for a layer that has none."""
        return {}

    def remark(self, image: Image) -> str:
        """What the note below the axes says of an image."""
        return lengths_of(image)

    # What all have

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
        assert isinstance(self.input, ImageChoice)
        return self.input.image(self.nothing, layer)

    @property
    def card(self) -> ModelCard | None:
        """Card of the chosen model, if there is one."""
        model = getattr(self, "model", None)
        return None if model is None else model.card

    def control(self, name: str) -> Any:
        """The Qt control of a setting."""
        return self.rows[name].widget.native

    def settings(self) -> Any:
        """Settings as the controls show them.

        Raises
        ------
        DiffuscopeError
            If there is no model, or values do not go together.
        """
        return self.method.settings(**self.values())

    def values(self) -> dict[str, Any]:
        """What the controls show, by the name of the setting."""
        values = self.rows.values()
        if self.model is not None:
            if not self.model.model:
                raise DiffuscopeError(
                    f"No model for {self.method.models_for} is installed; open one with the button …."
                )
            values["model"] = self.model.model
        if self.device is not None:
            values["device"] = self.device.currentData()
        if isinstance(self.input, ImageChoice) and "rgb" in [
            s.name for s in settings_of(self.method.settings)
        ]:
            values["rgb"] = self.input.rgb.currentData()
        return values | self.own_values()

    def apply(self, settings: Any) -> None:
        """Set all controls.

        Raises
        ------
        DiffuscopeError
            If the model is not at hand.
        """
        if self.model is not None:
            self.model.choose(settings.model)
        if self.device is not None:
            self.device.choose(settings.device)
        if isinstance(self.input, ImageChoice) and hasattr(settings, "rgb"):
            choose(self.input.rgb, settings.rgb)
        self.rows.apply(settings)
        self._take()

    # How they depend on each other

    def _make_input(self, viewer: Any) -> ImageChoice | NoImage:
        image = self.method.image
        return NoImage(self) if image is None else ImageChoice(viewer, image.help, image.axes_use, self)

    def _make_model(self, on_error: Callable[[str], None]) -> ModelChoice:
        default = self.method.settings().model  # type: ignore[attr-defined]
        return ModelChoice(self.method.name, on_error, default)  # type: ignore[arg-type]

    def _lay_out(self) -> None:
        main, advanced = form(), form()
        self.input.add_to(main)
        self.add_image_rows(main)
        if self.model is not None:
            add_row(main, "Model", self.model)
        self.add_own_rows(main, advanced)
        self.rows.add_to(main, advanced)
        if self.device is not None:
            add_row(main, "Device", self.device)
        self.advanced, self._wheel = arrange(self, main, advanced, self.rare)
        self.advanced.setVisible(advanced.rowCount() > 0)

    def _connect(self) -> None:
        self.input.layer_changed.connect(self._take)
        self.input.reading_changed.connect(self._take)
        if self.model is not None:
            self.model.model_changed.connect(self._take_model)

    def _take_model(self) -> None:
        if self.model is not None and "mode" in self.rows:
            row = self.rows["mode"]
            row.offer(offered_modes(self.model.card, row.setting.choices, row.value))
        self._take()

    def _take(self) -> None:
        if not hasattr(self, "advanced"):
            return
        self._take_mode(self.rows["mode"].value if "mode" in self.rows else None)
        self._check_image()
        self.changed.emit()

    def _take_mode(self, mode: Any) -> None:
        """Show what counts in a mode."""
        self.rows.show_for(mode)

    def _check_image(self) -> None:
        """Say under the axes what they mean for this image, or what is wrong with them."""
        if isinstance(self.input, NoImage):
            return
        self.input.sizes.show_for(None, "")
        image = None
        if self.layer is None:
            say(self.input.axes_note, "")
        else:
            try:
                image = self.image()
                self.input.sizes.show_for(self.layer, self.input.axes_letters(), self.typed_sizes())
                say(self.input.axes_note, self.remark(image))
            except DiffuscopeError as error:
                say(self.input.axes_note, str(error), error=True)
        if self.model is not None:
            remark = pixel_size_remark(self.card, image)
            self.model.judge([remark, self._way_out(remark, image)])
