"""Ancestral sampling as the published codes do it: every step draws from q(x_s | x_t, x_0).

Their chains differ in the variance of that draw alone: the posterior variance β̃ (``fixed-small``), β itself
(``fixed-large``), or something between that the network has learned (``learned-range``).
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from napari_diffuscope.diffusion.schedule import NoiseLevel, check_descending
from napari_diffuscope.diffusion.solvers import FreshNoise, Query

Variance = Literal["fixed-small", "fixed-large", "learned-range"]


@dataclass(frozen=True)
class Estimate:
    """What a network says about a state.

    Parameters
    ----------
    clean
        Estimate of x₀.
    variance
        For networks that learned it: where the log-variance of a step lies between log β̃ (-1) and log β (1);
        Nichol & Dhariwal 2021, eq. 15. Of the shape of ``clean``, or ``None``.
    """

    clean: Tensor
    variance: Tensor | None = None


AncestralSolver = Generator[Query, Tensor | Estimate, Tensor]
"""A solver that may be sent an :class:`Estimate`, or only the estimate of x₀."""


@dataclass(frozen=True)
class AncestralStep:
    """The draw q(x_s | x_t, x_0) for one pair of levels; Ho et al. 2020, eq. 6 and 7, for any pair.

    Parameters
    ----------
    kept, given
        Weights of x_t and of x₀ in its mean.
    log_small, log_large
        Logarithms of β̃, clipped, and of β.
    last
        Whether it ends at no noise: then nothing is drawn.
    """

    kept: float
    given: float
    log_small: float
    log_large: float
    last: bool

    def mean(self, x: Tensor, clean: Tensor) -> Tensor:
        """Mean of x_s."""
        return self.kept * x + self.given * clean

    def log_variance(self, kind: Variance, learned: Tensor | None) -> Tensor | float:
        """Logarithm of the variance of x_s.

        Raises
        ------
        ValueError
            If it was learned, but not given.
        """
        match kind:
            case "fixed-small":
                return self.log_small
            case "fixed-large":
                return self.log_small if self.last else self.log_large
            case "learned-range":
                if learned is None:
                    raise ValueError("a learned variance must be sent with the estimate")
                share = (learned + 1) / 2
                return share * self.log_large + (1 - share) * self.log_small


def ancestral_steps(
    levels: Sequence[NoiseLevel], *, least_variance: float | None = None
) -> list[AncestralStep]:
    """Coefficients of all steps of a chain, in float64.

    Parameters
    ----------
    levels
        From the highest noise to the level to end at.
    least_variance
        β̃ is 0 for the step to no noise, so its logarithm is clipped: to this, or where it is ``None`` to β̃ of
        the step before, as OpenAI's codes do.
    """
    check_descending(levels)
    steps: list[AncestralStep] = []
    before = 0.0
    for level, following in pairwise(levels):
        ratio = level.alpha / following.alpha
        beta = level.sigma**2 - (ratio * following.sigma) ** 2
        small = beta * (following.sigma / level.sigma) ** 2
        floor = before or beta if least_variance is None else least_variance
        steps.append(
            AncestralStep(
                kept=ratio * (following.sigma / level.sigma) ** 2,
                given=following.alpha * beta / level.sigma**2,
                log_small=math.log(small if small > 0 else floor),
                log_large=math.log(beta),
                last=following.sigma == 0,
            )
        )
        before = small
    return steps


def ancestral(
    x: Tensor,
    levels: Sequence[NoiseLevel],
    *,
    fresh: FreshNoise,
    variance: Variance = "fixed-small",
) -> AncestralSolver:
    """Ancestral sampling; Ho et al. 2020, algorithm 2.

    Parameters
    ----------
    x
        State at ``levels[0]``.
    levels
        From the highest noise to the level to end at; the published chains pass through the whole table.
    fresh
        Unit normal noise for each step.
    variance
        Of each draw. ``learned-range`` must be sent an :class:`Estimate` with its ``variance``.

    Returns
    -------
    Tensor
        State at ``levels[-1]``.
    """
    for number, step in enumerate(ancestral_steps(levels)):
        answer = yield Query(x, levels[number], number)
        estimate = answer if isinstance(answer, Estimate) else Estimate(answer)
        x = step.mean(x, estimate.clean)
        if not step.last:
            half = step.log_variance(variance, estimate.variance) / 2
            spread = half.exp() if isinstance(half, Tensor) else math.exp(half)
            x = x + spread * fresh(number + 1)
    return x


def split_variance(output: Tensor, channels: int) -> tuple[Tensor, Tensor | None]:
    """Prediction and learned variance in a network's output ``(B, channels or 2 · channels, *space)``."""
    if output.shape[1] == channels:
        return output, None
    prediction, learned = torch.split(output, channels, 1)
    return prediction, learned
