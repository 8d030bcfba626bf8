"""The dock of a method, made from its declaration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.units import unit_name
from napari_diffuscope.jobs import Job
from napari_diffuscope.methods.commands import command_line
from napari_diffuscope.methods.method import Inputs, Method, Output
from napari_diffuscope.methods.running import array_sinks, method_job
from napari_diffuscope.viewer.command import command_for, command_of_record
from napari_diffuscope.viewer.declared_form import DeclaredForm
from napari_diffuscope.viewer.layer_run import RunPlan, early_record_of
from napari_diffuscope.viewer.layers import OutputLayer
from napari_diffuscope.viewer.method_dock import MethodDock
from napari_diffuscope.viewer.results import Results
from napari_diffuscope.viewer.runner import Outcome

OUTPUT = "OUTPUT.tif"


class DeclaredDock(MethodDock):
    """Runs a method on the chosen layer, live, into new layers.

    Parameters
    ----------
    napari_viewer
        The viewer, given by napari.
    """

    declaration: Method
    form_kind: type[DeclaredForm] = DeclaredForm
    form: Any

    def __init__(self, napari_viewer: Any) -> None:
        self.method, self.result_of = self.declaration.name, self.declaration.result
        form = self.form_kind(
            napari_viewer, self.declaration, lambda sentence: self.bar.fail(DiffuscopeError(sentence))
        )
        super().__init__(napari_viewer, form)

    def inputs(self, layer: Any = None) -> Inputs:
        """What the method works on: the chosen layer, or another one read in the same way."""
        return {} if self.declaration.image is None else {"image": self.form.image(layer)}

    def plan(self, layer: Any = None) -> RunPlan:
        """The run that the controls ask for."""
        layer = layer if layer is not None else self.form.layer
        inputs, settings = self.inputs(layer), self.form.settings()
        outputs = self.declaration.outputs(inputs, settings)
        return RunPlan(
            layer,
            self.form.input.axes_letters(),
            [layer_of(output, inputs) for output in outputs],
            lambda results: self.job(inputs, settings, outputs, results),
            lambda outcome, results: self.early_record(inputs, settings, outcome, results),
            self.activity,
        )

    def job(self, inputs: Inputs, settings: Any, outputs: Sequence[Output], results: Results) -> Job[Any]:
        """The job, which fills the arrays of the results."""
        sinks = array_sinks(self.declaration, outputs, settings, results.arrays)
        return method_job(self.declaration, inputs, settings, sinks=sinks, **self.options())

    def options(self) -> dict[str, Any]:
        """How it is done, without deciding any number."""
        return {}

    def early_record(
        self, inputs: Inputs, settings: Any, outcome: Outcome, results: Results
    ) -> dict[str, Any]:
        """Record of a run that did not end."""
        card = self.form.model.card if self.form.model is not None else None
        return early_record_of(self.declaration, inputs, settings, card, outcome)

    def activity(self, finished: int, total: int) -> str:
        """What to say while the job says nothing."""
        return f"{finished} of {total} planes finished" if total > 1 else f"{self.declaration.doing}…"

    # The command line

    def command(self) -> tuple[str, str]:
        """Command line of what the controls ask for, and what to do with it."""
        if self.declaration.image is None:
            return command_line(self.declaration, [], OUTPUT, self.form.settings()), "Copied."
        image, settings = self.form.image(), self.form.settings()
        axes = self.form.input.layer_axes()
        return command_for(self.declaration, image, settings, layer_axes=axes)

    def command_of(self, record: Mapping[str, Any]) -> tuple[str, str]:
        """Command line that made a result, and what to do with it."""
        if self.declaration.image is None:
            return command_line(self.declaration, [], OUTPUT, self.settings_of(record)), "Copied."
        return command_of_record(self.declaration, record, self.settings_of(record))


def method_dock(method: Method) -> type[DeclaredDock]:
    """The class of a method's dock, as napari opens it."""
    return type(
        f"{method.name.title()}Dock", (DeclaredDock,), {"declaration": method, "__doc__": method.summary}
    )


def layer_of(output: Output, inputs: Inputs) -> OutputLayer:
    """How an output is shown."""
    image = inputs.get("image")
    steps = dict(zip(output.axes, zip(output.spec.scale, output.spec.units, strict=True), strict=True))
    grid = steps
    if image is not None:
        before = dict(
            zip(image.axes, zip(image.scale, map(unit_name, image.units), strict=True), strict=True)
        )
        grid = {letter: step for letter, step in steps.items() if step != before.get(letter, step)}
    return OutputLayer(
        output.name,
        output.axes,
        output.shape,
        output.origin,
        output.label,
        grid,
        same_contrast=output.same_contrast,
    )
