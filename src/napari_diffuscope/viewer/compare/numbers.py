"""The page *Numbers* of the dock: measures of the compared layers, and why one is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels, Shapes
from qtpy.QtWidgets import QApplication, QCheckBox, QWidget

from napari_diffuscope.comparison.job import Scene, comparison_job
from napari_diffuscope.comparison.measures import CORRELATION, ERRORS, NAMES, SINGLE, SQUIRREL
from napari_diffuscope.comparison.settings import CompareSettings
from napari_diffuscope.comparison.table import Table
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.declared import setting_of
from napari_diffuscope.viewer.background import Background
from napari_diffuscope.viewer.compare.comparison import Comparison
from napari_diffuscope.viewer.compare.error_map import error_maps, plane_of, show_error_map
from napari_diffuscope.viewer.compare.number_table import NumberTable
from napari_diffuscope.viewer.compare.saving import ask_file, write_text
from napari_diffuscope.viewer.compare.scene import are_labels, scene_of
from napari_diffuscope.viewer.run_bar import RunBar
from napari_diffuscope.viewer.runner import JobRunner, Outcome
from napari_diffuscope.viewer.widgets import button, choice, column, fill, form, guarded, in_a_row, note, say

GROUPS = (
    ("All", NAMES),
    ("Errors against the reference", tuple(ERRORS)),
    ("Resolution and noise", (*CORRELATION, *SINGLE)),
    ("SQUIRREL", tuple(SQUIRREL)),
)


class NumbersPage(QWidget):
    """Measures the layers of a comparison.

    Parameters
    ----------
    comparison
        The layers.
    """

    def __init__(self, comparison: Comparison, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.comparison = comparison
        self.runner = JobRunner(self, needs_torch=False)
        self._background = Background(self)
        self.table: Table | None = None
        self._make_controls()
        self.bar = RunBar(self.runner, self._run)
        self.bar.run_button.setText("Measure")
        self.bar.run_button.setToolTip("Measure the layers chosen above; long stacks plane by plane.")
        self.view = NumberTable()
        self.message = note()
        self._lay_out()
        self.runner.ended.connect(self._on_ended)
        self._background.failed.connect(self.bar.fail)
        comparison.changed.connect(self._update)
        comparison.edited.connect(self._tell_stale)
        comparison.viewer.layers.events.inserted.connect(self._list_parts)
        comparison.viewer.layers.events.removed.connect(self._list_parts)
        self._update()

    def settings(self) -> CompareSettings:
        """What the controls say."""
        return CompareSettings(
            measures=self.measures.currentData(),
            affine=self.fit.isChecked(),
            labels=are_labels(self.comparison),
            frc_of_results=self.of_results.isChecked(),
        )

    def scene(self) -> Scene:
        """What is measured.

        Raises
        ------
        DiffuscopeError
            If nothing can be.
        """
        return scene_of(self.comparison, extent=self.extent.currentData(), within=self.part.currentData())

    def show_error_maps(self) -> None:
        """Add a layer with the error map of each image.

        Raises
        ------
        DiffuscopeError
            If nothing can be compared.
        """
        scene, reference = scene_of(self.comparison), self.comparison.reference
        if are_labels(self.comparison):
            raise DiffuscopeError("SQUIRREL compares images; these are labels.")
        self.bar.say("Fitting the blur…")

        def show(maps: list[tuple[str, np.ndarray]]) -> None:
            self.bar.say("")
            if reference in self.comparison.viewer.layers:
                for name, values in maps:
                    show_error_map(self.comparison.viewer, reference, plane_of(scene), name, values)

        self._background.start(lambda: error_maps(scene), show)

    def disconnect_viewer(self) -> None:
        """Let go of the viewer."""
        self.runner.cancel()
        self._background.close()
        self.comparison.viewer.layers.events.inserted.disconnect(self._list_parts)
        self.comparison.viewer.layers.events.removed.disconnect(self._list_parts)

    def _make_controls(self) -> None:
        self.extent = choice(
            (("The current plane", "plane"), ("All planes", "all")),
            "Measure the plane at which the sliders stand, or all planes, one after the other.",
        )
        self.part = choice(
            (),
            "Measure the whole field that all images share, only inside of the shapes of a Shapes layer, or only under "
            "the labels of a Labels layer.",
        )
        self.measures = choice(
            GROUPS,
            "Which numbers; errors are the quickest, and all of two images of 2048 × 2048 take a few seconds.",
        )
        self.fit, self.of_results = _tick_box("affine"), _tick_box("frc_of_results")

    def _lay_out(self) -> None:
        rows = form()
        for label, control in (("Where", self.extent), ("Within", self.part), ("Numbers", self.measures)):
            rows.addRow(label, control)
        for box in (self.fit, self.of_results):
            rows.addRow("", box)
        self.copy_button = button("Copy", "Copy the table, for a spreadsheet.", self._copy)
        self.csv_button = button(
            "CSV…",
            "Save the table with all digits and with what each number was computed from.",
            self._save_csv,
        )
        self.markdown_button = button(
            "Markdown…", "Save the table for a notebook or an issue.", self._save_markdown
        )
        self.map_button = button(
            "SQUIRREL error map",
            "Show where each image, blurred and fitted to the reference, differs from it: for a super-resolved or "
            "deblurred image and its original. Of the plane at which the sliders stand, as a new layer.",
            lambda: guarded(self.bar.fail, self.show_error_maps),
        )
        buttons = in_a_row(self.copy_button, self.csv_button, self.markdown_button)
        column(
            self, rows, self.bar, self.message, (self.view, 1), buttons, self.map_button, margins=(0, 8, 0, 0)
        )
        self._show(None)

    def _run(self) -> None:
        scene, settings = self.scene(), self.settings()
        say(self.message, "")
        self.runner.start(lambda: comparison_job(scene, settings))

    def _on_ended(self, outcome: Outcome) -> None:
        self.bar.ended()
        if outcome.state == "done":
            self._show(outcome.result)
            self.bar.say("")
        elif outcome.state == "cancelled":
            self.bar.say("Cancelled.")
        elif outcome.error is not None:
            self.bar.fail(outcome.error)

    def _show(self, table: Table | None) -> None:
        self.table = table
        self.view.show_table(table)
        for each in (self.copy_button, self.csv_button, self.markdown_button):
            each.setEnabled(table is not None)

    def _update(self) -> None:
        """Other layers: what was measured belongs to others."""
        self.bar.set_ready(self.comparison.ready)
        self.map_button.setEnabled(self.comparison.ready)
        say(self.message, self.comparison.complaint)
        self.measures.setEnabled(not are_labels(self.comparison))
        self._list_parts()
        if self.table is not None:
            self._tell_stale()

    def _tell_stale(self) -> None:
        if self.table is not None:
            say(self.message, "The layers have changed since these numbers were measured; measure again.")

    def _list_parts(self, event: Any = None) -> None:
        layers = [
            layer
            for layer in self.comparison.viewer.layers
            if isinstance(layer, Shapes)
            or (isinstance(layer, Labels) and layer not in self.comparison.layers)
        ]
        fill(self.part, [("The whole field", None), *((layer.name, layer) for layer in layers)])

    def _copy(self) -> None:
        if self.table is not None:
            QApplication.clipboard().setText(tab_separated(self.table))

    def _save_csv(self) -> None:
        self._save("numbers.csv", "CSV (*.csv)", lambda table: table.to_csv())

    def _save_markdown(self) -> None:
        self._save("numbers.md", "Markdown (*.md)", lambda table: table.to_markdown())

    def _save(self, name: str, kind: str, text: Any) -> None:
        table = self.table
        path = None if table is None else ask_file(self, name, kind)
        if table is not None and path is not None:
            self.save_to(path, text(table))

    def save_to(self, path: Path, text: str) -> None:
        """Write a file, or say why it cannot be."""

        def fail(error: DiffuscopeError) -> None:
            say(self.message, str(error), error=True)

        guarded(fail, lambda: write_text(path, text))


def tab_separated(table: Table) -> str:
    """A table as spreadsheets take it from the clipboard."""
    lines = [["image", *(column.title for column in table.columns)]]
    for name, row in zip(table.rows, table.cells, strict=True):
        lines.append([name, *("" if cell.value is None else repr(cell.value) for cell in row)])
    return "\n".join("\t".join(line) for line in lines) + "\n"


def _tick_box(name: str) -> QCheckBox:
    """The control of a yes or no that is declared."""
    setting = setting_of(CompareSettings, name)
    box = QCheckBox(setting.label)
    box.setToolTip(setting.help)
    return box
