"""Fourier ring and shell correlation, held against what known spectra must give."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import fft, ndimage

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.correlation import fourier_ring_correlation, fourier_shell_correlation
from napari_diffuscope.measure.splitting import split_diagonal, split_photons


def radius_of(shape: tuple[int, ...], sizes: tuple[float, ...]) -> np.ndarray:
    axes = [fft.fftfreq(n, size) for n, size in zip(shape, sizes, strict=True)]
    return np.sqrt(sum(grid**2 for grid in np.meshgrid(*axes, indexing="ij")))


def field(amplitude: np.ndarray, seed: int) -> np.ndarray:
    """A random image whose power spectrum is ``amplitude²``, white noise of variance 1 being 1."""
    white = np.random.default_rng(seed).normal(size=amplitude.shape)
    filtered: np.ndarray = fft.ifftn(fft.fftn(white) * amplitude).real
    return filtered


def noise(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("window", ["hann", "tukey", "none"])
def test_equal_signal_and_noise_give_one_half(window: str) -> None:
    shape = (256, 256)
    signal = noise(shape, 0)
    curve = fourier_ring_correlation(
        signal + noise(shape, 1),
        signal + noise(shape, 2),
        window=window,  # type: ignore[arg-type]
    )
    assert np.average(curve.correlation, weights=curve.count) == pytest.approx(0.5, abs=0.01)
    outer = curve.correlation[30:]
    np.testing.assert_allclose(outer, 0.5, atol=0.2)


@pytest.mark.parametrize(("shape", "sizes"), [((300, 300), (0.1, 0.1)), ((200, 320), (0.2, 0.1))])
def test_a_known_spectrum_gives_its_share_of_the_power(
    shape: tuple[int, int], sizes: tuple[float, float]
) -> None:
    """S / (S + N) with S = 100 exp(-2 (f/f₀)²) and N = 1, and the resolution where that is 1/7."""
    amplitude = 10 * np.exp(-((radius_of(shape, sizes) / 1.5) ** 2))
    signal = field(amplitude, 0)
    curve = fourier_ring_correlation(
        signal + noise(shape, 1), signal + noise(shape, 2), pixel_size=sizes, window="none"
    )
    power = 100 * np.exp(-2 * (curve.frequency / 1.5) ** 2)
    inner = curve.count > 300
    np.testing.assert_allclose(curve.correlation[inner], (power / (power + 1))[inner], atol=0.2)
    mean_gap = np.average(curve.correlation - power / (power + 1), weights=curve.count)
    assert abs(mean_gap) < 0.01
    # S / (S + N) = 1/7 where S = 1/6
    expected = 1 / (1.5 * math.sqrt(math.log(600) / 2))
    assert curve.resolution == pytest.approx(expected, rel=0.05)


def test_shells_of_anisotropic_voxels_are_spheres() -> None:
    """Planes four times further apart than pixels; the spectrum is a function of physical frequency."""
    shape, sizes = (20, 80, 80), (0.4, 0.1, 0.1)
    amplitude = 10 * np.exp(-((radius_of(shape, sizes) / 0.7) ** 2))
    signal = field(amplitude, 0)
    pair = signal + noise(shape, 1), signal + noise(shape, 2)
    curve = fourier_shell_correlation(*pair, pixel_size=sizes, window="none")
    power = 100 * np.exp(-2 * (curve.frequency / 0.7) ** 2)
    big = curve.count > 200
    np.testing.assert_allclose(curve.correlation[big], (power / (power + 1))[big], atol=0.15)
    wrong = fourier_shell_correlation(*pair, pixel_size=0.1, window="none")
    power = 100 * np.exp(-2 * (wrong.frequency / 0.7) ** 2)
    big = wrong.count > 200
    assert np.abs(wrong.correlation - power / (power + 1))[big].max() > 0.3
    assert curve.frequency[-1] == pytest.approx(5)


def test_every_frequency_is_counted_once() -> None:
    for shape in ((31, 40), (40, 31), (32, 32)):
        curve = fourier_ring_correlation(noise(shape, 0), noise(shape, 1))
        width = 1 / max(shape)
        ring = np.rint(radius_of(shape, (1, 1)) / width)
        expected = [np.sum(ring == round(frequency / width)) for frequency in curve.frequency]
        np.testing.assert_array_equal(curve.count, expected)


@pytest.mark.parametrize("window", ["hann", "none"])
def test_noise_alone_stays_below_three_sigma(window: str) -> None:
    """Chance scatters by 1/√n, for windowed images as well; the threshold as published is 3 / √(n/2)."""
    above = total = 0
    spread = []
    for seed in range(20):
        pair = noise((128, 128), 2 * seed), noise((128, 128), 2 * seed + 1)
        curve = fourier_ring_correlation(*pair, window=window)  # type: ignore[arg-type]
        outer = slice(8, None)
        above += int(np.sum(np.abs(curve.correlation[outer]) > curve.limit("3-sigma")[outer]))
        total += len(curve.frequency[outer])
        spread.append(curve.correlation[outer] * np.sqrt(curve.independent[outer]))
    assert above / total < 0.003
    assert np.std(spread) == pytest.approx(1, abs=0.1)
    assert curve.resolution_at("3-sigma") == math.inf


def test_equal_images_have_no_limit_and_other_ones_no_agreement() -> None:
    image = ndimage.gaussian_filter(noise((64, 64), 0), 1)
    curve = fourier_ring_correlation(image, 3 * image + 100)
    np.testing.assert_allclose(curve.correlation, 1)
    assert curve.resolution is None


def test_thresholds_are_those_of_the_papers() -> None:
    curve = fourier_ring_correlation(noise((256, 256), 0), noise((256, 256), 1), window="none")
    np.testing.assert_allclose(curve.limit("1/7"), 1 / 7)
    half_bit = curve.limit("half-bit")
    assert half_bit[-1] == pytest.approx(0.2071 / 1.2071, abs=0.06)  # the limit of many pixels
    assert (np.diff(half_bit) < 0.05).all()
    information = np.log2(1 + 0.2071 * 2)  # twice the signal to noise of a half image
    assert information == pytest.approx(0.5, abs=1e-3)
    strict = fourier_ring_correlation(noise((64, 64), 0), noise((64, 64), 1), threshold="half-bit")
    assert strict.threshold == "half-bit"


def test_a_blur_seen_through_photons_has_the_resolution_of_their_noise() -> None:
    """Thinning: the halves are independent Poisson images of half the mean, so S / (S + N) is known."""
    shape = (256, 256)
    amplitude = 40 * np.exp(-((radius_of(shape, (1, 1)) / 0.12) ** 2))
    light = np.clip(300 + field(amplitude, 3), 0, None)
    first, second = split_photons(np.random.default_rng(4).poisson(light))
    assert first.mean() == pytest.approx(light.mean() / 2, rel=0.01)
    curve = fourier_ring_correlation(first, second)
    power = 1600 * np.exp(-2 * (curve.frequency / 0.12) ** 2) / 4
    expected = power / (power + light.mean() / 2)
    np.testing.assert_allclose(curve.correlation[15:], expected[15:], atol=0.3)
    assert abs(np.average(curve.correlation - expected, weights=curve.count)) < 0.02
    assert np.corrcoef((first - light / 2).ravel(), (second - light / 2).ravel())[0, 1] == pytest.approx(
        0, abs=0.02
    )


def test_diagonal_halves_of_an_oversampled_image_agree_as_its_noise_allows() -> None:
    shape = (400, 400)
    amplitude = 10 * np.exp(-((radius_of(shape, (1, 1)) / 0.08) ** 2))
    image = field(amplitude, 0) + noise(shape, 1)
    curve = fourier_ring_correlation(*split_diagonal(image), pixel_size=2.0)
    power = 100 * np.exp(-2 * (curve.frequency / 0.08) ** 2)
    # taking every other pixel leaves white noise as it is and spreads the signal over a quarter of the plane
    expected = power / 4 / (power / 4 + 1)
    wide = curve.count > 200
    np.testing.assert_allclose(curve.correlation[wide], expected[wide], atol=0.25)
    assert abs(np.average(curve.correlation - expected, weights=curve.count)) < 0.02


def test_without_moving_back_the_halves_would_disagree() -> None:
    image = field(np.where(radius_of((200, 200), (1, 1)) < 0.2, 1.0, 0.0), 0)
    first, second = split_diagonal(image)
    inner = slice(4, 35)  # up to 0.18 cycles per pixel of the image
    moved = fourier_ring_correlation(first, second, pixel_size=2.0).correlation[inner]
    assert moved.min() > 0.97
    raw = fourier_ring_correlation(image[::2, ::2], image[1::2, 1::2], pixel_size=2.0).correlation[inner]
    assert raw[-1] < 0.6


def test_bad_input_is_told_in_a_sentence() -> None:
    image = noise((32, 32), 0)
    with pytest.raises(DiffuscopeError, match="same shape"):
        fourier_ring_correlation(image, image[:-1])
    with pytest.raises(DiffuscopeError, match="3 dimensions"):
        fourier_shell_correlation(image, image)
    with pytest.raises(DiffuscopeError, match="pixel_size"):
        fourier_ring_correlation(image, image, pixel_size=(1.0, 1.0, 1.0))
    with pytest.raises(DiffuscopeError, match="half-bit"):
        fourier_ring_correlation(image, image, threshold="0.5")  # type: ignore[arg-type]
    with pytest.raises(DiffuscopeError, match="tukey"):
        fourier_ring_correlation(image, image, window="boxcar")  # type: ignore[arg-type]
    with pytest.raises(DiffuscopeError, match="whole numbers"):
        split_photons(image)


def test_an_image_with_two_rings_has_a_curve() -> None:
    image = np.random.default_rng(0).random((4, 4))
    curve = fourier_ring_correlation(image, image)
    assert len(curve.smoothed()) == len(curve.frequency) == 2
    assert curve.resolution is None
