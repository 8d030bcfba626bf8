"""What a restoration does and shows in a viewer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from numpy import ndindex

from napari_diffuscope.imaging.image import Image
from napari_diffuscope.jobs import Job
from napari_diffuscope.methods.restore.method import RESTORE
from napari_diffuscope.methods.restore.settings import Mode, RestoreSettings
from napari_diffuscope.methods.running import array_sinks, memory_job, method_job
from napari_diffuscope.viewer.answers import layer_label
from napari_diffuscope.viewer.layer_run import RunPlan, early_record_of
from napari_diffuscope.viewer.layers import OutputLayer
from napari_diffuscope.viewer.results import Plane, Results
from napari_diffuscope.viewer.runner import Outcome
from napari_diffuscope.weights.card import ModelCard

#: Edge in pixels, and evaluations, of a trial.
TRIAL_SIDE, TRIAL_STEPS = 512, 3


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
    settings = request.settings
    inputs = {"image": request.image}
    described = RESTORE.outputs(inputs, settings)
    outputs = [
        OutputLayer(
            each.name,
            each.axes,
            each.shape,
            each.origin,
            layer_label(each.label, settings, each.name),
            same_contrast=not each.spread and (not request.layer.rgb or "C" in each.axes),
            split="C" if request.layer.rgb and "C" in each.axes else "",
        )
        for each in described
    ]

    def make_job(results: Results) -> Job[Any]:
        if request.layer.rgb:  # a grey image of it has other intensities than its colours
            results.limits_from(request.image.read_plane(request.order[0] if request.order else 0))
        sinks = array_sinks(RESTORE, described, settings, results.arrays)
        return method_job(RESTORE, inputs, settings, sinks=sinks, order=request.order)

    def early_record(outcome: Outcome, results: Results) -> dict[str, Any]:
        record = early_record_of(RESTORE, inputs, settings, request.card, outcome)
        return {**record, "planes_done": planes_done(request.image, outputs, results)}

    asked = _asked(request.image, outputs[0], settings)
    return RunPlan(request.layer, request.axes, outputs, make_job, early_record, _activity, asked)


def trial_settings(settings: RestoreSettings, card: ModelCard, image: Image, plane: int) -> RestoreSettings:
    """Settings of a few evaluations of the middle of a plane, which tell how long one takes."""
    crop = []
    for length in image.plane_shape:
        side = min(length, TRIAL_SIDE)
        crop += [(length - side) // 2, (length + side) // 2]
    y0, y1, x0, x1 = crop
    mode: Mode = "estimate" if card.diffusion.estimate_only else "sample"
    return replace(settings, mode=mode, steps=TRIAL_STEPS, planes=(plane,), crop=(y0, y1, x0, x1))


def trial_job(image: Image, settings: RestoreSettings) -> Job[Any]:
    """A restoration whose result nobody sees."""
    return memory_job(RESTORE, {"image": image}, settings)


def _asked(image: Image, output: OutputLayer, settings: RestoreSettings) -> frozenset[Plane] | None:
    """Planes of an output that will be made; ``None`` for all."""
    if settings.planes is None:
        return None
    first = output.origin[len(output.axes) - len(image.axes) : -2]
    return frozenset(
        tuple(int(i - o) for i, o in zip(image.plane_index(flat), first, strict=True))
        for flat in settings.planes
    )


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
            planes += [(output.name, (*lead, *place)) for lead in ndindex(output.shape[:new])]
        if all(plane in results.finished[name] for name, plane in planes):
            done.append(flat)
    return done


def _activity(finished: int, total: int) -> str:
    return f"{finished} of {total} planes finished" if total > 1 else "Restoring this plane"
