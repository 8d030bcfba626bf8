"""The generalised Anscombe transform of patches in torch, so that a network can be trained behind its inverse."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LEAST_GAIN = 1e-3
"""Of noise that does not grow with the signal, in units of the patches and of its deviation where that is more: the
transform is then all but a line."""

DARKEST = 2 * (3 / 8) ** 0.5
"""Stabilised value of no light; below it the inverse goes on as a line."""


@dataclass(frozen=True)
class Stabilised:
    """f(z) = 2/g √(g (z - dark) + 3/8 g² + σ²), mapped by a line so that -1 and 1 stay where they are.

    Parameters
    ----------
    gain, dark, deviation
        Of the noise, in units of the patches, ``(B, 1, 1, 1)``.
    """

    gain: Tensor
    dark: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, measured: Tensor) -> Stabilised:
        """From what was measured on the images of the patches, ``(B, 6)``."""
        gain, dark, deviation = (measured[:, i, None, None, None] for i in range(3))
        return cls(torch.maximum(gain, LEAST_GAIN * deviation.clamp(min=1)), dark, deviation)

    def forward(self, values: Tensor) -> Tensor:
        """Stabilised patches."""
        low, high = (self._photons(torch.full_like(self.gain, end)) for end in (-1.0, 1.0))
        return (2 * self._photons(values) - low - high) / (high - low)

    def inverse(self, stabilised: Tensor) -> Tensor:
        """Values whose measurements have these as their mean; Mäkitalo & Foi (2013), closed form."""
        low, high = (self._photons(torch.full_like(self.gain, end)) for end in (-1.0, 1.0))
        roots = (stabilised * (high - low) + low + high) / 2
        photons = _unbiased(roots.clamp(min=DARKEST)) + _slope(DARKEST) * (roots - DARKEST).clamp(max=0)
        return self._zero() + self.gain * photons

    def _photons(self, values: Tensor) -> Tensor:
        """2 √(photons + 3/8 + σ²), photons counted from the darkest signal: read noise there is part of the light."""
        photons = (values - self._zero()) / self.gain
        return 2 * (photons + 3 / 8).clamp(min=0).sqrt()

    def _zero(self) -> Tensor:
        """Where the variance of the noise would be nothing: one image does not tell read noise from light."""
        return self.dark - self.deviation.square() / self.gain


def _unbiased(root: Tensor) -> Tensor:
    """Photons of a mean stabilised value."""
    c = 1.5**0.5
    return root.square() / 4 + c / 4 / root - 11 / 8 / root**2 + 5 / 8 * c / root**3 - 1 / 8


def _slope(root: float) -> float:
    c = 1.5**0.5
    return root / 2 - c / 4 / root**2 + 11 / 4 / root**3 - 15 / 8 * c / root**4
