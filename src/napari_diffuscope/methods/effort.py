"""How much work a run is, in network evaluations, known before it starts. Free of torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from napari_diffuscope.imaging.blocks import in_standard_order
from napari_diffuscope.methods.method import Inputs
from napari_diffuscope.methods.restore.outputs import select
from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.methods.shape.settings import ShapeSettings
from napari_diffuscope.methods.superres.scale import plan_scale
from napari_diffuscope.methods.superres.settings import SuperresSettings
from napari_diffuscope.weights.card import DiffusionSpec, ModelCard

#: Evaluations of the estimate of a network that predicts noise; as `diffusion.posterior_mean.STEPS`.
MEAN_STEPS = 10
#: Evaluations that sharpen an estimate; as `methods.chains.SHARPEN_STEPS`.
SHARPEN_STEPS = 4
#: What tiles of the starter networks see around them, and the usual edge of a tile, in pixels.
HALO, TILE = 64, 512


@dataclass(frozen=True)
class Effort:
    """The work of a run.

    Parameters
    ----------
    pieces, noun
        How many pieces are worked on (planes, slices, cells), and what one is called.
    samples
        Results drawn of each piece.
    steps
        Evaluations of each sample.
    pixels
        Of one piece, with what is seen around it.
    """

    pieces: int
    noun: str
    samples: int
    steps: int
    pixels: float

    @property
    def evaluations(self) -> int:
        """Evaluations of the network on a whole piece."""
        return self.pieces * self.samples * self.steps

    @property
    def size(self) -> float:
        """Evaluations times pixels: what the time is about proportional to."""
        return self.evaluations * self.pixels

    def times(self, number: int) -> Effort:
        """The work for several images, or cells, alike."""
        return Effort(self.pieces * number, self.noun, self.samples, self.steps, self.pixels)


def restore_effort(inputs: Inputs, settings: RestoreSettings, card: ModelCard) -> Effort:
    """Work of a restoration.

    Raises
    ------
    DiffuscopeError
        For planes or a crop that the image does not have.
    """
    part, spec = select(inputs["image"], settings), card.diffusion
    height, width = part.plane_shape
    samples = {
        "mean": settings.samples,
        "deviation": settings.samples,
        "samples": settings.samples,
        "as-published": spec.published_samples,
    }.get(settings.mode, 1)
    steps = _steps(settings.mode, settings.steps, spec)
    if settings.mode == "sharpened":
        steps = _steps("estimate", None, spec)
        steps += (settings.steps or SHARPEN_STEPS) if settings.strength > 0 else 0
    return Effort(len(part.planes), "plane", samples, steps, _seen(height) * _seen(width))


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
    pixels = _seen(planes) * (height * _seen(width) + width * _seen(height)) / slices
    steps = _steps(settings.mode, settings.steps, card.diffusion)
    return Effort(volumes * slices, "slice", settings.volumes, steps, pixels)


def shape_effort(inputs: Inputs, settings: ShapeSettings, card: ModelCard) -> Effort:
    """Work of the shape of one cell; every cell has a window of one size."""
    steps = _steps(settings.mode, settings.steps, card.diffusion)
    if settings.mode == "estimate" and settings.solver is not None:
        steps = settings.steps or MEAN_STEPS
    elif settings.mode == "estimate" and steps > 1:
        steps = settings.steps or steps
    return Effort(1, "cell", settings.draws, steps, 1.0)


def _seen(length: int) -> float:
    """Pixels along one axis that go through the network: every tile is seen with what is around it."""
    return length + 2.0 * HALO * math.ceil(length / TILE)


def _steps(mode: str, steps: int | None, spec: DiffusionSpec) -> int:
    """Evaluations of one sample."""
    table = spec.schedule.kind != "continuous-cosine"
    if mode == "estimate":
        return min(MEAN_STEPS, spec.schedule.count) if table else 1
    if mode == "as-published":
        ancestral = spec.published_eta is None and table
        return spec.schedule.count if ancestral else spec.published_steps or spec.schedule.count
    wanted = steps or spec.steps
    return min(wanted, spec.schedule.count) if table else wanted
