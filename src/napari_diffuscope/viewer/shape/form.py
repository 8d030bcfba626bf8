"""The controls of the dock for shapes: those of its declaration, the cells, and how shapes are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from napari.layers import Labels, Points
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.method import Method
from napari_diffuscope.methods.shape.settings import ShapeSettings
from napari_diffuscope.viewer.declared_form import DeclaredForm
from napari_diffuscope.viewer.form_parts import ImageChoice, check_box, lengths_of
from napari_diffuscope.viewer.layer_choice import LayerChoice
from napari_diffuscope.viewer.limits import cells_remark, pixel_size_remark
from napari_diffuscope.viewer.shape.plane import CellPlane, shown_plane
from napari_diffuscope.viewer.shape.scene import Kind
from napari_diffuscope.viewer.shape.texts import HINT, HINT_LABELS, KIND_TEXTS, NOTHING, SEGMENT
from napari_diffuscope.viewer.superres.sizes import SizeBox
from napari_diffuscope.viewer.widgets import FractionSlider, add_row, choice, note, say, show_row, with_note


class ShapeForm(DeclaredForm):
    """All controls. ``changed`` tells that any of them changed, ``outline_changed`` that cells shall be outlined anew,
    ``kind_changed`` that shapes shall be shown in another way.

    Parameters
    ----------
    viewer, method, on_error
        As of `DeclaredForm`.
    own
        Tells of a layer whether the dock made it.
    """

    outline_changed = Signal()
    kind_changed = Signal()
    nothing = NOTHING
    rare = "For special cells, and for comparisons with the paper."

    def __init__(
        self, viewer: Any, method: Method, on_error: Callable[[str], None], own: Callable[[Any], bool]
    ) -> None:
        self._viewer, self._own = viewer, own
        self._distances: dict[int, float | None] = {}
        super().__init__(viewer, method, on_error)

    # The controls

    def _make_input(self, viewer: Any) -> ImageChoice:
        return ImageChoice(
            viewer,
            "The image of cells.",
            "Of a stack, a time-lapse or channels, the plane is used that the window shows.",
            self,
            several=False,
        )

    def add_image_rows(self, main: QFormLayout) -> None:
        """The cells, and how they are outlined."""
        self._form = main
        self._make_cells()
        main.addRow(self.plane_note)
        add_row(main, "Outlines", with_note(self.labels, self.hint))
        add_row(main, "Sensitivity", self.sensitivity)
        add_row(main, "Cells are", self.bright)
        add_row(main, "Neighbours", self.apart)
        add_row(main, "Clicks", self.at_once)
        add_row(main, "Points", self.points)
        add_row(main, "Pixel size", self.pixel_size)

    def _make_cells(self) -> None:
        viewer, own = self._viewer, self._own
        self.plane_note = note()
        self.labels = LayerChoice(
            viewer,
            "Where the outlines of the cells come from: a Labels layer, or outlined around each click by brightness.",
            kind=Labels,
            hidden=own,
            nothing=SEGMENT,
        )
        self.hint = note(HINT)
        self.sensitivity = FractionSlider(
            0.5,
            "Where the outline lies: higher takes in dimmer pixels. The last cell is outlined anew at once.",
        )
        self.bright = choice(
            [("Brighter than around them", True), ("Darker than around them", False)],
            "Whether the cells or their surroundings are bright, for the outlines.",
        )
        self.apart = check_box(
            "Cut touching cells apart",
            "Separate cells that touch at the waist between them. Uncheck it for cells that are narrow in the middle.",
        )
        self.apart.setChecked(True)
        self.at_once = check_box(
            "Predict at once",
            "Predict the shape as soon as a cell is outlined. Unchecked, clicks only outline cells: correct them, "
            "then press Predict again or Predict all cells.",
        )
        self.at_once.setChecked(True)
        self.points = LayerChoice(
            viewer, "Points of yours that mark cells in the plane that is shown.", kind=Points, hidden=own
        )
        self.pixel_size = SizeBox(
            "Width of a pixel in the specimen, for features in µm. Taken from the image where it says so; "
            "without it lengths are in pixels."
        )

    def add_own_rows(self, main: QFormLayout, advanced: QFormLayout) -> None:
        """How shapes are shown."""
        self.kind = choice(
            [(text, kind) for kind, text in KIND_TEXTS.items()],
            "How shapes appear: as labels, which can be measured and painted; as surfaces, which are seen in 3D; or "
            "as the probability at every voxel.",
        )
        add_row(main, "Show as", self.kind)

    def _connect(self) -> None:
        self.input.layer_changed.connect(self._follow)
        self.input.reading_changed.connect(self._follow)
        super()._connect()
        self.labels.layer_changed.connect(self._take_labels)
        self.points.layer_changed.connect(self._take_labels)
        self.sensitivity.slider.valueChanged.connect(lambda _: self.outline_changed.emit())
        self.bright.currentIndexChanged.connect(lambda _: self.outline_changed.emit())
        self.apart.toggled.connect(lambda _: self.outline_changed.emit())
        self.kind.currentIndexChanged.connect(lambda _: self.kind_changed.emit())
        self.pixel_size.valueChanged.connect(lambda _: self._take())
        self._viewer.dims.events.point.connect(self._describe)
        self._follow()
        self._take_labels()

    def disconnect_viewer(self) -> None:
        """Let go of the viewer and its layers, but for the image, whose choice the dock disconnects."""
        self._viewer.dims.events.point.disconnect(self._describe)
        self.labels.disconnect_viewer()
        self.points.disconnect_viewer()

    # What they say

    @property
    def shown_kind(self) -> Kind:
        """How shapes are shown."""
        kind: Kind = self.kind.currentData()
        return kind

    def plane(self) -> CellPlane:
        """The plane of the chosen image that the window shows.

        Raises
        ------
        DiffuscopeError
            If no image is chosen, its axes do not fit, or its pixels are not square.
        """
        image = self.input.image(NOTHING)
        return shown_plane(
            self._viewer, self.layer, image, self.input.axes_letters(), typed=self.pixel_size.typed
        )

    def outlining(self) -> dict[str, Any]:
        """Keywords of `segment_around`."""
        return {
            "sensitivity": self.sensitivity.value(),
            "bright": self.bright.currentData(),
            "apart": self.apart.isChecked(),
        }

    def settings(self, plane: CellPlane | None = None) -> ShapeSettings:
        """Settings as the controls show them, for a plane of a larger image.

        Raises
        ------
        DiffuscopeError
            If there is no model.
        """
        settings: ShapeSettings = super().settings()
        several = plane is not None and plane.image.plane_count > 1
        return replace(settings, plane=plane.flat) if plane is not None and several else settings

    def own_values(self) -> dict[str, Any]:
        """The pixel size, where one was typed."""
        return {"pixel_size": self.pixel_size.typed}

    def apply(self, settings: ShapeSettings) -> None:
        """Set all controls; the plane is that of the window.

        Raises
        ------
        DiffuscopeError
            If the model is not at hand.
        """
        super().apply(settings)
        self.pixel_size.take(settings.pixel_size)
        self._take()

    # How they depend on each other

    def judge(self, distances: Mapping[int, float | None]) -> None:
        """Say which of the cells that were predicted last are unlike those that the model learned from."""
        self._distances = dict(distances)
        self._judge()

    def _judge(self) -> None:
        image = None
        if self.layer is not None:
            with suppress(DiffuscopeError):  # said elsewhere
                image = self.plane().image
        card = self.card
        assert self.model is not None
        self.model.judge([pixel_size_remark(card, image), cells_remark(card, self._distances)])

    def _follow(self) -> None:
        try:
            image = self.input.image(NOTHING)
            size = shown_plane(self._viewer, self.layer, image, self.input.axes_letters()).pixel_size
        except DiffuscopeError:
            size = None
        self.pixel_size.follow(size)
        self._distances = {}

    def _take_labels(self) -> None:
        clicked = self.labels.layer is None
        say(self.hint, HINT if clicked else HINT_LABELS)
        for control in (self.sensitivity, self.bright, self.apart, self.at_once):
            show_row(self._form, control, clicked)
        show_row(self._form, self.points, self.points.layer is not None)
        self.changed.emit()

    def _check_image(self) -> None:
        self._describe()
        self._judge()

    def _describe(self, event: Any = None) -> None:
        """Say which plane is used, or what stands in the way."""
        say(self.input.axes_note, "")
        say(self.plane_note, "")
        self.input.sizes.show_for(None, "")
        if self.layer is None:
            say(self.input.axes_note, NOTHING)
            return
        try:
            plane = self.plane()
        except DiffuscopeError as error:
            say(self.input.axes_note, str(error), error=True)
            return
        say(self.input.axes_note, lengths_of(plane.image))
        size = self.pixel_size.typed
        typed = None if size is None else dict.fromkeys("YX", (size, "micrometer"))
        self.input.sizes.show_for(self.layer, plane.axes, typed)
        if plane.where:
            say(self.plane_note, f"The plane shown is used: {plane.where}.")

    def _take_mode(self, mode: Any) -> None:
        solvers = solvers_for(mode)
        if list(self.rows["solver"].widget.choices) != solvers:
            self.rows["solver"].offer(solvers)
        super()._take_mode(mode)
        self.rows["samples"].widget.min = 2 if mode == "ensemble" else 1
        if self._chained(mode):
            self.rows.show("steps", True)

    def _chained(self, mode: Any) -> bool:
        """Whether an estimate takes several steps: of networks that predict the noise."""
        card = self.card
        return mode == "estimate" and (card is None or card.diffusion.prediction == "epsilon")


def solvers_for(mode: Any) -> list[str | None]:
    """Solvers that a mode can use; ``None`` for the model's own."""
    if mode == "estimate":
        return [None, "ancestral-mean", "ddim"]
    return [None] if mode == "as-published" else [None, "ancestral", "dpm-solver++", "ddim"]
