"""Noise levels, and the schedules that give them.

A state is ``x_t = alpha · x_0 + sigma · n`` with unit normal noise ``n``. Both kinds of process that the literature
uses fit in: variance-preserving (``alpha² + sigma² = 1``) and variance-exploding (``alpha = 1``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class NoiseLevel:
    """One level of noise.

    Parameters
    ----------
    alpha, sigma
        Weights of the clean image and of the noise in the state.
    time
        What the network is told: an index, γ, or a continuous time in [0, 1], as its schedule defines.
    """

    alpha: float
    sigma: float
    time: float

    @property
    def log_snr_half(self) -> float:
        """λ = log(alpha / sigma); ±infinity at pure noise and at no noise. Lu et al. 2022 (arXiv 2211.01095)."""
        if self.alpha <= 0:
            return -math.inf
        return math.log(self.alpha / self.sigma) if self.sigma > 0 else math.inf


CLEAN = NoiseLevel(1.0, 0.0, 0.0)


@dataclass(frozen=True)
class CosineSchedule:
    """Continuous variance-preserving schedule: ``sigma / alpha = shift · tan(π t / 2)`` for t in [0, 1].

    Parameters
    ----------
    shift
        1 is the cosine schedule of Nichol & Dhariwal 2021; less spends more of the time at low noise, where an
        image that is conditioned on a measurement still has something undecided (Hoogeboom et al. 2023, eq. 4).

    Notes
    -----
    At t = 1 the state is pure noise: nothing is left of the image, and the best a network can say is the
    posterior mean given its condition.
    """

    shift: float = 1.0

    def at(self, t: float) -> NoiseLevel:
        """Level at time ``t`` in [0, 1]."""
        if t >= 1.0:
            return NoiseLevel(0.0, 1.0, 1.0)
        angle = math.atan(self.shift * math.tan(0.5 * math.pi * t))
        return NoiseLevel(math.cos(angle), math.sin(angle), t)

    def highest(self) -> NoiseLevel:
        """Pure noise."""
        return self.at(1.0)

    def levels(self, steps: int) -> list[NoiseLevel]:
        """``steps + 1`` levels, evenly spaced in time."""
        return [self.at(1 - i / steps) for i in range(steps)] + [CLEAN]


Spacing = Literal["leading", "linspace", "trailing", "latent-diffusion"]


@dataclass(frozen=True)
class DiscreteSchedule:
    """Variance-preserving schedule given by a table of ᾱ (``alphas_cumprod``), as DDPM networks are trained with.

    Parameters
    ----------
    alpha_bar
        ᾱ for index 0 (least noise) to T - 1.
    lowest_alpha_bar
        Levels with less ᾱ are left out when sampling. An ε network divides by √ᾱ: at the end of the cosine
        schedule its error is amplified thousands of times.
    """

    alpha_bar: tuple[float, ...]
    lowest_alpha_bar: float = 0.0

    def __len__(self) -> int:
        return len(self.alpha_bar)

    def at(self, index: int) -> NoiseLevel:
        """Level of a table index."""
        value = self.alpha_bar[index]
        return NoiseLevel(math.sqrt(value), math.sqrt(1 - value), float(index))

    def highest_index(self) -> int:
        """Largest index whose ᾱ is not below ``lowest_alpha_bar``."""
        return max(i for i, value in enumerate(self.alpha_bar) if value >= self.lowest_alpha_bar)

    def highest(self) -> NoiseLevel:
        """The noisiest level that is used."""
        return self.at(self.highest_index())

    def levels(self, steps: int, *, spacing: Spacing = "linspace") -> list[NoiseLevel]:
        """``steps + 1`` levels down to none; ``spacing`` as in Lin et al. 2024 (arXiv 2305.08891), table 2.

        The table has no more levels than it has: asked for more steps, it gives all of them.
        ``latent-diffusion`` is what that code (Rombach et al. 2022) does: ``leading`` one index higher, ending
        at index 0, where a little noise is left.
        """
        last = self.highest_index()
        steps = min(steps, last + 1)
        if spacing == "latent-diffusion":
            stride = max(len(self) // steps, 1)
            return [self.at(int(i)) for i in np.arange(1, len(self), stride)[::-1]] + [self.at(0)]
        match spacing:
            case "linspace":
                indices = np.linspace(0, last, steps).round()[::-1] if steps > 1 else np.array([last])
            case "leading":
                indices = (np.arange(steps) * ((last + 1) // steps))[::-1]
            case "trailing":
                indices = np.round(np.arange(last + 1, 0, -(last + 1) / steps))[:steps] - 1
        return [self.at(int(i)) for i in indices] + [CLEAN]


def linear_alpha_bar(count: int = 1000, first: float = 1e-4, last: float = 0.02) -> tuple[float, ...]:
    """ᾱ of the linear schedule; Ho et al. 2020, section 4. β is scaled by 1000 / count as guided-diffusion does."""
    scale = 1000 / count
    return _cumulative(np.linspace(scale * first, scale * last, count, dtype=np.float64))


def scaled_linear_alpha_bar(count: int, first: float, last: float) -> tuple[float, ...]:
    """ᾱ of the schedule whose √β is linear; Rombach et al. 2022 (arXiv 2112.10752), code."""
    return _cumulative(np.linspace(math.sqrt(first), math.sqrt(last), count, dtype=np.float64) ** 2)


def cosine_alpha_bar(count: int = 1000, offset: float = 0.008, most_beta: float = 0.999) -> tuple[float, ...]:
    """ᾱ of the cosine schedule; Nichol & Dhariwal 2021, eq. 17, with β clipped at ``most_beta``."""
    t = np.arange(count + 1, dtype=np.float64) / count
    curve = np.cos((t + offset) / (1 + offset) * math.pi / 2) ** 2
    return _cumulative(np.minimum(1 - curve[1:] / curve[:-1], most_beta))


def sigmoid_alpha_bar(count: int = 1000, *, most_beta: float = 0.999) -> tuple[float, ...]:
    """ᾱ that falls like a sigmoid; Jabri et al. 2022 (arXiv 2212.11972), figure 8, from -3 to 3 with τ = 1."""
    t = np.arange(count + 1, dtype=np.float64) / count
    curve = 1 / (1 + np.exp(6 * t - 3))
    curve = (curve - curve[-1]) / (curve[0] - curve[-1])
    return _cumulative(np.minimum(1 - curve[1:] / curve[:-1], most_beta))


def _cumulative(beta: np.ndarray) -> tuple[float, ...]:
    return tuple(float(a) for a in np.cumprod(1.0 - beta))


def check_descending(levels: Sequence[NoiseLevel]) -> None:
    """Refuse a list of levels that does not go from more noise to less."""
    ladder = [level.log_snr_half for level in levels]
    if any(b <= a for a, b in pairwise(ladder)):
        raise ValueError("noise levels must go from more noise to less")
