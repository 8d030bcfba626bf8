"""Ancestral chains against single steps recorded from the authors' own code, and against closed forms."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from benchmarks._driving import finish

from napari_diffuscope.diffusion.ancestral import (
    AncestralStep,
    Estimate,
    ancestral,
    ancestral_steps,
    split_variance,
)
from napari_diffuscope.diffusion.denoiser import clean_estimate
from napari_diffuscope.diffusion.schedule import (
    CLEAN,
    DiscreteSchedule,
    NoiseLevel,
    cosine_alpha_bar,
    linear_alpha_bar,
)
from napari_diffuscope.diffusion.solvers import Query, ddim
from tests.published import PUBLISHED


@pytest.fixture(scope="module")
def recorded() -> dict[str, np.ndarray]:
    path = PUBLISHED / "sampling_steps.npz"
    if not path.exists():
        pytest.skip(f"the recordings of the published samplers are not at {path}")
    with np.load(path) as numbers:
        return dict(numbers)


def chain(table: tuple[float, ...]) -> list[NoiseLevel]:
    schedule = DiscreteSchedule(table)
    return [schedule.at(i) for i in reversed(range(len(table)))] + [CLEAN]


def clamped(x: torch.Tensor, output: torch.Tensor, level: NoiseLevel) -> torch.Tensor:
    return clean_estimate("epsilon", x, output, level).clamp(-1, 1)


def close(found: torch.Tensor | float, expected: np.ndarray) -> None:
    """Within 1e-6 of the largest recorded value."""
    scale = max(1.0, float(np.abs(expected).max()))
    assert float(np.abs(np.asarray(found) - expected).max()) < 1e-6 * scale


@pytest.mark.parametrize(
    ("key", "table"),
    [
        ("alphas_cumprod_linear_1000", linear_alpha_bar(1000)),
        ("alphas_cumprod_openai_cosine_1000", cosine_alpha_bar(1000)),
        ("alphas_cumprod_openai_cosine_2000", cosine_alpha_bar(2000)),
        ("alphas_cumprod_ldm_cosine_1000", cosine_alpha_bar(1000)),
        ("gammas_wacv_cosine_200", cosine_alpha_bar(200)),
    ],
)
def test_schedules_are_the_published_ones(recorded: dict, key: str, table: tuple[float, ...]) -> None:
    np.testing.assert_allclose(table, recorded[key], rtol=1e-6)


@pytest.mark.parametrize("t", [999, 500, 20, 1, 0])
def test_dispr_step(recorded: dict, t: int) -> None:
    levels = chain(linear_alpha_bar(1000))
    step = ancestral_steps(levels)[999 - t]
    x = torch.from_numpy(recorded["dispr_x_t"])
    prediction, learned = split_variance(torch.from_numpy(recorded["dispr_model_output"]), 1)
    clean = clamped(x, prediction, levels[999 - t])
    close(clean, recorded[f"dispr_t{t}_x0"])
    close(step.mean(x, clean), recorded[f"dispr_t{t}_mean"])
    close(step.log_variance("learned-range", learned), recorded[f"dispr_t{t}_log_variance"])


@pytest.mark.parametrize("t", [999, 500, 20, 1, 0])
def test_smlm_step(recorded: dict, t: int) -> None:
    levels = chain(cosine_alpha_bar(1000))
    step = ancestral_steps(levels)[999 - t]
    x = torch.from_numpy(recorded["smlm_x_t"])
    clean = clamped(x, torch.from_numpy(recorded["smlm_model_output"]), levels[999 - t])
    close(step.mean(x, clean), recorded[f"smlm_t{t}_mean"])
    close(step.log_variance("fixed-large", None), recorded[f"smlm_t{t}_log_variance"])


@pytest.mark.parametrize("t", [199, 100, 10, 1, 0])
def test_restoration_step(recorded: dict, t: int) -> None:
    levels = chain(cosine_alpha_bar(200))
    step = ancestral_steps(levels, least_variance=1e-20)[199 - t]
    x = torch.from_numpy(recorded["wacv_y_t"])
    clean = clamped(x, torch.from_numpy(recorded["wacv_model_output"]), levels[199 - t])
    close(step.mean(x, clean), recorded[f"wacv_t{t}_mean"])
    close(step.log_variance("fixed-small", None), recorded[f"wacv_t{t}_log_variance"])


def test_ddim_run_of_25_steps(recorded: dict) -> None:
    schedule = DiscreteSchedule(cosine_alpha_bar(1000))
    levels = schedule.levels(25, spacing="leading")
    np.testing.assert_array_equal(
        [level.time for level in levels[-2::-1]], recorded["smlm_ddim25_use_timesteps"]
    )

    def toy(x: torch.Tensor, level: NoiseLevel) -> torch.Tensor:
        return clamped(x, 0.3 * x + 0.1 * torch.sin(x), level)

    final = finish(toy, ddim(torch.from_numpy(recorded["smlm_x_t"]), levels))
    close(final, recorded["smlm_ddim25_final"])


def test_ddim_levels_of_msdsr(recorded: dict) -> None:
    levels = DiscreteSchedule(cosine_alpha_bar(1000)).levels(200, spacing="latent-diffusion")
    assert len(levels) == 201
    rising = levels[::-1]
    np.testing.assert_array_equal([level.time for level in rising[1:]], recorded["msdsr_ddim200_timesteps"])
    np.testing.assert_allclose([v.alpha**2 for v in rising[1:]], recorded["msdsr_ddim200_alphas"], rtol=1e-6)
    np.testing.assert_allclose(
        [v.alpha**2 for v in rising[:-1]], recorded["msdsr_ddim200_alphas_prev"], rtol=1e-6
    )
    noise = [
        drawn_by_ddim(level, following) for level, following in zip(rising[1:], rising[:-1], strict=True)
    ]
    np.testing.assert_allclose(noise, recorded["msdsr_ddim200_sigmas"], rtol=1e-6)


def drawn_by_ddim(level: NoiseLevel, following: NoiseLevel) -> float:
    """Standard deviation of what DDIM with η = 1 adds in a step."""
    ends = []
    for value in (0.0, 1.0):
        solver = ddim(
            torch.zeros(1, dtype=torch.float64),
            [level, following],
            eta=1.0,
            fresh=lambda _, v=value: torch.full((1,), v, dtype=torch.float64),
        )
        next(solver)
        with pytest.raises(StopIteration) as stop:
            solver.send(torch.zeros(1, dtype=torch.float64))
        ends.append(float(stop.value.value))
    return ends[1] - ends[0]


def gaussian(spread: float) -> Callable[[torch.Tensor, NoiseLevel], torch.Tensor]:
    """Exact estimate of x₀ for images that are normal with this deviation."""

    def estimate(x: torch.Tensor, level: NoiseLevel) -> torch.Tensor:
        return x * level.alpha * spread**2 / (level.alpha**2 * spread**2 + level.sigma**2)

    return estimate


def run(solver, answer: Callable[[Query], torch.Tensor | Estimate]) -> torch.Tensor:
    query = next(solver)
    while True:
        try:
            query = solver.send(answer(query))
        except StopIteration as stop:
            return stop.value


@pytest.mark.parametrize("variance", ["fixed-small", "fixed-large", "learned-range"])
def test_samples_have_the_spread_of_the_data(variance: str) -> None:
    generator = torch.Generator().manual_seed(0)
    draw = lambda _: torch.randn(20_000, generator=generator, dtype=torch.float64)  # noqa: E731
    denoise = gaussian(0.5)

    def answer(query: Query) -> Estimate:
        learned = torch.zeros(20_000, dtype=torch.float64) if variance == "learned-range" else None
        return Estimate(denoise(query.x, query.level), learned)

    final = run(ancestral(draw(0), chain(linear_alpha_bar(300)), fresh=draw, variance=variance), answer)
    assert float(final.std()) == pytest.approx(0.5, rel=0.04)
    assert abs(float(final.mean())) < 0.02


def test_learned_range_goes_from_small_to_large() -> None:
    step = ancestral_steps(chain(linear_alpha_bar(100)))[40]
    ends = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    small, large = step.log_variance("learned-range", ends).tolist()
    assert small == pytest.approx(step.log_variance("fixed-small", None))
    assert large == pytest.approx(step.log_variance("fixed-large", None))
    assert small < large


def test_coefficients_of_the_textbook() -> None:
    """Ho et al. 2020, eq. 7, in the form with β."""
    table = np.array(linear_alpha_bar(50))
    beta = 1 - np.append(table[0], table[1:] / table[:-1])
    step: AncestralStep = ancestral_steps(chain(tuple(table)))[20]
    t = 29
    assert step.given == pytest.approx(math.sqrt(table[t - 1]) * beta[t] / (1 - table[t]), rel=1e-12)
    assert step.kept == pytest.approx(math.sqrt(1 - beta[t]) * (1 - table[t - 1]) / (1 - table[t]), rel=1e-12)
    assert math.exp(step.log_small) == pytest.approx(beta[t] * (1 - table[t - 1]) / (1 - table[t]), rel=1e-12)


def test_the_last_step_draws_nothing() -> None:
    asked: list[int] = []

    def fresh(step: int) -> torch.Tensor:
        asked.append(step)
        return torch.zeros(3)

    final = run(
        ancestral(torch.ones(3), chain(cosine_alpha_bar(4)), fresh=fresh), lambda q: torch.full((3,), 0.25)
    )
    assert asked == [1, 2, 3]
    torch.testing.assert_close(final, torch.full((3,), 0.25))


def test_a_learned_variance_must_be_sent() -> None:
    solver = ancestral(torch.ones(3), chain(cosine_alpha_bar(4)), fresh=torch.zeros, variance="learned-range")
    query = next(solver)
    with pytest.raises(ValueError, match="learned variance"):
        solver.send(query.x)


def test_levels_must_descend() -> None:
    with pytest.raises(ValueError, match="more noise to less"):
        ancestral_steps(chain(cosine_alpha_bar(4))[::-1])
