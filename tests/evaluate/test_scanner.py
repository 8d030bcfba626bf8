"""The noise of the scanner is that of its description."""

from __future__ import annotations

import numpy as np
import pytest

from napari_diffuscope.evaluate.restore.scanner import Scanner
from napari_diffuscope.simulate.scanning import Scan

FLAT = np.full((300, 400), 40.0)


def correlation(image: np.ndarray, axis: int) -> float:
    """Between neighbours along an axis."""
    image = np.moveaxis(image - image.mean(), axis, 0)
    return float(np.mean(image[1:] * image[:-1]) / np.mean(image**2))


def test_mean_and_variance_of_an_even_field_follow_theory() -> None:
    scanner = Scanner(scanning=Scan(flicker=0.0))
    counts = scanner.scan(FLAT, np.random.default_rng(0))
    expected = scanner.expected(FLAT)
    assert np.ptp(expected) == 0
    assert counts.mean() == pytest.approx(expected[0, 0], rel=2e-3)
    variance = scanner.variance_gain * (expected[0, 0] - scanner.offset) + scanner.read_noise**2 + 1 / 12
    assert counts.var() == pytest.approx(variance, rel=0.03)


@pytest.mark.parametrize("memory", [0.0, 0.45, 0.7])
def test_noise_is_correlated_along_lines_alone(memory: float) -> None:
    scanner = Scanner(scanning=Scan(memory=memory, flicker=0.0), read_noise=0.0)
    counts = scanner.scan(FLAT, np.random.default_rng(1))
    assert correlation(counts, 1) == pytest.approx(memory, abs=0.02)
    assert correlation(counts, 0) == pytest.approx(0, abs=0.02)


def test_lines_flicker_slowly() -> None:
    scanner = Scanner(scanning=Scan(flicker=0.02, flicker_lines=8))
    lines = scanner.scan(np.full((4000, 300), 3000.0), np.random.default_rng(2)).mean(axis=1)
    relative = lines / lines.mean() - 1
    share = scanner.gain * 3000 / lines.mean()
    assert relative.std() == pytest.approx(0.02 * share, rel=0.1)
    assert correlation(relative[:, None], 0) == pytest.approx(np.exp(-1 / 8), abs=0.05)


def test_the_target_is_what_many_pictures_average_to() -> None:
    scanner, rng = Scanner(), np.random.default_rng(3)
    light = np.zeros((20, 60))
    light[:, 30] = 200  # the amplifier draws a tail behind it
    light += 5
    average = np.mean([scanner.scan(light, rng) for _ in range(400)], axis=0).mean(axis=0)
    expected = scanner.expected(light)[0]
    assert expected[31] - expected[50] == pytest.approx(0.45 * (expected[30] - expected[50]), rel=1e-3)
    np.testing.assert_allclose(average, expected, rtol=0.01)


def test_equal_seeds_give_equal_pictures() -> None:
    first, second = (Scanner().scan(FLAT[:20, :20], np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
