"""Point scanning: a laser whose power wanders from line to line, and an amplifier too slow for the pixels.

The amplifier carries a share of each pixel's signal into the next one along the line, so that noise is correlated
along lines alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

PRE_ROLL = 32
"""Pixels before each line, mirrored, in which the amplifier settles."""


@dataclass(frozen=True)
class Scan:
    """How a laser-scanning microscope takes a picture, line by line.

    Parameters
    ----------
    memory
        Share a of the signal that the amplifier carries from one pixel to the next, exp(-dwell time / time
        constant), 0 to below 1: y[x] = (1 - a) u[x] + a y[x - 1].
    flicker
        Relative standard deviation of the laser power from line to line.
    flicker_lines
        Number of lines over which it is correlated (exponentially).
    """

    memory: float = 0.45
    flicker: float = 0.015
    flicker_lines: float = 8.0

    def rolled(self, light: np.ndarray) -> np.ndarray:
        """Lines with their pre-roll: (Y, X + pre-roll); the pre-roll is mirrored, at most as long as the line."""
        roll = min(PRE_ROLL, light.shape[1])
        return np.concatenate([light[:, :roll][:, ::-1], light], axis=1)

    def smeared(self, signal: np.ndarray, width: int) -> np.ndarray:
        """What the amplifier makes of lines with their pre-roll, which is cut off: (Y, width) float64."""
        rest = self.memory * signal[:, :1]
        filtered, _ = lfilter([1 - self.memory], [1, -self.memory], signal, axis=1, zi=rest)
        return np.asarray(filtered)[:, -width:]

    def respond(self, image: np.ndarray) -> np.ndarray:
        """An image without noise at the blur of the amplifier: (Y, X) float64."""
        return self.smeared(self.rolled(image), image.shape[1])

    def laser(self, lines: int, rng: np.random.Generator) -> np.ndarray:
        """Relative power per line, mean 1: a first-order autoregression, (lines,) float64."""
        kicks = rng.standard_normal(lines)
        kicks[1:] *= np.sqrt(1 - self.kept_power**2)
        return np.asarray(1 + self.flicker * lfilter([1.0], [1.0, -self.kept_power], kicks))

    @property
    def kept_power(self) -> float:
        """Correlation of the laser's power from one line to the next."""
        return float(np.exp(-1 / self.flicker_lines))
