"""Decorrelation analysis finds cut-offs that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import fft, ndimage, optimize

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.decorrelation import _Profile, decorrelation_resolution
from napari_diffuscope.measure.rings import half_transform, make_window


def points(size: int = 256, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = np.zeros((size, size))
    np.add.at(image, tuple(rng.integers(0, size, (2, 600))), rng.uniform(0.5, 1.5, 600))
    return image


def low_passed(image: np.ndarray, share: float) -> np.ndarray:
    """Nothing left above a share of the Nyquist frequency."""
    radius = np.hypot(*np.meshgrid(*map(fft.fftfreq, image.shape), indexing="ij")) / 0.5
    kept: np.ndarray = fft.ifft2(fft.fft2(image) * (radius <= share)).real
    return kept


def noisy(image: np.ndarray, noise: float, seed: int = 5) -> np.ndarray:
    return image + noise * image.std() * np.random.default_rng(seed).normal(size=image.shape)


@pytest.mark.parametrize("noise", [0.01, 0.1, 0.3])
@pytest.mark.parametrize("share", [0.2, 0.35, 0.5, 0.7, 0.85])
def test_the_edge_of_an_ideal_low_pass_is_found(share: float, noise: float) -> None:
    """To within 3 % or one ring of frequencies."""
    found = decorrelation_resolution(noisy(low_passed(points(), share), noise), pixel_size=0.1)
    assert found.share == pytest.approx(share, abs=max(0.03 * share, 1 / 128))
    assert found.resolution == pytest.approx(0.2 / found.share)
    assert found.cutoff * found.resolution == pytest.approx(1)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("sigma", [1.0, 1.5, 2.0, 3.0, 4.0])
def test_a_gaussian_blur_has_the_resolution_that_follows_from_equation_1(sigma: float, seed: int) -> None:
    """Strong high-pass filters multiply by f² (white specimen: f² exp(-2π²σ²f²)); d(r) then peaks where
    2u² = exp(u) - 1 - u with u = 2π²σ²r², at 2.48 σ, about the full width at half maximum (2.35 σ)."""
    u = optimize.brentq(lambda u: math.exp(u) - 1 - u - 2 * u**2, 1, 5)
    expected = sigma / math.sqrt(u / (2 * math.pi**2))
    assert expected == pytest.approx(2.48 * sigma, rel=0.01)
    found = decorrelation_resolution(noisy(ndimage.gaussian_filter(points(seed=seed), sigma), 0.01))
    assert found.resolution == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("sigma", [1.5, 2.5, 4.0])
def test_noise_of_a_tenth_changes_little(sigma: float) -> None:
    blurred = ndimage.gaussian_filter(points(), sigma)
    few, more = (decorrelation_resolution(noisy(blurred, noise)) for noise in (0.003, 0.1))
    assert more.resolution == pytest.approx(few.resolution, rel=0.08)


def test_the_amplitude_falls_with_noise() -> None:
    image = low_passed(points(), 0.4)
    heights = [decorrelation_resolution(noisy(image, noise)).amplitude for noise in (0.01, 0.3, 1.0)]
    assert heights == sorted(heights, reverse=True)
    assert heights[0] > heights[2] + 0.1


def test_units_of_intensity_and_background_do_not_matter() -> None:
    image = noisy(ndimage.gaussian_filter(points(), 2), 0.05)
    first, second = decorrelation_resolution(image), decorrelation_resolution(5000 * image + 12345)
    assert second.resolution == pytest.approx(first.resolution, rel=1e-6)
    assert second.amplitude == pytest.approx(first.amplitude, rel=1e-6)


def test_the_resolution_is_in_the_unit_of_the_pixel() -> None:
    image = noisy(ndimage.gaussian_filter(points(), 2), 0.05)
    in_pixels = decorrelation_resolution(image).resolution
    assert decorrelation_resolution(image, pixel_size=65.0).resolution == pytest.approx(65 * in_pixels)


def test_white_noise_has_no_resolution() -> None:
    found = decorrelation_resolution(np.random.default_rng(0).normal(size=(128, 128)))
    assert found.cutoff == 0
    assert found.resolution == math.inf


def test_sums_over_rings_are_equation_1() -> None:
    """The two-dimensional sums of the paper, pixel by pixel, with the filter applied to the image."""
    image = noisy(ndimage.gaussian_filter(points(96), 1.5), 0.1)
    profile = _Profile(image)
    half = half_transform(image, make_window(image.shape, "tukey"))
    full = fft.fft2(fft.irfft2(half, s=image.shape))
    y, x = np.meshgrid(*map(fft.fftfreq, image.shape), indexing="ij")
    rings = np.rint(np.hypot(y, x) * 96)
    full[(rings == 0) | (rings > 48)] = 0
    for blur in (None, 3.0):
        passed = 1 - np.exp(-2 * np.pi**2 * blur**2 * (y**2 + x**2)) if blur else 1.0
        seen = full * passed
        phases = np.divide(full, np.abs(full), out=np.zeros_like(full), where=np.abs(full) > 0)
        for ring in (5, 20, 44):
            inside = phases * (rings <= ring)
            norms = np.sum(np.abs(seen) ** 2) * np.sum(np.abs(inside) ** 2)
            expected = np.sum((seen * inside.conj()).real) / np.sqrt(norms)
            assert profile.decorrelation(blur)[ring - 1] == pytest.approx(expected, rel=0.01)


def test_small_or_empty_images_are_refused() -> None:
    with pytest.raises(DiffuscopeError, match="32 pixels"):
        decorrelation_resolution(np.random.default_rng(0).normal(size=(64, 20)))
    with pytest.raises(DiffuscopeError, match="nothing to compare"):
        decorrelation_resolution(np.ones((64, 64)))
    with pytest.raises(DiffuscopeError, match="positive"):
        decorrelation_resolution(points(64), pixel_size=0.0)
    with pytest.raises(DiffuscopeError, match="2 dimensions"):
        decorrelation_resolution(np.ones((4, 64, 64)))
