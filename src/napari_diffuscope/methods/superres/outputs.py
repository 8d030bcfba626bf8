"""What a super-resolution will give: names, axes, shapes, scales, known before it starts. Free of torch."""

from __future__ import annotations

import numpy as np

from napari_diffuscope.imaging.blocks import Channel, VolumeSpec, in_standard_order
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.methods.answers import answer_label
from napari_diffuscope.methods.method import Inputs, Output
from napari_diffuscope.methods.superres.scale import ZScale, plan_scale, plane_grid, z_unit
from napari_diffuscope.methods.superres.settings import SuperresSettings

RESULT, DEVIATION = "superresolved", "deviation"
LABELS = {RESULT: "super-resolved", DEVIATION: "uncertainty"}


def describe_outputs(inputs: Inputs, settings: SuperresSettings) -> list[Output]:
    """Outputs: ``superresolved`` and ``deviation``, in the order in which they should be shown.

    Plane 0 lies where the input's first plane lies; where the factor is a whole number f, measured plane i is
    plane i · f, at the same physical place, and the z-step is that of the input over f.

    Raises
    ------
    DiffuscopeError
        As :func:`~napari_diffuscope.methods.superres.scale.plan_scale`.
    """
    ordered = in_standard_order(inputs["image"])
    scale = plan_scale(ordered, settings)
    names = {"mean": (RESULT, DEVIATION), "deviation": (DEVIATION,)}.get(settings.mode, (RESULT,))

    def output(name: str) -> Output:
        spread = name == DEVIATION
        label = answer_label(LABELS[name], settings, spread=spread)
        return Output(name, _spec(ordered, settings, scale, name), label, spread=spread)

    return [output(name) for name in names]


def _spec(image: Image, settings: SuperresSettings, scale: ZScale, name: str) -> VolumeSpec:
    axis = image.axes.index("Z")
    shape, steps, units = list(image.shape), list(image.scale), list(image.units)
    shape[axis], steps[axis], units[axis] = scale.output, scale.step, z_unit(image, settings)
    (steps[-2], steps[-1]), (units[-2], units[-1]) = plane_grid(image, settings)
    whole = settings.pixels == "input" and name == RESULT
    return VolumeSpec(
        shape=tuple(shape),
        axes=image.axes,
        dtype=np.dtype(image.dtype).name if whole else "float32",
        scale=tuple(steps),
        units=tuple(units),
        translate=image.translate,
        name=f"{image.name} {name}",
        channels=tuple(map(Channel, image.channels)),
    )
