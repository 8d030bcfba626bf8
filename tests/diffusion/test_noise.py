"""Noise that belongs to the position."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from napari_diffuscope.diffusion.moments import Moments
from napari_diffuscope.diffusion.noise import positioned_noise


def test_a_part_has_the_noise_of_the_whole() -> None:
    whole = positioned_noise([(0, 200), (0, 150)], seed=3)
    part = positioned_noise([(37, 131), (64, 149)], seed=3)
    assert np.array_equal(whole[37:131, 64:149], part)


def test_a_part_of_a_volume_has_the_noise_of_the_whole() -> None:
    whole = positioned_noise([(0, 70), (0, 66), (0, 65)], seed=3)
    assert np.array_equal(whole[60:, 10:66, 63:], positioned_noise([(60, 70), (10, 66), (63, 65)], seed=3))


def test_noise_is_unit_normal_and_white() -> None:
    noise = positioned_noise([(0, 512), (0, 512)], seed=0)
    assert stats.kstest(noise[::4, ::4].ravel(), "norm").pvalue > 0.01
    neighbours = np.mean(noise[:, 1:] * noise[:, :-1])
    assert abs(neighbours) < 5 / noise.size**0.5


@pytest.mark.parametrize("other", [{"seed": 1}, {"sample": 1}, {"step": 1}, {"plane": 1}])
def test_every_key_gives_other_noise(other: dict[str, int]) -> None:
    keys = {"seed": 0, "sample": 0, "step": 0, "plane": 0}
    a = positioned_noise([(0, 64), (0, 128)], **keys)
    b = positioned_noise([(0, 64), (0, 128)], **{**keys, **other})
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.05


def test_blocks_differ_from_each_other() -> None:
    noise = positioned_noise([(-64, 64), (0, 128)], seed=0)
    blocks = [noise[y : y + 64, x : x + 64].ravel() for y in (0, 64) for x in (0, 64)]
    correlations = np.corrcoef(blocks)[~np.eye(4, dtype=bool)]
    assert np.abs(correlations).max() < 0.06


def test_moments_are_those_of_numpy() -> None:
    samples = np.random.default_rng(0).normal(1e3, 1, (15, 20, 20))
    moments = Moments()
    for sample in samples:
        moments.add(torch.from_numpy(sample))
    np.testing.assert_allclose(moments.mean.numpy(), samples.mean(0), rtol=1e-12)
    np.testing.assert_allclose(moments.deviation.numpy(), samples.std(0, ddof=1), rtol=1e-9)


def test_no_samples_have_no_mean() -> None:
    with pytest.raises(ValueError, match="no samples"):
        _ = Moments().mean
