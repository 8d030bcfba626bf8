"""The starlet transform against convolutions written out, and what makes it a transform."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve1d

from napari_diffuscope.networks.starlet import smoothed_copies, starlet, starlet_radius


def by_convolution(image: np.ndarray, scales: int) -> list[np.ndarray]:
    bands = []
    for scale in range(scales):
        kernel = np.zeros(2 * 2**scale + 1)
        kernel[[0, 2**scale, -1]] = 0.25, 0.5, 0.25
        smooth = image
        for axis in range(image.ndim):
            smooth = convolve1d(smooth, kernel, axis, mode="nearest")
        bands.append(image - smooth)
        image = smooth
    return [*bands, image]


@pytest.mark.parametrize("shape", [(40, 37), (12, 9, 10)])
def test_bands_are_those_of_convolutions(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).normal(size=shape)
    found = starlet(torch.from_numpy(image)[None, None], 3)[0].numpy()
    np.testing.assert_allclose(found, by_convolution(image, 3), atol=1e-12)


def test_bands_add_up_to_the_image_channel_by_channel() -> None:
    x = torch.randn(2, 3, 20, 24, dtype=torch.float64)
    bands = starlet(x, 4)
    assert bands.shape == (2, 15, 20, 24)
    torch.testing.assert_close(bands.unflatten(1, (5, 3)).sum(1), x)


def test_a_band_reaches_as_far_as_it_says() -> None:
    x = torch.zeros(1, 1, 80, 80)
    x[0, 0, 40, 40] = 1
    columns = torch.nonzero(starlet(x, 4)[0].abs().sum((0, 1))).flatten()
    assert columns.tolist() == list(range(40 - starlet_radius(4), 41 + starlet_radius(4)))


def test_smoothed_copies_against_scipy_and_their_noise_is_of_unit_variance() -> None:
    """scipy convolves with the whole kernel at once; where it ends is continued alike."""
    x = torch.randn(1, 2, 40, 300, dtype=torch.float64)
    copies = smoothed_copies(x, 3)
    assert copies.shape == (1, 6, 40, 300)
    kernel = np.ones(1)
    for scale in range(3):
        wide = np.zeros(2 * 2**scale + 1)
        wide[[0, 2**scale, -1]] = (0.25, 0.5, 0.25)
        kernel = np.convolve(kernel, wide)
        noise = np.sqrt((kernel**2).sum()) ** 2
        for channel in range(2):
            expected = x[0, channel].numpy()
            for axis in (0, 1):
                expected = convolve1d(expected, kernel, axis, mode="nearest")
            inner = (slice(8, -8), slice(8, -8))  # at the border several steps differ from one
            found = copies[0, 2 * scale + channel].numpy()
            np.testing.assert_allclose(found[inner], expected[inner] / noise, atol=1e-12)
    large = smoothed_copies(torch.randn(1, 1, 400, 400), 3)[0, :, 16:-16, 16:-16]
    assert large.std((1, 2)).tolist() == pytest.approx([1, 1, 1], abs=0.1)
