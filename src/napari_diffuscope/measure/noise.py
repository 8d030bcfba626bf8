"""How noisy a single image is, from differences between neighbouring pixels."""

from __future__ import annotations

import math

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.arrays import real_array

NORMAL = 0.6744897501960817
"""Median of the absolute value of a standard normal number."""


def noise_level(image: object) -> float:
    """Standard deviation of the noise, in units of the image.

    Half of the diagonal difference in squares of 2 by 2 pixels has the deviation of the noise, where that is
    independent from pixel to pixel; structures that change slowly cancel. Its median absolute value is taken, so a
    few edges do not count. Where the noise grows with the signal, it is the noise at the median of the image, mostly
    that of the background. Noise that is correlated (interpolated, compressed or restored images) is told too small.

    Parameters
    ----------
    image
        Real array ``(Y, X)`` or ``(Z, Y, X)``, of which planes are taken; at least 2 pixels along Y and X.

    References
    ----------
    Donoho and Johnstone, Biometrika 81, 425 (1994), section 4.2; with Haar wavelets.
    """
    array = real_array(image, "the image")
    if min(array.shape[-2:]) < 2:
        raise DiffuscopeError(f"The noise level needs 2 pixels along Y and X, not {array.shape}.")
    height, width = (length // 2 * 2 for length in array.shape[-2:])
    array = array[..., :height, :width]
    upper = array[..., ::2, ::2] - array[..., ::2, 1::2]
    lower = array[..., 1::2, ::2] - array[..., 1::2, 1::2]
    return float(np.median(np.abs(upper - lower))) / 2 / NORMAL


def signal_to_noise(image: object) -> float:
    """Standard deviation of what is not noise, over that of the noise; infinite without noise.

    Parameters
    ----------
    image
        As for :func:`noise_level`.
    """
    noise, deviation = noise_level(image), float(real_array(image, "the image").std())
    signal = math.sqrt(max(deviation**2 - noise**2, 0.0))
    return signal / noise if noise > 0 else math.inf
