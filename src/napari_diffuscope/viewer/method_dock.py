"""What the docks of all methods share: a form, a run that makes layers, the foot, the way out of the window."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari.layers import Image
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QEvent, QSize, Qt
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.jobs import Job
from napari_diffuscope.methods.effort import Effort
from napari_diffuscope.methods.records import RECORD_KEY
from napari_diffuscope.methods.registry import METHODS
from napari_diffuscope.viewer.canvas_guard import CanvasGuard
from napari_diffuscope.viewer.command import recorded_axes
from napari_diffuscope.viewer.contrast import Stretch
from napari_diffuscope.viewer.forecast import Forecast, Work
from napari_diffuscope.viewer.layer_choice import is_result
from napari_diffuscope.viewer.layer_run import LayerRun, RunPlan
from napari_diffuscope.viewer.layer_runs import LayerRuns
from napari_diffuscope.viewer.layer_sizes import source_of
from napari_diffuscope.viewer.preferences import preferences
from napari_diffuscope.viewer.run_bar import RunBar
from napari_diffuscope.viewer.runner import JobRunner, Outcome
from napari_diffuscope.viewer.save_result import ask_path, saving
from napari_diffuscope.viewer.shape.background import Background
from napari_diffuscope.viewer.tabs import TabbedWidget
from napari_diffuscope.viewer.widgets import button, choose

#: Runs whose dock was closed; they end by themselves and put their layers in order.
_lingering: set[MethodDock] = set()


class MethodDock(TabbedWidget):
    """A dock: choose a layer and a model, run, get layers, copy the command.

    A method says what its ``method`` is called in records and in words, which form it has, and fills in `plan`,
    `command` and `command_of`.

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
        self._run: LayerRun | LayerRuns | None = None
        self._docked = self._left = False
        self._last_results: list[Any] = []
        self._images: list[Any] = []
        self._hidden: list[Any] = []
        self._saving = Background()
        self._saving.failed.connect(self._tell_failed)
        self.contrast = Stretch(viewer)
        self._guard = CanvasGuard(viewer, self)
        wishes = preferences()
        self.runner = JobRunner(self, frames_per_second=wishes.preview_rate)
        self.bar = RunBar(self.runner, self.run)
        self.form = form
        self.forecast = Forecast(self.work, self.measure)
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
        self.save_button = button(
            "Save result…",
            "Save the selected result, or the last one, as TIFF or OME-Zarr with its pixel size, units, axes and "
            "record: opened again, it can be repeated.",
            self.save_result,
        )
        self.stretch_button = button(
            "Stretch contrast",
            "Results are shown in the contrast of their image. Press to fit the contrast to what is shown of the "
            "selected result, or of the last ones; press again to return.",
            self.toggle_contrast,
        )
        self.stretch_button.setCheckable(True)
        self.hide_button = button(
            "Hide the image",
            "Hide the image of the last results, to see them alone; press again to show it. "
            "Where layers are added up on the screen, an image and its result are too bright together.",
            self.toggle_image,
        )
        self.hide_button.setCheckable(True)
        self._lay_out()
        self.runner.progressed.connect(lambda _: self.refresh())
        self.runner.ended.connect(self._on_ended)
        self.form.changed.connect(self._update_buttons)
        self.form.input.layer_changed.connect(self.bar.forget_warnings)
        self._watch_settings()
        viewer.layers.selection.events.active.connect(self._update_buttons)
        self._update_buttons()

    def sizeHint(self) -> QSize:
        """Wide enough for the sentences, as high as there is room."""
        return QSize(350, 640)

    # What a method fills in

    def plan(self, layer: Any = None) -> RunPlan:
        """The run that the controls ask for.

        Parameters
        ----------
        layer
            The layer to work on; that which is chosen by default.

        Raises
        ------
        DiffuscopeError
            If something about the settings or the image does not work.
        """
        raise NotImplementedError

    def work(self) -> Work | None:
        """How much work a run would be; ``None`` where nothing can be said.

        Raises
        ------
        DiffuscopeError
            If something about the settings or the image does not work.
        """
        return None

    def trial(self) -> tuple[Callable[[], Job[Any]], Effort]:
        """A short job that tells how long evaluations take, and its work.

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
        return METHODS[self.method].settings.from_dict(record["settings"])

    # What the buttons do

    def run(self) -> None:
        """Start with the settings shown.

        Raises
        ------
        DiffuscopeError
            If something about the settings or the image does not work.
        """
        self.start(*(self.plan(layer) for layer in self.form.input.together))

    def start(self, *plans: RunPlan) -> None:
        """Start a run and show its layers; several plans are worked one after the other."""
        if self.runner.running:
            raise DiffuscopeError("A run is already under way; cancel it or wait for its end.")
        if not plans:
            raise DiffuscopeError("There is no image to work on; open one with File › Open.")
        self.form.input.layers.settle()
        self.contrast.forget()
        self._run = (
            LayerRun(self._viewer, plans[0], self)
            if len(plans) == 1
            else LayerRuns(self._viewer, plans, self)
        )
        self._last_results = list(self._run.layers.values())
        self._images, self._hidden = [plan.layer for plan in plans if plan.layer is not None], []
        self._run.abandoned.connect(self._on_abandoned)
        self.bar.activity = self._run.activity
        self.forecast.begin(self.work_of(plans))
        self.runner.start(self._run.make_job, on_update=self._run.paint)
        self._update_buttons()

    def measure(self) -> None:
        """Try a small piece, to tell how long the whole takes."""
        self.bar.guarded(self._measure)

    def _measure(self) -> None:
        if self.runner.running:
            raise DiffuscopeError("A run is already under way; cancel it or wait for its end.")
        work = self.work()
        if work is None:
            raise DiffuscopeError("There is nothing to measure yet; open an image.")
        make_job, effort = self.trial()
        self._run = None
        self.bar.activity = lambda: "Measuring how long this takes…"
        self.forecast.begin(replace(work, effort=effort, layers=1, each=False))
        self.runner.start(make_job)
        self._update_buttons()

    def work_of(self, plans: Sequence[RunPlan]) -> Work | None:
        """The work of a run that begins, to learn from it; ``None`` where nothing can be learned."""
        try:
            return self.work()
        except DiffuscopeError:
            return None

    def toggle_contrast(self) -> None:
        """Stretch the contrast of results, or return to that of their image."""
        if self.contrast.on:
            self.contrast.give_back()
        else:
            self.contrast.stretch(self._results_to_stretch())
        self._update_buttons()

    def toggle_image(self) -> None:
        """Hide the images of the last results, or show those that were hidden so."""
        hidden, self._hidden = self._hidden, []
        if not hidden:
            self._hidden = [image for image in self._images if image in self._viewer.layers and image.visible]
        for image in hidden or self._hidden:
            image.visible = bool(hidden)
        self._update_buttons()

    def _results_to_stretch(self) -> list[Any]:
        """The selected results, else those of the last run that are left; uncertainties have their own contrast."""
        selected = [layer for layer in self._viewer.layers.selection if is_result(layer)]
        left = [layer for layer in self._last_results if layer in self._viewer.layers]
        return [layer for layer in selected or left if isinstance(layer, Image)]

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

    def save_result(self) -> None:
        """Ask for a file and save a result."""
        self.bar.guarded(self._ask_and_save)

    def save_to(self, path: Path) -> None:
        """Save the selected result, or the last one, in the background.

        Raises
        ------
        DiffuscopeError
            If there is none, or the name does not do.
        """
        work = saving(self._viewer, self._result_to_save(), path)
        self.bar.say("Saving…")
        self._saving.start(lambda: work, self._tell)

    def _ask_and_save(self) -> None:
        path = ask_path(self, self._result_to_save())
        if path is not None:
            self.save_to(path)

    def _result_to_save(self) -> Any:
        if self._selected_record():
            return self._viewer.layers.selection.active
        there = [layer for layer in self._last_results if layer in self._viewer.layers]
        if not there:
            raise DiffuscopeError(f"There is no {self.result_of} to save yet; run one, or select its layer.")
        return there[-1]

    def _tell(self, sentence: str) -> None:
        """Where the user looks, also after the dock was closed."""
        if self._left:
            show_info(sentence)
        else:
            self.bar.say(sentence)

    def _tell_failed(self, error: DiffuscopeError) -> None:
        if self._left:
            show_error(str(error))
        else:
            self.bar.fail(error)

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
        layer = self._input_of(record) if "input" in record else None
        if layer is not None:
            self.form.input.layers.choose(layer)
        self.apply(self.settings_of(record))
        self.bar.say(f"These are the settings of {self._viewer.layers.selection.active.name!r}.")
        if "input" not in record:
            return
        if layer is None:
            name, source = record["input"]["name"], record["input"].get("source")
            at = f"; it was {source}" if source and Path(source).exists() else ""
            self.bar.say(
                f"{self.bar.status.text()} Its input {name!r} is not open{at}: open or choose an image."
            )
        elif not self._read_axes(record):
            raise DiffuscopeError(
                f"The settings are those of the result, but {layer.name!r} has {layer.ndim} dimensions and was read "
                f"as {recorded_axes(record)}; choose the image that the result was made from."
            )

    def _input_of(self, record: Mapping[str, Any]) -> Any:
        """The layer that a result was made from: by its name, else by its file; ``None`` where it is not open."""
        candidates = self.form.input.layers.layers
        source = record["input"].get("source")
        ways: list[Callable[[Any], bool]] = [
            lambda layer: (
                bool(source) and source_of(layer) == source and layer.name == record["input"]["name"]
            ),
            lambda layer: bool(layer.name == record["input"]["name"]),
            lambda layer: bool(source) and source_of(layer) == source,
        ]
        return next((layer for fits in ways for layer in candidates if fits(layer)), None)

    def _read_axes(self, record: Mapping[str, Any]) -> bool:
        """Read the chosen layer with the axes of a record; whether they fit."""
        now, then = self.form.input.axes.text().upper(), recorded_axes(record)
        if len(then.replace("S", "")) != self.form.input.layer.ndim:
            return False
        if "axes" not in record and sorted(now) == sorted(then):
            return True  # the record of a file, whose axes are in the order of planes
        return now == then.replace("S", "") or bool(self.form.input.read_as(then))

    # While it runs

    def _on_ended(self, outcome: Outcome) -> None:
        run, self._run = self._run, None
        sentence = run.finish(outcome) if run else ""
        self._last_results = self.layers_of(run) or self._last_results
        if self in _lingering:
            _lingering.remove(self)
            self._guard.release()
        if self.form.device is not None:
            self.form.device.refresh()
        self.forecast.end(outcome)
        self.bar.ended()
        self._update_buttons()
        if outcome.error is not None:
            self.bar.fail(outcome.error)
        else:
            self.bar.say(sentence)
        if run is not None:
            self.ran(run, outcome)

    def layers_of(self, run: Any) -> list[Any]:
        """The result layers of a run, the one that is saved first last."""
        return list(run.layers.values()) if run is not None else []

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
        there = bool(self.form.input.together)
        self.repeat_button.setEnabled(bool(self._selected_record()))
        images = [image for image in self._images if image in self._viewer.layers]
        self.hide_button.setEnabled(bool(images))
        self.hide_button.setChecked(bool(self._hidden))
        self.stretch_button.setChecked(self.contrast.on)
        self.stretch_button.setEnabled(self.contrast.on or bool(self._results_to_stretch()))
        self.copy_button.setEnabled(there or bool(self._selected_record()))
        self.save_button.setEnabled(
            bool(self._selected_record()) or any(layer in self._viewer.layers for layer in self._last_results)
        )
        self.bar.set_ready(there)

    def _watch_settings(self) -> None:
        """Count the work anew whenever something changes that it depends on."""
        self.form.changed.connect(self.forecast.later)
        self.form.input.together_changed.connect(self.forecast.later)
        for box in self.form.findChildren(QAbstractSpinBox):
            box.valueChanged.connect(self.forecast.later)
        for box in self.form.findChildren(QComboBox):
            box.currentIndexChanged.connect(self.forecast.later)
        self._watch_view(True)

    def _watch_view(self, watch: bool) -> None:
        for emitter in (self._viewer.scene.camera.events, self._viewer.dims.events.point):
            (emitter.connect if watch else emitter.disconnect)(self.forecast.later)

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
        self._left = True
        self.form.input.disconnect_viewer()
        self._viewer.layers.selection.events.active.disconnect(self._update_buttons)
        self._watch_view(False)
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
        foot.addWidget(self.forecast)
        foot.addWidget(self.bar)
        for buttons in (
            (self.save_button,),
            (self.copy_button, self.repeat_button),
            (self.stretch_button, self.hide_button),
        ):
            row = QHBoxLayout()
            for each in buttons:
                row.addWidget(each)
            foot.addLayout(row)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scroll, 1)
        layout.addLayout(foot)


def record_of(layer: Any, method: str) -> dict[str, Any]:
    """Record of a layer that a method made, else empty."""
    record = layer.metadata.get(RECORD_KEY)
    if not isinstance(record, dict) or "settings" not in record or record.get("method") not in METHODS:
        return {}
    return record if METHODS[record["method"]].name == method else {}
