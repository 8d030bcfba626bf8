"""The samplers of the papers, for a model that was opened from one of their checkpoints."""

from __future__ import annotations

from collections.abc import Generator

from torch import Tensor

from napari_diffuscope.diffusion.ancestral import AncestralSolver, Estimate, ancestral
from napari_diffuscope.diffusion.schedule import CLEAN, DiscreteSchedule, NoiseLevel
from napari_diffuscope.diffusion.solvers import FreshNoise, Query, Solver, ddim, translated
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.weights.model import Model
from napari_diffuscope.weights.schedules import build_schedule


def published_levels(model: Model) -> list[NoiseLevel]:
    """Noise levels that the paper's sampler passes through, from the highest to the one it ends at.

    The whole table for ancestral chains. MSDSR's DDIM takes every fifth level and ends where a little noise
    is left, as its code does.

    Raises
    ------
    DiffuscopeError
        If no published sampler is known for the model.
    """
    spec = model.card.diffusion
    schedule = build_schedule(spec.schedule)
    if spec.published_steps is None or not isinstance(schedule, DiscreteSchedule):
        raise DiffuscopeError(
            f"For the model {model.card.name} no published sampler is known; choose another mode."
        )
    if spec.published_eta is not None:
        return schedule.levels(spec.published_steps, spacing="latent-diffusion")
    return [schedule.at(index) for index in reversed(range(len(schedule)))] + [CLEAN]


def published_solver(model: Model, noise: Tensor, fresh: FreshNoise) -> AncestralSolver:
    """The paper's own sampler.

    Parameters
    ----------
    model
        Opened from a checkpoint of one of the published systems.
    noise
        Unit normal noise to start from, ``(B, C, *space)``.
    fresh
        Unit normal noise of that shape for each later step, from 1.

    Returns
    -------
    AncestralSolver
        Send it :meth:`Model.full_estimate` of each query (or :meth:`Model.estimate`, unless the variance was
        learned); it asks ``len(published_levels(model)) - 1`` times.

    Raises
    ------
    DiffuscopeError
        If no published sampler is known for the model.
    """
    levels = published_levels(model)
    spec = model.card.diffusion
    if spec.published_eta is None:
        return ancestral(noise, levels, fresh=fresh, variance=spec.variance)
    return of_estimates(ddim(noise, levels, eta=spec.published_eta, fresh=fresh))


def of_estimates(solver: Solver) -> Generator[Query, Tensor | Estimate, Tensor]:
    """The same solver, which may be sent whole estimates."""
    return translated(solver, answer=lambda sent: sent.clean if isinstance(sent, Estimate) else sent)
