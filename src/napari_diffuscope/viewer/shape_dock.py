"""Plugins › Diffuscope › Predict 3D shape."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from qtpy.QtCore import QSize, QTimer
from qtpy.QtWidgets import QFileDialog, QGridLayout, QHBoxLayout, QMenu, QVBoxLayout, QWidget

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.shape.settings import ShapeSettings
from napari_diffuscope.viewer.method_dock import MethodDock
from napari_diffuscope.viewer.runner import Outcome
from napari_diffuscope.viewer.shape_background import Background
from napari_diffuscope.viewer.shape_clicks import ClickTool, places_of_points
from napari_diffuscope.viewer.shape_command import (
    labels_image,
    shape_command_for,
    shape_command_of_record,
)
from napari_diffuscope.viewer.shape_export import MESHES, write_csv, write_meshes, write_volumes
from napari_diffuscope.viewer.shape_form import ShapeForm
from napari_diffuscope.viewer.shape_outline import Outlines
from napari_diffuscope.viewer.shape_plane import OWN_KEY, CellPlane, labels_reader
from napari_diffuscope.viewer.shape_run import ShapeRequest, ShapeRun
from napari_diffuscope.viewer.shape_session import ShapeSession
from napari_diffuscope.viewer.shape_table import FeatureTable, Row
from napari_diffuscope.viewer.shape_texts import NO_CELLS
from napari_diffuscope.viewer.shape_view import ShapeView
from napari_diffuscope.viewer.widgets import button

if TYPE_CHECKING:
    from napari_diffuscope.methods.shape.segment import Outline

Place = tuple[float, float]
#: Milliseconds that the sensitivity has to rest before the last cell is predicted anew.
REST = 600


class ShapeDock(MethodDock):
    """Predicts the 3D shapes of cells that are clicked, or of all labelled ones, into new layers.

    Parameters
    ----------
    napari_viewer
        The viewer, given by napari.
    """

    method = "shape"
    result_of = "prediction of shapes"
    form: ShapeForm

    def __init__(self, napari_viewer: Any) -> None:
        self._token = uuid4().hex
        mark = {OWN_KEY: self._token}
        self.outlines = Outlines(napari_viewer, mark)
        self.sessions: dict[tuple[Any, ...], ShapeSession] = {}
        self._waiting: list[ShapeRequest] = []
        self._last: tuple[CellPlane, int, Place] | None = None
        form = ShapeForm(napari_viewer, lambda text: self.bar.fail(DiffuscopeError(text)), self._is_own)
        self.tool = ClickTool(napari_viewer, form.plane, mark)
        self.view = ShapeView(napari_viewer, mark)
        self.background = Background()
        self.table = FeatureTable()
        self._make_buttons()
        self._rest = QTimer()
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST)
        self._rest.timeout.connect(lambda: self.bar.guarded(self._predict_rested))
        super().__init__(napari_viewer, form)
        for part in (self.tool, self.background, self._rest):
            part.setParent(self)
        self.bar.run_button.setText("Predict all cells")
        self.bar.run_button.setToolTip(
            "Predict the shape of every outlined cell in the plane that is shown. Your own layers are never changed."
        )
        self._connect()

    def sizeHint(self) -> QSize:
        """Wide enough for the sentences, as high as there is room."""
        return QSize(370, 820)

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
        self._at_places(plane, [place])

    def predict_points(self) -> None:
        """Predict the cells at the points of the chosen Points layer."""
        plane, points = self.form.plane(), self.form.points.layer
        if points is None:
            raise DiffuscopeError("There are no points of yours; add a Points layer, or click on the cells.")
        self._at_places(plane, places_of_points(self._viewer, points, plane))

    def predict_again(self) -> None:
        """Predict the last cell with its outline as it is now."""
        if self._last is None:
            raise DiffuscopeError("No cell was clicked yet; click on one.")
        plane, label, _ = self._last
        self._ask(plane, (label,))

    def _at_places(self, plane: CellPlane, places: list[Place]) -> None:
        self.form.settings(plane)  # what is amiss with them is said before anything is drawn
        if self.form.labels.layer is None:
            self._outline_places(plane, places)
        else:
            self._labels_at(plane, places)

    def _labels_at(self, plane: CellPlane, places: list[Place]) -> None:
        """Predict the labels of the user at some places."""
        layer = self.form.labels.layer
        read = labels_reader(self._viewer, layer, plane)

        def work() -> Generator[None, None, list[int]]:
            labels = read()
            yield
            return [label_at(labels, place) for place in places]

        def then(found: list[int]) -> None:
            wanted = tuple(dict.fromkeys(label for label in found if label))
            if not wanted:
                raise DiffuscopeError(
                    f"There is no label of {layer.name!r} at the click; click on a labelled cell."
                )
            self._last = (plane, wanted[-1], places[-1])
            self._ask(plane, wanted)

        self.background.start(work, self._guarded(then))

    def _outline_places(self, plane: CellPlane, places: list[Place]) -> None:
        """Outline what is not outlined yet, and predict all."""
        found = [self.outlines.at(plane, *place) for place in places]
        new = [place for place, label in zip(places, found, strict=True) if not label]
        known = [label for label in found if label]
        if known:
            self._last = (plane, known[-1], places[found.index(known[-1])])
        if not new:
            self._ask(plane, tuple(dict.fromkeys(known)))
            return
        self.bar.say("Outlining…") if not self.runner.running else None

        def then(drawn: list[tuple[Place, Outline]]) -> None:
            labels = [self._draw(plane, 0, place, outline) for place, outline in drawn]
            if self.form.at_once.isChecked():
                self._ask(plane, tuple(dict.fromkeys([*known, *labels])))
            else:
                self.bar.say(f"Cell {labels[-1]} is outlined; correct it, then press Predict again.")

        self.background.start(self._segmenting(plane, new), self._guarded(then))

    def _segmenting(
        self, plane: CellPlane, places: list[Place], *, anew: int = 0
    ) -> Callable[[], Generator[None, None, list[tuple[Place, Outline]]]]:
        """Work that outlines cells; ``anew`` is a label whose pixels are free again."""
        labels = self.outlines.array(plane)
        taken = np.zeros(plane.image.plane_shape, bool) if labels is None else (labels > 0) & (labels != anew)
        choices = self.form.outlining()

        def work() -> Generator[None, None, list[tuple[Place, Outline]]]:
            from napari_diffuscope.methods.shape.segment import segment_around

            pixels, outlines = plane.read(), []
            for place in places:
                yield
                if label_at(taken, place):
                    continue  # the cell of a point before
                outline = segment_around(pixels, place, taken=taken, **choices)
                taken[outline.slices] |= outline.mask
                outlines.append((place, outline))
            return outlines

        return work

    def _draw(self, plane: CellPlane, label: int, place: Place, outline: Outline) -> int:
        with self._same_selection():
            number = self.outlines.draw(plane, label, outline)
        self._last = (plane, number, place)
        self._update_buttons()
        return number

    def _outline_anew(self) -> None:
        """The sensitivity was changed: the last cell is outlined anew, at once."""
        if self._last is None or self.form.labels.layer is not None:
            return
        plane, label, place = self._last
        if self.outlines.layer(plane) is None:
            return

        def then(drawn: list[tuple[Place, Outline]]) -> None:
            for _, outline in drawn:
                self._draw(plane, label, place, outline)
            if self.form.at_once.isChecked():
                self._rest.start()

        self._rest.stop()
        self.background.start(
            self._segmenting(plane, [place], anew=label), self._guarded(then), key="sensitivity"
        )

    def _predict_rested(self) -> None:
        if self.form.sensitivity.slider.isSliderDown() or self.background.busy:
            self._rest.start()
        else:
            self.predict_again()

    def _ask(self, plane: CellPlane, only: tuple[int, ...] | None) -> None:
        """Predict some labels of a plane, now or after what is under way."""
        settings, layer = self.form.settings(plane), self.form.labels.layer
        if layer is None:
            layer = self.outlines.layer(plane)
            if layer is None or not np.any(self.outlines.array(plane)):
                raise DiffuscopeError(NO_CELLS)
        read = labels_reader(self._viewer, layer, plane)
        request = ShapeRequest(plane, read, labels_image(layer), settings, only, self.form.model.card, layer)
        if not self.runner.running:
            self._begin(request)
            return
        self._waiting.append(request)
        self.bar.say(
            f"{_named(only)} {'waits' if only and len(only) == 1 else 'wait'} for the run under way."
        )

    def _begin(self, request: ShapeRequest) -> None:
        session = self._session_of(request)
        session.plane = request.plane
        self._run = run = ShapeRun(request, session, self)
        run.abandoned.connect(self._on_abandoned)
        run.finished_cells.connect(self._show_table)
        self.bar.activity = run.activity
        self.runner.start(run.make_job, on_update=run.paint)
        self._update_buttons()

    def _session_of(self, request: ShapeRequest) -> ShapeSession:
        key = (*request.plane.key, id(getattr(request.layer, "__wrapped__", request.layer)))
        if key not in self.sessions:
            mark = {OWN_KEY: self._token}
            self.sessions[key] = ShapeSession(
                self._viewer, request.plane, self.form.shown_kind, mark, request.layer
            )
        return self.sessions[key]

    # While it runs

    def refresh(self) -> None:
        """Show the current estimates and the finished cells."""
        run = self._run
        if isinstance(run, ShapeRun):
            with self._same_selection():
                run.refresh(volume=self._viewer.dims.ndisplay == 3)
            self._first_look(run.session)

    def _first_look(self, session: ShapeSession) -> None:
        """When the first layer of a session appears, the sliders go to its plane."""
        if session.layers and not session.looked_at:
            session.looked_at = True
            self.view.to_plane(session.plane)
            self._update_buttons()

    def ran(self, run: Any, outcome: Outcome) -> None:
        """Show the table, and begin with what waits."""
        self._first_look(run.session)
        for key in [
            key for key, session in self.sessions.items() if not session.cells and not session.complaints
        ]:
            del self.sessions[key]
        self._show_table()
        if outcome.state == "cancelled":
            self._waiting.clear()
        if self._waiting:
            self.bar.guarded(partial(self._begin, self._waiting.pop(0)))

    def _on_ended(self, outcome: Outcome) -> None:
        with self._same_selection():
            super()._on_ended(outcome)

    def _on_removed(self, event: Any) -> None:
        """A session ends with the layer that shows it."""
        for key, session in list(self.sessions.items()):
            if session.lost(event.value):
                del self.sessions[key]
                if isinstance(self._run, ShapeRun) and self._run.session is session:
                    self._run.delete()
        self._show_table()

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
        session = self._current_session()
        if session is None or not session.layers:
            raise DiffuscopeError("There are no shapes to show in 3D yet; click on a cell first.")
        chosen = self.table.chosen
        label = chosen[1] if chosen and self.sessions.get(chosen[0]) is session else None
        self.view.to_3d(session, label)

    def _show_dimensions(self, event: Any = None) -> None:
        flat = self._viewer.dims.ndisplay == 2
        if flat:  # also by napari's own button
            self.view.restore()
        self.dimensions_button.setText("Show in 3D" if flat else "Back to 2D")

    def _current_session(self) -> ShapeSession | None:
        """That of the selected row, else the plane shown, else the last one."""
        chosen = self.table.chosen
        if chosen and chosen[0] in self.sessions:
            return self.sessions[chosen[0]]
        with_cells = [session for session in self.sessions.values() if session.cells]
        if self._last is not None:
            here = [session for session in with_cells if session.plane.key == self._last[0].key]
            with_cells = here or with_cells
        return with_cells[-1] if with_cells else None

    def _show_table(self) -> None:
        rows = []
        for key, session in self.sessions.items():
            for label in sorted({*session.cells, *session.complaints}):
                shape = session.cells.get(label)
                features = {**shape.features, "mask_agreement": shape.mask_agreement} if shape else {}
                spread = shape.spread if shape else {}
                remark = session.complaints.get(label, "")
                rows.append(Row((key, label), label, session.where, features, spread, remark))
        self.table.show_rows(rows, self._units())
        self._results.setVisible(bool(rows))
        self._update_buttons()

    def _units(self) -> dict[str, str]:
        from napari_diffuscope.measure.shapes.features import feature_units

        known = {session.plane.pixel_size is not None for session in self.sessions.values()}
        return feature_units("µm") if known == {True} else feature_units("px") if known == {False} else {}

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

        def then(_: Any) -> None:
            with self._same_selection():
                for session in self.sessions.values():
                    session.show_as(kind)

        self.background.start(work, self._guarded(then), key="kind")

    # Files and the clipboard

    def command(self) -> tuple[str, str]:
        """Command line for all outlined cells of the plane that is shown."""
        plane = self.form.plane()
        layer = self.form.labels.layer or self.outlines.layer(plane)
        return shape_command_for(
            plane, layer, self.form.settings(plane), layer_axes=self.form.input.layer_axes()
        )

    def command_of(self, record: Mapping[str, Any]) -> tuple[str, str]:
        """Command line that made a result."""
        return shape_command_of_record(record)

    def settings_of(self, record: Mapping[str, Any]) -> ShapeSettings:
        """Settings that made a result."""
        return ShapeSettings.from_dict(record["settings"])

    def _repeat(self) -> None:
        super()._repeat()
        labels = self._selected_record().get("labels") or {}
        layer = self.form.labels.named(labels.get("name", ""))
        if layer is not None:
            self.form.labels.choose(layer)

    def save_csv(self) -> None:
        """Ask for a file and write the features."""
        session = self._session_to_save()
        path, _ = QFileDialog.getSaveFileName(self, "Features as CSV", "features.csv", "CSV (*.csv)")
        if path:
            self._write(partial(write_csv, Path(path), dict(session.cells), dict(session.complaints)))

    def save_volumes(self) -> None:
        """Ask for a folder and write volumes."""
        session = self._session_to_save()
        folder = QFileDialog.getExistingDirectory(self, "Folder for one TIFF per cell")
        unit = "pixel" if session.plane.pixel_size is None else "micrometer"
        if folder:
            self._write(partial(write_volumes, Path(folder), dict(session.cells), unit=unit))

    def save_meshes(self, ending: str) -> None:
        """Ask for a folder and write surfaces."""
        session = self._session_to_save()
        folder = QFileDialog.getExistingDirectory(self, f"Folder for one {ending.upper()} per cell")
        if folder:
            self._write(partial(write_meshes, Path(folder), dict(session.cells), ending))

    def _session_to_save(self) -> ShapeSession:
        session = self._current_session()
        if session is None or not session.cells:
            raise DiffuscopeError("There are no shapes to save yet; predict some.")
        return session

    def _write(self, work: Callable[[], Generator[Any, None, str]]) -> None:
        self.bar.say("Writing…")
        self.background.start(work, self.bar.say)

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
        self._results = QWidget()
        self._results.setToolTip("The predicted cells and their features")
        column = QVBoxLayout(self._results)
        column.setContentsMargins(8, 0, 8, 8)
        column.setSpacing(4)
        column.addWidget(self.table)
        row = QHBoxLayout()
        for each in (self.csv_button, self.volumes_button, self.meshes_button):
            row.addWidget(each)
        column.addLayout(row)
        self._results.setVisible(False)
        self.layout().addWidget(self._results)

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
        self.csv_button = button(
            "CSV…", "Save the features as a table.", lambda: self.bar.guarded(self.save_csv)
        )
        self.volumes_button = button(
            "Volumes…",
            "Save every cell as a TIFF volume with its voxel size, named by its number.",
            lambda: self.bar.guarded(self.save_volumes),
        )
        self.meshes_button = button(
            "Surfaces…", "Save every cell as a surface, for other programs.", lambda: None
        )
        menu = QMenu(self.meshes_button)
        for ending in MESHES:
            menu.addAction(f"{ending.upper()}…", partial(self._save_meshes, ending))
        self.meshes_button.setMenu(menu)

    def _save_meshes(self, ending: str) -> None:
        self.bar.guarded(partial(self.save_meshes, ending))

    def _toggle_clicks(self) -> None:
        self.bar.guarded(self.tool.switch_off if self.tool.on else self.tool.switch_on)
        self.click_button.setChecked(self.tool.on)

    def _connect(self) -> None:
        self.tool.clicked.connect(lambda plane, place: self.bar.guarded(partial(self.click, plane, place)))
        self.tool.failed.connect(self.bar.fail)
        self.tool.toggled.connect(self.click_button.setChecked)
        self.background.failed.connect(self.bar.fail)
        self.table.row_clicked.connect(self.go_to)
        self.form.labels.chosen.connect(self._forget_last)
        self.form.outline_changed.connect(lambda: self.bar.guarded(self._outline_anew))
        self.form.kind_changed.connect(self.show_kind)
        self._viewer.layers.events.removed.connect(self._on_removed)
        self._viewer.dims.events.ndisplay.connect(self._show_dimensions)
        self._show_dimensions()

    def _forget_last(self) -> None:
        self._last = None
        self._update_buttons()

    def _guarded(self, then: Callable[[Any], None]) -> Callable[[Any], None]:
        """What to do with a result of the background; what goes wrong is shown."""
        return lambda result: self.bar.guarded(partial(then, result))

    def _is_own(self, layer: Any) -> bool:
        return bool(layer.metadata.get(OWN_KEY) == self._token)

    @contextmanager
    def _same_selection(self) -> Iterator[None]:
        """Keep the selected layer, so that the next click goes where the last one went."""
        selection = self._viewer.layers.selection
        before = selection.active
        yield
        if before is not None and before in self._viewer.layers and selection.active != before:
            selection.active = before

    def _update_buttons(self, event: Any = None) -> None:
        super()._update_buttons(event)
        there = self.form.layer is not None
        self.click_button.setEnabled(there)
        self.points_button.setVisible(self.form.points.layer is not None)
        self.again_button.setEnabled(self._last is not None)
        self.dimensions_button.setEnabled(
            any(session.layers for session in self.sessions.values()) or self._viewer.dims.ndisplay == 3
        )

    def leave(self) -> None:
        """Stop the run and let go of the viewer."""
        self._rest.stop()
        self._waiting.clear()
        self.background.close()
        self.tool.close()
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self._viewer.dims.events.ndisplay.disconnect(self._show_dimensions)
        if self._viewer.dims.ndisplay == 3:
            self.view.restore()
        self.form.disconnect_viewer()
        super().leave()


def label_at(labels: np.ndarray, place: Place) -> int:
    """Label at a place of a plane, 0 outside of it."""
    y, x = (round(float(at)) for at in place)
    inside = 0 <= y < labels.shape[0] and 0 <= x < labels.shape[1]
    return int(labels[y, x]) if inside else 0


def _named(only: tuple[int, ...] | None) -> str:
    if only is None:
        return "All cells"
    return f"Cell {only[0]}" if len(only) == 1 else f"{len(only)} cells"
