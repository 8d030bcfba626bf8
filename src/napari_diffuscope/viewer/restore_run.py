"""What a restoration does and shows in a viewer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_diffuscope.imaging.image import Image
from napari_diffuscope.jobs import Job
from napari_diffuscope.methods.outputs import describe_outputs
from napari_diffuscope.methods.settings import RestoreSettings
from napari_diffuscope.viewer.layer_run import RunPlan, begun_record
from napari_diffuscope.viewer.layers import OutputLayer
from napari_diffuscope.viewer.results import Results
from napari_diffuscope.viewer.runner import Outcome
from napari_diffuscope.weights.card import ModelCard

LABELS = {"restored": "restored", "deviation": "uncertainty"}


@dataclass(frozen=True)
class Request:
    """What to restore: a layer, its image and axes, how, the planes in the order to work, and the model's card."""

    layer: Any
    image: Image
    axes: str
    settings: RestoreSettings
    order: Sequence[int] | None = None
    card: ModelCard | None = None


def restore_plan(request: Request) -> RunPlan:
    """The run of a restoration.

    Raises
    ------
    DiffuscopeError
        For planes or a crop that the image does not have.
    """
    outputs = [
        OutputLayer(spec.name, spec.axes, spec.shape, spec.origin, LABELS.get(spec.name, spec.name))
        for spec in describe_outputs(request.image, request.settings)
    ]

    def make_job(results: Results) -> Job[Any]:
        from napari_diffuscope.methods.restoration import restoration_job

        return restoration_job(request.image, request.settings, sinks=results.arrays, order=request.order)

    def early_record(outcome: Outcome, results: Results) -> dict[str, Any]:
        record = begun_record("restoration", request.image, request.settings, request.card, outcome)
        return {**record, "planes_done": planes_done(request.image, outputs, results)}

    return RunPlan(request.layer, request.axes, outputs, make_job, early_record, _activity)


def planes_done(image: Image, outputs: Sequence[OutputLayer], results: Results) -> list[int]:
    """Flat numbers, in the input, of the planes that are finished in every output and sample."""
    done = []
    for flat in range(image.plane_count):
        planes = []
        for output in outputs:
            new = len(output.axes) - len(image.axes)
            place = tuple(
                int(i - o) for i, o in zip(image.plane_index(flat), output.origin[new:], strict=False)
            )
            planes += [(output.name, (*lead, *place)) for lead in np.ndindex(output.shape[:new])]
        if all(plane in results.finished[name] for name, plane in planes):
            done.append(flat)
    return done


def _activity(finished: int, total: int) -> str:
    return f"{finished} of {total} planes finished" if total > 1 else "Restoring this plane"
