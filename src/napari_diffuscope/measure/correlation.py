"""Fourier ring and shell correlation: up to which frequency two images of one specimen agree.

The two must be independent measurements: two exposures, or an exposure split by its photons
(:mod:`~napari_diffuscope.measure.splitting`). Two *restorations* by one model share what the model
invents, and agree on it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.arrays import norm, real_array, same_shape, vanishes
from napari_diffuscope.measure.rings import Rings, Window, half_transform, make_window, pixel_sizes

Threshold = Literal["1/7", "half-bit", "3-sigma"]


@dataclass(frozen=True)
class RingCurve:
    """Correlation of two images in rings of equal spatial frequency.

    Parameters
    ----------
    frequency
        Centres of the rings in cycles per unit of the pixel size, rising, without frequency 0.
    correlation
        -1 … 1 in each ring. For equal signal with independent noise it is expected to be S / (S + N), the share
        of the signal in the power.
    count
        Fourier pixels in each ring.
    independent
        How many of them count as independent: a window ties neighbours together.
    threshold
        The criterion behind ``resolution``.
    """

    frequency: np.ndarray
    correlation: np.ndarray
    count: np.ndarray
    independent: np.ndarray
    threshold: Threshold = "1/7"

    @property
    def resolution(self) -> float | None:
        """One over the frequency where the curve first falls below its threshold, in units of the pixel size.

        Infinite where the images do not even agree in the first ring; ``None`` where the curve stays above
        the threshold up to the last: the pixels are then too large to tell.
        """
        return self.resolution_at(self.threshold)

    def resolution_at(self, threshold: Threshold) -> float | None:
        """``resolution`` for another threshold; the curve is first averaged over three rings."""
        above = self.smoothed() - self.limit(threshold)
        below = np.flatnonzero(above < 0)
        if len(below) == 0:
            return None
        first = int(below[0])
        if first == 0:
            return math.inf
        left, right = above[first - 1], -above[first]
        before, after = self.frequency[first - 1 : first + 1]
        return float(1 / (before + (after - before) * left / (left + right)))

    def limit(self, threshold: Threshold) -> np.ndarray:
        """The threshold in each ring.

        ``"1/7"`` is fixed (Rosenthal and Henderson, J Mol Biol 333, 721 (2003): 0.143, at which the whole data
        would correlate by one half with the truth). ``"half-bit"`` is where each Fourier pixel holds half a bit
        of information and ``"3-sigma"`` is 3 / √(n/2), beyond what noise gives by chance (both: van Heel and
        Schatz, J Struct Biol 151, 250 (2005)), for the n independent pixels of a ring, each of a conjugate pair
        counted. The correlation of noise scatters by 1/√n, so this is in truth 4.2 standard deviations; it is
        left as published for the sake of comparison.
        """
        pixels = np.maximum(self.independent, 1)
        if threshold == "1/7":
            return np.full(len(self.frequency), 1 / 7)
        if threshold == "half-bit":
            return np.asarray((0.2071 + 1.9102 / np.sqrt(pixels)) / (1.2071 + 0.9102 / np.sqrt(pixels)))
        if threshold == "3-sigma":
            return np.asarray(np.minimum(3 / np.sqrt(pixels / 2), 1.0))
        raise DiffuscopeError(
            f"The threshold must be one of {', '.join(get_args(Threshold))}, not {threshold!r}."
        )

    def smoothed(self) -> np.ndarray:
        """The curve averaged over each ring and its neighbours, weighted by their counts."""
        kernel = np.ones(3)
        weighted = np.convolve(self.correlation * self.count, kernel)[1:-1]
        mean: np.ndarray = weighted / np.convolve(self.count, kernel)[1:-1]
        return mean


def fourier_ring_correlation(
    first: object,
    second: object,
    *,
    pixel_size: float | Sequence[float] = 1.0,
    window: Window = "hann",
    threshold: Threshold = "1/7",
) -> RingCurve:
    """Fourier ring correlation of two images.

    Parameters
    ----------
    first, second
        Real arrays ``(Y, X)`` of one shape: independent measurements of one specimen, aligned.
    pixel_size
        Size of a pixel, one number or one per axis; the resolution comes in its unit.
    window
        ``"hann"``, ``"tukey"`` (falls only over the outer eighths) or ``"none"`` (for periodic images).
    threshold
        ``"1/7"``, ``"half-bit"`` or ``"3-sigma"``, see :meth:`RingCurve.limit`.

    References
    ----------
    Saxton and Baumeister, J Microsc 127, 127 (1982); Nieuwenhuizen et al., Nature Methods 10, 557 (2013).
    """
    return _correlate(first, second, 2, pixel_size, window, threshold)


def fourier_shell_correlation(
    first: object,
    second: object,
    *,
    pixel_size: float | Sequence[float] = 1.0,
    window: Window = "hann",
    threshold: Threshold = "1/7",
) -> RingCurve:
    """Fourier shell correlation of two volumes.

    Shells are spheres in physical frequency. Where planes are further apart than pixels, shells beyond the
    axial Nyquist frequency are not closed: they hold lateral frequencies alone, and so does a resolution found
    there.

    Parameters
    ----------
    first, second
        Real arrays ``(Z, Y, X)`` of one shape: independent measurements of one specimen, aligned.
    pixel_size
        Size of a voxel, one number or ``(z, y, x)``; the resolution comes in its unit.
    window
        ``"hann"``, ``"tukey"`` (falls only over the outer eighths) or ``"none"`` (for periodic images).
    threshold
        ``"1/7"``, ``"half-bit"`` or ``"3-sigma"``, see :meth:`RingCurve.limit`.

    References
    ----------
    Harauz and van Heel, Optik 73, 146 (1986).
    """
    return _correlate(first, second, 3, pixel_size, window, threshold)


def _correlate(
    first: object,
    second: object,
    dimensions: int,
    pixel_size: float | Sequence[float],
    window: Window,
    threshold: Threshold,
) -> RingCurve:
    one = real_array(first, "the first image", dimensions=(dimensions,))
    other = real_array(second, "the second image", dimensions=(dimensions,))
    same_shape(one, other, "the first and the second image")
    rings = Rings(one.shape, pixel_sizes(pixel_size, dimensions))
    weights = make_window(one.shape, window)
    a, b = half_transform(one, weights), half_transform(other, weights)
    power_a, power_b = (np.sqrt(rings.sum(np.abs(half) ** 2)) for half in (a, b))
    shared = rings.sum((a * b.conj()).real)
    largest = math.sqrt(one.size)  # by Parseval's theorem no ring holds more than this times the norm
    empty = vanishes(power_a, largest * norm(one)) | vanishes(power_b, largest * norm(other))
    correlation = np.divide(shared, power_a * power_b, out=np.zeros_like(shared), where=~empty)
    curve = RingCurve(
        rings.frequency, correlation, rings.count, rings.count * _independent_share(weights), threshold
    )
    curve.limit(threshold)  # an unknown threshold is told now, not when the resolution is read
    return curve


def _independent_share(window: np.ndarray) -> float:
    """Share of the Fourier pixels of a ring that count as independent.

    In all dimensions together it is (Σw²)² / (N Σw⁴), as follows from the correlation of neighbours that a window
    makes. A ring is one pixel thick, so neighbours across it lie in other rings: one dimension less counts.
    """
    squares = window**2
    share = float(squares.sum() ** 2 / (window.size * (squares**2).sum()))
    return float(share ** ((window.ndim - 1) / window.ndim))
