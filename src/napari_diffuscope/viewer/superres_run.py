"""What a super-resolution does and shows in a viewer: a volume, or one slice of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_diffuscope.imaging.blocks import VolumeSpec, in_standard_order
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.units import unit_name
from napari_diffuscope.jobs import Job
from napari_diffuscope.methods.superres.outputs import RESULT, describe_superres
from napari_diffuscope.methods.superres.settings import SuperresSettings
from napari_diffuscope.viewer.layer_run import RunPlan, begun_record
from napari_diffuscope.viewer.layers import OutputLayer
from napari_diffuscope.viewer.results import Results
from napari_diffuscope.viewer.runner import Outcome
from napari_diffuscope.weights.card import ModelCard

LABELS = {RESULT: "super-resolved", "deviation": "uncertainty"}
SLICE_LABEL = "XZ slice"


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
    specs = describe_superres(request.image, request.settings)
    outputs = [
        OutputLayer(
            name,
            spec.axes,
            spec.shape,
            (0,) * len(spec.shape),
            LABELS[name],
            _grid(request, spec),
            same_contrast=name == RESULT,
            sizes=request.typed,
        )
        for name, spec in specs.items()
    ]

    def make_job(results: Results) -> Job[Any]:
        from napari_diffuscope.methods.superres.arrays import ArraySink
        from napari_diffuscope.methods.superres.job import superresolution_job

        sinks = {
            name: ArraySink(spec, request.settings.block, results.arrays[name])
            for name, spec in specs.items()
        }
        return superresolution_job(request.image, request.settings, sinks=sinks)

    def early_record(outcome: Outcome, results: Results) -> dict[str, Any]:
        record = begun_record("superresolution", request.image, request.settings, request.card, outcome)
        record["input"] |= {"scale": list(request.image.scale), "units": list(request.image.units)}
        return record

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
    spec = next(iter(describe_superres(request.image, request.settings).values()))
    index = tuple(leading.get(letter, 0) for letter in spec.axes[:-3])
    shape = (*(1 for _ in index), spec.shape[-3], 1, spec.shape[-1])
    output = OutputLayer(
        RESULT,
        spec.axes,
        shape,
        (*index, 0, row, 0),
        SLICE_LABEL,
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
        return begun_record("superresolution slice", request.image, request.settings, request.card, outcome)

    return RunPlan(
        request.layer, request.axes, [output], make_job, early_record, lambda *_: "Filling in one slice"
    )


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
