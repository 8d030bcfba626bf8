"""The noise of an image from the image alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.signal import lfilter

from napari_diffuscope import DiffuscopeError
from napari_diffuscope.measure.noise_model import noise_correlation, noise_model


def scene(edge: int = 256) -> np.ndarray:
    """Expected photons, with bright and dark structures."""
    blurred = gaussian_filter(np.random.default_rng(3).standard_normal((edge, edge)), 6)
    return np.asarray(20 + 60 * np.clip(blurred / blurred.std(), 0, 3))


def exposed(gain: float = 2.0, read: float = 4.0, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    light = scene()
    return np.asarray(100 + gain * random.poisson(light) + read * random.standard_normal(light.shape))


def test_gain_and_noise_in_the_dark_are_those_of_the_camera() -> None:
    found = noise_model([exposed(), exposed(seed=1)])
    assert found.gain == pytest.approx(2.0, rel=0.12)
    dark, bright = 100 + 2 * 20.0, 100 + 2 * 150.0
    for signal in (dark, bright):
        assert found.variance(np.array(signal)) == pytest.approx(2 * (signal - 100) + 16, rel=0.15)
    assert found.dark == pytest.approx(dark, rel=0.1)
    assert found.deviation == pytest.approx((2 * 40 + 16) ** 0.5, rel=0.1)


def test_noise_that_does_not_grow_with_the_signal_has_next_to_no_gain() -> None:
    image = 100 + scene() + 5 * np.random.default_rng(0).standard_normal((256, 256))
    found = noise_model([image])
    assert found.gain < 0.03
    assert found.deviation == pytest.approx(5, rel=0.1)


def test_an_even_image_has_no_noise() -> None:
    found = noise_model([np.full((64, 64), 7.0)])
    assert (found.gain, found.deviation) == (0, 0)
    assert noise_correlation([np.full((64, 64), 7.0)], 1) == (0, 0, 0)


def test_correlation_along_lines_is_told_and_structure_is_not_taken_for_it() -> None:
    white = exposed()
    assert abs(noise_correlation([white], 0)[0]) < 0.06
    assert abs(noise_correlation([white], 1)[0]) < 0.06
    carried = lfilter([0.55], [1, -0.45], white, axis=1)[:, 32:]
    one, two, _ = noise_correlation([carried], 1)
    assert one == pytest.approx(0.45, abs=0.06)
    assert two == pytest.approx(0.2, abs=0.06)
    assert abs(noise_correlation([carried], 0)[0]) < 0.06


@pytest.mark.parametrize("memory", [0.3, 0.45, 0.6])
def test_correlation_is_not_told_too_small(memory: float) -> None:
    noise = np.random.default_rng(1).standard_normal((512, 544))
    one, two, _ = noise_correlation([lfilter([1], [1, -memory], noise, axis=1)[:, 32:]], 1)
    assert one == pytest.approx(memory, abs=0.03)
    assert two == pytest.approx(memory**2, abs=0.03)


def test_noise_of_an_image_that_is_black_for_the_most_part_is_that_of_the_rest() -> None:
    dark = np.where(np.indices((256, 256))[0] < 200, 0, exposed(gain=1.0, read=0.0) - 100)
    found = noise_model([dark])
    assert found.gain == pytest.approx(1, rel=0.25)
    assert found.variance(np.array(80.0)) == pytest.approx(80, rel=0.25)


def test_a_small_plane_is_refused() -> None:
    with pytest.raises(DiffuscopeError, match="at least 32 x 32 pixels"):
        noise_model([np.zeros((31, 64))])
