"""What the docks of all methods share: a form, a run that makes layers, the foot, the way out of the window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import QEvent, QSize, Qt
from qtpy.QtWidgets import QApplication, QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.record import RECORD_KEY
from napari_diffuscope.viewer.canvas_guard import CanvasGuard
from napari_diffuscope.viewer.layer_run import LayerRun, RunPlan
from napari_diffuscope.viewer.preferences import preferences
from napari_diffuscope.viewer.run_bar import RunBar
from napari_diffuscope.viewer.runner import JobRunner, Outcome
from napari_diffuscope.viewer.widgets import button, choose

#: Runs whose dock was closed; they end by themselves and put their layers in order.
_lingering: set[MethodDock] = set()


class MethodDock(QWidget):
    """A dock: choose a layer and a model, run, get layers, copy the command.

    A method says what its ``method`` is called in records and in words, which form it has, and fills in `plan`,
    `command`, `command_of` and `settings_of`.

    Parameters
    ----------
    viewer
        The viewer, given by napari.
    form
        The method's controls: a widget with ``input`` (`ImageChoice`), ``device`` (`DeviceChoice`), ``apply(settings)``
        and the signal ``changed``.
    """

    #: Value of ``method`` in the records of its results, and what one result is called.
    method = ""
    result_of = ""

    def __init__(self, viewer: Any, form: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self._run: LayerRun | None = None
        self._docked = False
        self._guard = CanvasGuard(viewer, self)
        wishes = preferences()
        self.runner = JobRunner(self, frames_per_second=wishes.preview_rate)
        self.bar = RunBar(self.runner, self.run)
        self.form = form
        if self.form.device is not None:
            choose(self.form.device, wishes.device)
        self.copy_button = button(
            "Copy command",
            "Copy a command line that produces the same numbers, for scripts and many files: "
            "that of the selected result, or of the settings above.",
            self.copy_command,
        )
        self.repeat_button = button(
            "Repeat with these settings",
            "Fill this form with the settings of the selected result layer, to run them again or on another image.",
            self.repeat,
        )
        self._lay_out()
        self.runner.progressed.connect(lambda _: self.refresh())
        self.runner.ended.connect(self._on_ended)
        self.form.changed.connect(self._update_buttons)
        viewer.layers.selection.events.active.connect(self._update_buttons)
        self._update_buttons()

    def sizeHint(self) -> QSize:
        """Wide enough for the sentences, as high as there is room."""
        return QSize(350, 640)

    # What a method fills in

    def plan(self) -> RunPlan:
        """The run that the controls ask for.

        Raises
        ------
        DiffuscopeError
            If something about the settings or the image does not work.
        """
        raise NotImplementedError

    def command(self) -> tuple[str, str]:
        """Command line of what the controls ask for, and what to do with it."""
        raise NotImplementedError

    def command_of(self, record: Mapping[str, Any]) -> tuple[str, str]:
        """Command line that made a result, and what to do with it."""
        raise NotImplementedError

    def settings_of(self, record: Mapping[str, Any]) -> Any:
        """Settings that made a result."""
        raise NotImplementedError

    # What the buttons do

    def run(self) -> None:
        """Start with the settings shown.

        Raises
        ------
        DiffuscopeError
            If something about the settings or the image does not work.
        """
        self.start(self.plan())

    def start(self, plan: RunPlan) -> None:
        """Start a run and show its layers."""
        if self.runner.running:
            raise DiffuscopeError("A run is already under way; cancel it or wait for its end.")
        self._run = LayerRun(self._viewer, plan, self)
        self._run.abandoned.connect(self._on_abandoned)
        self.bar.activity = self._run.activity
        self.runner.start(self._run.make_job, on_update=self._run.results.paint)

    def apply(self, settings: Any) -> None:
        """Set all controls.

        Raises
        ------
        DiffuscopeError
            If the model is not at hand.
        """
        self.form.apply(settings)

    def copy_command(self) -> None:
        """Put a command line on the clipboard."""
        self.bar.guarded(self._copy_command)

    def repeat(self) -> None:
        """Take over the settings of the selected result."""
        self.bar.guarded(self._repeat)

    def _copy_command(self) -> None:
        record = self._selected_record()
        text, remark = self.command_of(record) if record else self.command()
        QApplication.clipboard().setText(text)
        self.bar.say(remark)

    def _repeat(self) -> None:
        record = self._selected_record()
        if not record:
            raise DiffuscopeError(
                f"The selected layer has no record of a {self.result_of}; select a result layer first."
            )
        layer = self.form.input.layers.named(record["input"]["name"])
        if layer is not None:
            self.form.input.layers.choose(layer)
        self.apply(self.settings_of(record))
        missing = (
            ""
            if layer is not None
            else f" Its input {record['input']['name']!r} is not open; choose an image."
        )
        self.bar.say(f"These are the settings of {self._viewer.layers.selection.active.name!r}.{missing}")

    # While it runs

    def _on_ended(self, outcome: Outcome) -> None:
        run, self._run = self._run, None
        sentence = run.finish(outcome) if run else ""
        if self in _lingering:
            _lingering.remove(self)
            self._guard.release()
        if self.form.device is not None:
            self.form.device.refresh()
        self.bar.ended()
        self._update_buttons()
        if outcome.error is not None:
            self.bar.fail(outcome.error)
        else:
            self.bar.say(sentence)
        if run is not None:
            self.ran(run, outcome)

    def refresh(self) -> None:
        """Show what changed since the last call; called a few times a second while a run is under way."""
        if self._run is not None:
            self._run.refresh()

    def ran(self, run: LayerRun, outcome: Outcome) -> None:
        """Called when a run has ended and its layers are in order."""

    def _on_abandoned(self) -> None:
        self.runner.cancel()

    def _selected_record(self) -> dict[str, Any]:
        active = self._viewer.layers.selection.active
        return record_of(active, self.method) if active is not None else {}

    def _update_buttons(self, event: Any = None) -> None:
        there = self.form.input.layer is not None
        self.repeat_button.setEnabled(bool(self._selected_record()))
        self.copy_button.setEnabled(there or bool(self._selected_record()))
        self.bar.set_ready(there)

    # The window

    def event(self, event: QEvent) -> bool:
        """Notice that napari took the dock out of the window."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is None and self._docked:
                self.leave()
            self._docked = self.parent() is not None
        return super().event(event)

    def leave(self) -> None:
        """Stop the run and let go of the viewer."""
        self.form.input.layers.disconnect_viewer()
        self._viewer.layers.selection.events.active.disconnect(self._update_buttons)
        if self.runner.running:
            _lingering.add(self)
            self.runner.cancel()
        else:
            self._guard.release()

    def extra_rows(self) -> list[QWidget]:
        """Widgets of the method between the run bar and the last row of buttons."""
        return []

    def _lay_out(self) -> None:
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(self.form)
        foot = QVBoxLayout()
        foot.setContentsMargins(8, 4, 8, 8)
        for widget in self.extra_rows():
            foot.addWidget(widget)
        foot.addWidget(self.bar)
        row = QHBoxLayout()
        row.addWidget(self.copy_button)
        row.addWidget(self.repeat_button)
        foot.addLayout(row)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scroll, 1)
        layout.addLayout(foot)


def record_of(layer: Any, method: str) -> dict[str, Any]:
    """Record of a layer that a method made, else empty."""
    record = layer.metadata.get(RECORD_KEY)
    made = isinstance(record, dict) and record.get("method") == method and "settings" in record
    return record if made else {}
