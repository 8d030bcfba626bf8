"""One test case: a noisy image in counts, its target, and what a classical method may know about the noise."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_diffuscope.evaluate.restore.fields import Field
from napari_diffuscope.evaluate.restore.scanner import Scanner
from napari_diffuscope.evaluate.restore.settings import PHOTONS, WITHOUT, Target
from napari_diffuscope.simulate.camera import Camera, draw_sensor, expose
from napari_diffuscope.simulate.optics import AIRY_FWHM, FWHM_PER_SIGMA, blur, gaussian_psf

BACKGROUND = 0.05
"""Light everywhere, as a share of the peak."""

CAMERA = Camera(
    quantum_efficiency=1.0,
    gain=2.0,
    offset=100.0,
    read_noise=1.6,
    gain_spread=0.02,
    read_noise_spread=0.2,
    offset_spread=0.5,
)
"""A scientific CMOS sensor; photons are counted as detected ones."""

SCANNER = Scanner()

FWHM_PX = (3.0, 7.0)
"""Widths of the spots for deblurring."""

REAL_PAIR = "as recorded"
"""Noise and level of real pairs."""


@dataclass(frozen=True)
class CaseName:
    """Which case: decides, with the seed, everything about it."""

    field: Field
    noise: str
    level: str
    target: Target

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """Source, group, name, noise, level."""
        return (self.field.source, self.field.group, self.field.name, self.noise, self.level)

    def __str__(self) -> str:
        return (
            f"{self.field.name}, {self.noise}, {self.level}" if self.noise != REAL_PAIR else self.field.name
        )


@dataclass(frozen=True)
class Case:
    """A noisy image and its target.

    Parameters
    ----------
    name
        Which one.
    noisy, clean
        (Y, X) float32 counts; the target is noise-free.
    gain, offset, read_noise
        Variance = gain · (signal - offset) + read_noise², all in counts.
    correlated
        Whether the noise of neighbouring pixels is correlated.
    psf, target_psf
        For deblurring: point spread function of ``noisy``, and of the target.
    cutoff
        Highest frequency in the target as a share of the Nyquist frequency.
    affine
        Whether results are first fitted to the target (real pairs, whose intensities differ).
    """

    name: CaseName
    noisy: np.ndarray
    clean: np.ndarray
    gain: float
    offset: float
    read_noise: float
    correlated: bool
    cutoff: float
    psf: np.ndarray | None = None
    target_psf: np.ndarray | None = None
    affine: bool = False


def case_names(
    fields: Sequence[Field], noises: Sequence[str], levels: Sequence[str], target: Target
) -> tuple[CaseName, ...]:
    """All cases, in a fixed order: pairs stand for themselves, clean images get every noise at every level."""
    names = []
    for field in fields:
        if field.low is not None:
            names.append(CaseName(field, REAL_PAIR, REAL_PAIR, target))
            continue
        names += [CaseName(field, noise, level, target) for noise in noises for level in levels]
    return tuple(names)


def make_case(name: CaseName, *, seed: int, scanner: Scanner = SCANNER) -> Case:
    """Simulate the noise of a case; equal names and seeds give equal cases, alone or among others."""
    if name.field.low is not None:
        return _pair(name)
    rng = np.random.default_rng([seed, zlib.crc32("|".join((*name.key, name.target)).encode())])
    if name.target == "sharp":
        # The same spot for every noise and level of a field.
        spot = np.random.default_rng([seed, zlib.crc32(f"{name.field.source}|{name.field.name}".encode())])
        fwhm = spot.uniform(*FWHM_PX)
        psf, target_psf = (gaussian_psf(1.0, width / FWHM_PER_SIGMA) for width in (fwhm, fwhm / 2))
        blurred = np.maximum(blur(name.field.specimen, psf), 0)
        scale = max(float(blurred.max()), 1e-12)
        wanted = np.maximum(blur(name.field.specimen, target_psf), 0) / scale
        case = _measured(name, blurred / scale, wanted, cutoff_of_width(fwhm / 2), rng, scanner)
        return Case(**{**vars(case), "psf": psf, "target_psf": target_psf})
    clean = name.field.clean
    fwhm_px = name.field.fwhm_px
    cutoff = cutoff_of_width(fwhm_px) if fwhm_px else cutoff_of(clean)
    return _measured(name, clean, clean, cutoff, rng, scanner)


def cutoff_of_width(fwhm_px: float) -> float:
    """Cut-off 2 NA / λ of the optics whose Airy spot has this width, as a share of the Nyquist frequency."""
    return float(min(1.0, 2 * (2 * AIRY_FWHM / fwhm_px)))


def cutoff_of(truth: np.ndarray) -> float:
    """Frequency below which 99.9 % of the variance of an image lie, as a share of the Nyquist frequency."""
    window = np.outer(*(np.hanning(n) for n in truth.shape))
    power = np.abs(np.fft.fft2((truth - truth.mean()) * window)) ** 2
    radius = np.hypot(*np.meshgrid(*(2 * np.fft.fftfreq(n) for n in truth.shape), indexing="ij")).ravel()
    order = np.argsort(radius)
    total = np.cumsum(power.ravel()[order])
    cutoff = radius[order][np.searchsorted(total, 0.999 * total[-1])]
    return float(np.clip(cutoff, 0.1, 1.0))


def _measured(
    name: CaseName,
    light: np.ndarray,
    wanted: np.ndarray,
    cutoff: float,
    rng: np.random.Generator,
    scanner: Scanner,
) -> Case:
    """Noisy image of relative ``light``, and the target: what the detector would give of ``wanted``."""
    peak = PHOTONS[name.level]
    photons, target = (np.asarray(peak * (part + BACKGROUND), np.float32) for part in (light, wanted))
    if name.noise == "scanner":
        noisy, clean = scanner.scan(photons, rng), scanner.expected(target)
        gain, offset, read = scanner.variance_gain, scanner.offset, scanner.read_noise
    else:
        sensor = draw_sensor(CAMERA, photons.shape, rng)
        noisy, clean = expose(photons, CAMERA, rng, sensor=sensor), CAMERA.expected(target)
        gain, offset, read = CAMERA.gain, CAMERA.offset, CAMERA.gain * CAMERA.read_noise
    if name.level == WITHOUT:
        noisy = (scanner if name.noise == "scanner" else CAMERA).expected(photons)
    return Case(
        name=name,
        noisy=noisy,
        clean=clean,
        gain=gain,
        offset=offset,
        read_noise=read,
        correlated=name.noise == "scanner",
        cutoff=cutoff,
    )


def _pair(name: CaseName) -> Case:
    """A real pair: gain and read noise by a straight line through the squared residual over the signal."""
    assert name.field.low is not None
    noisy, clean = name.field.low.astype(np.float32), name.field.clean
    slope, shift = np.polyfit(clean.ravel().astype(np.float64), noisy.ravel().astype(np.float64), 1)
    signal = slope * clean.astype(np.float64) + shift
    gain, offset, read = noise_of(noisy.astype(np.float64), signal)
    return Case(
        name=name,
        noisy=noisy,
        clean=clean,
        gain=gain,
        offset=offset,
        read_noise=read,
        correlated=True,
        cutoff=cutoff_of(clean),
        affine=True,
    )


def noise_of(noisy: np.ndarray, signal: np.ndarray) -> tuple[float, float, float]:
    """Gain, offset and read noise in counts of a noisy image whose expectation is known.

    The mean squared residual in 20 bins of equally many pixels is fitted by a straight line over the signal.
    """
    order = np.argsort(signal, axis=None)
    squared = ((noisy - signal) ** 2).ravel()
    bins = np.array_split(order, 20)
    levels = np.array([signal.ravel()[part].mean() for part in bins])
    spread = np.array([squared[part].mean() for part in bins])
    slope, constant = np.polyfit(levels, spread, 1, w=1 / np.maximum(spread, 1e-12))
    dark = float(levels.min())
    gain = max(float(slope), 1e-6 * float(spread.mean()) / max(float(np.ptp(levels)), 1e-12))
    # Counted from the darkest pixels: what is left there is read noise.
    return gain, dark, float(np.sqrt(max(gain * dark + constant, 0.0)))
