"""What is constant counts as constant on every processor, in whatever order its sums are taken."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.arrays import ROUNDING, fit_affine, norm, vanishes
from napari_diffuscope.measure.correlation import fourier_ring_correlation
from napari_diffuscope.measure.features import SpectrumFeatures, TextureFeatures
from napari_diffuscope.measure.quality import nrmse, pearson, psnr
from napari_diffuscope.measure.shapes.plane_features import plane_features
from napari_diffuscope.measure.spectrum import band_power_ratio, radial_power_spectrum

LEVELS = [0.1, 1 / 3, 1.0, 173.7, 1e6 + 0.1, 6.02e23]
"""Constants most of which have no short binary form, so that their mean is not always themselves."""


def constant(level: float, shape: tuple[int, ...] = (61, 67)) -> np.ndarray:
    return np.full(shape, level)


def almost(level: float, shape: tuple[int, ...] = (61, 67)) -> np.ndarray:
    """A constant image that went through arithmetic: some pixels differ in the last bit."""
    image = constant(level, shape)
    odd = np.random.default_rng(0).random(shape) < 0.5
    image[odd] = np.nextafter(level, np.inf)
    return image


def texture(shape: tuple[int, ...] = (61, 67)) -> np.ndarray:
    return np.random.default_rng(1).normal(100, 10, shape)


@pytest.mark.parametrize("make", [constant, almost])
@pytest.mark.parametrize("level", LEVELS)
def test_a_constant_truth_has_no_power_in_any_band(level: float, make) -> None:
    for low, high in pairwise([0.05, 0.3, 0.6, 1.0]):
        with pytest.raises(DiffuscopeError, match="no power"):
            band_power_ratio(make(level), texture(), low=low, high=high)


def test_a_band_without_power_beside_a_strong_wave_is_told() -> None:
    wave = 50 + 40 * np.sin(2 * np.pi * np.arange(64) / 16) * np.ones((64, 1))
    assert band_power_ratio(wave, wave / 2, low=0.1, high=0.2, window=False) == pytest.approx(0.25)
    with pytest.raises(DiffuscopeError, match="no power"):
        band_power_ratio(wave, wave, low=0.5, high=0.9, window=False)


def test_faint_structure_on_a_high_background_still_counts() -> None:
    faint = 1e6 + 1e-4 * texture()
    assert band_power_ratio(faint, 1e6 + 2e-4 * texture(), low=0.1, high=0.9) == pytest.approx(4, rel=1e-3)
    assert pearson(faint, texture()) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("window", [True, False])
@pytest.mark.parametrize("level", LEVELS)
def test_the_spectrum_of_a_constant_is_nothing(level: float, window: bool) -> None:
    assert radial_power_spectrum(constant(level), window=window).power.max() < (1e-12 * level) ** 2


@pytest.mark.parametrize("make", [constant, almost])
@pytest.mark.parametrize("level", LEVELS)
def test_constant_images_agree_in_nothing(level: float, make) -> None:
    curve = fourier_ring_correlation(make(level), make(level))
    assert not curve.correlation.any()
    assert curve.resolution == math.inf
    assert not fourier_ring_correlation(make(level), texture()).correlation.any()


@pytest.mark.parametrize("make", [constant, almost])
@pytest.mark.parametrize("level", LEVELS)
def test_measures_of_a_constant_image(level: float, make) -> None:
    truth = texture()
    assert math.isnan(pearson(truth, make(level)))
    assert fit_affine(truth, make(level)) == pytest.approx(np.full(truth.shape, truth.mean()), rel=1e-9)
    with pytest.raises(DiffuscopeError, match="nothing to compare with"):
        psnr(make(level), truth)


def test_images_that_are_equal_but_for_rounding_have_no_noise() -> None:
    truth = texture()
    assert psnr(truth, truth / 3 * 3) == math.inf
    assert psnr(truth, 0.1 * truth + 7, affine=True) == math.inf
    assert math.isfinite(psnr(truth, truth + 1e-6 * texture()[::-1]))


def test_a_truth_without_a_mean_cannot_be_divided_by_it() -> None:
    truth = texture() - 100
    with pytest.raises(DiffuscopeError, match="nothing can be divided"):
        nrmse(truth - truth.mean(), texture(), normalisation="mean")


@pytest.mark.parametrize("features", [SpectrumFeatures(), TextureFeatures()], ids=lambda one: one.name)
def test_flat_patches_are_alike_whatever_their_level(features) -> None:
    """Before, rounding was amplified into features of its own, which differed from level to level."""
    patches = np.concatenate([make(level, (1, 40, 40)) for level in LEVELS for make in (constant, almost)])
    numbers = features(patches)
    assert numbers == pytest.approx(np.broadcast_to(numbers[:1], numbers.shape), abs=1e-9)
    assert numbers == pytest.approx(np.zeros_like(numbers), abs=1e-9)


@pytest.mark.parametrize("make", [constant, almost])
@pytest.mark.parametrize("level", LEVELS[:-1])
def test_grey_values_of_a_flat_cell_have_no_skewness(level: float, make) -> None:
    mask = np.hypot(*np.mgrid[-20:21, -20:21]) < 15
    assert plane_features(make(level, mask.shape), mask)["skewness"] == pytest.approx(0, abs=1e-9)


def test_what_vanishes_is_told_from_what_is_small() -> None:
    values = 1e-6 * texture()
    assert vanishes(0.0, 0.0)
    assert vanishes(0.1 * ROUNDING * norm(values), norm(values))
    assert not vanishes(1e-9 * norm(values), norm(values))
