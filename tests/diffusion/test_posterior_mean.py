"""The best estimate of ε networks: a chain that stays at the posterior mean."""

from __future__ import annotations

import math

import pytest
import torch
from benchmarks._driving import finish

from napari_diffuscope.diffusion.denoiser import clean_estimate, noise_estimate
from napari_diffuscope.diffusion.posterior_mean import MeanChain, mean_chain, mean_levels
from napari_diffuscope.diffusion.schedule import (
    DiscreteSchedule,
    NoiseLevel,
    cosine_alpha_bar,
    linear_alpha_bar,
)
from napari_diffuscope.diffusion.solvers import ddim

SCHEDULES = {
    "linear": DiscreteSchedule(linear_alpha_bar(1000), 4e-4),
    "cosine": DiscreteSchedule(cosine_alpha_bar(200), 4e-4),
}
PRIOR, MEASUREMENT = 0.4, 0.3


class Measured:
    """Normal images, measured with noise: the posterior is normal, its mean and the smallest error are known."""

    def __init__(self, wrong: float = 0.0) -> None:
        generator = torch.Generator().manual_seed(3)
        draw = lambda: torch.randn(4000, generator=generator, dtype=torch.float64)  # noqa: E731
        self.truth = PRIOR * draw()
        measured = self.truth + MEASUREMENT * draw()
        self.mean = measured * PRIOR**2 / (PRIOR**2 + MEASUREMENT**2)
        self.variance = 1 / (1 / PRIOR**2 + 1 / MEASUREMENT**2)
        self.offset = wrong * draw()

    def __call__(self, x: torch.Tensor, level: NoiseLevel) -> torch.Tensor:
        total = level.alpha**2 * self.variance + level.sigma**2
        exact = self.mean + self.variance * level.alpha / total * (x - level.alpha * self.mean)
        output = noise_estimate(x, exact, level) + self.offset
        return clean_estimate("epsilon", x, output, level).clamp(-2, 2)

    def error(self, found: torch.Tensor) -> float:
        """Squared error over the smallest possible."""
        return float((found - self.truth).square().mean() / (self.mean - self.truth).square().mean())


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("kind", ["ancestral-means", "ddim"])
def test_ten_evaluations_come_close_to_the_posterior_mean(name: str, kind: MeanChain) -> None:
    problem, levels = Measured(), mean_levels(SCHEDULES[name])
    assert len(levels) == 11
    found = finish(problem, mean_chain(problem.truth, levels, kind=kind))
    assert problem.error(found) < 1.02
    sample = finish(problem, ddim(torch.randn(4000, dtype=torch.float64), SCHEDULES[name].levels(50)))
    assert problem.error(sample) > 1.5


@pytest.mark.parametrize("name", SCHEDULES)
def test_an_error_of_the_network_is_not_amplified(name: str) -> None:
    """A single evaluation at the highest level multiplies it by σ / α, fifty-fold."""
    problem, schedule = Measured(wrong=0.02), SCHEDULES[name]
    once = problem(torch.zeros_like(problem.truth), schedule.highest())
    chain = finish(problem, mean_chain(problem.truth, mean_levels(schedule)))
    assert problem.error(once) > 5
    assert problem.error(chain) < 1.1


def test_it_depends_on_no_random_number() -> None:
    problem, levels = Measured(), mean_levels(SCHEDULES["linear"])
    first, second = (finish(problem, mean_chain(torch.randn(4000).double(), levels)) for _ in range(2))
    torch.testing.assert_close(first, second, rtol=0, atol=0)


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_chain_may_stop_where_noise_and_image_are_equal(name: str) -> None:
    schedule = SCHEDULES[name]
    levels = mean_levels(schedule, 7, last_ratio=1.0)
    assert levels[0] == schedule.highest()
    last = levels[-2]
    assert 1.0 <= last.sigma / last.alpha < 1.05
    assert levels[-1].sigma == 0
    assert mean_levels(schedule, 7, last_ratio=0)[-2].time == 0


def test_short_tables_have_each_level_once() -> None:
    levels = mean_levels(DiscreteSchedule(cosine_alpha_bar(4)), 10)
    assert [level.time for level in levels] == [3, 2, 1, 0, 0]
    assert math.isclose(levels[0].alpha ** 2, cosine_alpha_bar(4)[3])
