"""What a super-resolution does and shows in a viewer: a volume, or one slice of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from napari_diffuscope.imaging.blocks import VolumeSpec, in_standard_order
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.units import unit_name
from napari_diffuscope.jobs import Job
from napari_diffuscope.methods.effort import Effort, superres_effort
from napari_diffuscope.methods.running import array_sinks, memory_job, method_job
from napari_diffuscope.methods.superres.method import SUPERRES
from napari_diffuscope.methods.superres.outputs import RESULT
from napari_diffuscope.methods.superres.settings import SuperresMode, SuperresSettings
from napari_diffuscope.viewer.answers import layer_label
from napari_diffuscope.viewer.layer_run import RunPlan, early_record_of
from napari_diffuscope.viewer.layers import OutputLayer
from napari_diffuscope.viewer.results import Results
from napari_diffuscope.viewer.runner import Outcome
from napari_diffuscope.weights.card import ModelCard

SLICE_LABEL = "XZ slice"
#: Edge in pixels, and evaluations, of a trial.
TRIAL_SIDE, TRIAL_STEPS = 48, 3


@dataclass(frozen=True)
class Request:
    """What to fill in: a layer, its image and axes, how, the model's card, and sizes typed for a layer without."""

    layer: Any
    image: Image
    axes: str
    settings: SuperresSettings
    card: ModelCard | None = None
    typed: Mapping[str, tuple[float, str]] = field(default_factory=dict)


def superres_plan(request: Request) -> RunPlan:
    """The run of a volume.

    Raises
    ------
    DiffuscopeError
        For an image without scale, without z axis or with one plane.
    """
    inputs = {"image": request.image}
    described = SUPERRES.outputs(inputs, request.settings)
    outputs = [
        OutputLayer(
            each.name,
            each.axes,
            each.shape,
            each.origin,
            layer_label(each.label, request.settings, each.name),
            _grid(request, each.spec),
            same_contrast=not each.spread and (not request.layer.rgb or "C" in each.axes),
            sizes=request.typed,
            split=_colours(request.layer, each.axes),
        )
        for each in described
    ]

    def make_job(results: Results) -> Job[Any]:
        if request.layer.rgb:  # a grey volume of it has other intensities than its colours
            results.limits_from(request.image.read_plane(request.image.plane_count // 2))
        sinks = array_sinks(SUPERRES, described, request.settings, results.arrays)
        return method_job(SUPERRES, inputs, request.settings, sinks=sinks)

    def early_record(outcome: Outcome, results: Results) -> dict[str, Any]:
        return early_record_of(SUPERRES, inputs, request.settings, request.card, outcome)

    return RunPlan(request.layer, request.axes, outputs, make_job, early_record, _activity)


def slice_plan(request: Request, *, row: int, leading: Mapping[str, int]) -> RunPlan:
    """The run of one XZ slice, at its place in the volume.

    Parameters
    ----------
    request
        As for the volume.
    row
        Index along y.
    leading
        Index along the axes before z, by letter; 0 where nothing is said.

    Raises
    ------
    DiffuscopeError
        As for the volume.
    """
    inputs = {"image": request.image}
    spec = SUPERRES.outputs(inputs, request.settings)[0].spec
    index = tuple(leading.get(letter, 0) for letter in spec.axes[:-3])
    shape = (*(1 for _ in index), spec.shape[-3], 1, spec.shape[-1])
    output = OutputLayer(
        RESULT,
        spec.axes,
        shape,
        (*index, 0, row, 0),
        layer_label(f"{SLICE_LABEL} {row}", replace(request.settings, mode=slice_mode(request.settings))),
        _grid(request, spec),
        same_contrast=True,
        sizes=request.typed,
    )

    def make_job(results: Results) -> Job[Any]:
        from napari_diffuscope.methods.superres.preview import slice_job

        return slice_job(
            request.image, request.settings, row=row, leading=index, target=results.arrays[RESULT]
        )

    def early_record(outcome: Outcome, results: Results) -> dict[str, Any]:
        record = early_record_of(SUPERRES, inputs, request.settings, request.card, outcome)
        return record | {"method": "superres slice"}

    return RunPlan(
        request.layer, request.axes, [output], make_job, early_record, lambda *_: "Filling in one slice"
    )


def slice_trial(
    image: Image, settings: SuperresSettings, card: ModelCard
) -> tuple[Callable[[], Job[Any]], Effort]:
    """A job that fills in some rows of the middle of a volume, which tells how long evaluations take; its work."""
    mode: SuperresMode = "estimate" if card.diffusion.estimate_only else "sample"
    steps = None if card.diffusion.estimate_only else TRIAL_STEPS
    trial = replace(settings, mode=mode, steps=steps)
    ordered = in_standard_order(image)
    index = (*(0 for _ in ordered.leading_shape[:-1]), slice(None))
    box = []
    for length in ordered.plane_shape:
        side = min(length, TRIAL_SIDE)
        box.append(slice((length - side) // 2, (length + side) // 2))
    part = Image.wrap(
        np.asarray(ordered.data[(*index, *box)]),
        "ZYX",
        scale=ordered.scale[-3:],
        units=ordered.units[-3:],
        name=image.name,
    )

    def make_job() -> Job[Any]:
        return memory_job(SUPERRES, {"image": part}, trial)

    return make_job, superres_effort(part, trial, card.diffusion)


def slice_mode(settings: SuperresSettings) -> SuperresMode:
    """Mode of one slice: of several samples it shows the first."""
    return "sample" if settings.mode in ("mean", "deviation") else settings.mode


def _colours(layer: Any, axes: str) -> str:
    """Axis of the colours of an RGB layer that are worked one by one."""
    return "C" if layer.rgb and "C" in axes else ""


def _grid(request: Request, spec: VolumeSpec) -> dict[str, tuple[float, str]]:
    """Axes on which the result has other steps or units than the image."""
    before = in_standard_order(request.image)
    pairs = zip(spec.axes, spec.scale, spec.units, before.scale, before.units, strict=True)
    return {
        letter: (step, unit)
        for letter, step, unit, old_step, old_unit in pairs
        if (step, unit) != (old_step, unit_name(old_unit))
    }


def _activity(finished: int, total: int) -> str:
    return f"{finished} of {total} planes finished" if finished else "Filling in the planes between"
