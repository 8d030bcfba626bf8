"""From a mode to a chain of network evaluations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from napari_diffuscope.diffusion.ancestral import AncestralSolver
from napari_diffuscope.diffusion.posterior_mean import STEPS, mean_chain, mean_levels
from napari_diffuscope.diffusion.schedule import CLEAN, CosineSchedule, NoiseLevel
from napari_diffuscope.diffusion.solvers import FreshNoise, Solver, ddim, dpm_solver_pp_2m
from napari_diffuscope.methods.shape.settings import ShapeSettings
from napari_diffuscope.weights.model import Model
from napari_diffuscope.weights.published_sampler import of_estimates, published_levels, published_solver


@dataclass(frozen=True)
class ShapePlan:
    """How a sample, or the estimate, of a cell is made.

    Parameters
    ----------
    evaluations
        How often the network is asked.
    start
        Makes the solver, given unit noise by step; it is sent whole estimates.
    solver
        What it is called, for records.
    """

    evaluations: int
    start: Callable[[FreshNoise], AncestralSolver]
    solver: str


def shape_plan(model: Model, settings: ShapeSettings) -> ShapePlan:
    """The plan for a mode.

    Raises
    ------
    DiffuscopeError
        For ``as-published`` with a model that has no published sampler.
    """
    match settings.mode:
        case "as-published":
            count = len(published_levels(model)) - 1
            return ShapePlan(count, lambda noise: published_solver(model, noise(0), noise), "as-published")
        case "estimate":
            return _estimate_plan(model, settings)
        case _:
            return _sample_plan(model, settings)


def _estimate_plan(model: Model, settings: ShapeSettings) -> ShapePlan:
    """The posterior mean: one evaluation at pure noise, or a chain that stays at the mean."""
    schedule = model.schedule
    if isinstance(schedule, CosineSchedule):
        if settings.solver is None:
            levels = [schedule.highest(), CLEAN]
            return ShapePlan(1, lambda noise: of_estimates(_chain(noise, levels, "ddim")), "one evaluation")
        levels = schedule.levels(settings.steps or STEPS)
    else:
        levels = mean_levels(schedule, settings.steps or STEPS)
    kind = settings.solver or "ancestral-mean"
    return ShapePlan(len(levels) - 1, lambda noise: of_estimates(_chain(noise, levels, kind)), kind)


def _chain(noise: FreshNoise, levels: list[NoiseLevel], kind: str) -> Solver:
    like = torch.zeros_like(noise(0))
    return mean_chain(like, levels, kind="ancestral-means" if kind == "ancestral-mean" else "ddim")


def _sample_plan(model: Model, settings: ShapeSettings) -> ShapePlan:
    """One sample of what the cell may be."""
    spec = model.card.diffusion
    levels = model.schedule.levels(settings.steps or spec.steps)
    kind = settings.solver or spec.solver
    if kind == "ancestral":
        return ShapePlan(len(levels) - 1, lambda noise: of_estimates(_ancestral(noise, levels)), kind)
    solver = ddim if kind == "ddim" else dpm_solver_pp_2m
    return ShapePlan(len(levels) - 1, lambda noise: of_estimates(solver(noise(0), levels)), kind)


def _ancestral(noise: FreshNoise, levels: list[NoiseLevel]) -> Solver:
    """Ho et al. 2020, algorithm 2, for any levels: what a step got wrong is partly replaced by fresh noise."""
    return ddim(noise(0), levels, eta=1.0, fresh=noise)
