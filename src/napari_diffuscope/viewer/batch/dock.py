"""Plugins › Diffuscope › Batch: one method on many files, while the window stays free."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QApplication, QHBoxLayout, QVBoxLayout

from napari_diffuscope.batches.job import batch_job
from napari_diffuscope.batches.plan import Plan, planned
from napari_diffuscope.batches.settings import BatchSettings
from napari_diffuscope.batches.table import Report
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.commands import command_line
from napari_diffuscope.methods.registry import METHODS
from napari_diffuscope.viewer.batch.files import FileChoice, FolderChoice, whole_path
from napari_diffuscope.viewer.batch.form import BatchForm
from napari_diffuscope.viewer.batch.table import StateTable
from napari_diffuscope.viewer.form_parts import check_box
from napari_diffuscope.viewer.run_bar import RunBar
from napari_diffuscope.viewer.runner import JobRunner, Outcome
from napari_diffuscope.viewer.setting_rows import SettingRows
from napari_diffuscope.viewer.tabs import TabbedWidget
from napari_diffuscope.viewer.widgets import add_row, button, choice, form


class BatchDock(TabbedWidget):
    """Works on files one after the other; what ``diffuscope METHOD IN… OUT_FOLDER`` does.

    Parameters
    ----------
    napari_viewer
        The viewer, given by napari; results are opened in it on a double click.
    """

    tab_title = "Batch"
    _row_done = Signal(object)

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = napari_viewer
        methods = [(each.title, each.name) for each in METHODS.values() if each.image is not None]
        self.method = choice(methods, "What to do with every image.")
        self.files = FileChoice()
        self.folder = FolderChoice("Where results and the table batch.csv go; made if it is missing.")
        self.names = SettingRows(BatchSettings, (), self._changed)
        self.again = check_box(
            "Make results again that are there",
            "Otherwise a result that is there stays, and the table says so.",
        )
        self.form: BatchForm | None = None
        self._notes: tuple[str, ...] = ()
        self.runner = JobRunner(self)
        self.bar = RunBar(self.runner, self.run)
        # What is to be told of single images stands in the table: hundreds of them would bury the window.
        self.runner.warned.disconnect(self.bar.warn)
        self.copy_button = button(
            "Copy command",
            "Copy the command line that does the same, for a terminal or a cluster.",
            self._copy,
        )
        self.table = StateTable()
        self._lay_out()
        self._connect()
        self._take_method()

    def plan(self) -> Plan:
        """What would be done.

        Raises
        ------
        DiffuscopeError
            If nothing can be.
        """
        form = self._form
        sources = self.files.list.paths
        if not sources:
            raise DiffuscopeError("There are no images to work on; add files or a folder.")
        if not self.folder.path:
            raise DiffuscopeError("There is no folder for the results; choose one.")
        return planned(
            form.method,
            sources,
            whole_path(self.folder.path),
            form.settings(),
            choices=self._choices(),
            others=form.places(),
            series=form.typed_scene(),
        )

    def run(self) -> None:
        """Work on all images in the background.

        Raises
        ------
        DiffuscopeError
            If the batch cannot begin.
        """
        plan, form = self.plan(), self._form
        assert form.method.image is not None
        settings = form.settings()
        how: dict[str, Any] = {
            "storing": form.stored_as(),
            "axes": form.typed_axes(),
            "series": {form.method.image.name: form.typed_scene()},
            "overwrite": self.again.isChecked(),
        }
        self._notes = plan.notes
        self.table.show_plan(plan)
        self.runner.start(lambda: batch_job(plan, settings, on_row=self._row_done.emit, **how))

    def command(self) -> str:
        """The command line that does the same.

        Raises
        ------
        DiffuscopeError
            If nothing can be done.
        """
        form, sources = self._form, [str(path) for path in self.files.list.paths]
        self.plan()
        needed = [each.name for each in form.method.others if not each.optional]
        line = command_line(
            form.method,
            [sources, *(form.places()[name] for name in needed)],
            str(whole_path(self.folder.path)),
            form.settings(),
            axes=form.typed_axes(),
            series=form.typed_scene(),
            further=[form.stored_as(), self._choices()],
        )
        return f"{line} --overwrite" if self.again.isChecked() else line

    def leave(self) -> None:
        """Let go of the viewer; what runs ends."""
        self.runner.cancel()

    @property
    def _form(self) -> BatchForm:
        assert self.form is not None
        return self.form

    def _choices(self) -> BatchSettings:
        return BatchSettings(**self.names.values())

    def _connect(self) -> None:
        self.method.currentIndexChanged.connect(lambda _: self._take_method())
        self.files.list.edited.connect(self._changed)
        self.folder.edited.connect(self._changed)
        self.runner.ended.connect(self._on_ended)
        self.table.cellDoubleClicked.connect(lambda line, _: self.bar.guarded(lambda: self._open(line)))
        self._row_done.connect(self.table.show_row)

    def _take_method(self) -> None:
        """The form of another method."""
        if self.form is not None:
            self.form.hide()
            self._place.removeWidget(self.form)
            self.form.deleteLater()
        self.form = BatchForm(self._viewer, METHODS[self.method.currentData()], self._fail)
        self._place.addWidget(self.form)
        self.form.changed.connect(self._changed)
        self._changed()

    def _changed(self) -> None:
        lacking = ["add images"] * (not self.files.list.count()) + ["choose a folder for results"] * (
            not self.folder.path
        )
        self.bar.set_ready(not lacking)
        if not self.runner.running:
            self.bar.say(f"To begin, {' and '.join(lacking)}." if lacking else "")

    def _fail(self, sentence: str) -> None:
        self.bar.fail(DiffuscopeError(sentence))

    def _on_ended(self, outcome: Outcome) -> None:
        self.bar.ended()
        if outcome.error is not None:
            self.bar.fail(outcome.error)
        elif outcome.state == "cancelled":
            self.bar.say("Cancelled; Run goes on from here.")
        else:
            report: Report = outcome.result
            self.bar.say(" ".join([report.in_words(), *self._notes]))

    def _open(self, line: int) -> None:
        """Open a result in the viewer, through the reader of this plugin."""
        path = self.table.result(line)
        if path is None:
            raise DiffuscopeError(f"There is no result of {self.table.name(line)}: {self.table.reason(line)}")
        if not path.exists():
            raise DiffuscopeError(f"{path} is not there any more.")
        volumes = [path] if path.is_file() or path.suffix.lower() == ".zarr" else sorted(path.glob("*.tif"))
        self._viewer.open([str(volume) for volume in volumes], plugin="napari-diffuscope")

    def _copy(self) -> None:
        def copy() -> None:
            QApplication.clipboard().setText(self.command())
            self.bar.say("The command is in the clipboard.")

        self.bar.guarded(copy)

    def _lay_out(self) -> None:
        above, below = form(), form()
        add_row(above, "Do", self.method)
        add_row(above, "Images", self.files)
        add_row(below, "Results", self.folder)
        self.names.add_to(below, below)
        below.addRow("", self.again)
        self._place = QVBoxLayout()
        buttons = QHBoxLayout()
        buttons.addWidget(self.copy_button)
        buttons.addStretch()
        layout = QVBoxLayout(self)
        layout.addLayout(above)
        layout.addLayout(self._place, 1)
        layout.addLayout(below)
        layout.addWidget(self.bar)
        layout.addWidget(self.table)
        layout.addLayout(buttons)
