"""What sets of images are compared by: numbers that describe each patch.

Any object with a name that turns patches ``(N, Y, X)`` into numbers ``(N, D)`` will do. Those here need no
downloaded weights; they see intensities, sharpness and texture, and nothing of what a picture shows. Intensities
must be in the same units in both sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import fft, ndimage

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.arrays import real_array, vanishes
from napari_diffuscope.measure.rings import make_window

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)

SMALLEST_POWER = 1e-8
"""Bands with less than this share of the mean power count as having it: resampled images have empty bands."""


class Features(Protocol):
    """Numbers that describe patches."""

    @property
    def name(self) -> str:
        """What is measured, for tables."""
        ...

    def __call__(self, patches: np.ndarray) -> np.ndarray:
        """Patches ``(N, Y, X)`` to numbers ``(N, D)``, float64."""
        ...


@dataclass(frozen=True)
class IntensityFeatures:
    """Distribution of intensities: mean, deviation, skewness and seven quantiles, in the units of the patches."""

    name: str = "intensity"

    def __call__(self, patches: np.ndarray) -> np.ndarray:
        """Numbers ``(N, 10)``."""
        pixels = patch_array(patches).reshape(len(patches), -1)
        quantiles = np.quantile(pixels, QUANTILES, axis=1).T
        return np.column_stack([_moments(pixels), quantiles])


@dataclass(frozen=True)
class SpectrumFeatures:
    """How the power is spread over spatial frequencies: log10 of the share in each band, by direction.

    Parameters
    ----------
    bands
        Bands of equal width up to the Nyquist frequency, each for frequencies nearer to the first axis and
        nearer to the second one: blur along one axis alone shows. Patches need two pixels per band.
    """

    bands: int = 10
    name: str = "spectrum"

    def __call__(self, patches: np.ndarray) -> np.ndarray:
        """Numbers ``(N, 2 · bands)``; gain and offset of a patch change nothing."""
        array = patch_array(patches)
        if min(array.shape[1:]) < 2 * self.bands:
            raise DiffuscopeError(
                f"{self.bands} bands of frequencies need patches of {2 * self.bands} pixels, "
                f"not {array.shape[1]} x {array.shape[2]}."
            )
        window = make_window(array.shape[1:], "hann")
        lowered = array - array[:, :1, :1]  # a flat patch is then exactly 0
        level = np.tensordot(lowered, window / window.sum(), 2)[:, None, None]
        power = np.abs(fft.fft2((lowered - level) * window)) ** 2
        most = np.sqrt((array**2).sum((1, 2)) * window.size)[:, None]
        band = self._band(array.shape[1:]).ravel()
        count = np.bincount(band)[1:]
        sums = np.array([np.bincount(band, weights=one.ravel())[1:] for one in power])
        total = sums.sum(1, keepdims=True)
        flat = vanishes(np.sqrt(total), most)
        shares = np.divide(sums / count, total / count.sum(), out=np.ones_like(sums), where=~flat)
        return np.asarray(np.log10(np.maximum(shares, SMALLEST_POWER)))

    def _band(self, shape: Sequence[int]) -> np.ndarray:
        """Number of the band at each Fourier pixel, from 1; 0 for frequency 0 and the corners."""
        y, x = (axis / 0.5 for axis in np.meshgrid(*map(fft.fftfreq, shape), indexing="ij"))
        radius = np.hypot(y, x)
        ring = np.ceil(radius * self.bands - 1e-9).astype(np.intp)
        number = 2 * ring - 1 + (np.abs(x) > np.abs(y))
        return np.where((ring > 0) & (ring <= self.bands), number, 0)


@dataclass(frozen=True)
class TextureFeatures:
    """Edges, ridges and spots at several sizes: moments of Gaussian derivatives of the standardised patch.

    At each scale: mean, deviation and skewness of the gradient and of both eigenvalues of the Hessian matrix
    (ridges and spots), and the mean direction of the gradient; between scales, how their gradients correlate.

    Parameters
    ----------
    scales
        Standard deviations of the Gaussians in pixels, rising.
    """

    scales: tuple[float, ...] = (1.0, 2.0, 4.0)
    name: str = "texture"

    def __call__(self, patches: np.ndarray) -> np.ndarray:
        """Numbers ``(N, 12 · scales - 1)``; gain and offset of a patch change nothing."""
        array = patch_array(patches)
        pixels = array.reshape(len(array), -1)
        spread = pixels.std(1)
        flat = vanishes(spread, np.abs(pixels).max(1))
        centred = array - pixels.mean(1)[:, None, None]
        standard = centred * np.where(flat, 0.0, 1 / np.where(flat, 1.0, spread))[:, None, None]
        columns: list[np.ndarray] = []
        finer: np.ndarray | None = None
        for scale in self.scales:
            numbers, gradient = _derivatives(standard, scale)
            columns.append(numbers)
            if finer is not None:
                columns.append(_correlation(finer, gradient)[:, None])
            finer = gradient
        return np.column_stack(columns)


def _derivatives(patches: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of one scale ``(N, 11)`` and the gradient's size ``(N, pixels)``."""

    def derivative(y: int, x: int) -> np.ndarray:
        filtered = ndimage.gaussian_filter(patches, (0, scale, scale), order=(0, y, x))
        return np.asarray(scale ** (y + x) * filtered.reshape(len(patches), -1))

    gy, gx = derivative(1, 0), derivative(0, 1)
    yy, xx, xy = derivative(2, 0), derivative(0, 2), derivative(1, 1)
    gradient, half = np.hypot(gy, gx), np.hypot((yy - xx) / 2, xy)
    energy = np.maximum((gradient**2).sum(1), np.finfo(float).tiny)
    direction = np.column_stack([(gx**2 - gy**2).sum(1), 2 * (gx * gy).sum(1)]) / energy[:, None]
    middle = (yy + xx) / 2
    moments = [_moments(values) for values in (gradient, middle - half, middle + half)]
    return np.column_stack([*moments, direction]), gradient


@dataclass(frozen=True, eq=False)
class StandardisedFeatures:
    """Several features side by side, each part with a total variance of 1 over a reference set.

    Make one with :func:`standardised`.

    Parameters
    ----------
    parts
        Features that are joined.
    centre, spread
        What is subtracted from, and divided by, each of all their numbers, ``(D,)``.
    """

    parts: tuple[Features, ...]
    centre: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, reference: np.ndarray, parts: Sequence[Features]) -> tuple[StandardisedFeatures, np.ndarray]:
        """Those of a reference, and what they say of it ``(N, D)``, which is then not worked out a second time."""
        numbers = [part(patch_array(reference)) for part in parts]
        centre, spread = balanced(numbers)
        return cls(tuple(parts), centre, spread), np.asarray((np.column_stack(numbers) - centre) / spread)

    @property
    def name(self) -> str:
        """Names of the parts."""
        return "standardised " + "+".join(part.name for part in self.parts)

    def __call__(self, patches: np.ndarray) -> np.ndarray:
        """Numbers ``(N, D)`` of all parts."""
        numbers = np.column_stack([part(patches) for part in self.parts])
        return np.asarray((numbers - self.centre) / self.spread)


DEFAULT_PARTS: tuple[Features, ...] = (IntensityFeatures(), SpectrumFeatures(), TextureFeatures())


def standardised(reference: np.ndarray, parts: Sequence[Features] = DEFAULT_PARTS) -> StandardisedFeatures:
    """Features that give every part the same weight, as measured on a reference set (the real images).

    Numbers that are the same in all patches of the reference are left in their own units.

    Parameters
    ----------
    reference
        Patches ``(N, Y, X)``, two or more.
    parts
        Features to join; by default intensity, spectrum and texture.
    """
    return StandardisedFeatures.of(reference, parts)[0]


def balanced(numbers: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """What to subtract from, and to divide by, each of the numbers of all parts ``(D,)``, so that parts weigh alike.

    Parameters
    ----------
    numbers
        Of each part the numbers of the reference ``(N, d)``.
    """
    spreads = []
    for values in numbers:
        spread = values.std(0)
        varying = spread > 1e-9 * (1 + np.abs(values.mean(0)))
        spreads.append(np.where(varying, spread, 1) * np.sqrt(values.shape[1]))
    return np.concatenate([values.mean(0) for values in numbers]), np.concatenate(spreads)


def patch_array(patches: object) -> np.ndarray:
    """Patches as float64 ``(N, Y, X)``, or a sentence that says what is wrong."""
    return real_array(patches, "the set of patches", dimensions=(3,))


def _moments(values: np.ndarray) -> np.ndarray:
    """Mean, deviation and skewness of each row; a constant row has skewness 0."""
    mean = values.mean(1)
    centred = values - mean[:, None]
    squares = centred * centred
    spread, third = np.sqrt(squares.mean(1)), (squares * centred).mean(1)  # ** 3 would take most of the time
    flat = vanishes(spread, np.abs(values).max(1))
    skewness = np.divide(third, spread**3, out=np.zeros_like(third), where=~flat)
    return np.column_stack([mean, spread, skewness])


def _correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Correlation of rows; 0 where one is constant."""
    a, b = first - first.mean(1, keepdims=True), second - second.mean(1, keepdims=True)
    size_a, size_b = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    flat = vanishes(size_a, np.linalg.norm(first, axis=1)) | vanishes(size_b, np.linalg.norm(second, axis=1))
    return np.asarray(np.divide((a * b).sum(1), size_a * size_b, out=np.zeros_like(size_a), where=~flat))
