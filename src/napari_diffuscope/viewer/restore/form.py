"""The controls of the Restore dock: those of its declaration, and the region."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtWidgets import QFormLayout

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.units import to_micrometres
from napari_diffuscope.methods.method import Method
from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.viewer.declared_form import DeclaredForm
from napari_diffuscope.viewer.form_parts import lengths_of
from napari_diffuscope.viewer.limits import pixel_size_remark
from napari_diffuscope.viewer.restore.texts import REGIONS, region_texts
from napari_diffuscope.viewer.widgets import add_row, choice, choose, fill


class RestoreForm(DeclaredForm):
    """All controls. ``changed`` tells that any of them changed."""

    nothing = "There is no image to restore; open one with File › Open, or take one from the samples."
    rare = "For defects, mirror images and large files; tiles and batches never change the result on a CPU."

    def __init__(self, viewer: Any, method: Method, on_error: Callable[[str], None]) -> None:
        self.same_region: tuple[tuple[int, ...] | None, tuple[int, int, int, int] | None] | None = None
        super().__init__(viewer, method, on_error)

    def add_own_rows(self, main: QFormLayout, advanced: QFormLayout) -> None:
        """The part of the image."""
        self.region = choice(
            [(text, key) for key, text in region_texts("Z").items() if key in REGIONS],
            "Which part to restore. Try the visible area first: it is quick and shows what to expect.",
        )
        self.region.currentIndexChanged.connect(lambda _: self.changed.emit())
        add_row(main, "Region", self.region)

    def remark(self, image: Image) -> str:
        """Lengths and pixel size, and a warning where the model was made for others."""
        size = to_micrometres(image.scale[-1], image.units[-1])
        if size is None:
            return f"{lengths_of(image)} – pixel size unknown"
        outside = pixel_size_remark(self.card, image)
        return f"{lengths_of(image)} – {outside or f'pixels of {size:.3g} µm'}"

    def apply(self, settings: RestoreSettings) -> None:
        """Set all controls.

        Raises
        ------
        DiffuscopeError
            If the model is not at hand.
        """
        super().apply(settings)
        self.same_region = None
        if settings.planes is not None or settings.crop is not None:
            self.same_region = (settings.planes, settings.crop)
        self._offer_regions()
        choose(self.region, "same" if self.same_region else "stack")
        self.changed.emit()

    def _offer_regions(self) -> None:
        """Name the parts of the image that can be restored; an image of one plane is no stack."""
        before, texts = self.region.currentData(), region_texts(self._stacked())
        keys = [*REGIONS, *(["same"] if self.same_region else [])]
        fill(self.region, [(texts[key], key) for key in keys if key in texts])
        if before not in texts:
            choose(self.region, "stack")

    def _offer_neighbours(self) -> None:
        """Name the axes along which the image has neighbouring planes; what was chosen stays, and is refused.

        Where there are none there is nothing to choose.
        """
        row, stacked = self.rows["neighbours"], self._stacked().lower()
        offered = [each for each in row.setting.choices if each in ("none", *stacked) or each == row.value]
        row.offer(offered)
        counts = row.setting.counts_in(self.rows["mode"].value)
        self.rows.show("neighbours", counts and len(offered) > 1)

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

    def _take_mode(self, mode: str) -> None:
        super()._take_mode(mode)
        self.rows["samples"].widget.min = 1 if mode == "samples" else 2

    def _check_image(self) -> None:
        super()._check_image()
        self._offer_regions()
        self._offer_neighbours()
