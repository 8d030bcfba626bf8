"""The best estimate of a network that predicts ε: a short chain that stays at the posterior mean.

Such a network says nothing about the image at pure noise, and little near it: its error is amplified by σ / α.
So its estimate is refined down a chain without noise, started from zero.

With an exact denoiser the chain would best stop where noise and image are equally strong (``last_ratio`` 1):
further down, a state without noise looks like evidence for one of several possible images, and the estimate
leaves their mean for one of them. Real networks err, and their errors are averaged away by going to the end, which
is the default. ``benchmarks/epsilon_estimate.py`` measures both.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from napari_diffuscope.diffusion.schedule import CLEAN, DiscreteSchedule, NoiseLevel
from napari_diffuscope.diffusion.solvers import Solver, ancestral_means, ddim

MeanChain = Literal["ancestral-means", "ddim"]

STEPS = 10


def mean_levels(
    schedule: DiscreteSchedule, steps: int = STEPS, *, last_ratio: float = 0.0
) -> list[NoiseLevel]:
    """Levels of a chain that stays at the posterior mean.

    Parameters
    ----------
    schedule
        Without the levels where the error of an ε network explodes (``lowest_alpha_bar``).
    steps
        Number of network evaluations at most.
    last_ratio
        Lowest σ / α that is asked for; 0 goes down the whole table.

    Returns
    -------
    list of NoiseLevel
        From the highest to ``last_ratio``, and no noise: the last step goes to the last estimate itself.
    """
    top = schedule.highest_index()
    reached = (i for i in range(top) if schedule.at(i).sigma >= last_ratio * schedule.at(i).alpha)
    indices = np.linspace(top, next(reached, top), steps).round()
    return [schedule.at(i) for i in sorted({int(i) for i in indices}, reverse=True)] + [CLEAN]


def mean_chain(like: Tensor, levels: list[NoiseLevel], *, kind: MeanChain = "ddim") -> Solver:
    """A chain that stays at the posterior mean, started from no noise at all: it depends on no random number.

    Parameters
    ----------
    like
        A tensor of the state's shape, type and device.
    levels
        See :func:`mean_levels`.
    kind
        ``ddim``: DDIM. ``ancestral-means``: the ancestral chain without its noise, which was better for a network
        that was hardly trained, and worse for an exact denoiser and for one that was.

    Returns
    -------
    Tensor
        The estimate.
    """
    zero = torch.zeros_like(like)
    return ancestral_means(zero, levels) if kind == "ancestral-means" else ddim(zero, levels)
