"""How much power an image has at each spatial frequency: whether a result is as sharp as its truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.arrays import norm, paired, real_array, vanishes
from napari_diffuscope.measure.rings import Rings, half_transform, make_window, pixel_sizes, radii


@dataclass(frozen=True)
class RadialSpectrum:
    """Mean power in rings of equal spatial frequency.

    Parameters
    ----------
    frequency
        Cycles per unit of the pixel size, rising, without frequency 0.
    power
        Mean of |F|² per pixel of the image, in squared intensities: white noise of variance v has v everywhere.
    count
        Fourier pixels in each ring.
    """

    frequency: np.ndarray
    power: np.ndarray
    count: np.ndarray


def radial_power_spectrum(
    image: object, *, pixel_size: float | Sequence[float] = 1.0, window: bool = True
) -> RadialSpectrum:
    """Power of an image in rings (2D) or shells (3D) of physical frequency.

    Parameters
    ----------
    image
        Real array ``(Y, X)`` or ``(Z, Y, X)``, at least 4 pixels along every axis.
    pixel_size
        Size of a pixel, one number or one per axis.
    window
        Whether a Hann window brings the borders to zero. Without it, borders that differ add power along the
        axes at all frequencies.
    """
    array = real_array(image, "the image")
    rings = Rings(array.shape, pixel_sizes(pixel_size, array.ndim))
    power = rings.sum(_power(array, window=window)) / rings.count
    return RadialSpectrum(rings.frequency, power, rings.count)


def band_power_ratio(truth: object, image: object, *, low: float, high: float, window: bool = True) -> float:
    """Power of the image over power of the truth in a band of frequencies.

    1 is as sharp as the truth, below 1 smoother; above 1 there is more fine structure than there should be,
    noise or invented. It does not say whether the structure is the right one.

    Parameters
    ----------
    truth, image
        Real arrays of one shape, ``(Y, X)`` or ``(Z, Y, X)``, in the same units of intensity.
    low, high
        The band ``low <= frequency < high`` in units of the Nyquist frequency (half a cycle per pixel), along
        every axis in its own pixels; 0 … √2 (2D) or √3 (3D), the corners.
    window
        Whether a Hann window brings the borders to zero.
    """
    true, seen = paired(truth, image)
    if not 0 <= low < high:
        raise DiffuscopeError(f"A band needs 0 <= low < high, not low={low} and high={high}.")
    radius = radii(true.shape, (0.5,) * true.ndim)  # pixels of half a unit: Nyquist is 1
    band = (radius >= low) & (radius < high) & (radius > 0)
    if not band.any():
        raise DiffuscopeError(f"No frequency of this image lies between {low} and {high}: widen the band.")
    true_power = float(_power(true, window=window)[band].sum())
    if vanishes(math.sqrt(true_power), norm(true)):
        raise DiffuscopeError(f"The truth has no power between {low} and {high}: nothing can be compared.")
    return float(_power(seen, window=window)[band].sum()) / true_power


def _power(array: np.ndarray, *, window: bool) -> np.ndarray:
    weights = make_window(array.shape, "hann" if window else "none")
    power: np.ndarray = np.abs(half_transform(array, weights)) ** 2 / float(np.vdot(weights, weights))
    return power
