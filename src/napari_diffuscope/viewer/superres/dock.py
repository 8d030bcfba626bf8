"""Plugins › Diffuscope › Super-resolve volume."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.jobs import Job
from napari_diffuscope.methods.effort import Effort, superres_effort
from napari_diffuscope.methods.superres.method import SUPERRES
from napari_diffuscope.methods.superres.settings import SuperresSettings
from napari_diffuscope.viewer.command import (
    command_for,
    command_of_record,
    with_layer_sizes,
    with_recorded_sizes,
)
from napari_diffuscope.viewer.compare.before_after import BeforeAfter, row_in_view
from napari_diffuscope.viewer.forecast import Work
from napari_diffuscope.viewer.layer_run import LayerRun, RunPlan
from napari_diffuscope.viewer.method_dock import MethodDock
from napari_diffuscope.viewer.region import current_plane
from napari_diffuscope.viewer.runner import Outcome
from napari_diffuscope.viewer.superres.form import SuperresForm
from napari_diffuscope.viewer.superres.run import SLICE_LABEL, Request, slice_plan, slice_trial, superres_plan
from napari_diffuscope.viewer.widgets import button


class SuperresDock(MethodDock):
    """Fills in the planes between those that were measured, live, into new layers.

    Parameters
    ----------
    napari_viewer
        The viewer, given by napari.
    """

    tab_title = "Super-resolve"
    method, result_of = SUPERRES.name, SUPERRES.result
    form: SuperresForm

    def __init__(self, napari_viewer: Any) -> None:
        form = SuperresForm(napari_viewer, lambda sentence: self.bar.fail(DiffuscopeError(sentence)))
        self.compare = BeforeAfter(napari_viewer)
        self.preview_button = button(
            "Preview one slice",
            "Fill in the XZ slice in the middle of the view, in seconds, to see what to expect of the volume.",
            self.preview,
        )
        self.compare_button = button(
            "Before and after",
            "Show the stack and the results beside each other, cut along z; press again to return to your view.",
            self.toggle_compare,
        )
        self.compare_button.setCheckable(True)
        super().__init__(napari_viewer, form)

    def extra_rows(self) -> list[QWidget]:
        """Preview and comparison."""
        both = QWidget()
        both.setToolTip("Look before and after the run")
        row = QHBoxLayout(both)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.preview_button)
        row.addWidget(self.compare_button)
        return [both]

    def plan(self, layer: Any = None) -> RunPlan:
        """The volume that the controls ask for."""
        return superres_plan(self._request(layer))

    def settings(self) -> SuperresSettings:
        """Everything that decides the numbers."""
        return self.form.settings()

    def work(self) -> Work | None:
        """Slices, samples and steps of the volume that the controls ask for."""
        card, layers = self.form.card, self.form.input.together
        if card is None or not layers:
            return None
        settings = self.settings()
        effort = superres_effort(self.form.checked_image(), settings, card.diffusion)
        return Work(effort, len(layers), self.method, settings.model, settings.device)

    def trial(self) -> tuple[Callable[[], Job[Any]], Effort]:
        """One slice in a few steps."""
        card, image = self.form.card, self.form.checked_image()
        assert card is not None
        return slice_trial(image, self.settings(), card)

    def work_of(self, plans: Sequence[RunPlan]) -> Work | None:
        """Of one slice nothing is learned of a volume, which is worked in larger pieces."""
        return None if plans[0].outputs[0].label.startswith(SLICE_LABEL) else super().work_of(plans)

    def command(self) -> tuple[str, str]:
        """Command line of what the controls ask for."""
        image = self.form.checked_image()
        settings = with_layer_sizes(self.settings(), image)
        axes = self.form.input.layer_axes()
        return command_for(SUPERRES, image, settings, layer_axes=axes, suffix="superresolved")

    def command_of(self, record: Mapping[str, Any]) -> tuple[str, str]:
        """Command line that made a result."""
        settings = with_recorded_sizes(self.settings_of(record), record)
        return command_of_record(SUPERRES, record, settings, suffix="superresolved")

    def preview(self) -> None:
        """Fill in one XZ slice."""
        self.bar.guarded(self._preview)

    def toggle_compare(self) -> None:
        """Show input and results beside each other, or return to the user's view."""
        if self.compare.shown:
            self.compare.restore()
        else:
            self.bar.guarded(self._compare)
        self.compare_button.setChecked(self.compare.shown)

    def _request(self, layer: Any = None) -> Request:
        """What to do, once all is known to be in order."""
        self.form.checked_image()
        layer, settings = layer if layer is not None else self.form.layer, self.settings()
        axes, typed = self.form.input.axes_letters(), self.form.typed_sizes()
        return Request(layer, self.form.image(layer), axes, settings, self.form.card, typed)

    def _preview(self) -> None:
        if self.runner.running:
            raise DiffuscopeError("A run is already under way; cancel it or wait for its end.")
        request = self._request()
        row = row_in_view(self._viewer, request.layer, request.axes)
        here = current_plane(self._viewer, request.layer, axes=request.axes, image=request.image)
        leading = {letter: at for letter, at in zip(request.image.axes, here, strict=False) if letter in "TC"}
        self.start(slice_plan(request, row=row, leading=leading))

    def _compare(self, row: int | None = None) -> None:
        layer, axes = self.form.layer, self.form.input.axes_letters()
        if "Z" not in axes:
            raise DiffuscopeError(f"{layer.name!r} has no z axis to cut along; choose a stack.")
        self.compare.show(layer, axes, row_in_view(self._viewer, layer, axes) if row is None else row)

    def ran(self, run: Any, outcome: Outcome) -> None:
        """Show a slice where it can be seen: cut along z, beside the stack."""
        is_slice = isinstance(run, LayerRun) and run.plan.outputs[0].label.startswith(SLICE_LABEL)
        if is_slice and outcome.state == "done" and run.layers and run.plan.layer in self._viewer.layers:
            row = int(run.plan.outputs[0].origin[-2])
            self.compare.show(run.plan.layer, run.plan.axes, row)
            self.compare_button.setChecked(True)
            self.bar.say(f"{outcome_words(outcome)} Before and after returns to your view.")

    def _update_buttons(self, event: Any = None) -> None:
        super()._update_buttons(event)
        there = self.form.layer is not None
        self.preview_button.setEnabled(there and not self.runner.running)
        self.compare_button.setEnabled(there or self.compare.shown)

    def start(self, *plans: RunPlan) -> None:
        """Start a run and show its layers; the comparison takes them in."""
        super().start(*plans)
        self.preview_button.setEnabled(False)
        if self.compare.shown:
            self._compare()

    def leave(self) -> None:
        """Return to the user's view, stop the run and let go of the viewer."""
        self.compare.restore()
        super().leave()


def outcome_words(outcome: Outcome) -> str:
    """How long a slice took."""
    return (
        f"One slice in {outcome.seconds:.0f} s." if outcome.seconds >= 1 else "One slice in under a second."
    )
