"""The transform stabilises, and its inverse has no bias: both against drawn noise."""

from __future__ import annotations

import numpy as np
import pytest

from napari_diffuscope.evaluate.anscombe import Anscombe

GAIN, OFFSET = 2.0, 100.0


def drawn(photons: float, read_noise: float, count: int = 400_000) -> np.ndarray:
    rng = np.random.default_rng(int(1000 * photons) + int(read_noise))
    return OFFSET + GAIN * rng.poisson(photons, count) + read_noise * rng.standard_normal(count)


@pytest.mark.parametrize("photons", [10, 100, 1000])
def test_noise_becomes_one(photons: float) -> None:
    values = Anscombe(GAIN, OFFSET, 3.0).forward(drawn(photons, 3.0))
    assert values.std() == pytest.approx(1, abs=0.015)


@pytest.mark.parametrize("read_noise", [0.0, 1.0, 6.0])
@pytest.mark.parametrize("photons", [0.1, 0.5, 1, 3, 10, 100, 390, 1000])
def test_the_inverse_of_the_mean_is_the_mean(photons: float, read_noise: float) -> None:
    transform = Anscombe(GAIN, OFFSET, read_noise)
    values = transform.forward(drawn(photons, read_noise))
    found = (float(transform.inverse(values.mean())) - OFFSET) / GAIN
    # the slope of the inverse is half its root, and the mean of so many values is known to 1 / √count
    uncertain = np.sqrt(photons + 3 / 8 + (read_noise / GAIN) ** 2) * values.std() / np.sqrt(values.size)
    assert found == pytest.approx(photons, abs=5 * uncertain + 1e-3)


def test_the_algebraic_inverse_would_be_biased() -> None:
    transform = Anscombe(GAIN, OFFSET, 0.0)
    mean = transform.forward(drawn(0.5, 0.0)).mean()
    assert (mean / 2) ** 2 - 3 / 8 < 0.4
    assert (float(transform.inverse(mean)) - OFFSET) / GAIN == pytest.approx(0.5, abs=0.01)


def test_the_inverse_rises_and_stays_above_the_offset() -> None:
    values = np.linspace(-1, 100, 5000)
    counts = Anscombe(GAIN, OFFSET, 4.0).inverse(values)
    assert (np.diff(counts) >= 0).all()
    assert counts.min() == OFFSET
