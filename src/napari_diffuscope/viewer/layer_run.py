"""One run of any method in a viewer: the arrays that it fills and the layers that show them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_diffuscope import __version__
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.jobs import Job, Update
from napari_diffuscope.methods.record import RECORD_KEY
from napari_diffuscope.viewer.contrast import joined
from napari_diffuscope.viewer.layers import (
    OutputLayer,
    appearance,
    new_axes,
    output_keywords,
    view_for_layer,
)
from napari_diffuscope.viewer.progress import in_words
from napari_diffuscope.viewer.results import Plane, Results
from napari_diffuscope.viewer.runner import Outcome
from napari_diffuscope.weights.card import ModelCard

SPREAD = "deviation"
"""Output that is shown as a spread: from zero, in its own colours, below the image."""

SPREAD_COLORMAP = "inferno"
#: Seconds between two refreshes of a volume shown in 3D, which costs far more than a slice.
VOLUME_INTERVAL = 1.0


@dataclass(frozen=True)
class RunPlan:
    """What a run does and shows; each method makes one.

    Parameters
    ----------
    layer, axes
        The input layer, and the letters of its dimensions.
    outputs
        What the job will fill, in any order.
    make_job
        Gives the job; called in the worker, which then fills the arrays of the results.
    early_record
        Record of a run that did not end.
    activity
        What to say while the job says nothing, from the planes finished and planned.
    """

    layer: Any
    axes: str
    outputs: Sequence[OutputLayer]
    make_job: Callable[[Results], Job[Any]]
    early_record: Callable[[Outcome, Results], dict[str, Any]]
    activity: Callable[[int, int], str]


class LayerRun(QObject):
    """The result layers of one run.

    The input layer may change or vanish meanwhile: the run has its own reference to the pixels. When the user deletes
    the last of the result layers, ``abandoned`` is emitted.
    """

    abandoned = Signal()

    def __init__(self, viewer: Any, plan: RunPlan, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.plan = plan
        self._outputs = {output.name: output for output in plan.outputs}
        self.results = Results(list(plan.outputs))
        self.layers: dict[str, Any] = {}
        self._limits_set: dict[str, tuple[float, float]] = {}
        self._next_volume = 0.0
        self._deleted = False
        self._add_layers()
        viewer.layers.events.removed.connect(self._on_removed)

    def make_job(self) -> Job[Any]:
        """The job; called in the worker."""
        for _ in self.results.blank():
            yield Update(0, 0, "Preparing…")
        return (yield from self.plan.make_job(self.results))

    def _add_layers(self) -> None:
        """The spread below, so that the image is what is seen first."""
        source, axes = self.plan.layer, self.plan.axes
        for name in sorted(self._outputs, key=lambda name: name != SPREAD):
            output = self._outputs[name]
            keywords = output_keywords(source, output, axes=axes, grid=output.grid) | appearance(source)
            if name == SPREAD:
                keywords |= {"colormap": SPREAD_COLORMAP, "gamma": 1.0}
            self.layers[name] = self._viewer.add_image(
                view_for_layer(self.results.arrays[name], output.axes, axes),
                name=f"{source.name} {output.label}",
                contrast_limits=self._first_limits(name),
                **keywords,
            )
            if output.same_contrast and not source.rgb:
                self.layers[name].contrast_limits_range = source.contrast_limits_range
            self._limits_set[name] = tuple(self.layers[name].contrast_limits)

    def _first_limits(self, name: str) -> tuple[float, float]:
        """Until the first preview: nothing is seen anyway."""
        layer = self.plan.layer
        if layer.rgb:
            return 0.0, 1.0
        low, high = (float(limit) for limit in layer.contrast_limits)
        return (0.0, max(high - low, 1e-6)) if name == SPREAD else (low, high)

    def refresh(self) -> None:
        """Show what changed since the last call, if it is in view."""
        if not self.layers:
            return
        volume = self._viewer.dims.ndisplay == 3
        if volume and time.monotonic() < self._next_volume:
            return
        for name, planes in self.results.take_changes().items():
            layer = self.layers.get(name)
            if layer is None or not planes:
                continue
            self._steady_contrast(name, layer)
            if volume or self._in_view(name, layer, planes):
                layer.refresh(extent=False, thumbnail=False)
        self._next_volume = time.monotonic() + VOLUME_INTERVAL

    def finish(self, outcome: Outcome) -> str:
        """Leave only what is finished, with its record; returns a sentence on how it went."""
        self.results.drop_previews()
        if self.layers:
            self._disconnect()
        empty = [name for name in self.layers if not self.results.has_finished(name)]
        for name in empty:
            self._viewer.layers.remove(self.layers.pop(name))
        record = (
            dict(outcome.result.record)
            if outcome.state == "done"
            else self.plan.early_record(outcome, self.results)
        )
        record["axes"] = self.plan.axes + "S" * bool(self.plan.layer.rgb)  # as they were read, maybe by hand
        for name, layer in self.layers.items():
            self._steady_contrast(name, layer)
            layer.metadata[RECORD_KEY] = dict(record)
            layer.refresh(extent=False)
        return self._summary(outcome)

    def activity(self) -> str:
        """What is being done, and how far it is."""
        return self.plan.activity(*self._plane_counts())

    def _plane_counts(self) -> tuple[int, int]:
        """Finished planes and all planes of the outputs; of the slowest, where there are several."""
        finished = min((len(planes) for planes in self.results.finished.values()), default=0)
        total = max((int(np.prod(output.shape[:-2])) for output in self._outputs.values()), default=0)
        return finished, total

    def _summary(self, outcome: Outcome) -> str:
        finished, total = self._plane_counts()
        planes = f"{finished} {'plane' if finished == 1 else 'planes'}"
        if self._deleted:
            return "The result layers were deleted, so the run was cancelled."
        if outcome.state == "done":
            return f"Finished {planes} in {in_words(outcome.seconds)}."
        if finished:
            return f"Cancelled; kept {finished} of {total} planes."
        kept = any(self.results.has_finished(name) for name in self.layers)
        return (
            "Cancelled; kept the part that was finished." if kept else "Cancelled; nothing was finished yet."
        )

    def _steady_contrast(self, name: str, layer: Any) -> None:
        """Set the limits chosen from the first pixels, unless the input's stay or the user has set others."""
        if self._outputs[name].same_contrast and not self.plan.layer.rgb:
            return
        limits, current = self.results.limits.get(name), tuple(layer.contrast_limits)
        if limits is None or limits == self._limits_set[name] or current != self._limits_set[name]:
            return
        if name == SPREAD:  # small beside the intensities, whose range would leave no room to slide
            layer.contrast_limits_range = (0.0, 4 * limits[1])
        else:
            layer.contrast_limits_range = joined([layer.contrast_limits_range, limits])
        layer.contrast_limits = limits
        self._limits_set[name] = tuple(layer.contrast_limits)

    def _in_view(self, name: str, layer: Any, planes: set[Plane]) -> bool:
        """Whether one of the planes is on the screen."""
        output, axes = self._outputs[name], self.plan.axes
        letters = new_axes(output.axes, axes) + axes
        position = layer.world_to_data(np.asarray(self._viewer.dims.point))[-layer.ndim :]
        shown = {letter: round(float(value)) for letter, value in zip(letters, position, strict=True)}
        first = self._viewer.dims.ndim - layer.ndim
        displayed = {letters[axis - first] for axis in self._viewer.dims.displayed if axis >= first}
        fixed = [(i, shown[a]) for i, a in enumerate(output.axes[:-2]) if a not in displayed]
        return any(all(plane[i] == at for i, at in fixed) for plane in planes)

    def _on_removed(self, event: Any) -> None:
        for name, layer in list(self.layers.items()):
            if layer == event.value:  # the event may bring a proxy
                del self.layers[name]
                if not self.layers:
                    self._deleted = True
                    self._disconnect()
                    self.abandoned.emit()

    def _disconnect(self) -> None:
        self._viewer.layers.events.removed.disconnect(self._on_removed)


def begun_record(
    method: str, image: Image, settings: Any, card: ModelCard | None, outcome: Outcome
) -> dict[str, Any]:
    """What is known of a run that did not end, in the form of the method's own record."""
    return {
        "method": method,
        "plugin": __version__,
        "model": {
            "name": settings.model,
            "title": card.title if card else "",
            "sha256": card.sha256 if card else "",
        },
        "settings": settings.to_dict(),
        "input": {
            "name": image.name,
            "source": image.source,
            "series": image.series,
            "shape": list(image.shape),
            "axes": image.axes,
            "dtype": str(image.dtype),
        },
        "seconds": round(outcome.seconds, 3),
        "messages": [*image.notes, str(outcome.error or f"Ended early: {outcome.state}.")],
    }
