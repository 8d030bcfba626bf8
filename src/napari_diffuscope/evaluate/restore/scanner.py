"""A point-scanning detector, with pulses of random height, which training draws otherwise.

Photons arrive one by one, each gives a pulse of random height, an amplifier of finite bandwidth smears the
signal along the fast axis, and the laser flickers slowly from line to line.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from napari_diffuscope.simulate.scanning import Scan


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
    scanning
        Amplifier and laser.
    read_noise
        Standard deviation in counts of the white noise behind the amplifier.
    """

    gain: float = 20.0
    offset: float = 300.0
    pulse_shape: float = 2.0
    scanning: Scan = field(default_factory=Scan)
    read_noise: float = 3.0

    @property
    def excess(self) -> float:
        """Variance of the charge over that of a perfect photon counter."""
        return 1 + 1 / self.pulse_shape

    @property
    def variance_gain(self) -> float:
        """Variance in counts² per count of signal in an even field, without flicker and read noise."""
        memory = self.scanning.memory
        return self.gain * self.excess * (1 - memory) / (1 + memory)

    def expected(self, photons: np.ndarray) -> np.ndarray:
        """Noise-free image in counts, at the blur of the amplifier: float32 (Y, X)."""
        return np.asarray(self.offset + self.gain * self.scanning.respond(photons), dtype=np.float32)

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
        light = self.scanning.rolled(photons)
        arrived = rng.poisson(np.maximum(light * self.scanning.laser(len(light), rng)[:, None], 0))
        charge = rng.standard_gamma(self.pulse_shape * arrived) / self.pulse_shape
        signal = self.scanning.smeared(charge, photons.shape[1])
        counts = self.offset + self.gain * signal + self.read_noise * rng.standard_normal(photons.shape)
        return np.asarray(np.clip(np.rint(counts), 0, 65535), dtype=np.float32)
