"""Plugins › Diffuscope › Predict 3D shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import uuid4

from qtpy.QtCore import QSize
from qtpy.QtWidgets import QWidget

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.shape.method import SHAPE
from napari_diffuscope.methods.shape.settings import ShapeSettings
from napari_diffuscope.viewer.background import Background
from napari_diffuscope.viewer.forecast import Work
from napari_diffuscope.viewer.layers import same_selection
from napari_diffuscope.viewer.method_dock import MethodDock
from napari_diffuscope.viewer.run_plan import RunPlan
from napari_diffuscope.viewer.runner import Outcome
from napari_diffuscope.viewer.shape.buttons import ShapeButtons
from napari_diffuscope.viewer.shape.cells import OutlinedCells
from napari_diffuscope.viewer.shape.chooser import CellChooser, Place
from napari_diffuscope.viewer.shape.clicks import ClickTool, places_of_points
from napari_diffuscope.viewer.shape.command import shape_command_for, shape_command_of_record
from napari_diffuscope.viewer.shape.form import ShapeForm
from napari_diffuscope.viewer.shape.plane import OWN_KEY, CellPlane
from napari_diffuscope.viewer.shape.results import ShapeResults
from napari_diffuscope.viewer.shape.run import ShapePlan, ShapeRun
from napari_diffuscope.viewer.shape.session import ShapeSession
from napari_diffuscope.viewer.shape.sessions import ShapeSessions
from napari_diffuscope.viewer.shape.view import ShapeView
from napari_diffuscope.viewer.widgets import DOCK_WIDTH


class ShapeDock(MethodDock):
    """Predicts the 3D shapes of cells that are clicked, or of all labelled ones, into new layers.

    Parameters
    ----------
    napari_viewer
        The viewer, given by napari.
    """

    tab_title = "3D shape"
    method = SHAPE
    result_of = "prediction of shapes"
    form: ShapeForm

    def __init__(self, napari_viewer: Any) -> None:
        self._token = uuid4().hex
        mark = {OWN_KEY: self._token}
        self.sessions = ShapeSessions(napari_viewer, mark)
        self._waiting: list[ShapePlan] = []
        form = ShapeForm(napari_viewer, self.method, self._complain, self._is_own)
        self.tool = ClickTool(napari_viewer, form.plane, mark)
        self.view = ShapeView(napari_viewer, mark)
        self.background = Background()
        self.chooser = CellChooser(napari_viewer, form, self.background, mark)
        self.cells = OutlinedCells(napari_viewer, self.method, form, self.chooser.outlines)
        self.results = ShapeResults(self.sessions, self._last_plane, self.background)
        self.buttons = ShapeButtons()
        super().__init__(napari_viewer, form)
        for part in (self.tool, self.background, self.chooser):
            part.setParent(self)
        self.bar.run_button.setToolTip(
            "Predict the shape of every cell that is outlined in the plane that is shown: of all in the Labels layer "
            "chosen above, or of those that you clicked. Your own layers are never changed."
        )
        self._connect()

    def sizeHint(self) -> QSize:
        """Wide enough for the sentences, as high as there is room."""
        return QSize(DOCK_WIDTH, 820)

    # What cells there are, and what is asked for them

    def settings(self) -> ShapeSettings:
        """Everything that decides the numbers."""
        return self.form.settings(self.form.plane() if self.form.layer is not None else None)

    def run(self) -> None:
        """Predict every outlined cell of the plane that is shown.

        Raises
        ------
        DiffuscopeError
            If there are none, or something about the settings or the image does not work.
        """
        self._ask(self.form.plane(), None)

    def click(self, plane: CellPlane, place: Place) -> None:
        """Predict the cell at a place: the label there, else what is outlined there."""
        self.chooser.at_places(plane, [place])

    def predict_points(self) -> None:
        """Predict the cells at the points of the chosen Points layer."""
        plane, points = self.form.plane(), self.form.points.layer
        if points is None:
            raise DiffuscopeError("There are no points of yours; add a Points layer, or click on the cells.")
        self.chooser.at_places(plane, places_of_points(self._viewer, points, plane))

    def predict_again(self) -> None:
        """Predict the last cell with its outline as it is now."""
        self.chooser.again()

    def plan(self, layer: Any = None) -> ShapePlan:
        """The prediction of every outlined cell of the plane that is shown."""
        return self.cells.plan(self.form.plane())

    def _ask(self, plane: CellPlane, only: tuple[int, ...] | None) -> None:
        """Predict some labels of a plane, now or after what is under way."""
        plan = self.cells.plan(plane, only)
        if not self.runner.running:
            self.start(plan)
            return
        self._waiting.append(plan)
        self.bar.say(
            f"{_named(only)} {'waits' if only and len(only) == 1 else 'wait'} for the run under way."
        )

    def work(self) -> Work | None:
        """Cells, samples and steps of all outlined cells of the plane that is shown."""
        if self.form.layer is None or self.form.card is None:
            return None
        cells = self.cells.count()
        return self._work_on(cells or 1, each=not cells)

    def work_of(self, plans: Sequence[RunPlan]) -> Work | None:
        """The work of a run that begins; ``None`` where its cells were not counted."""
        plan = plans[0]
        assert isinstance(plan, ShapePlan)
        cells = len(plan.only) if plan.only else self.cells.count()
        return self._work_on(cells) if cells else None

    def _work_on(self, cells: int, *, each: bool = False) -> Work | None:
        card, settings = self.form.card, self.settings()
        if card is None:
            return None
        effort = self.method.effort_of({}, settings, card).times(cells)
        return Work(effort, 1, self.method.name, settings.model, settings.device, each)

    def make_run(self, plans: Sequence[RunPlan]) -> ShapeRun:
        """A run in the session of its plane and outlines."""
        plan = plans[0]
        assert isinstance(plan, ShapePlan)
        run = ShapeRun(self._viewer, plan, self.sessions.of(plan, self.form.shown_kind), self)
        run.finished_cells.connect(self._show_results)
        return run

    # While it runs

    def refresh(self) -> None:
        """Show the current estimates and the finished cells."""
        with same_selection(self._viewer):
            super().refresh()
        if isinstance(self._run, ShapeRun):
            self._first_look(self._run.session)

    def _first_look(self, session: ShapeSession) -> None:
        """When the first layer of a session appears, the sliders go to its plane."""
        if session.layers and not session.looked_at:
            session.looked_at = True
            self.view.to_plane(session.plane)
            self._update_buttons()

    def ran(self, run: Any, outcome: Outcome) -> None:
        """Show the table, and begin with what waits."""
        self._first_look(run.session)
        shapes = {label: run.session.cells[label] for label in run.done if label in run.session.cells}
        if shapes:
            self.form.judge({label: shape.distance for label, shape in shapes.items()})
        self.sessions.forget_empty()
        self._show_results()
        if outcome.state == "cancelled":
            self._waiting.clear()
        if self._waiting:
            self.bar.guarded(partial(self.start, self._waiting.pop(0)))

    def _on_ended(self, outcome: Outcome) -> None:
        with same_selection(self._viewer):
            super()._on_ended(outcome)

    def _on_removed(self, event: Any) -> None:
        """A session ends with the layer that shows it."""
        lost = self.sessions.take_lost(event.value)
        if isinstance(self._run, ShapeRun) and self._run.session in lost:
            self._run.delete()
        self._show_results()

    # Looking at shapes

    def toggle_3d(self) -> None:
        """Turn to 3D around the shapes, or back."""
        self.bar.guarded(self._toggle_3d)
        self._show_dimensions()

    def go_to(self, key: Any) -> None:
        """Go to the cell of a row of the table."""
        session, label = self.sessions.get(key[0]), key[1]
        if session is None:
            return
        if label in session.cells:
            self.view.to_cell(session, label)
        else:
            self.view.to_plane(session.plane)
            self.bar.say(session.complaints.get(label, ""))

    def _toggle_3d(self) -> None:
        if self._viewer.dims.ndisplay == 3:
            self.view.to_2d()
            return
        session = self.results.current_session()
        if session is None or not session.layers:
            raise DiffuscopeError("There are no shapes to show in 3D yet; click on a cell first.")
        chosen = self.results.chosen
        self.view.to_3d(session, chosen[1] if chosen and chosen[0] is session else None)

    def _show_dimensions(self, event: Any = None) -> None:
        flat = self._viewer.dims.ndisplay == 2
        if flat:  # also by napari's own button
            self.view.restore()
        self.buttons.show_flat(flat)

    def _show_results(self) -> None:
        self.results.refresh()
        self._update_buttons()

    def show_kind(self) -> None:
        """Show all shapes as the controls say."""
        self.bar.guarded(self._show_kind)

    def _show_kind(self) -> None:
        kind = self.form.shown_kind
        self.background.start(
            partial(self.sessions.prepare, kind),
            lambda _: self.bar.guarded(partial(self.sessions.show_as, kind)),
            key="kind",
        )

    # Files and the clipboard

    def command(self) -> tuple[str, str]:
        """Command line for all outlined cells of the plane that is shown."""
        plane = self.form.plane()
        settings, axes = self.form.settings(plane), self.form.input.layer_axes()
        return shape_command_for(plane, self.cells.layer(plane), settings, layer_axes=axes)

    def command_of(self, record: Mapping[str, Any]) -> tuple[str, str]:
        """Command line that made a result."""
        return shape_command_of_record(record)

    def _repeat(self) -> None:
        super()._repeat()
        labels = self._selected_record().get("labels") or {}
        layer = self.form.labels.named(labels.get("name", ""))
        if layer is not None:
            self.form.labels.choose(layer)

    # The window

    def extra_rows(self) -> list[QWidget]:
        """The click tool and what belongs to it."""
        return [self.buttons]

    def _lay_out(self) -> None:
        super()._lay_out()
        self.layout().addWidget(self.results)

    def _toggle_clicks(self) -> None:
        self.bar.guarded(self.tool.switch_off if self.tool.on else self.tool.switch_on)
        self.buttons.click_button.setChecked(self.tool.on)

    def _connect(self) -> None:
        self.tool.clicked.connect(lambda plane, place: self.bar.guarded(partial(self.click, plane, place)))
        self.tool.failed.connect(self.bar.fail)
        self.tool.toggled.connect(self.buttons.click_button.setChecked)
        self.buttons.click_button.clicked.connect(lambda: self._toggle_clicks())
        self.buttons.again_button.clicked.connect(lambda: self.bar.guarded(self.predict_again))
        self.buttons.points_button.clicked.connect(lambda: self.bar.guarded(self.predict_points))
        self.buttons.dimensions_button.clicked.connect(lambda: self.toggle_3d())
        self.background.failed.connect(self.bar.fail)
        self.chooser.asked.connect(lambda plane, only: self.bar.guarded(partial(self._ask, plane, only)))
        self.chooser.outlining.connect(self._say_outlining)
        self.chooser.chose.connect(self._update_buttons)
        for part in (self.chooser, self.results):
            part.said.connect(self.bar.say)
            part.failed.connect(self.bar.fail)
        self.results.table.row_clicked.connect(self.go_to)
        self.form.kind_changed.connect(self.show_kind)
        self._viewer.layers.events.removed.connect(self._on_removed)
        self._viewer.dims.events.ndisplay.connect(self._show_dimensions)
        self._show_dimensions()

    def _say_outlining(self) -> None:
        if not self.runner.running:
            self.bar.say("Outlining…")

    def _last_plane(self) -> tuple[Any, ...] | None:
        return self.chooser.last[0].key if self.chooser.last is not None else None

    def _is_own(self, layer: Any) -> bool:
        return bool(layer.metadata.get(OWN_KEY) == self._token)

    def _update_buttons(self, event: Any = None) -> None:
        super()._update_buttons(event)
        self.bar.run_button.setText(self.cells.request())
        self.buttons.show_for(
            image=self.form.layer is not None,
            points=self.form.points.layer is not None,
            last=self.chooser.last is not None,
            shapes=self.sessions.shown or self._viewer.dims.ndisplay == 3,
        )

    def leave(self) -> None:
        """Stop the run and let go of the viewer."""
        self.chooser.close()
        self._waiting.clear()
        self.background.close()
        self.tool.close()
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self._viewer.dims.events.ndisplay.disconnect(self._show_dimensions)
        if self._viewer.dims.ndisplay == 3:
            self.view.restore()
        self.form.disconnect_viewer()
        super().leave()


def _named(only: tuple[int, ...] | None) -> str:
    if only is None:
        return "All cells"
    return f"Cell {only[0]}" if len(only) == 1 else f"{len(only)} cells"
