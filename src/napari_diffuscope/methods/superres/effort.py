"""How much work a super-resolution is, and a short one that tells how long evaluations take. Free of torch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_diffuscope.imaging.blocks import in_standard_order
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.methods.effort import TRIAL_STEPS, Effort, middle, pixels_seen, steps_of
from napari_diffuscope.methods.method import Inputs
from napari_diffuscope.methods.superres.scale import plan_scale
from napari_diffuscope.methods.superres.settings import SuperresSettings
from napari_diffuscope.weights.card import ModelCard

#: Edge, in pixels, of the part of a volume that is tried.
TRIAL_SIDE = 48


def superres_effort(inputs: Inputs, settings: SuperresSettings, card: ModelCard) -> Effort:
    """Work of a super-resolution: XZ and YZ slices of every volume.

    Raises
    ------
    DiffuscopeError
        As :func:`~napari_diffuscope.methods.superres.scale.plan_scale`.
    """
    ordered = in_standard_order(inputs["image"])
    planes = plan_scale(ordered, settings).fine
    height, width = ordered.plane_shape
    volumes = ordered.plane_count // max(1, ordered.leading_shape[-1])
    slices = height + width
    # slices of both directions have different lengths; their mean counts as one
    pixels = pixels_seen(planes) * (height * pixels_seen(width) + width * pixels_seen(height)) / slices
    steps = steps_of(settings.mode, settings.steps, card.diffusion)
    return Effort(volumes * slices, "slice", settings.volumes, steps, pixels)


def superres_trial(
    inputs: Inputs, settings: SuperresSettings, card: ModelCard
) -> tuple[Inputs, SuperresSettings]:
    """A few evaluations of the slices of some rows in the middle of a volume."""
    ordered = in_standard_order(inputs["image"])
    lead = (0,) * len(ordered.leading_shape[:-1])
    y, x = (slice(*middle(length, TRIAL_SIDE)) for length in ordered.plane_shape)
    part = Image.wrap(
        np.asarray(ordered.data[(*lead, slice(None), y, x)]),
        "ZYX",
        scale=ordered.scale[-3:],
        units=ordered.units[-3:],
        name=ordered.name,
    )
    only = card.diffusion.estimate_only
    short = replace(settings, mode="estimate" if only else "sample", steps=None if only else TRIAL_STEPS)
    return {"image": part}, short
