"""One run of any method in a viewer: the arrays that it fills and the layers that show them."""

from __future__ import annotations

import time
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_diffuscope.jobs import Job, Update
from napari_diffuscope.methods.method import IMAGES
from napari_diffuscope.methods.records import RECORD_KEY
from napari_diffuscope.progress import in_words
from napari_diffuscope.viewer.planes import (
    counted,
    finished_planes,
    planes_in_words,
    planes_of_output,
    samples_of,
)
from napari_diffuscope.viewer.result_layers import COLOURS, ResultLayer, layers_of
from napari_diffuscope.viewer.results import Plane, Results
from napari_diffuscope.viewer.run_plan import RunPlan
from napari_diffuscope.viewer.runner import Outcome

#: Seconds between two refreshes of a volume shown in 3D, which costs far more than a slice.
VOLUME_INTERVAL = 1.0
ADDED_UP = " Image and result are added up on the screen: hide one with its eye, or with Hide the image."


class Run(QObject):
    """A plan while it is worked on; how its results are shown is filled in.

    The input layer may change or vanish meanwhile: the run has its own reference to the pixels. When the user deletes
    the last of the result layers, ``abandoned`` is emitted.
    """

    abandoned = Signal()

    def __init__(self, viewer: Any, plan: RunPlan, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.plan = plan
        self._next_volume = 0.0
        self._deleted = False

    @property
    def layers(self) -> dict[str, Any]:
        """The layers that are left; the one that is saved first is the last."""
        raise NotImplementedError

    def make_job(self) -> Job[Any]:
        """The job; called in the worker."""
        raise NotImplementedError

    def paint(self, update: Update) -> None:
        """Take over what an update shows; called in the worker."""
        raise NotImplementedError

    def activity(self) -> str:
        """What is being done, and how far it is."""
        raise NotImplementedError

    def refresh(self) -> None:
        """Show what changed since the last call, if it is in view."""
        volume = self._viewer.dims.ndisplay == 3
        if volume and time.monotonic() < self._next_volume:
            return
        self._show_changes(volume)
        self._next_volume = time.monotonic() + VOLUME_INTERVAL

    def finish(self, outcome: Outcome) -> str:
        """Leave only what is finished, with its record; returns a sentence on how it went."""
        self._settle(outcome)
        if self._deleted:
            return "The result layers were deleted, so the run was cancelled."
        return self._summary(outcome)

    def delete(self) -> None:
        """The user deleted the last layer."""
        self._deleted = True
        self.abandoned.emit()

    def _show_changes(self, volume: bool) -> None:
        """Show what changed; ``volume`` where the window shows 3D."""
        raise NotImplementedError

    def _settle(self, outcome: Outcome) -> None:
        """Leave only what is finished, with its record."""
        raise NotImplementedError

    def _summary(self, outcome: Outcome) -> str:
        """A sentence on how it went."""
        raise NotImplementedError


class LayerRun(Run):
    """A run whose outputs are layers."""

    def __init__(self, viewer: Any, plan: RunPlan, parent: QObject | None = None) -> None:
        super().__init__(viewer, plan, parent)
        self.results = Results(list(plan.outputs))
        self._shown: list[ResultLayer] = []
        for shown in layers_of(plan):
            shown.add(viewer, self.results.arrays[shown.output.name], over=bool(self._shown))
            self._shown.append(shown)
        viewer.layers.selection.active = self._shown[0].layer
        viewer.layers.events.removed.connect(self._on_removed)

    @property
    def layers(self) -> dict[str, Any]:
        """The layers that are left, by output (and colour)."""
        return {shown.key: shown.layer for shown in self._shown}

    def make_job(self) -> Job[Any]:
        """The job; called in the worker."""
        for _ in self.results.blank():
            yield Update(0, 0, "Preparing…")
        return (yield from self.plan.make_job(self.results))

    def paint(self, update: Update) -> None:
        """Take over what an update shows; called in the worker."""
        self.results.paint(update)

    def _show_changes(self, volume: bool) -> None:
        changes = self.results.take_changes() if self._shown else {}
        for shown in self._shown:
            name = shown.output.name
            if changes[name]:
                shown.take_limits(self.results.limits.get(name))
                if volume or shown.in_view(self._viewer, changes[name]):
                    shown.layer.refresh(extent=False, thumbnail=False)

    def _settle(self, outcome: Outcome) -> None:
        self.results.drop_previews()
        if self._shown:
            self._disconnect()
        for shown in [each for each in self._shown if not self.results.has_finished(each.output.name)]:
            self._shown.remove(shown)
            self._viewer.layers.remove(shown.layer)
        record = self._record(outcome)
        for shown in self._shown:
            shown.take_limits(self.results.limits.get(shown.output.name))
            colour = {} if shown.part is None else {"colour": COLOURS[shown.part]}
            shown.layer.metadata[RECORD_KEY] = record | colour | {"output": shown.output.name}
            shown.layer.refresh(extent=False)
            if outcome.state != "done":
                finished, total = self.plane_counts()
                shown.rename(f"{finished} of {counted(total)}" if total > 1 else "unfinished")

    def _record(self, outcome: Outcome) -> dict[str, Any]:
        record = self.plan.record_of(outcome)
        if outcome.state == "done":
            return record
        if unfinished := self._unfinished():
            record["messages"] = [*record["messages"], unfinished]
        return record | self.plan.notes(self.results)

    def activity(self) -> str:
        """What is being done, and how far it is."""
        finished, total = self.plane_counts()
        output = self.plan.outputs[0]
        if total == 1 and samples_of(output) > 1:
            return f"{len(self.results.finished[output.name])} of {samples_of(output)} samples finished"
        return self.plan.activity(finished, total)

    def _finished(self) -> set[Plane]:
        """Planes that are finished in all outputs, with all their samples."""
        each = [finished_planes(out, self.results.finished[out.name]) for out in self.plan.outputs]
        return set.intersection(*each) if each else set()

    def _all(self) -> set[Plane]:
        planes = planes_of_output(self.plan.outputs[0])
        return {plane for plane in planes if self.plan.asked is None or plane in self.plan.asked}

    def plane_counts(self) -> tuple[int, int]:
        """Finished planes and all that were asked for."""
        return len(self._finished()), len(self._all())

    def _unfinished(self) -> str:
        """Which planes are unfinished, in a sentence; empty where that says nothing."""
        output = self.plan.outputs[0]
        at = [i for i, letter in enumerate(output.axes[:-2]) if letter != "N"]
        missing = self._all() - self._finished()
        if not at or not missing:
            return ""
        axes = "".join(output.axes[i] for i in at)
        words = planes_in_words(axes, missing, [output.origin[i] for i in at])
        return f"Unfinished, and blank: {words}."

    def _summary(self, outcome: Outcome) -> str:
        finished, total = self.plane_counts()
        samples = samples_of(self.plan.outputs[0])
        noun = "image" if self.plan.method.pieces == IMAGES else "plane"
        if outcome.state == "done":
            what = f"{samples} samples of {counted(finished)}" if samples > 1 else counted(finished, noun)
            return f"Finished {what} in {in_words(outcome.seconds)}.{ADDED_UP * self.added_up}"
        if not self._shown:
            return "Cancelled; nothing was finished yet."
        if samples > 1 and total == 1:
            kept = len(self.results.finished[self.plan.outputs[0].name])
            return f"Cancelled; kept {kept} of {samples} samples. The others are blank."
        kept_words = (
            f"kept {finished} of {counted(total, noun)}" if finished else "kept the part that was finished"
        )
        return f"Cancelled; {kept_words}. {self._unfinished()}".strip()

    @property
    def added_up(self) -> bool:
        """Whether results and their image are added up on the screen, where both are too bright."""
        source = self.plan.layer
        return source is not None and (
            str(source.blending) == "additive"
            and source in self._viewer.layers
            and bool(source.visible)
            and any(str(shown.layer.blending) == "additive" for shown in self._shown)
        )

    def _on_removed(self, event: Any) -> None:
        for shown in list(self._shown):
            if shown.layer == event.value:  # the event may bring a proxy
                self._shown.remove(shown)
                if not self._shown:
                    self._disconnect()
                    self.delete()

    def _disconnect(self) -> None:
        self._viewer.layers.events.removed.disconnect(self._on_removed)
