"""From what a user asks for to a chain of network evaluations."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from napari_diffuscope.diffusion.posterior_mean import mean_chain, mean_levels
from napari_diffuscope.diffusion.schedule import CLEAN, CosineSchedule, DiscreteSchedule, NoiseLevel
from napari_diffuscope.diffusion.solvers import Query, Solver, ddim, dpm_solver_pp_2m, translated
from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.weights.model import Model
from napari_diffuscope.weights.published_sampler import published_levels, published_solver

SHARPEN_STEPS = 4

VIEWS: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-2, -1))
"""Axes along which an image is mirrored where views of it are averaged. Quarter turns are none: noise of scanners runs
along lines, and networks are trained with lines along X."""

Noise = Callable[[int], Tensor]
"""Position-keyed unit noise of the state's shape for a step; step 0 starts the chain."""


@dataclass(frozen=True)
class Chain:
    """A way to a result.

    Parameters
    ----------
    evaluations
        How often the network is asked.
    start
        Makes the solver, given noise.
    """

    evaluations: int
    start: Callable[[Noise], Solver]


def estimate_chain(model: Model) -> Chain:
    """The posterior mean: one evaluation at pure noise, or for ε networks a short chain that stays at the mean."""
    highest = model.schedule.highest()
    if highest.alpha == 0:
        return Chain(1, lambda noise: _single(torch.zeros_like(noise(0)), highest))
    assert isinstance(model.schedule, DiscreteSchedule)  # the continuous one begins at pure noise
    levels = mean_levels(model.schedule)
    return Chain(len(levels) - 1, lambda noise: mean_chain(noise(0), levels))


def averaged_chain(chain: Chain) -> Chain:
    """The mean of what a chain gives for an image and its mirror images."""

    def start(noise: Noise) -> Solver:
        total = torch.zeros_like(noise(0))
        for number, mirrored in enumerate(VIEWS):
            total += yield from _renumbered(chain.start(noise), number * chain.evaluations, mirrored)
        return total / len(VIEWS)

    return Chain(chain.evaluations * len(VIEWS), start)


def sample_chain(model: Model, steps: int | None) -> Chain:
    """One sample of the posterior, by the model's own solver."""
    levels = model.schedule.levels(steps or model.card.diffusion.steps)
    return Chain(len(levels) - 1, lambda noise: _solver(model)(noise(0), levels))


def sharpened_chain(model: Model, steps: int | None, strength: float) -> Chain:
    """The estimate, taken back to a noise level and denoised again in a few steps.

    Parameters
    ----------
    strength
        Time to go back to, as a share of the whole chain.
    """
    mean = estimate_chain(model)
    if strength <= 0:
        return mean
    levels = _levels_below(model.schedule, strength, steps or SHARPEN_STEPS)

    def start(noise: Noise) -> Solver:
        clean = yield from mean.start(noise)
        state = levels[0].alpha * clean + levels[0].sigma * noise(1)
        final: Tensor = yield from _renumbered(_solver(model)(state, levels), mean.evaluations)
        return final

    return Chain(mean.evaluations + len(levels) - 1, start)


def published_chain(model: Model) -> Chain:
    """The sampler of the model's paper.

    Raises
    ------
    DiffuscopeError
        If none is known.
    """
    count = len(published_levels(model)) - 1
    return Chain(count, lambda noise: published_solver(model, noise(0), noise))


def chain_for(model: Model, settings: RestoreSettings) -> Chain:
    """Chain of one result of a mode."""
    match settings.mode:
        case "estimate":
            return averaged_chain(estimate_chain(model)) if settings.mirrored else estimate_chain(model)
        case "as-published":
            return published_chain(model)
        case "sharpened":
            return sharpened_chain(model, settings.steps, settings.strength)
        case _:
            return sample_chain(model, settings.steps)


def _single(x: Tensor, level: NoiseLevel) -> Solver:
    clean = yield Query(x, level, 0)
    return clean


def _solver(model: Model) -> Callable[[Tensor, list[NoiseLevel]], Solver]:
    return ddim if model.card.diffusion.solver == "ddim" else dpm_solver_pp_2m


def _levels_below(
    schedule: CosineSchedule | DiscreteSchedule, strength: float, steps: int
) -> list[NoiseLevel]:
    if isinstance(schedule, CosineSchedule):
        return [schedule.at(strength * (1 - i / steps)) for i in range(steps)] + [CLEAN]
    top = schedule.highest_index() * strength
    indices = sorted({round(top * (1 - i / steps)) for i in range(steps)}, reverse=True)
    return [schedule.at(index) for index in indices] + [CLEAN]


def _renumbered(solver: Solver, first: int, mirrored: tuple[int, ...] = ()) -> Generator[Query, Any, Tensor]:
    """A solver whose first step has another number, and whose states the network sees mirrored."""
    return translated(solver, query=lambda query: replace(query, step=query.step + first, mirrored=mirrored))
