"""Solvers: how a state moves from one noise level to the next, given estimates of the clean image.

A solver is a generator that never sees the network. It yields a :class:`Query` (a state and its noise level), is
sent the estimate of x₀ for it, and returns the final state. So the caller decides how the estimate is computed
(whole, tile by tile, on another device), reports progress and stops whenever it likes::

    solver = ddim(noise, levels)
    query = next(solver)
    while True:
        query = solver.send(estimate(query.x, query.level))

:func:`driven` is that loop inside a job. Arithmetic on coefficients is in float64, tensors keep their type.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

from torch import Tensor

from napari_diffuscope.diffusion.denoiser import noise_estimate
from napari_diffuscope.diffusion.schedule import NoiseLevel, check_descending


@dataclass(frozen=True)
class Query:
    """A state whose clean image a solver asks for.

    Parameters
    ----------
    x
        The state.
    level
        Its noise level.
    step
        How many were asked for before.
    mirrored
        Axes, counted from the last (-1 is X), along which the network is to see the state and its condition mirrored.
    """

    x: Tensor
    level: NoiseLevel
    step: int
    mirrored: tuple[int, ...] = ()


Item = TypeVar("Item")
Solver = Generator[Query, Tensor, Tensor]
FreshNoise = Callable[[int], Tensor]
"""Unit normal noise of the state's shape for a step; step 0 is the start."""


def ddim(
    x: Tensor, levels: Sequence[NoiseLevel], *, eta: float = 0.0, fresh: FreshNoise | None = None
) -> Solver:
    """DDIM; Song, Meng & Ermon 2021, eq. 12 and 16.

    Parameters
    ----------
    x
        State at ``levels[0]``.
    levels
        From the highest noise to the level to end at.
    eta
        0 is the deterministic sampler, 1 the ancestral one. More than 0 needs ``fresh``.
    fresh
        Noise for each step.

    Returns
    -------
    Tensor
        State at ``levels[-1]``.
    """
    check_descending(levels)
    for step, (level, following) in enumerate(pairwise(levels)):
        clean = yield Query(x, level, step)
        noise = noise_estimate(x, clean, level)
        added = eta * _ancestral_sigma(level, following)
        x = following.alpha * clean + math.sqrt(max(following.sigma**2 - added**2, 0.0)) * noise
        if added > 0:
            if fresh is None:
                raise ValueError("DDIM with eta above 0 needs fresh noise")
            x = x + added * fresh(step + 1)
    return x


def _ancestral_sigma(level: NoiseLevel, following: NoiseLevel) -> float:
    """Standard deviation of q(x_s | x_t, x_0)."""
    if level.sigma == 0 or following.sigma == 0:
        return 0.0
    ratio = level.alpha / following.alpha
    return (
        following.sigma / level.sigma * math.sqrt(max(level.sigma**2 - (ratio * following.sigma) ** 2, 0.0))
    )


def dpm_solver_pp_2m(x: Tensor, levels: Sequence[NoiseLevel]) -> Solver:
    """DPM-Solver++(2M), midpoint form; Lu et al. 2022 (arXiv 2211.01095), algorithm 2.

    Parameters
    ----------
    x
        State at ``levels[0]``; pure noise (alpha = 0) is allowed.
    levels
        From the highest noise to the level to end at.

    Returns
    -------
    Tensor
        State at ``levels[-1]``.
    """
    check_descending(levels)
    previous: Tensor | None = None
    last_h = math.inf
    for step, (level, following) in enumerate(pairwise(levels)):
        clean = yield Query(x, level, step)
        h = following.log_snr_half - level.log_snr_half
        # Extrapolation from the last two estimates; none over an infinite step, the first from pure noise or the last
        # to none.
        curvature = 0.0 if previous is None or following.sigma == 0 or math.isinf(h) else 0.5 * h / last_h
        best = (
            clean if curvature == 0.0 or previous is None else (1 + curvature) * clean - curvature * previous
        )
        x = (following.sigma / level.sigma) * x - following.alpha * math.expm1(-h) * best
        previous, last_h = clean, h
    return x


def ancestral_means(x: Tensor, levels: Sequence[NoiseLevel]) -> Solver:
    """The ancestral chain without its noise: every step goes to the mean of q(x_s | x_t, x_0).

    Stays at the posterior mean rather than drawing a sample. Ho et al. 2020, eq. 7, for any pair of levels.

    Parameters
    ----------
    x
        State at ``levels[0]``.
    levels
        From the highest noise to the level to end at.

    Returns
    -------
    Tensor
        State at ``levels[-1]``.
    """
    check_descending(levels)
    for step, (level, following) in enumerate(pairwise(levels)):
        clean = yield Query(x, level, step)
        ratio = level.alpha / following.alpha
        kept = ratio * (following.sigma / level.sigma) ** 2
        x = kept * x + (following.alpha - kept * level.alpha) * clean
    return x


def driven(
    solver: Solver, answer: Callable[[Query], Generator[Item, None, Tensor]]
) -> Generator[Item, None, Tensor]:
    """Drive a solver whose questions are answered by a generator: passes on what that yields, returns the end.

    Parameters
    ----------
    solver
        A fresh one.
    answer
        Gives for a query the estimate of x₀, as the result of a generator.
    """
    query = next(solver)
    while True:
        clean = yield from answer(query)
        try:
            query = solver.send(clean)
        except StopIteration as stop:
            final: Tensor = stop.value
            return final


def translated(
    solver: Generator[Query, Any, Tensor],
    *,
    answer: Callable[[Any], Any] = lambda clean: clean,
    query: Callable[[Query], Query] = lambda query: query,
) -> Generator[Query, Any, Tensor]:
    """A solver that asks and is answered in other words.

    Parameters
    ----------
    solver
        A fresh one.
    answer
        From what is sent to what the solver understands.
    query
        From what the solver asks to what is yielded.
    """
    asked = next(solver)
    while True:
        sent = yield query(asked)
        try:
            asked = solver.send(answer(sent))
        except StopIteration as stop:
            final: Tensor = stop.value
            return final
