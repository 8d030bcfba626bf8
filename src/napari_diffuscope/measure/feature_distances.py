"""Fréchet and kernel distance between two sets of features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.arrays import real_array


@dataclass(frozen=True)
class KernelDistance:
    """Squared maximum mean discrepancy; around 0 (and negative as often as positive) for equal distributions.

    Parameters
    ----------
    value
        Mean over subsets.
    spread
        Standard deviation over subsets; of the mean, it is an upper bound.
    size
        Images of each set in a subset.
    """

    value: float
    spread: float
    size: int


def frechet_of_features(first: np.ndarray, second: np.ndarray) -> float:
    """Fréchet distance between the Gaussians fitted to two sets of features ``(N, D)``.

    Sets with fewer images than features have covariances without full rank; they are handled, but the bias is then
    large.
    """
    (mean_a, covariance_a), (mean_b, covariance_b) = map(_moments, feature_pair(first, second))
    return frechet_of_moments(mean_a, covariance_a, mean_b, covariance_b)


def frechet_of_moments(
    mean_a: np.ndarray, covariance_a: np.ndarray, mean_b: np.ndarray, covariance_b: np.ndarray
) -> float:
    """``|μ₁ - μ₂|² + tr(C₁ + C₂ - 2 (C₁^½ C₂ C₁^½)^½)``, for covariances of any rank.

    The root is that of a symmetric matrix (equal in trace to (C₁ C₂)^½), from eigenvalues; those below 0 by rounding
    count as 0.
    """
    values, vectors = np.linalg.eigh(covariance_a)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    inner = np.linalg.eigvalsh(root @ covariance_b @ root)
    shared = float(np.sqrt(np.maximum(inner, 0)).sum())
    shift = float(np.sum((mean_a - mean_b) ** 2))
    distance = shift + float(np.trace(covariance_a) + np.trace(covariance_b)) - 2 * shared
    return max(distance, 0.0)


def kernel_of_features(
    first: np.ndarray,
    second: np.ndarray,
    *,
    subsets: int = 100,
    size: int = 1000,
    seed: int = 0,
) -> KernelDistance:
    """Unbiased squared maximum mean discrepancy with the kernel ``(x·y / D + 1)³``.

    Parameters
    ----------
    first, second
        Features ``(N, D)``.
    subsets
        Random subsets that are averaged. Where ``size`` takes in both sets whole, there is but one.
    size
        Images of each set in a subset, at most the smaller set.
    seed
        Seed of the draws.

    References
    ----------
    Bińkowski, Sutherland, Arbel, Gretton, ICLR (2018), section 4; Gretton et al., JMLR 13, 723 (2012), equation 3.
    """
    a, b = feature_pair(first, second)
    size = min(size, len(a), len(b))
    if size < 2 or subsets < 1:
        raise DiffuscopeError(
            f"A kernel distance needs subsets of 2 images or more, not {subsets} of {size}."
        )
    if size == len(a) == len(b):
        return KernelDistance(_discrepancy(a, b), 0.0, size)
    rng = np.random.default_rng(seed)
    distances = []
    for _ in range(subsets):
        one, other = (values[rng.choice(len(values), size, replace=False)] for values in (a, b))
        distances.append(_discrepancy(one, other))
    return KernelDistance(float(np.mean(distances)), float(np.std(distances)), size)


def feature_pair(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of features as float64 ``(N, D)`` with as many features and 2 images or more."""
    a = real_array(first, "the first set of features", dimensions=(2,))
    b = real_array(second, "the second set of features", dimensions=(2,))
    if a.shape[1] != b.shape[1]:
        raise DiffuscopeError(f"Both sets must have as many features, not {a.shape[1]} and {b.shape[1]}.")
    if min(len(a), len(b)) < 2:
        raise DiffuscopeError(f"Each set needs 2 images or more, not {len(a)} and {len(b)}.")
    return a, b


def _moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    centred = values - values.mean(0)
    return values.mean(0), centred.T @ centred / (len(values) - 1)


def _discrepancy(a: np.ndarray, b: np.ndarray) -> float:
    """Equation 3 of Gretton et al.: an image is not compared with itself."""

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.asarray((x @ y.T / x.shape[1] + 1) ** 3)

    def within(x: np.ndarray) -> float:
        values = kernel(x, x)
        return float(values.sum() - np.trace(values)) / (len(x) * (len(x) - 1))

    return within(a) + within(b) - 2 * float(kernel(a, b).mean())
