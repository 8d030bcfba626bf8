"""Noise of one image, and pixels that two label images share."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.noise import noise_level, signal_to_noise
from napari_diffuscope.measure.overlap import OverlapCounter, overlap


def structure() -> np.ndarray:
    return 500 * ndimage.gaussian_filter(np.random.default_rng(1).normal(size=(256, 256)), 4)


@pytest.mark.parametrize("noise", [0.5, 5.0, 50.0])
def test_the_noise_level_is_found_beside_structure(noise: float) -> None:
    image = structure() + noise * np.random.default_rng(2).normal(size=(256, 256))
    assert noise_level(image) == pytest.approx(noise, rel=0.1 if noise > 1 else 0.6)


def test_signal_to_noise_is_that_of_the_parts() -> None:
    noise = 10 * np.random.default_rng(2).normal(size=(256, 256))
    assert signal_to_noise(structure() + noise) == pytest.approx(structure().std() / 10, rel=0.1)
    assert signal_to_noise(np.kron(structure()[:20, :20], np.ones((2, 2)))) == math.inf


def squares() -> tuple[np.ndarray, np.ndarray]:
    """Two objects of 100 pixels; one is moved by half of itself, the other is found in two parts."""
    truth, other = np.zeros((2, 60, 60), dtype=np.uint16)
    truth[10:20, 10:20], truth[40:50, 40:50] = 1, 7
    other[10:20, 15:25], other[40:50, 40:48], other[40:50, 48:50] = 3, 4, 5
    return truth, other


def test_overlap_counts_pixels() -> None:
    found = overlap(*squares())
    assert found.iou == pytest.approx(150 / 250)
    assert found.dice == pytest.approx(300 / 400)
    assert found.volume_ratio == pytest.approx(1)
    assert found.object_iou == pytest.approx((50 / 150 + 80 / 100) / 2)
    assert found.objects == 2


def test_overlap_by_blocks_is_that_of_the_whole() -> None:
    counter = OverlapCounter()
    for rows in (slice(0, 17), slice(17, 44), slice(44, 60)):
        counter.add(*(labels[rows] for labels in squares()))
    assert counter.result() == overlap(*squares())


def test_an_image_is_no_labels() -> None:
    truth, _ = squares()
    with pytest.raises(DiffuscopeError, match="whole numbers"):
        overlap(truth, truth + 0.5)
    with pytest.raises(DiffuscopeError, match="nothing to compare"):
        overlap(0 * truth, truth)
