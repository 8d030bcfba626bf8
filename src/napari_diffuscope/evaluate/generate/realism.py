"""How near a set of images is to real ones that were kept out of the training."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import wasserstein_distance

from napari_diffuscope.evaluate.tables import Value
from napari_diffuscope.measure.decorrelation import decorrelation_resolution
from napari_diffuscope.measure.feature_distances import frechet_of_features, kernel_of_features
from napari_diffuscope.measure.features import standardised
from napari_diffuscope.measure.filaments import filament_density, filament_width, spot_density
from napari_diffuscope.measure.spectrum import radial_power_spectrum

COLUMNS = (
    "class",
    "set",
    "images",
    "kernel",
    "kernel_low",
    "kernel_high",
    "frechet",
    "spectrum_db",
    "spectrum_mean_db",
    "histogram",
    "width",
    "filled",
    "spots",
)
RESAMPLES = 200


def mean_spectrum(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies in cycles per pixel, and the mean power of a set ``(N, Y, X)``."""
    spectra = [radial_power_spectrum(image) for image in images]
    return spectra[0].frequency, np.mean([one.power for one in spectra], 0)


def resolved(images: np.ndarray) -> float:
    """Median frequency up to which images hold structure, by decorrelation analysis, in cycles per pixel."""
    found = [decorrelation_resolution(image).resolution for image in images]
    known = [1 / value for value in found if value is not None and math.isfinite(value) and value > 0]
    return float(np.median(known)) if known else 0.25


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


def realism_rows(
    structure: str, kept: np.ndarray, sets: dict[str, np.ndarray], *, seed: int
) -> list[dict[str, Value]]:
    """How far each set is from what was kept out.

    Parameters
    ----------
    structure
        Name of the class.
    kept
        Real images that were kept out ``(N, Y, X)``.
    sets
        Others by name.
    seed
        Of the resampling.
    """
    features = standardised(kept)
    real, (frequency, power) = features(kept), mean_spectrum(kept)
    below = frequency <= resolved(kept)
    rows: list[dict[str, Value]] = []
    for name, images in {"kept out": kept, **sets}.items():
        described = features(images)
        own = name == "kept out"
        kernel, low, high = (0.0, 0.0, 0.0) if own else kernel_interval(real, described, seed=seed)
        decibels = 10 * np.log10(mean_spectrum(images)[1] / power)[below]
        rows.append(
            {
                "class": structure,
                "set": name,
                "images": len(images),
                "kernel": kernel,
                "kernel_low": low,
                "kernel_high": high,
                "frechet": 0.0 if own else frechet_of_features(real, described),
                "spectrum_db": float(np.abs(decibels).max()),
                "spectrum_mean_db": float(np.abs(decibels).mean()),
                "histogram": float(wasserstein_distance(kept.ravel()[::7], images.ravel()[::7])),
                "width": float(np.nanmean([filament_width(image) for image in images])),
                "filled": float(np.mean([filament_density(image) for image in images])),
                "spots": float(np.mean([spot_density(image) for image in images])),
            }
        )
    return rows
