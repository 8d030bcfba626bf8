"""The controls of the dock for shapes, as `ShapeSettings` and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from napari.layers import Labels, Points
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.shape.settings import ShapeMode, ShapeSettings
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
from napari_diffuscope.viewer.layer_choice import LayerChoice
from napari_diffuscope.viewer.limits import cells_remark, pixel_size_remark
from napari_diffuscope.viewer.model_choice import ModelChoice
from napari_diffuscope.viewer.shape.plane import CellPlane, shown_plane
from napari_diffuscope.viewer.shape.scene import Kind
from napari_diffuscope.viewer.shape.texts import (
    HINT,
    HINT_LABELS,
    KIND_TEXTS,
    MODE_TEXTS,
    NO_MODEL,
    NOTHING,
    SAMPLED,
    SEEDED,
    SEGMENT,
    STEPPED,
)
from napari_diffuscope.viewer.superres.sizes import SizeBox
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

DEFAULTS = ShapeSettings()


class ShapeForm(QWidget):
    """All controls. ``changed`` tells that any of them changed, ``outline_changed`` that cells shall be outlined anew,
    ``kind_changed`` that shapes shall be shown in another way.

    Parameters
    ----------
    viewer
        The viewer.
    on_error
        Called with a sentence.
    own
        Tells of a layer whether the dock made it.
    """

    changed = Signal()
    outline_changed = Signal()
    kind_changed = Signal()

    def __init__(
        self, viewer: Any, on_error: Any, own: Callable[[Any], bool], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._distances: dict[int, float | None] = {}
        self._make_input(viewer, own)
        self.model = ModelChoice("shape", on_error, DEFAULTS.model)
        self._make_method()
        self._make_advanced()
        self._lay_out()
        self._connect()
        self._take_layer()
        self._take_labels()
        self._offer_modes()

    # The controls

    def _make_input(self, viewer: Any, own: Callable[[Any], bool]) -> None:
        self.input = ImageChoice(
            viewer,
            "The image of cells.",
            "Of a stack, a time-lapse or channels, the plane is used that the window shows.",
            self,
            several=False,
        )
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

    def _make_method(self) -> None:
        self.mode = choice([], "What kind of answer you want.")
        self.mode_note = note()
        self.samples = spin(1, 1000, "How many plausible shapes to draw of each cell.")
        self.samples.setValue(DEFAULTS.samples)
        self.steps = steps_box()
        self.seed = seed_box()
        self.device = DeviceChoice()
        self.kind = choice(
            [(text, kind) for kind, text in KIND_TEXTS.items()],
            "How shapes appear: as labels, which can be measured and painted; as surfaces, which are seen in 3D; or "
            "as the probability at every voxel.",
        )

    def _make_advanced(self) -> None:
        self.threshold = choice(
            [("The model's own", "model"), ("One half", "half"), ("By Otsu's method", "otsu")],
            "From which probability on a voxel belongs to the cell. The model's own overlapped best with the cells "
            "that it learned from.",
        )
        self.largest = check_box("Keep the largest piece alone", "Leave out pieces that are not connected.")
        self.largest.setChecked(DEFAULTS.largest)
        self.match_mask = check_box(
            "Middle plane as outlined",
            "Make the plane of the image equal to the outline. How far they agree by themselves is told in any case.",
        )
        self.anyway = check_box(
            "Try refused cells",
            "Also predict cells at the border, tiny, huge, hollow or in pieces. Do not trust their shapes.",
        )
        self.solver = choice([], "The way to the answer. The model's own is fast and good.")
        self.window = choice(
            [("Around each cell", "cell"), ("The whole image", "plane")],
            "What the model sees. The whole image, unchanged, is for data that was cut out for such models.",
        )
        self.defects = choice(
            [("Bridge", "bridge"), ("Ignore", "ignore")],
            "Single pixels that are no image: hot, dead, outliers. Bridged, they have the value of their neighbours.",
        )
        self.batch = spin(
            0, 4096, "Samples computed at the same time. More need more memory.", automatic=True
        )

    def _lay_out(self) -> None:
        self._form = form()
        self.input.add_to(self._form)
        self._form.addRow(self.plane_note)
        add_row(self._form, "Outlines", with_note(self.labels, self.hint))
        add_row(self._form, "Sensitivity", self.sensitivity)
        add_row(self._form, "Cells are", self.bright)
        add_row(self._form, "Neighbours", self.apart)
        add_row(self._form, "Clicks", self.at_once)
        add_row(self._form, "Points", self.points)
        add_row(self._form, "Pixel size", self.pixel_size)
        add_row(self._form, "Model", self.model)
        add_row(self._form, "Mode", with_note(self.mode, self.mode_note))
        add_row(self._form, "Samples", self.samples)
        add_row(self._form, "Steps", self.steps)
        add_row(self._form, "Seed", self.seed)
        add_row(self._form, "Device", self.device)
        add_row(self._form, "Show as", self.kind)
        advanced = form()
        add_row(advanced, "Threshold", self.threshold)
        add_row(advanced, "Pieces", self.largest)
        add_row(advanced, "Outline", self.match_mask)
        add_row(advanced, "Refused", self.anyway)
        add_row(advanced, "Solver", self.solver)
        add_row(advanced, "Window", self.window)
        add_row(advanced, "Defects", self.defects)
        add_row(advanced, "Batch", self.batch)
        self.advanced, self._wheel = arrange(
            self, self._form, advanced, "For special cells, and for comparisons with the paper."
        )

    def _connect(self) -> None:
        self.input.layer_changed.connect(self._take_layer)
        self.input.reading_changed.connect(self._take_layer)
        self.model.model_changed.connect(self._offer_modes)
        self.mode.currentIndexChanged.connect(lambda _: self._take_mode())
        self.labels.layer_changed.connect(self._take_labels)
        self.points.layer_changed.connect(self._take_labels)
        self.sensitivity.slider.valueChanged.connect(lambda _: self.outline_changed.emit())
        self.bright.currentIndexChanged.connect(lambda _: self.outline_changed.emit())
        self.apart.toggled.connect(lambda _: self.outline_changed.emit())
        self.kind.currentIndexChanged.connect(lambda _: self.kind_changed.emit())
        self.pixel_size.valueChanged.connect(lambda _: self._describe())
        self.pixel_size.valueChanged.connect(lambda _: self.changed.emit())
        self._viewer.dims.events.point.connect(self._describe)

    def disconnect_viewer(self) -> None:
        """Let go of the viewer and its layers, but for the image, whose choice the dock disconnects."""
        self._viewer.dims.events.point.disconnect(self._describe)
        self.labels.disconnect_viewer()
        self.points.disconnect_viewer()

    # What they say

    @property
    def layer(self) -> Any:
        """The chosen image layer, or ``None``."""
        return self.input.layer

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
        if not self.model.model:
            raise DiffuscopeError(NO_MODEL)
        mode: ShapeMode = self.mode.currentData()
        return ShapeSettings(
            model=self.model.model,
            mode=mode,
            samples=self.samples.value(),
            steps=self.steps.value() or None,
            solver=self.solver.currentData(),
            seed=self.seed.value(),
            threshold=self.threshold.currentData(),
            largest=self.largest.isChecked(),
            match_mask=self.match_mask.isChecked(),
            anyway=self.anyway.isChecked(),
            window=self.window.currentData(),
            plane=plane.flat if plane is not None and plane.image.plane_count > 1 else None,
            pixel_size=self.pixel_size.typed,
            device=self.device.currentData(),
            defects=self.defects.currentData(),
            batch=self.batch.value() or None,
        )

    def apply(self, settings: ShapeSettings) -> None:
        """Set all controls; the plane is that of the window.

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
        self.device.choose(settings.device)
        for box, value in (
            (self.solver, settings.solver),
            (self.threshold, settings.threshold),
            (self.window, settings.window),
        ):
            choose(box, value)
        self.largest.setChecked(settings.largest)
        self.match_mask.setChecked(settings.match_mask)
        self.anyway.setChecked(settings.anyway)
        choose(self.defects, settings.defects)
        self.batch.setValue(settings.batch or 0)
        self.pixel_size.take(settings.pixel_size)
        self.changed.emit()

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
        card = self.model.card
        self.model.judge([pixel_size_remark(card, image), cells_remark(card, self._distances)])

    def _take_layer(self) -> None:
        try:
            size = shown_plane(
                self._viewer, self.layer, self.input.image(NOTHING), self.input.axes_letters()
            ).pixel_size
        except DiffuscopeError:
            size = None
        self.pixel_size.follow(size)
        self._describe()
        self.judge({})
        self.changed.emit()

    def _take_labels(self) -> None:
        clicked = self.labels.layer is None
        say(self.hint, HINT if clicked else HINT_LABELS)
        for control in (self.sensitivity, self.bright, self.apart, self.at_once):
            show_row(self._form, control, clicked)
        show_row(self._form, self.points, self.points.layer is not None)
        self.changed.emit()

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

    def _offer_modes(self, wanted: ShapeMode | None = None) -> None:
        modes = offered_modes(self.model.card, MODE_TEXTS, wanted)
        fill(self.mode, [(MODE_TEXTS[mode][0], mode) for mode in modes])
        self._judge()
        self._take_mode()

    def _take_mode(self) -> None:
        mode: ShapeMode = self.mode.currentData()
        say(self.mode_note, MODE_TEXTS[mode][1])
        self.samples.setMinimum(2 if mode == "ensemble" else 1)
        fill(self.solver, solvers_for(mode))
        show_row(self._form, self.samples, mode in SAMPLED)
        show_row(self._form, self.steps, mode in STEPPED or self._chained(mode))
        show_row(self._form, self.seed, mode in SEEDED)
        self.changed.emit()

    def _chained(self, mode: ShapeMode) -> bool:
        """Whether an estimate takes several steps: of networks that predict the noise."""
        card = self.model.card
        return mode == "estimate" and (card is None or card.diffusion.prediction == "epsilon")


def solvers_for(mode: ShapeMode) -> list[tuple[str, str | None]]:
    """Solvers that a mode can use."""
    entries: list[tuple[str, str | None]] = [("The model's own", None)]
    if mode == "estimate":
        entries += [("Ancestral chain without noise", "ancestral-mean"), ("DDIM", "ddim")]
    elif mode != "as-published":
        entries += [("Ancestral", "ancestral"), ("DPM-Solver++", "dpm-solver++"), ("DDIM", "ddim")]
    return entries
