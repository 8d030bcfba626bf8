"""Textures and shapes, and pairs of different blur."""

from __future__ import annotations

import numpy as np
import pytest

from napari_diffuscope.simulate.optics import blur, gaussian_psf
from napari_diffuscope.simulate.spots import blurred_pair, random_spot
from napari_diffuscope.simulate.textures import leaves, power_law_texture, texture_image


def test_textures_are_images_of_the_usual_range_decided_by_the_seed() -> None:
    images = [texture_image(np.random.default_rng(seed), (64, 80)) for seed in range(20)]
    for image in images:
        assert image.shape == (64, 80)
        assert image.dtype == np.float32
        assert image.min() >= 0
        assert image.max() == pytest.approx(1)
        assert image.std() > 0.01
    assert np.array_equal(images[3], texture_image(np.random.default_rng(3), (64, 80)))
    assert not np.array_equal(images[3], images[4])


def test_the_amplitudes_of_a_texture_fall_with_frequency() -> None:
    power = np.mean(
        [np.abs(np.fft.fft2(power_law_texture(np.random.default_rng(s), (64, 64)))) ** 2 for s in range(30)],
        0,
    )
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(64), np.fft.fftfreq(64)))
    coarse, fine = (power[(frequency > f) & (frequency < 1.5 * f)].mean() for f in (0.05, 0.2))
    assert coarse > 8 * fine  # amplitudes of f^-0.8 to f^-2.2: power of at least f^-1.6


def test_leaves_have_edges_as_sharp_as_a_pixel() -> None:
    image = leaves(np.random.default_rng(1), (128, 128))
    assert np.abs(np.diff(image, axis=1)).max() > 0.3


class Always:
    """A generator whose choice is known."""

    def __init__(self, kind: int) -> None:
        self.kind = kind

    def integers(self, _: int) -> int:
        return self.kind


@pytest.mark.parametrize("kind", [0, 1, 2])
@pytest.mark.parametrize("width", [3.0, 4.5, 7.0])
def test_spots_are_as_wide_as_they_should_be(kind: int, width: float) -> None:
    spot = random_spot(Always(kind), width)  # type: ignore[arg-type]
    centre = spot.shape[0] // 2
    line = spot[centre, centre:] / spot[centre, centre]
    last = int(np.nonzero(line > 0.5)[0][-1])
    half = last + (line[last] - 0.5) / (line[last] - line[last + 1])
    assert 2 * half == pytest.approx(width, rel=0.06)
    assert spot.sum() == pytest.approx(1, abs=1e-4)


def test_the_target_of_a_blurred_pair_is_sharper_and_as_bright() -> None:
    image = texture_image(np.random.default_rng(2), (96, 96))
    blurred, sharper = blurred_pair(np.random.default_rng(0), image, narrowest=5, widest=5)
    assert blurred.max() == pytest.approx(1)
    core = (slice(16, -16),) * 2
    assert sharper[core].mean() == pytest.approx(blurred[core].mean(), rel=0.03)
    assert np.abs(np.diff(sharper)).mean() > 1.2 * np.abs(np.diff(blurred)).mean()
    expected = blur(image, gaussian_psf(1.0, 2.5 / np.sqrt(8 * np.log(2))))
    np.testing.assert_allclose(sharper / sharper.max(), expected / expected.max(), atol=1e-5)
