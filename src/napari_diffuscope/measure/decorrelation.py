"""Resolution of a single image by decorrelation analysis.

Descloux, Grußmayer, Radenovic, "Parameter-free image resolution estimation based on decorrelation analysis",
Nature Methods 16, 918 (2019).

The image is correlated with itself after its Fourier transform was set to modulus 1 inside a circle of radius r
and to 0 outside (equation 1). While the circle takes in frequencies that hold signal, the correlation d(r)
rises; where it takes in frequencies of noise alone, which count as much as the others once normalised, it falls.
The position of its peak depends on how the power is spread over frequencies, so it is searched in high-pass
filtered versions as well, and the highest position found is the cut-off.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.arrays import not_constant, real_array
from napari_diffuscope.measure.rings import Rings, half_transform, make_window, radii

FILTERS = 10
"""High-pass filters of the first search, and of the second around the best of the first."""

STRONGEST = 0.15
"""Standard deviation, in pixels, of the blur that the strongest high-pass filter subtracts."""

PROMINENCE = 1e-3
"""How far d must fall behind a peak."""

SMALLEST = 32
"""Images with fewer pixels along an axis have too few frequencies."""


@dataclass(frozen=True)
class Decorrelation:
    """Result of a decorrelation analysis.

    Parameters
    ----------
    resolution
        One over ``cutoff``, in units of the pixel size; infinite where nothing stands out from noise.
    cutoff
        Highest frequency with signal above noise, in cycles per unit; 0 for none.
    share
        The cut-off as a share of the Nyquist frequency. Above about 0.9 the pixels limit what can be seen.
    amplitude
        Height of the peak without a filter, 0 … 1: rises with the ratio of signal to noise.
    frequency, curve
        d(r) without a filter, over cycles per unit.
    """

    resolution: float
    cutoff: float
    share: float
    amplitude: float
    frequency: np.ndarray
    curve: np.ndarray


def decorrelation_resolution(image: object, *, pixel_size: float = 1.0) -> Decorrelation:
    """Resolution of one image, without a second one and without parameters.

    Parameters
    ----------
    image
        Real array ``(Y, X)``, at least 32 pixels along both axes. Its noise should be independent from pixel to
        pixel. In images without noise (restored, deconvolved, simulated) there is nothing to decorrelate from,
        and the number says little; see the documentation of measures.
    pixel_size
        Size of a square pixel; the resolution comes in its unit.
    """
    array = real_array(image, "the image", dimensions=(2,))
    if not (math.isfinite(pixel_size) and pixel_size > 0):
        raise DiffuscopeError(f"pixel_size must be one positive number, not {pixel_size}.")
    if min(array.shape) < SMALLEST:
        raise DiffuscopeError(
            f"Decorrelation analysis needs {SMALLEST} pixels along both axes, not {array.shape}."
        )
    not_constant(array)
    profile = _Profile(array)
    curve = profile.decorrelation(None)
    share, amplitude = _peak(profile.radius, curve)
    best = max(share, _search(profile, share))
    cutoff = best / (2 * pixel_size)
    resolution = 1 / cutoff if cutoff > 0 else math.inf
    return Decorrelation(
        resolution, cutoff, best, amplitude, profile.radius / (2 * pixel_size), np.asarray(curve)
    )


class _Profile:
    """Sums over thin rings that every filtered version of an image follows from.

    All filters are radial and the normalised transform of a filtered image is that of the image itself, so the
    sums of equation 1 need the Fourier transform only once.
    """

    def __init__(self, image: np.ndarray) -> None:
        transform = np.abs(half_transform(image, make_window(image.shape, "tukey")))
        sizes = (0.5, 0.5)  # pixels of half a unit: the Nyquist frequency is 1
        rings = Rings(image.shape, sizes)
        self.radius = rings.frequency
        # strong filters go with the square of the frequency, whose mean over a ring is not that of its centre
        self._squared_radius = rings.sum(radii(image.shape, sizes) ** 2) / rings.count
        self._count = rings.count
        self._modulus, self._power = rings.sum(transform), rings.sum(transform**2)

    def decorrelation(self, blur: float | None) -> np.ndarray:
        """d(r), equation 1, after subtracting the image blurred by a Gaussian of this many pixels."""
        passed = np.ones_like(self.radius)
        if blur is not None:
            passed = -np.expm1(-((math.pi * blur) ** 2) * self._squared_radius / 2)
        inside = np.cumsum(self._modulus * passed)
        total = float(np.sum(self._power * passed**2))
        curve: np.ndarray = inside / np.sqrt(total * np.cumsum(self._count))
        return curve


def _search(profile: _Profile, share: float) -> float:
    """Highest position of the peak over high-pass filters, from weak to strong, then around the best."""
    weakest = 2 / share if share > 0 else 1 / float(profile.radius[0])
    blurs = np.geomspace(max(weakest, 2 * STRONGEST), STRONGEST, FILTERS)
    frequencies = [_peak(profile.radius, profile.decorrelation(blur))[0] for blur in blurs]
    best = int(np.argmax(frequencies))
    nearby = np.geomspace(blurs[max(best - 1, 0)], blurs[min(best + 1, FILTERS - 1)], FILTERS)
    return max(*frequencies, *(_peak(profile.radius, profile.decorrelation(blur))[0] for blur in nearby))


def _peak(radius: np.ndarray, curve: np.ndarray) -> tuple[float, float]:
    """Position and height of the highest local maximum that stands out on both sides; zeros for none."""
    places, _ = scipy.signal.find_peaks(curve, prominence=PROMINENCE)
    if len(places) == 0:
        return 0.0, 0.0
    place = int(places[np.argmax(curve[places])])
    before, here, after = curve[place - 1 : place + 2]
    # the vertex of the parabola through three points, at most half a ring away
    shift = (before - after) / (2 * (before - 2 * here + after))
    return float(radius[place] + shift * (radius[place] - radius[place - 1])), float(here)
