"""Plugins › Diffuscope › Predict 3D shape."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import uuid4

import numpy as np
from qtpy.QtCore import QSize
from qtpy.QtWidgets import QGridLayout, QWidget

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.shape.method import SHAPE
from napari_diffuscope.methods.shape.settings import ShapeSettings
from napari_diffuscope.viewer.background import Background
from napari_diffuscope.viewer.forecast import Work
from napari_diffuscope.viewer.layers import same_selection
from napari_diffuscope.viewer.method_dock import MethodDock
from napari_diffuscope.viewer.run_plan import RunPlan
from napari_diffuscope.viewer.runner import Outcome
from napari_diffuscope.viewer.shape.chooser import CellChooser, Place
from napari_diffuscope.viewer.shape.clicks import ClickTool, places_of_points
from napari_diffuscope.viewer.shape.command import (
    labels_image,
    shape_command_for,
    shape_command_of_record,
)
from napari_diffuscope.viewer.shape.form import ShapeForm
from napari_diffuscope.viewer.shape.outline import MOST_COUNTED, numbers_in
from napari_diffuscope.viewer.shape.plane import OWN_KEY, CellPlane, labels_reader
from napari_diffuscope.viewer.shape.results import ShapeResults
from napari_diffuscope.viewer.shape.run import ShapePlan, ShapeRun
from napari_diffuscope.viewer.shape.session import ShapeSession
from napari_diffuscope.viewer.shape.texts import NO_CELLS
from napari_diffuscope.viewer.shape.view import ShapeView
from napari_diffuscope.viewer.widgets import DOCK_WIDTH, button


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
        self.sessions: dict[tuple[Any, ...], ShapeSession] = {}
        self._waiting: list[ShapePlan] = []
        form = ShapeForm(napari_viewer, self.method, self._complain, self._is_own)
        self.tool = ClickTool(napari_viewer, form.plane, mark)
        self.view = ShapeView(napari_viewer, mark)
        self.background = Background()
        self.chooser = CellChooser(napari_viewer, form, self.background, mark)
        self.results = ShapeResults(self.sessions, self._last_plane, self.background)
        self._make_buttons()
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
        return self._plan_of(self.form.plane(), None)

    def _plan_of(self, plane: CellPlane, only: tuple[int, ...] | None) -> ShapePlan:
        settings, layer = self.form.settings(plane), self.form.labels.layer
        clicked = layer is None
        if clicked:
            layer = self.chooser.outlines.layer(plane)
            if layer is None or not np.any(self.chooser.outlines.array(plane)):
                raise DiffuscopeError(NO_CELLS)
        return ShapePlan(
            self.method,
            {"image": plane.image, "labels": labels_image(layer)},
            settings,
            (),
            plane.layer,
            plane.axes,
            self.form.card,
            plane=plane,
            read_labels=labels_reader(self._viewer, layer, plane),
            only=only,
            outlines=layer,
            remarks=self.chooser.outlines.remarks(plane) if clicked else {},
            clicked=clicked and only is None,
        )

    def _ask(self, plane: CellPlane, only: tuple[int, ...] | None) -> None:
        """Predict some labels of a plane, now or after what is under way."""
        plan = self._plan_of(plane, only)
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
        cells = self._count()
        return self._work_on(cells or 1, each=not cells)

    def work_of(self, plans: Sequence[RunPlan]) -> Work | None:
        """The work of a run that begins; ``None`` where its cells were not counted."""
        plan = plans[0]
        assert isinstance(plan, ShapePlan)
        cells = len(plan.only) if plan.only else self._count()
        return self._work_on(cells) if cells else None

    def _work_on(self, cells: int, *, each: bool = False) -> Work | None:
        card, settings = self.form.card, self.settings()
        if card is None:
            return None
        effort = self.method.effort_of({}, settings, card).times(cells)
        return Work(effort, 1, self.method.name, settings.model, settings.device, each)

    def _count(self) -> int | None:
        """Outlined cells of the plane that is shown; ``None`` where they were not counted."""
        plane = self.form.plane()
        layer = self.form.labels.layer
        if layer is None:
            clicked = self.chooser.outlines.array(plane)
            return 0 if clicked is None else numbers_in(clicked)
        data = layer.data[0] if layer.multiscale else layer.data
        if not isinstance(data, np.ndarray) or data.size > MOST_COUNTED:
            return None
        return numbers_in(labels_reader(self._viewer, layer, plane)())

    def _name_run(self) -> None:
        """Say on the button which cells it predicts."""
        try:
            cells = self._count() if self.form.layer is not None else 0
        except DiffuscopeError:
            cells = None
        clicked = self.form.labels.layer is None
        kind = "clicked" if clicked else "labelled"
        if cells == 1:
            text = f"Predict the {kind} cell"
        elif cells:
            text = f"Predict {'the' if clicked else 'all'} {cells} {kind} cells"
        else:
            text = f"Predict all {kind} cells"
        self.bar.run_button.setText(text)

    def make_run(self, plans: Sequence[RunPlan]) -> ShapeRun:
        """A run in the session of its plane and outlines."""
        plan = plans[0]
        assert isinstance(plan, ShapePlan)
        session = self._session_of(plan)
        session.plane = plan.plane
        run = ShapeRun(self._viewer, plan, session, self)
        run.finished_cells.connect(self._show_results)
        return run

    def _session_of(self, plan: ShapePlan) -> ShapeSession:
        key = (*plan.plane.key, id(getattr(plan.outlines, "__wrapped__", plan.outlines)))
        if key not in self.sessions:
            mark = {OWN_KEY: self._token}
            self.sessions[key] = ShapeSession(
                self._viewer, plan.plane, self.form.shown_kind, mark, plan.outlines
            )
        return self.sessions[key]

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
        for key in [
            key for key, session in self.sessions.items() if not session.cells and not session.complaints
        ]:
            del self.sessions[key]
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
        for key, session in list(self.sessions.items()):
            if session.lost(event.value):
                del self.sessions[key]
                if isinstance(self._run, ShapeRun) and self._run.session is session:
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
        self.dimensions_button.setText("Show in 3D" if flat else "Back to 2D")

    def _show_results(self) -> None:
        self.results.refresh()
        self._update_buttons()

    def show_kind(self) -> None:
        """Show all shapes as the controls say."""
        self.bar.guarded(self._show_kind)

    def _show_kind(self) -> None:
        kind = self.form.shown_kind

        def work() -> Generator[None, None, None]:
            for session in list(self.sessions.values()):
                session.kind = kind
                if kind == "surface" and session.scene is not None:
                    yield from session.scene.compute_surfaces()
            yield

        def then(_: object) -> None:
            with same_selection(self._viewer):
                for session in self.sessions.values():
                    session.show_as(kind)

        self.background.start(work, lambda result: self.bar.guarded(partial(then, result)), key="kind")

    # Files and the clipboard

    def command(self) -> tuple[str, str]:
        """Command line for all outlined cells of the plane that is shown."""
        plane = self.form.plane()
        layer = self.form.labels.layer or self.chooser.outlines.layer(plane)
        return shape_command_for(
            plane, layer, self.form.settings(plane), layer_axes=self.form.input.layer_axes()
        )

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
        tools = QWidget()
        tools.setToolTip("Choose cells and look at their shapes")
        grid = QGridLayout(tools)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        for number, each in enumerate(
            (self.click_button, self.again_button, self.dimensions_button, self.points_button)
        ):
            grid.addWidget(each, number // 2, number % 2)
        return [tools]

    def _lay_out(self) -> None:
        super()._lay_out()
        self.layout().addWidget(self.results)

    def _make_buttons(self) -> None:
        self.click_button = button(
            "Click on cells",
            "Let clicks in the image choose cells; press again to move the image as usual. "
            "Alt-click chooses a cell at any time.",
            self._toggle_clicks,
        )
        self.click_button.setCheckable(True)
        self.again_button = button(
            "Predict again",
            "Predict the last cell anew, with its outline as it is painted now and the settings above.",
            lambda: self.bar.guarded(self.predict_again),
        )
        self.points_button = button(
            "Predict at points",
            "Predict the cells at the points of the Points layer chosen above that lie in this plane.",
            lambda: self.bar.guarded(self.predict_points),
        )
        self.dimensions_button = button(
            "Show in 3D",
            "Turn to 3D around the shapes, or back to the view as it was.",
            self.toggle_3d,
        )

    def _toggle_clicks(self) -> None:
        self.bar.guarded(self.tool.switch_off if self.tool.on else self.tool.switch_on)
        self.click_button.setChecked(self.tool.on)

    def _connect(self) -> None:
        self.tool.clicked.connect(lambda plane, place: self.bar.guarded(partial(self.click, plane, place)))
        self.tool.failed.connect(self.bar.fail)
        self.tool.toggled.connect(self.click_button.setChecked)
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
        there = self.form.layer is not None
        self._name_run()
        self.click_button.setEnabled(there)
        self.points_button.setVisible(self.form.points.layer is not None)
        self.again_button.setEnabled(self.chooser.last is not None)
        self.dimensions_button.setEnabled(
            any(session.layers for session in self.sessions.values()) or self._viewer.dims.ndisplay == 3
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
