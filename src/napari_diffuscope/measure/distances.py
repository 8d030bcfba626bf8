"""How far apart two sets of images are: Fréchet and kernel distance, with what chance alone gives.

Both compare distributions of features (:mod:`~napari_diffuscope.measure.features`), not images. The Fréchet
distance of small sets is too large: its bias falls with one over the number of images, so values of sets of
different sizes must not be compared. :func:`compare_sets` gives the value beside that of real against real images
in the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.feature_distances import (
    KernelDistance,
    feature_pair,
    frechet_of_features,
    frechet_of_moments,
    kernel_of_features,
)
from napari_diffuscope.measure.features import Features, patch_array, standardised
from napari_diffuscope.measure.patches import slice_patches

__all__ = [
    "KernelDistance",
    "SetDistance",
    "compare_sets",
    "distance_floor",
    "frechet_distance",
    "frechet_of_features",
    "frechet_of_moments",
    "kernel_distance",
    "kernel_of_features",
    "slice_patches",
]

Kind = Literal["frechet", "kernel"]


@dataclass(frozen=True)
class SetDistance:
    """Distance of a set of images from real ones, beside that of real ones from each other.

    Parameters
    ----------
    value, spread
        Mean and standard deviation over random draws of ``count`` images from both sets.
    floor, floor_spread
        The same for two draws of ``count`` real images that have none in common.
    count
        Images in each draw.
    kind, features
        What was computed, on what.
    """

    value: float
    spread: float
    floor: float
    floor_spread: float
    count: int
    kind: Kind
    features: str


def frechet_distance(real: np.ndarray, other: np.ndarray, *, features: Features | None = None) -> float:
    """Fréchet distance between two sets of patches ``(N, Y, X)``; 0 for equal ones, FID with Inception features.

    Parameters
    ----------
    real, other
        Sets of patches of one size and in the same units, two or more each; better hundreds.
    features
        ``None`` is intensity, spectrum and texture, standardised on ``real``.

    References
    ----------
    Heusel, Ramsauer, Unterthiner, Nessler, Hochreiter, NeurIPS (2017), equation 6.
    """
    return frechet_of_features(*_described(real, other, features))


def kernel_distance(
    real: np.ndarray,
    other: np.ndarray,
    *,
    features: Features | None = None,
    subsets: int = 100,
    size: int = 1000,
    seed: int = 0,
) -> KernelDistance:
    """Kernel distance between two sets of patches ``(N, Y, X)``: unbiased, so small sets may be compared.

    Parameters
    ----------
    real, other
        Sets of patches of one size and in the same units, two or more each.
    features
        ``None`` is intensity, spectrum and texture, standardised on ``real``.
    subsets, size, seed
        As for :func:`kernel_of_features`.
    """
    described = _described(real, other, features)
    return kernel_of_features(*described, subsets=subsets, size=size, seed=seed)


def distance_floor(
    real: np.ndarray,
    *,
    features: Features | None = None,
    kind: Kind = "frechet",
    count: int | None = None,
    repeats: int = 10,
    seed: int = 0,
) -> tuple[float, float]:
    """Mean and standard deviation of the distance between real images and others of them.

    What a perfect generator would get with ``count`` images; nothing below it can be told apart.

    Parameters
    ----------
    real
        Patches ``(N, Y, X)``. Patches from one image are more alike than those of different images; the floor
        of a few images is too low.
    features
        ``None`` is intensity, spectrum and texture, standardised on ``real``.
    kind
        ``"frechet"`` or ``"kernel"``.
    count
        Images on each side, at most half of all; ``None`` is half.
    repeats
        Random divisions that are averaged.
    seed
        Seed of the divisions.
    """
    features_of_patches = (features or standardised(real))(patch_array(real))
    return _floor(
        features_of_patches, kind, _half(features_of_patches, count), repeats, np.random.default_rng(seed)
    )


def compare_sets(
    real: np.ndarray,
    other: np.ndarray,
    *,
    features: Features | None = None,
    kind: Kind = "frechet",
    repeats: int = 10,
    seed: int = 0,
) -> SetDistance:
    """Distance of a set of patches from real ones and the floor under it, both with the same number of images.

    Parameters
    ----------
    real, other
        Patches ``(N, Y, X)`` of one size and in the same units. Each draw has as many images as half of ``real``
        or all of ``other``, whichever is less.
    features
        ``None`` is intensity, spectrum and texture, standardised on ``real``.
    kind
        ``"frechet"`` or ``"kernel"``.
    repeats
        Random draws that are averaged.
    seed
        Seed of the draws.
    """
    features = features or standardised(real)
    a, b = feature_pair(*_described(real, other, features))
    count = _half(a, len(b))
    rng = np.random.default_rng(seed)
    distances = [_distance(_draw(a, count, rng), _draw(b, count, rng), kind) for _ in range(repeats)]
    floor, floor_spread = _floor(a, kind, count, repeats, rng)
    return SetDistance(
        float(np.mean(distances)), float(np.std(distances)), floor, floor_spread, count, kind, features.name
    )


def _described(
    real: np.ndarray, other: np.ndarray, features: Features | None
) -> tuple[np.ndarray, np.ndarray]:
    real, other = patch_array(real), patch_array(other)
    if real.shape[1:] != other.shape[1:]:
        raise DiffuscopeError(
            f"Both sets must have patches of one size, not {real.shape[1:]} and {other.shape[1:]}."
        )
    features = features or standardised(real)
    return features(real), features(other)


def _half(values: np.ndarray, count: int | None) -> int:
    most = len(values) // 2
    if most < 2:
        raise DiffuscopeError(f"Real images against each other need 4 of them or more, not {len(values)}.")
    count = most if count is None else min(count, most)
    if count < 2:
        raise DiffuscopeError(f"Each draw needs 2 images or more, not {count}.")
    return count


def _draw(values: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    drawn: np.ndarray = values[rng.choice(len(values), count, replace=False)]
    return drawn


def _floor(
    values: np.ndarray, kind: Kind, count: int, repeats: int, rng: np.random.Generator
) -> tuple[float, float]:
    distances = []
    for _ in range(repeats):
        both = _draw(values, 2 * count, rng)
        distances.append(_distance(both[:count], both[count:], kind))
    return float(np.mean(distances)), float(np.std(distances))


def _distance(a: np.ndarray, b: np.ndarray, kind: Kind) -> float:
    if kind not in get_args(Kind):
        raise DiffuscopeError(f"The kind of distance must be frechet or kernel, not {kind!r}.")
    return frechet_of_features(a, b) if kind == "frechet" else kernel_of_features(a, b).value
