"""What a run of a method does and shows, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from napari_diffuscope.imaging.image import Image
from napari_diffuscope.jobs import Job
from napari_diffuscope.methods.method import Inputs, Method, Output
from napari_diffuscope.methods.records import begun_record, note_card
from napari_diffuscope.methods.running import array_sinks, method_job
from napari_diffuscope.viewer.layer_sizes import Steps
from napari_diffuscope.viewer.results import Plane, Results
from napari_diffuscope.viewer.runner import Outcome
from napari_diffuscope.weights.card import ModelCard

Notes = Callable[[Results], dict[str, Any]]
"""From what was made to what a record says of it."""


@dataclass(frozen=True)
class RunPlan:
    """A run of a method; a dock makes one for each layer.

    Parameters
    ----------
    method, inputs, settings
        What is done.
    outputs
        What it will give, in any order.
    layer, axes
        The input layer, and the letters of its dimensions; ``None`` for a method that needs none.
    card
        Of the model, ``None`` for a checkpoint without.
    options
        How it is done, without deciding any number; of the method's own job.
    typed_sizes
        What the elements of the layer measure, where it says nothing and somebody typed it.
    activity
        What to say while the job says nothing, from the planes finished and planned.
    asked
        Planes of the outputs that will be finished, ``None`` for all: others between them stay blank.
    job
        Another job than the method's own, which fills the arrays of the results.
    notes
        What the record of a run that did not end says besides.
    """

    method: Method
    inputs: Inputs
    settings: Any
    outputs: Sequence[Output]
    layer: Any = None
    axes: str = ""
    card: ModelCard | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    typed_sizes: Steps = field(default_factory=dict)
    activity: Callable[[int, int], str] = lambda finished, total: "Working…"
    asked: frozenset[Plane] | None = None
    job: Callable[[Results], Job[Any]] | None = None
    notes: Notes = lambda results: {}

    @property
    def image(self) -> Image | None:
        """The input that the outputs belong to."""
        return self.inputs.get("image")

    def make_job(self, results: Results) -> Job[Any]:
        """The job, which fills the arrays of the results; called in the worker."""
        if self.layer is not None and self.image is not None and self.layer.rgb:
            # a grey image of it has other intensities than its colours
            order = self.options.get("order")
            results.limits_from(self.image.read_plane(order[0] if order else self.image.plane_count // 2))
        if self.job is not None:
            return self.job(results)
        sinks = array_sinks(self.method, self.outputs, self.settings, results.arrays)
        return method_job(self.method, self.inputs, self.settings, sinks=sinks, **self.options)

    def record_of(self, outcome: Outcome) -> dict[str, Any]:
        """Record of a run, also of one that did not end."""
        axes = self.axes + "S" * bool(getattr(self.layer, "rgb", False))  # as they were read, maybe by hand
        if outcome.state == "done":
            return dict(outcome.result.record) | {"axes": axes}
        record = begun_record(self.method, self.inputs, self.settings)
        if hasattr(self.settings, "model"):
            note_card(record, self.settings.model, self.card)
        record["seconds"] = round(outcome.seconds, 3)
        record["messages"].append(str(outcome.error or f"Ended early: {outcome.state}."))
        return record | {"axes": axes}
