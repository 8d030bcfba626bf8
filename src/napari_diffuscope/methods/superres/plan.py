"""From a mode to the noise levels and the solver of a volume, and one step of it at a time.

A volume that is larger than memory is moved on block by block, and a sampler may be killed between two blocks. So
each step is made by a fresh solver from what is stored: the state, the estimate, and the estimate before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from napari_diffuscope.diffusion.posterior_mean import mean_levels
from napari_diffuscope.diffusion.schedule import CLEAN, DiscreteSchedule, NoiseLevel
from napari_diffuscope.diffusion.solvers import Solver, ddim, dpm_solver_pp_2m
from napari_diffuscope.methods.superres.settings import SuperresSettings
from napari_diffuscope.weights.model import Model
from napari_diffuscope.weights.published_sampler import published_levels


@dataclass(frozen=True)
class SamplingPlan:
    """How a volume is made.

    Parameters
    ----------
    levels
        Noise levels, from the highest to the last.
    solver
        Which one.
    eta
        Of DDIM.
    noisy
        Whether it starts from noise; from zero otherwise.
    """

    levels: tuple[NoiseLevel, ...]
    solver: Literal["ddim", "dpm-solver++"]
    eta: float = 0.0
    noisy: bool = True

    @property
    def steps(self) -> int:
        """Evaluations of every slice."""
        return len(self.levels) - 1

    @property
    def remembers(self) -> bool:
        """Whether a step needs the estimate of the step before."""
        return self.solver == "dpm-solver++" and self.steps > 1

    def step(
        self, number: int, x: Tensor, clean: Tensor, before: Tensor | None, fresh: Callable[[int], Tensor]
    ) -> Tensor:
        """State at the next level.

        Parameters
        ----------
        number
            Of the step, from 0.
        x
            State at ``levels[number]``.
        clean, before
            Estimate for it, and that of the step before, where :attr:`remembers`.
        fresh
            Unit normal noise of a step.
        """
        if self.solver == "ddim":
            levels = self.levels[number : number + 2]
            return _last(ddim(x, levels, eta=self.eta, fresh=lambda _: fresh(number + 1)), clean)
        if number == 0 or before is None:
            return _last(dpm_solver_pp_2m(x, self.levels[number : number + 2]), clean)
        solver = dpm_solver_pp_2m(torch.zeros_like(x), self.levels[number - 1 : number + 2])
        next(solver)
        # The solver remembers the estimate of the step before; its state is then replaced by the stored one.
        solver.send(before).x.copy_(x)
        return _finish(solver, clean)


def _last(solver: Solver, clean: Tensor) -> Tensor:
    next(solver)
    return _finish(solver, clean)


def _finish(solver: Solver, clean: Tensor) -> Tensor:
    try:
        solver.send(clean)
    except StopIteration as stop:
        final: Tensor = stop.value
        return final
    raise AssertionError("a solver of one step asked twice")


def sampling_plan(model: Model, settings: SuperresSettings) -> SamplingPlan:
    """The plan for a mode.

    Raises
    ------
    DiffuscopeError
        For ``as-published`` with a model that has no published sampler.
    """
    schedule, spec = model.schedule, model.card.diffusion
    if settings.mode == "as-published":
        return SamplingPlan(tuple(published_levels(model)), "ddim", spec.published_eta or 0.0)
    if settings.mode == "estimate":
        highest = schedule.highest()
        if highest.alpha == 0:
            return SamplingPlan((highest, CLEAN), "ddim", noisy=False)
        assert isinstance(schedule, DiscreteSchedule)  # the continuous one begins at pure noise
        return SamplingPlan(tuple(mean_levels(schedule)), "ddim", noisy=False)
    solver = settings.solver or ("ddim" if spec.solver == "ddim" else "dpm-solver++")
    return SamplingPlan(tuple(schedule.levels(settings.steps or spec.steps)), solver)
