"""Power spectra of images whose spectrum is known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import fft, ndimage

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.spectrum import band_power_ratio, radial_power_spectrum


def white(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("shape", [(128, 100), (33, 40, 20)])
@pytest.mark.parametrize("window", [True, False])
def test_white_noise_has_its_variance_at_every_frequency(shape: tuple[int, ...], window: bool) -> None:
    spectrum = radial_power_spectrum(1000 + 3 * white(shape), window=window)
    assert np.average(spectrum.power, weights=spectrum.count) == pytest.approx(9, rel=0.05)
    wide = spectrum.count > 150
    np.testing.assert_allclose(spectrum.power[wide], 9, rtol=0.5)


def test_a_wave_is_found_at_its_physical_frequency() -> None:
    x = np.arange(200) * 0.05
    image = np.broadcast_to(np.sin(2 * np.pi * 2.3 * x), (120, 200))
    spectrum = radial_power_spectrum(image, pixel_size=(0.1, 0.05))
    assert spectrum.frequency[np.argmax(spectrum.power)] == pytest.approx(2.3, abs=0.1)
    assert spectrum.frequency[-1] == pytest.approx(10)


def test_a_window_removes_the_cross_of_unlike_borders() -> None:
    ramp = np.add.outer(np.arange(128.0), np.arange(128.0))
    with_window = radial_power_spectrum(ramp).power
    without = radial_power_spectrum(ramp, window=False).power
    assert with_window[-1] < 1e-3 * without[-1]


def test_a_blurred_image_has_the_power_that_its_filter_passes() -> None:
    truth = white((256, 256))
    radius = np.hypot(*np.meshgrid(*map(fft.fftfreq, truth.shape), indexing="ij")) / 0.5
    halved = fft.ifft2(fft.fft2(truth) * np.where(radius < 0.5, 1, 0.5)).real
    assert band_power_ratio(truth, halved, low=0.55, high=1.0) == pytest.approx(0.25, rel=0.02)
    assert band_power_ratio(truth, halved, low=0.05, high=0.45) == pytest.approx(1, rel=0.02)
    assert band_power_ratio(truth, truth, low=0.1, high=1.0) == pytest.approx(1)
    smooth = ndimage.gaussian_filter(truth, 1)
    edges = [0.0, 0.3, 0.6, 1.0]
    ratios = [band_power_ratio(truth, smooth, low=a, high=b) for a, b in pairwise(edges)]
    assert ratios == sorted(ratios, reverse=True)


def test_noise_and_its_truth_add_up() -> None:
    truth, noise = white((200, 200), 1), 2 * white((200, 200), 2)
    assert band_power_ratio(truth, truth + noise, low=0.5, high=1.0) == pytest.approx(5, rel=0.05)


def test_bad_input_is_told_in_a_sentence() -> None:
    truth = white((32, 32))
    with pytest.raises(DiffuscopeError, match="low < high"):
        band_power_ratio(truth, truth, low=0.6, high=0.5)
    with pytest.raises(DiffuscopeError, match="widen"):
        band_power_ratio(truth, truth, low=0.501, high=0.502)
    with pytest.raises(DiffuscopeError, match="no power"):
        band_power_ratio(np.ones((32, 32)), truth, low=0.1, high=0.5)
    with pytest.raises(DiffuscopeError, match="pixel_size"):
        radial_power_spectrum(truth, pixel_size=-1)
    with pytest.raises(DiffuscopeError, match="4 pixels"):
        radial_power_spectrum(truth[:3])
