"""Distances between sets of images, held against closed forms and other implementations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import linalg, ndimage

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.distances import (
    compare_sets,
    distance_floor,
    frechet_distance,
    frechet_of_features,
    frechet_of_moments,
    kernel_distance,
    kernel_of_features,
)
from napari_diffuscope.measure.features import IntensityFeatures
from tests.measure.optional import needs_torch_fidelity


def covariance(size: int, rank: int, seed: int) -> np.ndarray:
    factors = np.random.default_rng(seed).normal(size=(rank, size))
    return factors.T @ factors / rank


def images(count: int, *, blur: float = 1.5, seed: int = 0, size: int = 32) -> np.ndarray:
    """Blurred noise with deviation 10 on 100: a population that is told apart by its blur alone."""
    noise = np.random.default_rng(seed).normal(size=(count, size, size))
    blurred = ndimage.gaussian_filter(noise, (0, blur, blur), mode="wrap")
    return 100 + 10 * blurred / blurred.std()


def test_the_frechet_distance_is_that_with_the_general_matrix_root() -> None:
    a, b = covariance(12, 40, 0), covariance(12, 40, 1)
    rng = np.random.default_rng(2)
    mean_a, mean_b = rng.normal(size=(2, 12))
    root = np.real(linalg.sqrtm(a @ b))
    expected = np.sum((mean_a - mean_b) ** 2) + np.trace(a + b - 2 * root)
    assert frechet_of_moments(mean_a, a, mean_b, b) == pytest.approx(expected, rel=1e-8)


def test_covariances_that_commute_have_a_closed_form() -> None:
    """Along common axes it is the sum of squared differences of means and of standard deviations."""
    rng = np.random.default_rng(0)
    axes = linalg.qr(rng.normal(size=(8, 8)))[0]
    one, other = rng.uniform(0, 3, (2, 8))
    one[:3] = other[2:5] = 0  # neither has full rank
    a, b = ((axes * spread**2) @ axes.T for spread in (one, other))
    shift = rng.normal(size=8)
    expected = np.sum(shift**2) + np.sum((one - other) ** 2)
    assert frechet_of_moments(shift, a, np.zeros(8), b) == pytest.approx(expected, rel=1e-6)


def test_fewer_images_than_features_are_handled() -> None:
    """For centred data it follows from the singular values of the product of both data matrices."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(6, 50)), 2 * rng.normal(size=(9, 50)) + 1
    ca, cb = a - a.mean(0), b - b.mean(0)
    shared = linalg.svdvals(ca @ cb.T / np.sqrt(5 * 8)).sum()
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + (ca**2).sum() / 5 + (cb**2).sum() / 8 - 2 * shared
    assert frechet_of_features(a, b) == pytest.approx(expected, rel=1e-6)
    assert frechet_of_features(a, a) == pytest.approx(0, abs=1e-5)


def test_gaussians_have_the_distance_of_their_parameters() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, (20_000, 3)), rng.normal([1, 0, 0], [1, 2, 1], (20_000, 3))
    assert frechet_of_features(a, b) == pytest.approx(1 + 1, rel=0.05)


def test_the_kernel_distance_is_that_of_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(7, 4)), rng.normal(1, 1, (7, 4))

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float((np.dot(x, y) / 4 + 1) ** 3)

    within = sum(kernel(s[i], s[j]) for s in (a, b) for i in range(7) for j in range(7) if i != j) / (7 * 6)
    expected = within - 2 * sum(kernel(x, y) for x in a for y in b) / 49
    assert kernel_of_features(a, b).value == pytest.approx(expected)


def test_the_kernel_distance_has_no_bias_but_the_frechet_distance_has() -> None:
    rng = np.random.default_rng(0)
    pairs = [rng.normal(size=(2, 30, 10)) for _ in range(60)]
    kernel = [kernel_of_features(a, b).value for a, b in pairs]
    assert abs(np.mean(kernel)) < 3 * np.std(kernel) / np.sqrt(60)
    small = np.mean([frechet_of_features(a, b) for a, b in pairs])
    large = frechet_of_features(*rng.normal(size=(2, 3000, 10)))
    assert small > 10 * large


def test_subsets_are_reproducible_and_have_a_spread() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(200, 5)), rng.normal(0.5, 1, (120, 5))
    first, again = (kernel_of_features(a, b, subsets=20, size=50, seed=3) for _ in range(2))
    assert first == again
    assert first.size == 50
    assert 0 < first.spread < first.value
    assert kernel_of_features(a, b, subsets=5).size == 120


@pytest.mark.parametrize("kind", ["frechet", "kernel"])
def test_a_blur_is_seen_above_the_floor_and_a_sound_generator_is_not(kind: str) -> None:
    real = images(160)
    sound = compare_sets(real, images(80, seed=1), kind=kind)  # type: ignore[arg-type]
    blurred = compare_sets(real, images(80, blur=1.8, seed=2), kind=kind)  # type: ignore[arg-type]
    assert sound.count == blurred.count == 80
    assert sound.features == "standardised intensity+spectrum+texture"
    assert abs(sound.value - sound.floor) < 4 * sound.floor_spread
    assert blurred.value > blurred.floor + 10 * blurred.floor_spread


def test_the_distance_rises_with_the_blur() -> None:
    real = images(80)
    sets = [images(80, blur=blur, seed=1) for blur in (1.5, 1.8, 2.4)]
    frechet = [frechet_distance(real, other) for other in sets]
    assert frechet == sorted(frechet)
    kernel = [kernel_distance(real, other).value for other in sets]
    assert kernel == sorted(kernel)


def test_the_floor_falls_with_the_number_of_images() -> None:
    real = images(120)
    few, many = (distance_floor(real, count=count)[0] for count in (15, 60))
    assert few > 2 * many > 0
    assert distance_floor(real, count=15) == distance_floor(real, count=15)


def test_features_are_pluggable() -> None:
    real, other = images(40), images(40, seed=1) + 3
    features = IntensityFeatures()
    expected = frechet_of_features(features(real), features(other))
    assert frechet_distance(real, other, features=features) == pytest.approx(expected)
    assert compare_sets(real, other, features=features, repeats=2).features == "intensity"


def test_bad_input_is_told_in_a_sentence() -> None:
    real = images(8)
    with pytest.raises(DiffuscopeError, match="one size"):
        frechet_distance(real, real[:, :20])
    with pytest.raises(DiffuscopeError, match="3 dimensions"):
        frechet_distance(real, real[0])
    with pytest.raises(DiffuscopeError, match="2 images or more"):
        frechet_distance(real, real[:1])
    with pytest.raises(DiffuscopeError, match="4 of them"):
        compare_sets(real[:3], real)
    with pytest.raises(DiffuscopeError, match="as many features"):
        frechet_of_features(np.ones((4, 3)), np.ones((4, 2)))
    with pytest.raises(DiffuscopeError, match="frechet or kernel"):
        compare_sets(real, real, kind="fid")  # type: ignore[arg-type]


def test_both_distances_are_those_of_torch_fidelity() -> None:
    kid, fid = needs_torch_fidelity("metric_kid"), needs_torch_fidelity("metric_fid")
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(60, 8)), rng.normal(0.3, 1, (60, 8))
    assert kernel_of_features(a, b).value == pytest.approx(kid.kernel_mmd(a, b), rel=1e-6)
    moments = [{"mu": values.mean(0), "sigma": np.cov(values, rowvar=False)} for values in (a, b)]
    expected = fid.fid_statistics_to_metric(*moments, verbose=False)[fid.KEY_METRIC_FID]
    assert frechet_of_features(a, b) == pytest.approx(expected, rel=1e-6)
