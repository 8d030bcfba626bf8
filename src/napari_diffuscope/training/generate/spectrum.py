"""By how much the details that a generator draws are too faint or too strong, beside its training images."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from napari_diffuscope.imaging.tiles import Region
from napari_diffuscope.measure.spectrum import radial_power_spectrum
from napari_diffuscope.methods.generate.spectrum import SpectrumFilter
from napari_diffuscope.weights.card_checks import MOST_GAIN

KNOTS = 33
"""Frequencies that gains are given at, from 0 to half a cycle per pixel."""

ROUNDS, SHARE = 8, 0.7
"""Gains act on roots of the values, powers are measured on the values: each round mends a share of what is left."""

SMOOTH = 3.0
"""Of the measured differences, in cycles per image."""

UNCHANGED, WHOLE = 0.1, 0.16
"""Cycles per pixel below which nothing is changed, and from which on all is. How much there is of what is larger than
some pixels is a matter of content, which differs between fields: details count beside what is just larger than they."""


def fitted_gains(drawn: np.ndarray, real: np.ndarray, *, power: float) -> tuple[float, ...]:
    """Gains in dB that make the fine details of drawn images as strong beside larger structures as in real ones.

    Parameters
    ----------
    drawn
        Images as the network drew them ``(N, P, P)``, 0 or more.
    real
        Training images ``(M, P, P)`` in the same units.
    power
        The network works on this root of the values.
    """
    wanted, frequency = _power(real), _frequencies(real.shape[-1])
    knots, gains = np.linspace(0, 0.5, KNOTS), np.zeros(KNOTS)
    share = np.clip((knots - UNCHANGED) / (WHOLE - UNCHANGED), 0, 1)
    level = (frequency >= UNCHANGED / 2) & (frequency < UNCHANGED)
    for _ in range(ROUNDS):
        lacking = 10 * np.log10(wanted / _power(filtered(drawn, gains, power=power)))
        lacking -= lacking[level].mean()
        step = np.interp(knots, frequency, gaussian_filter1d(lacking, SMOOTH, mode="nearest"))
        gains = np.clip(gains + SHARE * step, -MOST_GAIN, MOST_GAIN) * share
    return tuple(round(float(gain), 2) + 0.0 for gain in gains)


def filtered(drawn: np.ndarray, gains: np.ndarray | tuple[float, ...], *, power: float) -> np.ndarray:
    """Images as drawn, with the gains."""
    spectrum = SpectrumFilter(tuple(gains))
    roots = np.maximum(drawn, 0) ** (1 / power)
    return np.stack([np.maximum(_filtered(one, spectrum), 0) ** power for one in roots])


def _filtered(image: np.ndarray, spectrum: SpectrumFilter) -> np.ndarray:
    def read(part: Region) -> np.ndarray:
        (y, y1), (x, x1) = part
        return image[y:y1, x:x1]

    height, width = image.shape
    return spectrum.applied(read, ((0, height), (0, width)), (height, width))


def _power(images: np.ndarray) -> np.ndarray:
    return np.asarray(np.mean([radial_power_spectrum(image).power for image in images], axis=0))


def _frequencies(edge: int) -> np.ndarray:
    return np.asarray((np.arange(edge // 2) + 1) / edge)
