"""Variance-stabilising transform for Poisson-Gaussian noise, and its exact unbiased inverse.

Generalised Anscombe transform (Starck, Murtagh & Bijaoui 1998) and the inverse of Mäkitalo & Foi, IEEE
Transactions on Image Processing 22(1), 91–103 (2013): the value y whose noisy measurements have the given mean
*after* the transform. It is tabulated by summing over the Poisson distribution and integrating over the Gaussian.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import gammaln, xlogy

_LARGEST = 400.0
"""Mean in photons above which the asymptotic inverse is exact to better than 1e-4 photons."""


@dataclass(frozen=True)
class Anscombe:
    """Makes the standard deviation of noise about 1 everywhere.

    Parameters
    ----------
    gain
        Counts per photon; with excess noise, the slope of the variance over the mean.
    offset
        Counts in the dark.
    read_noise
        Standard deviation in counts of the Gaussian noise.
    """

    gain: float
    offset: float = 0.0
    read_noise: float = 0.0

    def forward(self, counts: np.ndarray) -> np.ndarray:
        """Stabilised values of counts, float64."""
        photons = (np.asarray(counts, dtype=np.float64) - self.offset) / self.gain
        return _stabilise(photons, self.read_noise / self.gain)

    def inverse(self, values: np.ndarray) -> np.ndarray:
        """Counts whose measurements have the stabilised values as their mean, float64; never below the offset."""
        noise = self.read_noise / self.gain
        means, photons = _table(round(noise, 6))
        values = np.asarray(values, dtype=np.float64)
        beyond = (values / 2) ** 2 - 1 / 8 - noise**2
        beyond = beyond + photons[-1] - ((means[-1] / 2) ** 2 - 1 / 8 - noise**2)
        inverted = np.where(values > means[-1], beyond, np.interp(values, means, photons))
        return np.asarray(self.offset + self.gain * inverted)


def _stabilise(photons: np.ndarray, noise: float) -> np.ndarray:
    """Equation 1 of the paper, in photons: 2 √(z + 3/8 + σ²), zero where the root does not exist."""
    return np.asarray(2 * np.sqrt(np.maximum(photons + 3 / 8 + noise**2, 0)))


@lru_cache(maxsize=64)
def _table(noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean stabilised value of each mean number of photons, both increasing."""
    photons = np.concatenate([[0.0], np.geomspace(1e-3, _LARGEST, 300)])
    most = int(_LARGEST + 10 * np.sqrt(_LARGEST)) + 1
    arrived = np.arange(most)
    chance = np.exp(xlogy(arrived, photons[:, None]) - photons[:, None] - gammaln(arrived + 1))
    # An even grid: the root's kink at small values would spoil Gauss-Hermite quadrature.
    nodes = np.linspace(-7, 7, 561)
    weights = np.exp(-(nodes**2) / 2)
    smeared = _stabilise(arrived[:, None] + noise * nodes, noise) @ (weights / weights.sum())
    return chance @ smeared, photons
