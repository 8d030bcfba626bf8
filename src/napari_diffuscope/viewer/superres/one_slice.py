"""One slice of a super-resolution: quick, and shows what to expect of the volume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from napari_diffuscope.jobs import Job
from napari_diffuscope.methods.answers import answer_label
from napari_diffuscope.methods.method import Output
from napari_diffuscope.methods.superres.outputs import RESULT
from napari_diffuscope.viewer.results import Results
from napari_diffuscope.viewer.run_plan import RunPlan

SLICE_LABEL = "XZ slice"


def slice_plan(volume: RunPlan, *, row: int, leading: Mapping[str, int]) -> RunPlan:
    """The run of one XZ slice, at its place in the volume.

    Parameters
    ----------
    volume
        The run of the volume.
    row
        Index along y.
    leading
        Index along the axes before z, by letter; 0 where nothing is said.
    """
    spec, settings, image = volume.outputs[0].spec, volume.settings, volume.inputs["image"]
    index = tuple(leading.get(letter, 0) for letter in spec.axes[:-3])
    shape = (*(1 for _ in index), spec.shape[-3], 1, spec.shape[-1])
    # of several samples the first is shown
    mode = "sample" if settings.mode in ("mean", "deviation") else settings.mode
    label = answer_label(f"{SLICE_LABEL} {row}", replace(settings, mode=mode))

    def job(results: Results) -> Job[Any]:
        from napari_diffuscope.methods.superres.preview import slice_job

        return slice_job(image, settings, row=row, leading=index, target=results.arrays[RESULT])

    return replace(
        volume,
        outputs=[Output(RESULT, replace(spec, shape=shape), label, (*index, 0, row, 0))],
        job=job,
        notes=lambda results: {"method": "superres slice"},
        activity=lambda finished, total: "Filling in one slice",
    )


def is_slice(plan: RunPlan) -> bool:
    """Whether a run is that of a slice."""
    return plan.outputs[0].label.startswith(SLICE_LABEL)
