"""How much work a shape is, and a short prediction that tells how long evaluations take. Free of torch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_diffuscope.imaging.image import Image
from napari_diffuscope.methods.effort import MEAN_STEPS, TRIAL_STEPS, Effort, steps_of
from napari_diffuscope.methods.method import Inputs
from napari_diffuscope.methods.shape.settings import ShapeSettings
from napari_diffuscope.weights.card import ModelCard


def shape_effort(inputs: Inputs, settings: ShapeSettings, card: ModelCard) -> Effort:
    """Work of the shape of one cell; every cell has a window of one size."""
    steps = steps_of(settings.mode, settings.steps, card.diffusion)
    if settings.mode == "estimate" and settings.solver is not None:
        steps = settings.steps or MEAN_STEPS
    elif settings.mode == "estimate" and steps > 1:
        steps = settings.steps or steps
    return Effort(1, "cell", settings.draws, steps, 1.0)


def shape_trial(inputs: Inputs, settings: ShapeSettings, card: ModelCard) -> tuple[Inputs, ShapeSettings]:
    """A few evaluations of the shape of a disc."""
    y, x = np.mgrid[-48:48, -48:48]
    disc = (y**2 + x**2 < 20**2).astype(np.uint8)
    only = card.diffusion.estimate_only
    return {"image": Image.wrap(disc * 200, "YX"), "labels": Image.wrap(disc, "YX")}, replace(
        settings,
        mode="estimate" if only else "sample",
        steps=None if only else TRIAL_STEPS,
        solver=None,
        plane=None,
        pixel_size=1.0,
    )
