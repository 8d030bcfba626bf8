"""Cameras: from photons to counts, with the noise of the light and of the electronics.

The model of the EMVA 1288 standard, with an optional electron multiplier and the pixel maps of sCMOS sensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Exposure:
    """How much light there is.

    Parameters
    ----------
    peak_photons
        Photons per pixel where the clean image is 1.
    background_photons
        Photons per pixel everywhere.
    bleaching
        Share of the fluorescence lost from one frame (or plane) to the next, 0 to below 1.
    """

    peak_photons: float = 100.0
    background_photons: float = 2.0
    bleaching: float = 0.0

    def photons(self, clean: np.ndarray, *, frame: int = 0) -> np.ndarray:
        """Photons per pixel expected of a clean image in relative units, after ``frame`` exposures."""
        kept = (1 - self.bleaching) ** frame
        return np.asarray(clean * (self.peak_photons * kept) + self.background_photons, dtype=np.float32)


@dataclass(frozen=True)
class Camera:
    """How a sensor turns photons into counts.

    Parameters
    ----------
    quantum_efficiency
        Electrons per photon, above 0 to 1.
    gain
        Counts per electron that arrives at the converter.
    offset
        Counts in the dark.
    read_noise
        Standard deviation in electrons, at the converter.
    multiplication
        Mean gain of an electron multiplier (EMCCD), 1 for none. It doubles the variance of the shot noise.
    gain_spread, offset_spread, read_noise_spread
        Pixel to pixel: relative standard deviation of the gain; standard deviation of the offset in counts;
        standard deviation of the logarithm of the read noise. All 0 for a CCD.
    hot_pixels
        Share of pixels with a large dark current.
    hot_electrons
        Mean dark electrons of those per exposure (exponentially distributed).
    bits
        Bits per pixel of the converter: it rounds, and ends at ``2**bits - 1``; 0 for no converter.
    """

    quantum_efficiency: float = 0.8
    gain: float = 2.0
    offset: float = 100.0
    read_noise: float = 1.5
    multiplication: float = 1.0
    gain_spread: float = 0.0
    offset_spread: float = 0.0
    read_noise_spread: float = 0.0
    hot_pixels: float = 0.0
    hot_electrons: float = 50.0
    bits: int = 16

    @property
    def counts_per_photon(self) -> float:
        """Mean counts per photon."""
        return self.quantum_efficiency * self.multiplication * self.gain

    @property
    def ceiling(self) -> float:
        """Largest value that the converter can give."""
        return float(2**self.bits - 1) if self.bits else np.inf

    def expected(self, photons: np.ndarray) -> np.ndarray:
        """Mean counts for mean photons, without noise, maps, rounding or ceiling: float32."""
        return np.asarray(self.offset + self.counts_per_photon * photons, dtype=np.float32)

    def variance(self, photons: np.ndarray) -> np.ndarray:
        """Variance in counts² for mean photons, without maps, rounding or ceiling."""
        excess = 2.0 if self.multiplication > 1 else 1.0
        electrons = self.quantum_efficiency * photons
        return np.asarray(self.gain**2 * (excess * self.multiplication**2 * electrons + self.read_noise**2))


@dataclass(frozen=True)
class Sensor:
    """The pixel maps of one sensor, each (Y, X) float32.

    Relative gain; offset from the mean one in counts; read noise in electrons; mean dark electrons.
    """

    gain: np.ndarray
    offset: np.ndarray
    read_noise: np.ndarray
    dark: np.ndarray


def draw_sensor(camera: Camera, shape: Sequence[int], rng: np.random.Generator) -> Sensor:
    """One sensor with its own pixels; use the same for all frames of a recording."""
    plane = tuple(shape)
    read = camera.read_noise * np.exp(camera.read_noise_spread * rng.standard_normal(plane))
    dark = np.zeros(plane)
    hot = rng.uniform(size=plane) < camera.hot_pixels
    dark[hot] = rng.exponential(camera.hot_electrons, int(hot.sum()))
    gain = np.clip(1 + camera.gain_spread * rng.standard_normal(plane), 0.2, None)
    offset = camera.offset_spread * rng.standard_normal(plane)
    return Sensor(*(part.astype(np.float32) for part in (gain, offset, read, dark)))


def expose(
    photons: np.ndarray, camera: Camera, rng: np.random.Generator, *, sensor: Sensor | None = None
) -> np.ndarray:
    """Take one picture.

    Parameters
    ----------
    photons
        (Y, X) expected photons per pixel, at least 0.
    camera, sensor
        The camera, and the maps of its pixels (none: all pixels alike, none of them hot).
    rng
        Source of the noise.

    Returns
    -------
    ndarray
        (Y, X) float32 counts: whole numbers from 0 to the ceiling where the camera has a converter.
    """
    electrons = camera.quantum_efficiency * photons
    if sensor is not None:
        electrons = electrons + sensor.dark
    signal = rng.poisson(electrons).astype(np.float32)
    if camera.multiplication > 1:
        signal = camera.multiplication * rng.standard_gamma(signal, dtype=np.float32)
    read = rng.standard_normal(photons.shape, dtype=np.float32)
    if sensor is None:
        return convert(camera.offset + camera.gain * (signal + camera.read_noise * read), camera)
    counts = camera.gain * sensor.gain * (signal + sensor.read_noise * read)
    return convert(camera.offset + sensor.offset + counts, camera)


def convert(counts: np.ndarray, camera: Camera) -> np.ndarray:
    """What the converter makes of analogue counts: rounded, clipped, float32; unchanged without one."""
    if not camera.bits:
        return counts.astype(np.float32)
    return np.asarray(np.clip(np.rint(counts), 0, camera.ceiling), dtype=np.float32)
