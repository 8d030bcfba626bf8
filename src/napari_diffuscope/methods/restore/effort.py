"""How much work a restoration is, and a short one that tells how long evaluations take. Free of torch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_diffuscope.methods.effort import TRIAL_STEPS, Effort, middle, pixels_seen, steps_of
from napari_diffuscope.methods.method import Inputs
from napari_diffuscope.methods.restore.grid import grid_for
from napari_diffuscope.methods.restore.outputs import select
from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.weights.card import ModelCard

#: Evaluations that sharpen an estimate; as `methods.restore.chains.SHARPEN_STEPS`.
SHARPEN_STEPS = 4
#: Mirror images that are averaged, the image among them; as `methods.restore.chains.VIEWS`.
VIEWS = 4
#: Edge, in pixels, of the part of a plane that is tried.
TRIAL_SIDE = 512
#: Pixels that could be evaluated while one channel is learned from: 60 steps on two crops of 128 x 128 pixels, there
#: and back, and windows that are judged.
LEARNING = 60 * 2 * 128**2 * 4.0
#: Pixels that could be evaluated while one pixel is joined with those of two neighbours.
JOINING = 0.5


def restore_effort(inputs: Inputs, settings: RestoreSettings, card: ModelCard) -> Effort:
    """Work of a restoration.

    Raises
    ------
    DiffuscopeError
        For planes or a crop that the image does not have.
    """
    part, spec = select(inputs["image"], settings), card.diffusion
    height, width = part.plane_shape
    if settings.resample and (grid := grid_for(card, inputs["image"], part.region)) is not None:
        height, width = (last - first for first, last in grid.region_there)
    samples = {
        "mean": settings.samples,
        "deviation": settings.samples,
        "samples": settings.samples,
        "as-published": spec.published_samples,
    }.get(settings.mode, 1)
    steps = steps_of(settings.mode, settings.steps, spec)
    if settings.mode == "sharpened":
        steps = steps_of("estimate", None, spec)
        steps += (settings.steps or SHARPEN_STEPS) if settings.strength > 0 else 0
    views = VIEWS if settings.mirrored and settings.mode == "estimate" else 1
    learning = 0.0
    if settings.adapts:
        image = inputs["image"]
        learning = LEARNING * len({image.channel_of(flat) for flat in part.planes})
    pixels = pixels_seen(height) * pixels_seen(width)
    joining = JOINING * float(np.prod(inputs["image"].plane_shape)) if settings.joined_along else 0.0
    return Effort(len(part.planes), "plane", samples, steps, pixels, learning, joining, views)


def restore_trial(
    inputs: Inputs, settings: RestoreSettings, card: ModelCard
) -> tuple[Inputs, RestoreSettings]:
    """A few evaluations of the middle of a plane."""
    image = inputs["image"]
    (y0, y1), (x0, x1) = (middle(length, TRIAL_SIDE) for length in image.plane_shape)
    plane = settings.planes[0] if settings.planes else image.plane_count // 2
    return inputs, replace(
        settings,
        mode="estimate" if card.diffusion.estimate_only else "sample",
        steps=TRIAL_STEPS,
        adapt=False,
        neighbours="none",
        mirrored=False,
        planes=(plane,),
        crop=(y0, y1, x0, x1),
    )
