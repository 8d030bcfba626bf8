"""Richardson-Lucy deconvolution for light on a background, optionally with total variation.

Richardson, J. Opt. Soc. Am. 62, 55 (1972); Lucy, Astron. J. 79, 745 (1974); total variation as of Dey et al.,
Microscopy Research and Technique 69, 260 (2006), equation 7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import fft
from scipy.ndimage import gaussian_filter

SHOWN = (1, 2, 3, 4, 6, 8, 11, 15, 20, 27, 36, 48, 64, 85, 110, 150, 200, 280, 400)
"""Iterations after which the estimate is looked at."""


@dataclass(frozen=True)
class RichardsonLucy:
    """How to deconvolve.

    Parameters
    ----------
    smooth
        Standard deviation in pixels of a Gaussian filter before, which is then part of the point spread function.
    variation
        Weight of total variation, 0 for none.
    """

    smooth: float = 0.0
    variation: float = 0.0


def richardson_lucy(
    light: np.ndarray,
    psf: np.ndarray,
    target_psf: np.ndarray,
    setting: RichardsonLucy,
) -> Iterator[tuple[int, np.ndarray]]:
    """Estimates of a sharp object, blurred to the width of a target.

    Parameters
    ----------
    light
        (Y, X) measured light without the offset of the detector; its background stays part of the object.
    psf, target_psf
        Point spread functions of the measurement and of what is wanted, unit sum, odd edges.
    setting
        Of the algorithm.

    Yields
    ------
    iteration, image
        float64 (Y, X) in the units of ``light``, after each number of iterations in :data:`SHOWN`. The image is
        mirrored at its borders.
    """
    margin = max(psf.shape) // 2 + int(np.ceil(4 * setting.smooth))
    measured = np.pad(light, margin, mode="symmetric")
    if setting.smooth:
        measured = gaussian_filter(measured, setting.smooth, mode="nearest")
    measured = np.maximum(measured, 1e-6 * max(float(light.max()), 1e-12))
    blurred, wanted = (
        _convolution(psf, measured.shape, setting.smooth),
        _convolution(target_psf, measured.shape),
    )
    estimate = np.full_like(measured, measured.mean())
    inner = (slice(margin, -margin or None),) * 2
    for iteration in range(1, SHOWN[-1] + 1):
        # All spots here are symmetric, so that the convolution is its own transpose.
        ratio = measured / np.maximum(blurred(estimate), 1e-12)
        estimate = np.maximum(estimate * blurred(ratio), 0)
        if setting.variation:
            estimate = estimate / np.maximum(1 - setting.variation * _curvature(estimate), 0.5)
        if iteration in SHOWN:
            yield iteration, wanted(estimate)[inner]


def _convolution(
    psf: np.ndarray, shape: tuple[int, ...], smooth: float = 0.0
) -> Callable[[np.ndarray], np.ndarray]:
    """Periodic convolution with a symmetric spot, and with a Gaussian."""
    size = [fft.next_fast_len(n, real=True) for n in shape]
    padded = np.zeros(size)
    padded[: psf.shape[0], : psf.shape[1]] = psf
    padded = np.roll(padded, [-(n // 2) for n in psf.shape], axis=(0, 1))
    transfer = fft.rfft2(padded)
    if smooth:
        squared = (fft.fftfreq(size[0])[:, None] ** 2) + fft.rfftfreq(size[1])[None] ** 2
        transfer = transfer * np.exp(-2 * (np.pi * smooth) ** 2 * squared)

    def convolve(image: np.ndarray) -> np.ndarray:
        wide = np.pad(image, [(0, s - n) for s, n in zip(size, image.shape, strict=True)], mode="edge")
        return np.asarray(fft.irfft2(transfer * fft.rfft2(wide), size)[: image.shape[0], : image.shape[1]])

    return convolve


def _curvature(image: np.ndarray) -> np.ndarray:
    """Divergence of the normalised gradient."""
    rows, columns = np.gradient(image)
    size = np.sqrt(rows**2 + columns**2) + 1e-6 * max(float(image.max()), 1e-12)
    return np.asarray(np.gradient(rows / size, axis=0) + np.gradient(columns / size, axis=1))
