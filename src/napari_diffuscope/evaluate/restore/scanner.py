"""A point-scanning detector: noise that no training draws.

Photons arrive one by one, each gives a pulse of random height, an amplifier of finite bandwidth smears the
signal along the fast axis, and the laser flickers slowly from line to line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

PRE_ROLL = 32
"""Pixels before each line, mirrored, in which the amplifier settles."""


@dataclass(frozen=True)
class Scanner:
    """Photomultiplier and amplifier of a laser-scanning microscope.

    Parameters
    ----------
    gain
        Mean counts per photon.
    offset
        Counts in the dark.
    pulse_shape
        Shape k of the gamma distribution of the charge of one photon (mean 1): excess noise factor 1 + 1/k.
    memory
        Share a of the signal that the amplifier carries from one pixel to the next, exp(-dwell time / time
        constant): y[x] = (1 - a) u[x] + a y[x - 1].
    flicker
        Relative standard deviation of the laser power from line to line.
    flicker_lines
        Number of lines over which it is correlated (exponentially).
    read_noise
        Standard deviation in counts of the white noise behind the amplifier.
    """

    gain: float = 20.0
    offset: float = 300.0
    pulse_shape: float = 2.0
    memory: float = 0.45
    flicker: float = 0.015
    flicker_lines: float = 8.0
    read_noise: float = 3.0

    @property
    def excess(self) -> float:
        """Variance of the charge over that of a perfect photon counter."""
        return 1 + 1 / self.pulse_shape

    @property
    def variance_gain(self) -> float:
        """Variance in counts² per count of signal in an even field, without flicker and read noise."""
        return self.gain * self.excess * (1 - self.memory) / (1 + self.memory)

    def expected(self, photons: np.ndarray) -> np.ndarray:
        """Noise-free image in counts, at the blur of the amplifier: float32 (Y, X)."""
        return np.asarray(self.offset + self.gain * self.respond(photons), dtype=np.float32)

    def respond(self, signal: np.ndarray) -> np.ndarray:
        """What the amplifier makes of each line of (Y, X), which it enters at rest: float64."""
        roll = min(PRE_ROLL, signal.shape[1])
        return self._filtered(np.concatenate([signal[:, :roll][:, ::-1], signal], axis=1))[:, roll:]

    def scan(self, photons: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Take one picture.

        Parameters
        ----------
        photons
            (Y, X) expected photons per pixel, at least 0.
        rng
            Source of the noise.

        Returns
        -------
        ndarray
            (Y, X) float32, whole numbers of 0 to 65535.
        """
        roll = min(PRE_ROLL, photons.shape[1])
        light = np.concatenate([photons[:, :roll][:, ::-1], photons], axis=1)
        arrived = rng.poisson(np.maximum(light * self._laser(len(light), rng)[:, None], 0))
        charge = rng.standard_gamma(self.pulse_shape * arrived) / self.pulse_shape
        signal = self._filtered(charge)[:, roll:]
        counts = self.offset + self.gain * signal + self.read_noise * rng.standard_normal(photons.shape)
        return np.asarray(np.clip(np.rint(counts), 0, 65535), dtype=np.float32)

    def _filtered(self, signal: np.ndarray) -> np.ndarray:
        rest = self.memory * signal[:, :1]
        filtered, _ = lfilter([1 - self.memory], [1, -self.memory], signal, axis=1, zi=rest)
        return np.asarray(filtered)

    def _laser(self, lines: int, rng: np.random.Generator) -> np.ndarray:
        """Relative power per line, mean 1: a first-order autoregression."""
        memory = float(np.exp(-1 / self.flicker_lines))
        kicks = rng.standard_normal(lines)
        kicks[1:] *= np.sqrt(1 - memory**2)
        return np.asarray(1 + self.flicker * lfilter([1.0], [1.0, -memory], kicks))
