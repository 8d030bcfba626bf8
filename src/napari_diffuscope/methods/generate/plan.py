"""From a mode to noise levels, and one step of the sampler at a time, from what is stored of the step before."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_diffuscope.diffusion.ancestral import Estimate, Variance, ancestral_steps
from napari_diffuscope.diffusion.schedule import CLEAN, CosineSchedule, NoiseLevel
from napari_diffuscope.methods.generate.settings import GenerateSettings
from napari_diffuscope.methods.superres.plan import SamplingPlan
from napari_diffuscope.weights.model import Model
from napari_diffuscope.weights.published_sampler import published_levels

Fresh = Callable[[int], Tensor]
"""Unit normal noise of a step."""


@dataclass(frozen=True)
class GeneratePlan(SamplingPlan):
    """How an image is made: as a volume is, or by the ancestral chain.

    Parameters
    ----------
    variance
        Of the ancestral chain; ``None`` for the solver.
    """

    variance: Variance | None = None

    def moved(
        self, number: int, x: Tensor, estimate: Estimate, before: Tensor | None, fresh: Fresh
    ) -> Tensor:
        """State at the next level; parameters are those of `SamplingPlan.step`, with the whole estimate."""
        if self.variance is None:
            return self.step(number, x, estimate.clean, before, fresh)
        # The variance of the last step is that of the step before: the chain is known as a whole.
        step = ancestral_steps(self.levels)[number]
        mean = step.mean(x, estimate.clean)
        if step.last:
            return mean
        half = torch.as_tensor(step.log_variance(self.variance, estimate.variance)) / 2
        return mean + half.exp().to(x) * fresh(number + 1)


def generate_plan(model: Model, settings: GenerateSettings, strength: float = 1.0) -> GeneratePlan:
    """The plan for a mode.

    Parameters
    ----------
    model, settings
        What makes the image, and how.
    strength
        At which share of the chain it begins: 1 at pure noise.

    Raises
    ------
    DiffuscopeError
        For ``as-published`` with a model that has no published sampler.
    """
    spec = model.card.diffusion
    if settings.mode == "as-published":
        levels = published_levels(model)
        kept = tuple(levels[-max(2, round((len(levels) - 1) * strength) + 1) :])
        eta = spec.published_eta
        return GeneratePlan(kept, "ddim", eta or 0.0, variance=spec.variance if eta is None else None)
    levels = _levels(model, settings, strength)
    return GeneratePlan(tuple(levels), "ddim" if spec.solver == "ddim" else "dpm-solver++")


NOISIEST, CLEANEST = -3.67, 2.77
"""Halves of the log signal-to-noise ratio that steps are spread over evenly. Large structures, and how bright and full
an image is, are decided where noise is thirty times as strong as it; below a fourteenth of it a network of this size
adds grain alone."""


def _levels(model: Model, settings: GenerateSettings, strength: float) -> list[NoiseLevel]:
    """Levels of the lower part of the chain, as far apart as in the whole one."""
    schedule, steps = model.schedule, settings.steps or model.card.diffusion.steps
    if isinstance(schedule, CosineSchedule) and settings.spacing == "noise":
        return [*_spread_over_noise(schedule, steps, strength), CLEAN]
    if strength >= 1:
        return schedule.levels(steps)
    count = max(1, round(steps * strength))
    if isinstance(schedule, CosineSchedule):
        return [schedule.at(strength * (1 - i / count)) for i in range(count)] + [CLEAN]
    top = schedule.highest_index() * strength
    indices = sorted({round(top * (1 - i / count)) for i in range(count)}, reverse=True)
    return [schedule.at(index) for index in indices] + [CLEAN]


def _spread_over_noise(schedule: CosineSchedule, steps: int, strength: float) -> list[NoiseLevel]:
    """Levels evenly spaced in the log signal-to-noise ratio, after the first: pure noise, or that of the strength."""
    first = schedule.at(strength)
    apart = (CLEANEST - NOISIEST) / max(steps - 1, 1)
    if strength >= 1:
        return [first, *(_level(schedule, NOISIEST + (i + 0.5) * apart) for i in range(steps - 1))]
    left = CLEANEST - first.log_snr_half
    count = max(1, round(left / apart))
    return [first, *(_level(schedule, first.log_snr_half + i * left / count) for i in range(1, count))]


def _level(schedule: CosineSchedule, log_snr_half: float) -> NoiseLevel:
    """The level of a signal-to-noise ratio."""
    return schedule.at(2 / math.pi * math.atan(math.exp(-log_snr_half) / schedule.shift))
