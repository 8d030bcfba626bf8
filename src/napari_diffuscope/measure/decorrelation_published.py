"""Decorrelation analysis with the steps of its published programs, for numbers that can be held against theirs.

:mod:`~napari_diffuscope.measure.decorrelation` finds the same cut-off on a continuous scale. The plugin of ImageJ and
NanoPyx look at 50 radii, fade the outermost 20 pixels to the mean of the border, pad to a square whose side is a
power of two, and search twice: over ten high-pass filters and all radii, then over ten filters and the radii around
the best of the first. Both searches take a peak only where the curve falls by 0.001 behind it.

Descloux, Grußmayer, Radenovic, Nature Methods 16, 918 (2019).
"""

from __future__ import annotations

import math

import numpy as np
from scipy import fft

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.arrays import not_constant, real_array
from napari_diffuscope.measure.decorrelation import SMALLEST
from napari_diffuscope.measure.filters import smoothed

RADII, FILTERS, FADE, DROP = 50, 10, 20, 1e-3
"""Radii and high-pass filters of a search, pixels of the fade, and how far a curve must fall behind its peak."""

WEAKEST = 0.14
"""Standard deviation, in pixels, of the blur that the weakest filter subtracts."""

NOTHING = 0.16
"""Below this blur nothing is left of an image of 32 bits."""

ROUNDED = 0.35
"""Below this blur so little is left of the image that its rounding to 32 bits shows, and is kept as in the programs."""

BELOW, ABOVE = 0.05, 0.3
"""How far the radii of the second search reach below and above the best of the first."""


def published_decorrelation(image: object, *, pixel_size: float = 1.0) -> float:
    """Resolution of one image, as NanoPyx gives it; infinite where nothing stands out from noise.

    Parameters
    ----------
    image
        Real array ``(Y, X)``, at least 64 pixels along both axes.
    pixel_size
        Size of a square pixel; the resolution comes in its unit.
    """
    array = real_array(image, "the image", dimensions=(2,))
    if not (math.isfinite(pixel_size) and pixel_size > 0):
        raise DiffuscopeError(f"pixel_size must be one positive number, not {pixel_size}.")
    if min(array.shape) < 2 * SMALLEST:
        raise DiffuscopeError(
            f"Decorrelation analysis with a faded border needs {2 * SMALLEST} pixels along both axes, "
            f"not {array.shape}."
        )
    not_constant(array)
    spectrum = _Spectrum(_padded(_faded(array)))
    cutoff = _searched(spectrum, _peak(spectrum.curve(None, 0.0, 1.0), 0.0, 1.0))
    return 2 * pixel_size / cutoff if cutoff > 0 else math.inf


def _searched(spectrum: _Spectrum, first: tuple[float, float]) -> float:
    """The highest peak of the second search, as a share of the Nyquist frequency; ``first`` is that of the image."""
    strongest = 2 / first[0] if first[0] > 0 else spectrum.side / 2
    blurs = np.geomspace(WEAKEST, strongest, FILTERS)
    peaks = [_peak(spectrum.curve(blur, 0.0, 1.0), 0.0, 1.0) for blur in blurs]
    peaks.append(first)
    places = np.array([place for place, _ in peaks])
    best = int(np.argmax(places * [height for _, height in peaks])), int(np.argmax(places))
    low = max(min(places[best[0]], places[best[1]]) - BELOW, 0.0)
    high = min(max(places[best[0]], places[best[1]]) + ABOVE, 1.0)
    step = math.log(strongest / WEAKEST) / (FILTERS - 1)
    if max(best) < FILTERS:
        start, stop = (WEAKEST * math.exp(step * place) for place in (min(best) - 1, max(best)))
    else:  # the image without a filter was best
        start, stop = 2 / spectrum.side, WEAKEST
    again = [
        _peak(spectrum.curve(blur, low, high), low, high)[0] for blur in np.geomspace(start, stop, FILTERS)
    ]
    return float(max(again))


class _Spectrum:
    """Modulus of the transform of a square image, summed over the frequencies that every filter treats alike.

    Filters and rings ask only how far a frequency lies from 0 along either axis, so those above and below 0 along the
    first axis are added up, and their squares as well.
    """

    def __init__(self, image: np.ndarray) -> None:
        self.side = len(image)
        self._image = _near_one(image).astype(np.float32)
        modulus = np.abs(fft.rfft2(self._image.astype(np.float64))).astype(np.float32)
        axis = np.arange(self.side // 2 + 1) * (2 / self.side)
        self._radius = np.hypot(axis[:, None], axis[None])
        self._inside = self._radius.astype(np.float32) <= 1
        self._pairs = np.full(self.side // 2 + 1, 2.0)
        self._pairs[[0, -1]] = 1.0
        self._sums = self._folded(modulus)
        self._there = _upper_and_lower((modulus > 0).astype(np.float64)) * self._pairs
        self._there[0, 0] = 0.0
        self._rings: dict[tuple[float, float], tuple[np.ndarray, np.ndarray]] = {}

    def curve(self, blur: float | None, low: float, high: float) -> np.ndarray:
        """d(r), equation 1, at radii from ``low`` to ``high``, after subtracting the image blurred by a Gaussian."""
        moduli, squares = self._filtered(blur)
        norm = math.sqrt(float(squares.sum()))
        index, count = self._rings_between(low, high)
        # the last bin is that of frequencies beyond
        shared = np.cumsum(np.bincount(index, moduli.ravel(), RADII + 1)[:RADII])
        curve: np.ndarray = np.divide(
            shared, norm * np.sqrt(count), out=np.zeros(RADII), where=count * norm > 0
        )
        return curve

    def _rings_between(self, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
        """For each frequency the number of its ring, and how many lie in each ring and those inside of it."""
        if (low, high) not in self._rings:
            radius = self._radius.astype(np.float32)
            place = np.clip((radius - low) / (high - low) * (RADII - 1), 0, RADII - 1)
            index = np.where(radius <= high, np.rint(place), RADII).astype(np.intp).ravel()
            counted = np.bincount(index, self._there.ravel(), RADII + 1)[:RADII]
            self._rings[low, high] = index, np.cumsum(counted)
        return self._rings[low, high]

    def _folded(self, modulus: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sums of moduli and, within the radius 1, of their squares, as ``(Y, X)`` of half the side and one."""
        wide = modulus.astype(np.float64)
        wide[0, 0] = 0.0
        moduli = _upper_and_lower(wide)
        wide *= wide
        squares = _upper_and_lower(wide)
        moduli *= self._pairs
        squares *= self._pairs
        squares[~self._inside] = 0.0
        return moduli, squares

    def _filtered(self, blur: float | None) -> tuple[np.ndarray, np.ndarray]:
        """Sums of moduli and squares after a filter."""
        if blur is None:
            return self._sums
        if blur < NOTHING:
            nothing = np.zeros(self._radius.shape)
            return nothing, nothing
        if blur < ROUNDED:
            less = self._image - smoothed(self._image, _bell(blur))
            return self._folded(np.abs(fft.rfft2(less)).astype(np.float32))
        transfer = _transfer(blur, self.side)[: self.side // 2 + 1]
        passed = np.outer(-transfer, transfer)
        passed += 1
        moduli = self._sums[0] * passed
        passed *= passed
        passed *= self._sums[1]
        return moduli, passed


def _upper_and_lower(values: np.ndarray) -> np.ndarray:
    """Values of a half transform, those of frequencies above and below 0 along its first axis added up."""
    middle = len(values) // 2
    folded: np.ndarray = values[: middle + 1].copy()
    folded[1:middle] += values[:middle:-1]
    return folded


def _near_one(image: np.ndarray) -> np.ndarray:
    """The image times a power of two, which changes no digit, so that 32 bits hold it and its transform."""
    largest = float(np.abs(image).max())
    near: np.ndarray = np.ldexp(image, -math.frexp(largest)[1])
    return near


def _peak(curve: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """Radius and height of the highest point behind which the curve falls; zeros for none."""
    curve, end = curve.copy(), len(curve)
    at = int(np.argmax(curve))
    while at == end - 1:
        curve[at] = 0.0
        end -= 1
        if end == 0:
            return 0.0, 0.0
        at = int(np.argmax(curve))
        behind = curve[at : max(end - 1, at + 1)].min()
        if curve[at] - behind > DROP:
            break
        curve[at] = behind
        at = end - 1
    return low + (high - low) * at / (len(curve) - 1), float(curve[at])


def _bell(sigma: float) -> np.ndarray:
    """The weights of a Gaussian that is cut off at 4 standard deviations."""
    reach = int(4 * sigma + 0.5)
    bell = np.exp(-0.5 / (sigma * sigma) * np.arange(-reach, reach + 1) ** 2)
    weights: np.ndarray = bell / bell.sum()
    return weights


def _transfer(sigma: float, side: int) -> np.ndarray:
    """What a sampled Gaussian, cut off at 4 standard deviations, leaves of each frequency."""
    x = np.arange(1, int(4 * sigma + 0.5) + 1)
    if not x.size:
        return np.ones(side)
    bell = np.exp(-0.5 * (x / sigma) ** 2)
    weights = np.zeros(side)
    np.add.at(weights, x % side, bell)
    np.add.at(weights, -x % side, bell)
    weights[0] += 1.0
    transfer: np.ndarray = fft.fft(weights / weights.sum()).real
    return transfer


def _faded(image: np.ndarray) -> np.ndarray:
    """The image with its outermost pixels brought to the mean outside of the inner circle."""
    height, width = image.shape
    y, x = np.arange(height)[:, None] - height / 2, np.arange(width)[None] - width / 2
    mean = float(image[y**2 + x**2 > (width / 2 - FADE) ** 2].mean())
    down, across = (_fade(np.abs(np.abs(at) - length / 2)) for at, length in ((y, height), (x, width)))
    weight = np.minimum(down, across)
    faded: np.ndarray = mean + weight * (image - mean)
    return faded


def _fade(edge: np.ndarray) -> np.ndarray:
    """0 at an edge, 1 from so many pixels on."""
    weight: np.ndarray = (1 - np.cos(np.pi * np.minimum(edge, FADE) / FADE)) / 2
    return weight


def _padded(image: np.ndarray) -> np.ndarray:
    """The image in the middle of a square whose side is a power of two, filled up with its first pixel."""
    side = 2 ** math.ceil(math.log2(max(image.shape)))
    square = np.full((side, side), image[0, 0])
    y, x = ((side - length) // 2 for length in image.shape)
    square[y : y + image.shape[0], x : x + image.shape[1]] = image
    return square
