"""The page *Plots* of the dock: a profile that follows a line, and curves of the compared layers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np
from napari.layers import Shapes
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QCheckBox, QSpinBox, QVBoxLayout, QWidget

from napari_diffuscope.comparison.curves import Curves
from napari_diffuscope.comparison.job import Scene
from napari_diffuscope.comparison.line_profile import plane_at_hand, profile
from napari_diffuscope.comparison.settings import CompareSettings
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.jobs import Update
from napari_diffuscope.viewer.compare.comparison import Comparison
from napari_diffuscope.viewer.compare.plot_canvas import PlotCanvas, PlotWindow, can_plot
from napari_diffuscope.viewer.compare.plot_kinds import KINDS, PROFILE, curves_of, mean_and_deviation
from napari_diffuscope.viewer.compare.saving import ask_file, write_bytes
from napari_diffuscope.viewer.compare.scene import (
    drawn_line,
    line_in_world,
    reference_points,
    samples_of,
    scene_of,
)
from napari_diffuscope.viewer.runner import JobRunner, Outcome
from napari_diffuscope.viewer.widgets import (
    button,
    choice,
    choose,
    column,
    fill,
    form,
    in_a_row,
    note,
    say,
    show_row,
)

SAVED = {"png": "PNG (*.png)", "svg": "SVG (*.svg)", "csv": "CSV (*.csv)"}


class PlotsPage(QWidget):
    """Draws curves of a comparison.

    Parameters
    ----------
    comparison
        The layers.
    """

    def __init__(self, comparison: Comparison, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.comparison = comparison
        self.runner = JobRunner(self, needs_torch=False)
        self.plot = PlotCanvas(comparison.viewer)
        self.window_of_plot: PlotWindow | None = None
        self._scene: Scene | None = None
        self._line: Any = None
        self._again = False
        self._computing = PROFILE
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self.draw)
        self._make_controls()
        self._lay_out()
        self.runner.ended.connect(self._on_ended)
        comparison.changed.connect(self._on_changed)
        comparison.moved.connect(self._on_changed)
        comparison.edited.connect(self._on_changed)
        comparison.renamed.connect(self._on_changed)
        comparison.viewer.layers.events.inserted.connect(self._list_lines)
        comparison.viewer.layers.events.removed.connect(self._list_lines)
        self._list_lines()
        self._show_rows()

    def disconnect_viewer(self) -> None:
        """Let go of the viewer."""
        self.runner.cancel()
        self._follow(None)
        self.attach()
        self.plot.disconnect_viewer()
        self.comparison.viewer.layers.events.inserted.disconnect(self._list_lines)
        self.comparison.viewer.layers.events.removed.disconnect(self._list_lines)

    def draw(self) -> None:
        """Draw what is chosen; a profile at once, what takes longer in the background."""
        if not self.isVisibleTo(self.window()) and self.window_of_plot is None:
            return
        say(self.message, self.comparison.complaint)
        if self.comparison.complaint or not can_plot():
            self.plot.show_nothing()
            return
        try:
            self._draw()
        except DiffuscopeError as error:
            self._refuse(error)

    def _refuse(self, error: DiffuscopeError) -> None:
        """Say why there is no plot; an older one would be taken for it."""
        self.plot.show_nothing()
        say(self.message, str(error), error=True)

    def draw_line(self) -> None:
        """Add a Shapes layer with a line across the middle of the common field, ready to be dragged."""
        try:
            ends = line_in_world(self.comparison)
        except DiffuscopeError as error:
            say(self.message, str(error), error=True)
            return
        width = float(np.ptp(ends, axis=0).max()) / 50  # wide enough to be caught
        layer = self.comparison.viewer.add_shapes(
            [ends],
            shape_type="line",
            name="profile",
            edge_color="#e69f00",
            edge_width=width,
            units=_units(self.comparison),
        )
        layer.mode = "select"
        layer.selected_data = {0}
        choose(self.line, layer)
        self._on_line()

    def detach(self) -> None:
        """Show the plot in a window of its own."""
        if self.window_of_plot is None:
            self.window_of_plot = PlotWindow(self.plot, self.attach, self.window())
            self.window_of_plot.show()
            self.detach_button.setText("Attach")

    def attach(self) -> None:
        """Take the plot back into the dock."""
        window, self.window_of_plot = self.window_of_plot, None
        if window is not None:
            self._place.addWidget(self.plot)
            self.detach_button.setText("Detach")
            window.close()
            window.deleteLater()

    def _make_controls(self) -> None:
        self.kind = choice(
            KINDS, "What is drawn of the layers chosen above, of the plane at which the sliders stand."
        )
        self.kind.currentIndexChanged.connect(lambda _: self._on_kind())
        self.line = choice(
            (), "The Shapes layer whose line is followed: its selected line, else its last one."
        )
        self.line.currentIndexChanged.connect(lambda _: self._on_line())
        self.width = QSpinBox()
        self.width.setRange(1, 999)
        self.width.setSuffix(" px")
        self.width.setToolTip(
            "Mean over so many pixels of the reference across the line: less noise, less detail."
        )
        self.width.valueChanged.connect(lambda _: self._soon.start())
        self.line_button = button(
            "Draw a line",
            "Add a line across the middle; drag it or its ends, and the profile follows.",
            self.draw_line,
        )
        self.of_results = QCheckBox("Also of results")
        self.of_results.setToolTip(
            "Ring correlation of restored or generated images measures what the model draws, not the specimen."
        )
        self.of_results.toggled.connect(lambda _: self._on_changed())
        self.message = note()
        self.detach_button = button("Detach", "Show the plot in a window of its own.", self._toggle)

    def _lay_out(self) -> None:
        self._rows = form()
        self._rows.addRow("Plot", self.kind)
        self._rows.addRow("Line", self.line)
        self._rows.addRow("Width", self.width)
        self._rows.addRow("", self.line_button)
        self._rows.addRow("", self.of_results)
        self._place = QVBoxLayout()
        self._place.addWidget(self.plot)
        self.save_buttons = {
            kind: button(f"{kind.upper()}…", words, lambda kind=kind: self._save(kind))  # type: ignore[misc]
            for kind, words in (
                ("png", "Save the plot as a picture."),
                ("svg", "Save the plot as a drawing that can be edited."),
                ("csv", "Save the numbers behind the plot."),
            )
        }
        buttons = in_a_row(*self.save_buttons.values(), self.detach_button)
        column(self, self._rows, self.message, self._place, buttons, margins=(0, 8, 0, 0))
        say(self.message, "")

    def showEvent(self, event: Any) -> None:
        """Draw what is chosen when the page comes up."""
        super().showEvent(event)
        self._soon.start()

    def _on_kind(self) -> None:
        self._show_rows()
        self._soon.start()

    def _show_rows(self) -> None:
        profiles = self.kind.currentData() == PROFILE
        for control in (self.line, self.width, self.line_button):
            show_row(self._rows, control, profiles)
        show_row(self._rows, self.of_results, self.kind.currentData() in ("rings", "frames", "halves"))

    def _on_changed(self) -> None:
        self._scene = None
        self._soon.start()

    def _list_lines(self, event: Any = None) -> None:
        layers = [layer for layer in self.comparison.viewer.layers if isinstance(layer, Shapes)]
        fill(self.line, [(layer.name, layer) for layer in layers])
        self._on_line()

    def _on_line(self) -> None:
        self._follow(self.line.currentData())
        self._soon.start()

    def _follow(self, layer: Any) -> None:
        """Listen to a line while it is dragged."""
        if layer is self._line:
            return
        for each, connect in ((self._line, False), (layer, True)):
            if each is not None:
                for emitter in (each.events.set_data, each.events.data, each.events.highlight):
                    (emitter.connect if connect else emitter.disconnect)(self._on_drag)
        self._line = layer

    def _on_drag(self, event: Any = None) -> None:
        if self.kind.currentData() == PROFILE:
            self._soon.start()

    def _draw(self) -> None:
        if self._scene is None:
            self._scene = scene_of(self.comparison)
        if self.kind.currentData() == PROFILE:
            self._draw_profile(self._scene)
        else:
            kind, scene, settings = self.kind.currentData(), self._scene, self._settings()
            extra = self._extra(kind, scene)
            self._compute(lambda: curves_of(kind, scene, settings, extra))

    def _draw_profile(self, scene: Scene) -> None:
        ends = None if self._line is None else drawn_line(self._line)
        if ends is None:
            self.plot.show_nothing()
            say(self.message, "Draw a line in a Shapes layer, or press the button; the profile follows it.")
            return
        points, plane = reference_points(self.comparison, self._line, ends), scene.plane or ()
        placed, width = (scene.reference, *scene.others), float(self.width.value())

        def made() -> Curves:
            return profile(placed, plane, points[0], points[1], width=width)

        if all(plane_at_hand(each, plane) for each in placed) and not self.runner.running:
            self.plot.show_curves(made(), [each.name for each in placed])
        else:
            self._compute(made)

    def _settings(self) -> CompareSettings:
        return CompareSettings(frc_of_results=self.of_results.isChecked())

    def _extra(self, kind: str, scene: Scene) -> Any:
        if kind in ("calibration", "coverage"):
            return mean_and_deviation(scene)
        return samples_of(self.comparison) if kind == "samples" else None

    def _compute(self, make: Callable[[], Curves]) -> None:
        """Draw in the background; what changes meanwhile is drawn after it."""
        if self.runner.running:
            self._again = True
            return
        say(self.message, "Computing…")
        self._computing = self.kind.currentData()
        self.runner.start(lambda: _computed(make))

    def _on_ended(self, outcome: Outcome) -> None:
        again, self._again = self._again, False
        say(self.message, "")
        if self._computing != self.kind.currentData():  # another plot was chosen meanwhile
            again = True
        elif outcome.state == "done":
            names: Sequence[str] = [layer.name for layer in self.comparison.layers]
            self.plot.show_curves(outcome.result, names)
        elif outcome.error is not None:
            self._refuse(outcome.error)
        if again:
            self._soon.start()

    def _toggle(self) -> None:
        if self.window_of_plot is None:
            self.detach()
        else:
            self.attach()

    def _save(self, kind: str) -> None:
        curves = self.plot.curves
        if curves is None:
            say(self.message, "Nothing has been drawn yet.", error=True)
            return
        path = ask_file(self, f"plot.{kind}", SAVED[kind])
        if path is None:
            return
        try:
            write_bytes(path, curves.to_csv().encode("utf-8") if kind == "csv" else self.plot.picture(kind))
        except DiffuscopeError as error:
            say(self.message, str(error), error=True)


def _computed(make: Callable[[], Curves]) -> Generator[Update, None, Curves]:
    yield Update(0, 1)
    return make()


def _units(comparison: Comparison) -> Any:
    """Units of the window, for a layer that lies in it."""
    return tuple(comparison.viewer.layers.extent.units or comparison.reference.units)
