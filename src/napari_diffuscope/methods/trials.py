"""Short runs that tell how long evaluations take: inputs and settings of a part of the work. Free of torch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_diffuscope.imaging.blocks import in_standard_order
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.methods.method import Inputs
from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.methods.shape.settings import ShapeSettings
from napari_diffuscope.methods.superres.settings import SuperresSettings
from napari_diffuscope.weights.card import ModelCard

#: Evaluations of a trial.
STEPS = 3
#: Edges, in pixels, of the part of a plane and of a volume.
PLANE_SIDE, VOLUME_SIDE = 512, 48


def restore_trial(
    inputs: Inputs, settings: RestoreSettings, card: ModelCard
) -> tuple[Inputs, RestoreSettings]:
    """A few evaluations of the middle of a plane."""
    image = inputs["image"]
    (y0, y1), (x0, x1) = (_middle(length, PLANE_SIDE) for length in image.plane_shape)
    plane = settings.planes[0] if settings.planes else image.plane_count // 2
    return inputs, replace(
        settings,
        mode="estimate" if card.diffusion.estimate_only else "sample",
        steps=STEPS,
        planes=(plane,),
        crop=(y0, y1, x0, x1),
    )


def superres_trial(
    inputs: Inputs, settings: SuperresSettings, card: ModelCard
) -> tuple[Inputs, SuperresSettings]:
    """A few evaluations of the slices of some rows in the middle of a volume."""
    ordered = in_standard_order(inputs["image"])
    lead = (0,) * len(ordered.leading_shape[:-1])
    y, x = (slice(*_middle(length, VOLUME_SIDE)) for length in ordered.plane_shape)
    part = Image.wrap(
        np.asarray(ordered.data[(*lead, slice(None), y, x)]),
        "ZYX",
        scale=ordered.scale[-3:],
        units=ordered.units[-3:],
        name=ordered.name,
    )
    only = card.diffusion.estimate_only
    short = replace(settings, mode="estimate" if only else "sample", steps=None if only else STEPS)
    return {"image": part}, short


def shape_trial(inputs: Inputs, settings: ShapeSettings, card: ModelCard) -> tuple[Inputs, ShapeSettings]:
    """A few evaluations of the shape of a disc."""
    y, x = np.mgrid[-48:48, -48:48]
    disc = (y**2 + x**2 < 20**2).astype(np.uint8)
    only = card.diffusion.estimate_only
    return {"image": Image.wrap(disc * 200, "YX"), "labels": Image.wrap(disc, "YX")}, replace(
        settings,
        mode="estimate" if only else "sample",
        steps=None if only else STEPS,
        solver=None,
        plane=None,
        pixel_size=1.0,
    )


def _middle(length: int, side: int) -> tuple[int, int]:
    """Where the middle part of a length begins and ends."""
    side = min(length, side)
    return (length - side) // 2, (length + side) // 2
