"""The dock of a method, made from its declaration: a form, a run that makes layers, the foot, the way out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from qtpy.QtCore import QSize
from qtpy.QtWidgets import QAbstractSpinBox, QApplication, QComboBox, QVBoxLayout, QWidget

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.jobs import Job
from napari_diffuscope.methods.commands import command_line
from napari_diffuscope.methods.effort import Effort
from napari_diffuscope.methods.method import Inputs, Method
from napari_diffuscope.methods.running import memory_job
from napari_diffuscope.viewer.canvas_guard import CanvasGuard
from napari_diffuscope.viewer.command import command_for, command_of_record, recorded_axes
from napari_diffuscope.viewer.declared_form import DeclaredForm
from napari_diffuscope.viewer.forecast import Forecast, Work
from napari_diffuscope.viewer.layer_run import LayerRun, Run
from napari_diffuscope.viewer.layer_runs import LayerRuns
from napari_diffuscope.viewer.preferences import preferences
from napari_diffuscope.viewer.repeating import input_of, not_open, read_axes
from napari_diffuscope.viewer.result_dock import ResultDock
from napari_diffuscope.viewer.run_plan import RunPlan
from napari_diffuscope.viewer.runner import Outcome
from napari_diffuscope.viewer.widgets import DOCK_WIDTH, button, choose, column, in_a_row, scrolled

OUTPUT = "OUTPUT.tif"

#: Runs whose dock was closed; they end by themselves and put their layers in order.
_lingering: set[MethodDock] = set()


class MethodDock(ResultDock):
    """Runs a method on the chosen layer, live, into new layers.

    Parameters
    ----------
    napari_viewer
        The viewer, given by napari.
    form
        The method's controls; those of its declaration by default.
    """

    form_kind: type[DeclaredForm] = DeclaredForm
    suffix = ""
    """Ending of the names of files in copied commands; the method's name by default."""

    def __init__(self, napari_viewer: Any, form: Any = None) -> None:
        super().__init__(napari_viewer)
        self._run: Run | LayerRuns | None = None
        self._guard = CanvasGuard(napari_viewer, self)
        self.form: Any = form or self.form_kind(napari_viewer, self.method, self._complain)
        self.forecast = Forecast(self.work, self.measure)
        if self.form.device is not None:
            choose(self.form.device, preferences().device)
        if (tile := preferences().tile) is not None:
            self.form.prefer_tile(tile)
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
        self.form.input.layer_changed.connect(self.bar.forget_warnings)
        self._watch_settings()
        self._viewer.layers.selection.events.active.connect(self._update_buttons)
        self._update_buttons()

    def sizeHint(self) -> QSize:
        """Wide enough for the sentences, as high as there is room."""
        return QSize(DOCK_WIDTH, 640)

    # What a method may fill in

    def inputs(self, layer: Any = None) -> Inputs:
        """What the method works on: the chosen layer, or another one read in the same way.

        Raises
        ------
        DiffuscopeError
            If something about the image does not work.
        """
        return {} if self.method.image is None else {"image": self.form.image(layer)}

    def settings(self) -> Any:
        """Everything that decides the numbers.

        Raises
        ------
        DiffuscopeError
            If there is no model, or values do not go together.
        """
        return self.form.settings()

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
        layer = layer if layer is not None else self.form.layer
        inputs, settings = self.inputs(layer), self.settings()
        return RunPlan(
            self.method,
            inputs,
            settings,
            self.method.outputs(inputs, settings),
            layer,
            self.form.input.axes_letters(),
            self.form.card,
            self.options(inputs, settings),
            self.form.typed_sizes(),
            self.activity,
        )

    def options(self, inputs: Inputs, settings: Any) -> dict[str, Any]:
        """How it is done, without deciding any number."""
        return {}

    def activity(self, finished: int, total: int) -> str:
        """What to say while the job says nothing."""
        return f"{finished} of {total} planes finished" if total > 1 else f"{self.method.doing}…"

    def make_run(self, plans: Sequence[RunPlan]) -> Run | LayerRuns:
        """A run and its layers."""
        if len(plans) == 1:
            return LayerRun(self._viewer, plans[0], self)
        return LayerRuns(self._viewer, plans, self)

    def work(self) -> Work | None:
        """How much work a run would be; ``None`` where nothing can be said.

        Raises
        ------
        DiffuscopeError
            If something about the settings or the image does not work.
        """
        card, layers = self.form.card, self.form.input.together
        unknown = card is None and self.form.model is not None
        if unknown or not layers or self.method.effort is None:
            return None
        settings = self.settings()
        effort = self.method.effort_of(self.inputs(), settings, card)
        model, device = getattr(settings, "model", ""), getattr(settings, "device", "cpu")
        return Work(effort, len(layers), self.method.name, model, device)

    def work_of(self, plans: Sequence[RunPlan]) -> Work | None:
        """The work of a run that begins, to learn from it; ``None`` where nothing can be learned."""
        try:
            return self.work()
        except DiffuscopeError:
            return None

    def trial(self) -> tuple[Callable[[], Job[Any]], Effort]:
        """A short job that tells how long evaluations take, and its work.

        Raises
        ------
        DiffuscopeError
            If something about the settings or the image does not work.
        """
        card = self.form.card
        inputs, settings = self.method.trial_of(self.inputs(), self.settings(), card)
        effort = self.method.effort_of(inputs, settings, card)
        return lambda: memory_job(self.method, inputs, settings), effort

    def command(self) -> tuple[str, str]:
        """Command line of what the controls ask for, and what to do with it."""
        settings = self.settings()
        if self.method.image is None:
            return command_line(self.method, [], OUTPUT, settings), "Copied."
        axes = self.form.input.layer_axes()
        return command_for(self.method, self.inputs()["image"], settings, layer_axes=axes, suffix=self.suffix)

    def command_of(self, record: Mapping[str, Any]) -> tuple[str, str]:
        """Command line that made a result, and what to do with it."""
        settings = self.settings_of(record)
        if self.method.image is None:
            return command_line(self.method, [], OUTPUT, settings), "Copied."
        return command_of_record(self.method, record, settings, suffix=self.suffix)

    def settings_of(self, record: Mapping[str, Any]) -> Any:
        """Settings that made a result."""
        return self.method.settings.from_dict(record["settings"])

    def ran(self, run: Any, outcome: Outcome) -> None:
        """Called when a run has ended and its layers are in order."""

    def extra_rows(self) -> list[QWidget]:
        """Widgets of the method between the form and the run bar."""
        return []

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
        self._check_idle()
        if not plans:
            raise DiffuscopeError("There is no image to work on; open one with File › Open.")
        self.form.input.layers.settle()
        self.contrast.forget()
        self._run = run = self.make_run(plans)
        self._last_results = list(run.layers.values()) or self._last_results
        self._images, self._hidden = [plan.layer for plan in plans if plan.layer is not None], []
        run.abandoned.connect(self.runner.cancel)
        self.bar.activity = run.activity
        self.forecast.begin(self.work_of(plans))
        self.runner.start(run.make_job, on_update=run.paint)
        self._update_buttons()

    def measure(self) -> None:
        """Try a small piece, to tell how long the whole takes."""
        self.bar.guarded(self._measure)

    def _measure(self) -> None:
        self._check_idle()
        work = self.work()
        if work is None:
            raise DiffuscopeError("There is nothing to measure yet; open an image.")
        make_job, effort = self.trial()
        self._run = None
        self.bar.activity = lambda: "Measuring how long this takes…"
        self.forecast.begin(replace(work, effort=effort, layers=1, each=False))
        self.runner.start(make_job)
        self._update_buttons()

    def _check_idle(self) -> None:
        if self.runner.running:
            raise DiffuscopeError("A run is already under way; cancel it or wait for its end.")

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

    def _copy_command(self) -> None:
        record = self._selected_record()
        text, remark = self.command_of(record) if record else self.command()
        QApplication.clipboard().setText(text)
        self.bar.say(remark)

    def repeat(self) -> None:
        """Take over the settings of the selected result."""
        self.bar.guarded(self._repeat)

    def _repeat(self) -> None:
        record, image = self._selected_record(), self.form.input
        if not record:
            raise DiffuscopeError(
                f"The selected layer has no record of a {self.result_of}; select a result layer first."
            )
        layer = input_of(record, image.layers.layers) if "input" in record else None
        if layer is not None:
            image.layers.choose(layer)
        self.apply(self.settings_of(record))
        self.bar.say(f"These are the settings of {self._viewer.layers.selection.active.name!r}.")
        if "input" not in record:
            return
        if layer is None:
            self.bar.say(f"{self.bar.status.text()} {not_open(record)}")
        elif not read_axes(record, image):
            raise DiffuscopeError(
                f"The settings are those of the result, but {layer.name!r} has {layer.ndim} dimensions and was read "
                f"as {recorded_axes(record)}; choose the image that the result was made from."
            )

    # While it runs

    def refresh(self) -> None:
        """Show what changed since the last call; called a few times a second while a run is under way."""
        if self._run is not None:
            self._run.refresh()

    def _on_ended(self, outcome: Outcome) -> None:
        run, self._run = self._run, None
        sentence = run.finish(outcome) if run else ""
        self._last_results = (list(run.layers.values()) if run else []) or self._last_results
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
            self.bar.tell_end(sentence)
        if run is not None:
            self.ran(run, outcome)

    def _complain(self, sentence: str) -> None:
        self.bar.fail(DiffuscopeError(sentence))

    def _update_buttons(self, event: Any = None) -> None:
        super()._update_buttons()
        there, selected = bool(self.form.input.together), bool(self._selected_record())
        self.repeat_button.setEnabled(selected)
        self.copy_button.setEnabled(there or selected)
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

    def _lay_out(self) -> None:
        foot = QVBoxLayout()
        foot.setContentsMargins(8, 4, 8, 8)
        for widget in (*self.extra_rows(), self.forecast, self.bar):
            foot.addWidget(widget)
        foot.addWidget(self.save_button)
        foot.addLayout(in_a_row(self.copy_button, self.repeat_button))
        foot.addLayout(in_a_row(self.stretch_button, self.hide_button))
        column(self, (scrolled(self.form), 1), foot)


def method_dock(method: Method) -> type[MethodDock]:
    """The class of a method's dock, as napari opens it."""
    return type(f"{method.name.title()}Dock", (MethodDock,), {"method": method, "__doc__": method.summary})
