"""How much work a run is, in network evaluations, known before it starts. Free of torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from napari_diffuscope.weights.card import DiffusionSpec

#: Evaluations of the estimate of a network that predicts noise; as `diffusion.posterior_mean.STEPS`.
MEAN_STEPS = 10
#: Evaluations of a trial.
TRIAL_STEPS = 3
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
    learning
        What is learned before, as the pixels that as much work could evaluate.
    beside
        What is done with each piece beside evaluations, likewise.
    views
        Mirror images that are worked on, the image itself among them; each takes all steps.
    """

    pieces: int
    noun: str
    samples: int
    steps: int
    pixels: float
    learning: float = 0.0
    beside: float = 0.0
    views: int = 1

    @property
    def evaluations(self) -> int:
        """Evaluations of the network on a whole piece."""
        return self.pieces * self.samples * self.views * self.steps

    @property
    def size(self) -> float:
        """Pixels that are evaluated: what the time is about proportional to, without what is learned before."""
        return self.evaluations * self.pixels + self.pieces * self.beside

    def times(self, number: int) -> Effort:
        """The work for several images, or cells, alike."""
        return replace(self, pieces=self.pieces * number, learning=self.learning * number)


def pixels_seen(length: int) -> float:
    """Pixels along one axis that go through the network: every tile is seen with what is around it."""
    return length + 2.0 * HALO * math.ceil(length / TILE)


def steps_of(mode: str, steps: int | None, spec: DiffusionSpec) -> int:
    """Evaluations of one sample."""
    table = spec.schedule.kind != "continuous-cosine"
    if mode == "estimate":
        return min(MEAN_STEPS, spec.schedule.count) if table else 1
    if mode == "as-published":
        ancestral = spec.published_eta is None and table
        return spec.schedule.count if ancestral else spec.published_steps or spec.schedule.count
    wanted = steps or spec.steps
    return min(wanted, spec.schedule.count) if table else wanted


def middle(length: int, side: int) -> tuple[int, int]:
    """Where the middle part of a length begins and ends."""
    side = min(length, side)
    return (length - side) // 2, (length + side) // 2
