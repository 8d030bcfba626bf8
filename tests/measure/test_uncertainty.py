"""Predicted deviations, held against Gaussians whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.uncertainty import (
    LEVELS,
    CoverageCounter,
    coverage,
    error_by_deviation,
    fit_scale,
)

PIXELS = 40_000


def draws(samples: int, *, seed: int = 0, narrow: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, mean and deviation where truth and samples come from one Gaussian per pixel.

    ``narrow`` shrinks the samples around their centre: a method that is too sure.
    """
    rng = np.random.default_rng(seed)
    centre, sigma = rng.normal(100, 50, PIXELS), rng.uniform(1, 10, PIXELS)
    truth = centre + sigma * rng.normal(size=PIXELS)
    drawn = centre + narrow * sigma * rng.normal(size=(samples, PIXELS))
    return truth, drawn.mean(0), drawn.std(0, ddof=1)


@pytest.mark.parametrize("samples", [2, 5, 16])
def test_honest_samples_cover_what_they_say(samples: int) -> None:
    found = coverage(*draws(samples), samples=samples)
    assert tuple(found) == LEVELS
    for level, share in found.items():
        assert share == pytest.approx(level, abs=4 * math.sqrt(level * (1 - level) / PIXELS))


@pytest.mark.parametrize("samples", [3, 8, 32])
def test_an_honest_deviation_has_scale_one(samples: int) -> None:
    assert fit_scale(*draws(samples), samples=samples) == pytest.approx(1, abs=0.02)


def test_a_deviation_half_as_large_has_scale_two() -> None:
    truth, mean, deviation = draws(8)
    assert fit_scale(truth, mean, deviation / 2, samples=8) == pytest.approx(2, abs=0.04)
    halved = fit_scale(truth, mean, deviation / 2, samples=8)
    assert halved == pytest.approx(2 * fit_scale(truth, mean, deviation, samples=8), rel=2e-3)


def test_a_method_too_sure_of_itself_is_found_out() -> None:
    truth, mean, deviation = draws(200, narrow=0.25)
    assert coverage(truth, mean, deviation, samples=200)[0.95] < 0.5
    factor = fit_scale(truth, mean, deviation, samples=200)
    assert factor == pytest.approx(4, rel=0.03)
    mended = coverage(truth, mean, deviation, samples=200, scale=factor)
    assert mended[0.95] == pytest.approx(0.95, abs=0.01)


def test_an_ordinary_normal_interval_would_be_wrong_for_few_samples() -> None:
    """The t quantile and the error of the mean matter: with 3 samples ±1.96 covers far less than 95 %."""
    truth, mean, deviation = draws(3)
    naive = float((np.abs(truth - mean) <= 1.96 * deviation).mean())
    assert naive < 0.85
    assert coverage(truth, mean, deviation, samples=3)[0.95] == pytest.approx(0.95, abs=0.006)


def test_images_weigh_alike_whatever_their_size() -> None:
    counter = CoverageCounter(samples=6)
    good, sure = draws(6, seed=1), draws(6, seed=2)
    counter.add(*good)
    counter.add(sure[0][:4000], sure[1][:4000], sure[2][:4000] / 3)
    assert counter.images == 2
    each = [
        coverage(*good, samples=6),
        coverage(sure[0][:4000], sure[1][:4000], sure[2][:4000] / 3, samples=6),
    ]
    for level, share in counter.coverage().items():
        assert share == pytest.approx((each[0][level] + each[1][level]) / 2, abs=1e-3)
    assert 1.1 < counter.scale() < 3


def test_pixels_without_deviation_count_as_missed_unless_exact() -> None:
    truth = np.array([[1.0, 2.0, 3.0, 4.0]])
    mean = np.array([[1.0, 2.5, 3.0, 4.1]])
    deviation = np.array([[0.0, 0.0, 1.0, 1.0]])
    assert coverage(truth, mean, deviation, samples=4, levels=[0.9]) == {0.9: 0.75}


def test_error_follows_an_honest_deviation() -> None:
    bins = error_by_deviation(*draws(400), bins=8, samples=400)
    np.testing.assert_allclose(bins.error, bins.deviation, rtol=0.05)
    assert (np.diff(bins.deviation) > 0).all()
    assert bins.count.sum() == PIXELS
    assert bins.relative_error < 0.03


def test_the_calibration_error_is_the_distance_of_the_deviation() -> None:
    truth, mean, deviation = draws(400)
    bins = error_by_deviation(truth, mean, deviation / 2, bins=8)
    assert bins.relative_error == pytest.approx(1, abs=0.05)  # errors twice as large as deviations
    rms = float(np.sqrt(np.mean(deviation**2)))
    assert bins.calibration_error == pytest.approx(float(np.mean(deviation)) / 2, rel=0.03)
    assert bins.calibration_error < rms


def test_bad_input_is_told_in_a_sentence() -> None:
    truth, mean, deviation = draws(4)
    with pytest.raises(DiffuscopeError, match="2 samples"):
        coverage(truth, mean, deviation, samples=1)
    with pytest.raises(DiffuscopeError, match="negative"):
        coverage(truth, mean, -deviation, samples=4)
    with pytest.raises(DiffuscopeError, match="0 everywhere"):
        fit_scale(truth, mean, 0 * deviation, samples=4)
    with pytest.raises(DiffuscopeError, match="same shape"):
        error_by_deviation(truth, mean[:-1], deviation)
    with pytest.raises(DiffuscopeError, match="between 0 and 1"):
        coverage(truth, mean, deviation, samples=4, levels=[95])
    with pytest.raises(DiffuscopeError, match="different units"):
        fit_scale(truth, mean, deviation * 1e-4, samples=4)
    with pytest.raises(DiffuscopeError, match="add one"):
        CoverageCounter(samples=4).coverage()
