"""How near a set of images is to real ones: what is kept of each image for that, and distances between sets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from napari_diffuscope.measure.decorrelation import decorrelation_resolution
from napari_diffuscope.measure.feature_distances import frechet_of_features, kernel_of_features
from napari_diffuscope.measure.features import DEFAULT_PARTS, balanced, patch_array
from napari_diffuscope.measure.filaments import filament_density, filament_width, spot_density
from napari_diffuscope.measure.spectrum import radial_power_spectrum

PART_LENGTHS = (10, 20, 35)
"""Numbers of each of the documented features: intensity, spectrum, texture."""

QUANTILES = 64
RESAMPLES = 200

FEWEST = 8
"""Images that a set needs for distances."""

UNRESOLVED = 0.25
"""Cycles per pixel up to which images are compared where nothing is known of their resolution."""


@dataclass(frozen=True)
class Described:
    """What is kept of images of one size, a row for each.

    Parameters
    ----------
    features
        ``(N, 65)``: intensity, spectrum and texture, see `napari_diffuscope.measure.features`.
    power
        ``(N, F)``: power in rings of equal frequency, from low to high.
    quantiles
        ``(N, 64)``: intensities in equal steps of their share.
    structure
        ``(N, 3)``: width in pixels (NaN where there is no structure), share that is filled, spots in 100 × 100 pixels.
    """

    features: np.ndarray
    power: np.ndarray
    quantiles: np.ndarray
    structure: np.ndarray

    def __len__(self) -> int:
        return len(self.features)


def described(images: object) -> Described:
    """Describe images ``(N, Y, X)`` of one size, background near 0."""
    patches = patch_array(images)
    parts = [part(patches) for part in DEFAULT_PARTS]
    assert tuple(part.shape[1] for part in parts) == PART_LENGTHS
    shares = (np.arange(QUANTILES) + 0.5) / QUANTILES
    return Described(
        np.column_stack(parts),
        np.stack([radial_power_spectrum(image).power for image in patches]),
        np.quantile(patches.reshape(len(patches), -1), shares, axis=1).T,
        np.array([[measure(image) for measure in STRUCTURE] for image in patches]),
    )


STRUCTURE = (filament_width, filament_density, spot_density)


def joined(sets: Sequence[Described]) -> Described:
    """Several sets as one, in their order."""
    names = [field.name for field in fields(Described)]
    return Described(*(np.concatenate([getattr(one, name) for one in sets]) for name in names))


def resolved(images: np.ndarray) -> float:
    """Median frequency up to which images hold structure, by decorrelation analysis, in cycles per pixel."""
    found = [decorrelation_resolution(image).resolution for image in images]
    known = [1 / value for value in found if value is not None and math.isfinite(value) and value > 0]
    return float(np.median(known)) if known else UNRESOLVED


@dataclass(frozen=True)
class Comparison:
    """How far a set of images is from real ones, and what its structures are like.

    Parameters
    ----------
    images
        How many.
    kernel, kernel_low, kernel_high
        Kernel distance with its 95 % interval.
    frechet
        Fréchet distance.
    spectrum_db, spectrum_mean_db
        Largest and mean difference of the mean power, in dB, at the frequencies that real images resolve.
    histogram
        Mean shift of intensities, in the units of the images.
    width, filled, spots
        Width of the structures in pixels, share of the pixels that they fill, spots in 100 × 100 pixels.
    """

    images: int
    kernel: float
    kernel_low: float
    kernel_high: float
    frechet: float
    spectrum_db: float
    spectrum_mean_db: float
    histogram: float
    width: float
    filled: float
    spots: float


def compared(real: Described, other: Described, *, below: float, seed: int = 0) -> Comparison:
    """Compare a set with real images; both of images of one size.

    Parameters
    ----------
    real, other
        Two images of each or more.
    below
        Frequency up to which spectra are compared, in cycles per pixel.
    seed
        Of the resampling.
    """
    kernel, low, high, frechet = 0.0, 0.0, 0.0, 0.0
    if real is not other:
        one, two = _in_one_scale(real.features, other.features)
        kernel, low, high = kernel_interval(one, two, seed=seed)
        frechet = frechet_of_features(one, two)
    decibels = np.abs(10 * np.log10(other.power.mean(0) / real.power.mean(0)))[_rings(real) <= below]
    return Comparison(
        len(other),
        kernel,
        low,
        high,
        frechet,
        float(decibels.max()),
        float(decibels.mean()),
        float(np.abs(_quantiles(real) - _quantiles(other)).mean()),
        *_structure(other),
    )


def kernel_interval(real: np.ndarray, other: np.ndarray, *, seed: int) -> tuple[float, float, float]:
    """Kernel distance of two sets of features, and the 95 % interval of what resampled images give.

    Both sets are resampled without repeating an image, two thirds at a time: repeated images would be at distance 0.
    """
    rng, values = np.random.default_rng(seed), list[float]()
    sizes = [max(2, 2 * len(one) // 3) for one in (real, other)]
    size = min(sizes)
    for _ in range(RESAMPLES):
        parts = [one[rng.choice(len(one), size, replace=False)] for one in (real, other)]
        values.append(kernel_of_features(*parts).value)
    whole = kernel_of_features(real, other, size=min(len(real), len(other))).value
    # A part of m of n images scatters by √((n - m) / m) of what n do.
    spread = float(np.std(values)) * math.sqrt(size / max(min(len(real), len(other)) - size, 1))
    return whole, whole - 1.96 * spread, whole + 1.96 * spread


def _in_one_scale(real: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features in which every part has the same weight, as measured on the real images."""
    ends = np.cumsum(PART_LENGTHS)[:-1]
    centre, spread = balanced(np.split(real.astype(np.float64), ends, axis=1))
    return (real - centre) / spread, (other - centre) / spread


def _rings(one: Described) -> np.ndarray:
    """Frequencies of the power of square images, in cycles per pixel: their rings are one cycle per image apart."""
    return np.asarray((np.arange(one.power.shape[1]) + 1) / (2 * one.power.shape[1]))


def _quantiles(one: Described) -> np.ndarray:
    """Intensities of the whole set in equal steps of their share."""
    return np.asarray(np.quantile(one.quantiles, (np.arange(QUANTILES) + 0.5) / QUANTILES))


def _structure(one: Described) -> tuple[float, float, float]:
    widths, filled, spots = one.structure.T
    width = float(widths[np.isfinite(widths)].mean()) if np.isfinite(widths).any() else float("nan")
    return width, float(filled.mean()), float(spots.mean())
