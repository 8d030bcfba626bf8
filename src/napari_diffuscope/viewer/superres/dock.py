"""Plugins › Diffuscope › Super-resolve volume."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtWidgets import QWidget

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.method import Inputs
from napari_diffuscope.methods.superres.method import SUPERRES
from napari_diffuscope.viewer.compare.before_after import BeforeAfter, row_in_view
from napari_diffuscope.viewer.forecast import Work
from napari_diffuscope.viewer.layer_run import LayerRun
from napari_diffuscope.viewer.method_dock import MethodDock
from napari_diffuscope.viewer.region import current_plane
from napari_diffuscope.viewer.run_plan import RunPlan
from napari_diffuscope.viewer.runner import Outcome
from napari_diffuscope.viewer.superres.form import SuperresForm
from napari_diffuscope.viewer.superres.one_slice import is_slice, slice_plan
from napari_diffuscope.viewer.widgets import button, in_a_row


class SuperresDock(MethodDock):
    """Fills in the planes between those that were measured, live, into new layers.

    Parameters
    ----------
    napari_viewer
        The viewer, given by napari.
    """

    tab_title = "Super-resolve"
    method = SUPERRES
    form_kind = SuperresForm
    suffix = "superresolved"
    form: SuperresForm

    def __init__(self, napari_viewer: Any) -> None:
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
        super().__init__(napari_viewer)

    def extra_rows(self) -> list[QWidget]:
        """Preview and comparison."""
        both = QWidget()
        both.setToolTip("Look before and after the run")
        both.setLayout(in_a_row(self.preview_button, self.compare_button))
        return [both]

    def inputs(self, layer: Any = None) -> Inputs:
        """The stack, once all is known to be in order."""
        checked = self.form.checked_image()
        return {"image": checked if layer is None else self.form.image(layer)}

    def activity(self, finished: int, total: int) -> str:
        """What to say while the job says nothing."""
        return f"{finished} of {total} planes finished" if finished else "Filling in the planes between"

    def work_of(self, plans: Sequence[RunPlan]) -> Work | None:
        """Of one slice nothing is learned of a volume, which is worked in larger pieces."""
        return None if is_slice(plans[0]) else super().work_of(plans)

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

    def _preview(self) -> None:
        self._check_idle()
        plan = self.plan()
        image, axes = plan.inputs["image"], plan.axes
        row = row_in_view(self._viewer, plan.layer, axes)
        here = current_plane(self._viewer, plan.layer, axes=axes, image=image)
        leading = {letter: at for letter, at in zip(image.axes, here, strict=False) if letter in "TC"}
        self.start(slice_plan(plan, row=row, leading=leading))

    def _compare(self, row: int | None = None) -> None:
        layer, axes = self.form.layer, self.form.input.axes_letters()
        if "Z" not in axes:
            raise DiffuscopeError(f"{layer.name!r} has no z axis to cut along; choose a stack.")
        self.compare.show(layer, axes, row_in_view(self._viewer, layer, axes) if row is None else row)

    def ran(self, run: Any, outcome: Outcome) -> None:
        """Show a slice where it can be seen: cut along z, beside the stack."""
        one = isinstance(run, LayerRun) and is_slice(run.plan)
        if one and outcome.state == "done" and run.layers and run.plan.layer in self._viewer.layers:
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
