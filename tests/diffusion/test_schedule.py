"""Schedules against the papers' formulas and diffusers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from diffusers import DDPMScheduler

from napari_diffuscope.diffusion.schedule import (
    CLEAN,
    CosineSchedule,
    DiscreteSchedule,
    NoiseLevel,
    check_descending,
    cosine_alpha_bar,
    linear_alpha_bar,
)


@pytest.mark.parametrize("count", [200, 1000, 2000])
def test_the_cosine_table_is_that_of_diffusers(count: int) -> None:
    theirs = DDPMScheduler(count, beta_schedule="squaredcos_cap_v2").alphas_cumprod.numpy()
    np.testing.assert_allclose(cosine_alpha_bar(count), theirs, rtol=2e-4, atol=1e-6)


def test_the_linear_table_is_that_of_diffusers() -> None:
    theirs = DDPMScheduler(1000, beta_schedule="linear").alphas_cumprod.numpy()
    np.testing.assert_allclose(linear_alpha_bar(1000), theirs, rtol=1e-4)


def test_the_continuous_schedule_starts_at_pure_noise_and_keeps_variance() -> None:
    levels = CosineSchedule(0.2).levels(7)
    assert (levels[0].alpha, levels[0].sigma) == (0.0, 1.0)
    assert levels[-1] == CLEAN
    assert all(math.isclose(level.alpha**2 + level.sigma**2, 1.0) for level in levels)
    check_descending(levels)


def test_the_shift_moves_time_to_low_noise() -> None:
    level = CosineSchedule(0.2).at(0.5)
    assert level.sigma / level.alpha == pytest.approx(0.2)


def test_a_discrete_schedule_leaves_out_what_is_below_its_lowest_level() -> None:
    schedule = DiscreteSchedule(cosine_alpha_bar(1000), lowest_alpha_bar=1e-3)
    assert schedule.highest().alpha ** 2 >= 1e-3
    assert schedule.at(schedule.highest_index() + 1).alpha ** 2 < 1e-3
    assert schedule.levels(10)[0] == schedule.highest()


@pytest.mark.parametrize("spacing", ["linspace", "leading", "trailing"])
def test_timesteps_are_spaced_as_in_diffusers(spacing: str) -> None:
    theirs = DDPMScheduler(1000, beta_schedule="linear", timestep_spacing=spacing)
    theirs.set_timesteps(20)
    ours = DiscreteSchedule(linear_alpha_bar(1000)).levels(20, spacing=spacing)
    assert [level.time for level in ours[:-1]] == theirs.timesteps.tolist()


@pytest.mark.parametrize("spacing", ["linspace", "leading", "trailing"])
def test_a_table_gives_no_more_levels_than_it_has(spacing: str) -> None:
    levels = DiscreteSchedule(cosine_alpha_bar(6)).levels(50, spacing=spacing)  # type: ignore[arg-type]
    assert [level.time for level in levels[:-1]] == [5, 4, 3, 2, 1, 0]


def test_levels_must_descend() -> None:
    with pytest.raises(ValueError, match="more noise to less"):
        check_descending([NoiseLevel(1, 0, 0), NoiseLevel(0, 1, 1)])
