"""Solvers against diffusers, step by step, and against the closed form of a Gaussian's posterior."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from benchmarks._driving import asked, finish
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler
from torch import Tensor

from napari_diffuscope.diffusion.denoiser import clean_estimate, noise_estimate, v_target
from napari_diffuscope.diffusion.schedule import (
    CosineSchedule,
    DiscreteSchedule,
    NoiseLevel,
    cosine_alpha_bar,
    linear_alpha_bar,
)
from napari_diffuscope.diffusion.solvers import (
    Solver,
    ancestral_means,
    ddim,
    dpm_solver_pp_2m,
)


def toy(x: Tensor) -> Tensor:
    """Stands in for a network that predicts ε."""
    return 0.3 * x + 0.1 * torch.sin(x)


def toy_denoiser(x: Tensor, level: NoiseLevel) -> Tensor:
    return clean_estimate("epsilon", x, toy(x), level)


def start() -> Tensor:
    return torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("table", ["linear", "squaredcos_cap_v2"])
def test_ddim_follows_diffusers_step_by_step(eta: float, table: str) -> None:
    reference = DDIMScheduler(
        1000, beta_schedule=table, clip_sample=False, set_alpha_to_one=True, timestep_spacing="leading"
    )
    reference.set_timesteps(25)
    schedule = DiscreteSchedule(linear_alpha_bar(1000) if table == "linear" else cosine_alpha_bar(1000))
    levels = schedule.levels(25, spacing="leading")
    noises = [torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(10 + i)) for i in range(26)]

    expected = start()
    queries = asked(toy_denoiser, ddim(start(), levels, eta=eta, fresh=lambda step: noises[step]))
    for i, (t, (query, state)) in enumerate(zip(reference.timesteps, queries, strict=True)):
        torch.testing.assert_close(query.x, expected, rtol=1e-5, atol=1e-5)
        expected = reference.step(
            toy(expected), t, expected, eta=eta, variance_noise=noises[i + 1]
        ).prev_sample
        ended = state
    assert ended is not None
    torch.testing.assert_close(ended, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("steps", [1, 2, 10, 25])
def test_dpm_solver_follows_diffusers_step_by_step(steps: int) -> None:
    reference = DPMSolverMultistepScheduler(
        1000,
        beta_schedule="linear",
        algorithm_type="dpmsolver++",
        solver_order=2,
        timestep_spacing="linspace",
        final_sigmas_type="zero",
        lower_order_final=True,
    )
    reference.set_timesteps(steps)
    schedule = DiscreteSchedule(linear_alpha_bar(1000))
    levels = [schedule.at(int(t)) for t in reference.timesteps] + [NoiseLevel(1.0, 0.0, 0.0)]
    # diffusers takes the second-last step of short chains at first order too; ours only the last.
    reference.config.lower_order_final = False
    expected = start()
    for t, (query, state) in zip(
        reference.timesteps, asked(toy_denoiser, dpm_solver_pp_2m(start(), levels)), strict=True
    ):
        torch.testing.assert_close(query.x, expected, rtol=1e-5, atol=1e-5)
        expected = reference.step(toy(expected), t, expected).prev_sample
        ended = state
    assert ended is not None
    torch.testing.assert_close(ended, expected, rtol=1e-5, atol=1e-5)


MEAN, VARIANCE = 0.7, 0.04


def exact_denoiser(x: Tensor, level: NoiseLevel) -> Tensor:
    """E[x₀ | x_t] for x₀ ~ N(MEAN, VARIANCE)."""
    gain = level.alpha * VARIANCE / (level.alpha**2 * VARIANCE + level.sigma**2)
    return MEAN + gain * (x - level.alpha * MEAN)


@pytest.mark.parametrize(
    ("solver", "steps"), [(ddim, 200), (dpm_solver_pp_2m, 25)], ids=["ddim-200", "dpm-solver-25"]
)
def test_samplers_recover_a_gaussian(solver: Callable[..., Solver], steps: int) -> None:
    noise = torch.randn(200_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    drawn = finish(exact_denoiser, solver(noise, CosineSchedule(0.2).levels(steps)))
    assert drawn.mean().item() == pytest.approx(MEAN, abs=2e-3)
    assert drawn.std().item() == pytest.approx(math.sqrt(VARIANCE), rel=0.02)
    # A deterministic sampler maps the noise onto the Gaussian linearly: x = mean + std · n.
    torch.testing.assert_close(drawn, MEAN + math.sqrt(VARIANCE) * noise, rtol=0, atol=0.03)


def test_ddim_with_eta_one_recovers_a_gaussian() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(100_000, generator=generator, dtype=torch.float64)
    levels = CosineSchedule(0.2).levels(200)
    fresh = [torch.randn(100_000, generator=generator, dtype=torch.float64) for _ in range(len(levels))]
    drawn = finish(exact_denoiser, ddim(noise, levels, eta=1.0, fresh=lambda step: fresh[step]))
    assert drawn.mean().item() == pytest.approx(MEAN, abs=3e-3)
    assert drawn.std().item() == pytest.approx(math.sqrt(VARIANCE), rel=0.03)


def test_ancestral_means_stay_at_the_mean() -> None:
    noise = torch.randn(50_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    schedule = DiscreteSchedule(linear_alpha_bar(1000))
    ended = finish(exact_denoiser, ancestral_means(noise, schedule.levels(10)))
    assert ended.mean().item() == pytest.approx(MEAN, abs=2e-3)
    assert ended.std().item() < 0.05 * math.sqrt(VARIANCE)


def test_eta_needs_noise() -> None:
    with pytest.raises(ValueError, match="fresh noise"):
        finish(exact_denoiser, ddim(torch.zeros(3), CosineSchedule().levels(3), eta=1.0))


@pytest.mark.parametrize("kind", ["epsilon", "v", "x0"])
def test_predictions_agree_about_the_clean_image(kind: str) -> None:
    clean, noise = torch.randn(4, 5), torch.randn(4, 5)
    level = CosineSchedule(0.5).at(0.4)
    x = level.alpha * clean + level.sigma * noise
    output = {
        "epsilon": noise,
        "v": v_target(clean, noise, torch.tensor(level.alpha), torch.tensor(level.sigma)),
        "x0": clean,
    }
    estimate = clean_estimate(kind, x, output[kind], level)  # type: ignore[arg-type]
    torch.testing.assert_close(estimate, clean, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(noise_estimate(x, estimate, level), noise, rtol=1e-4, atol=1e-4)


def test_an_epsilon_network_cannot_start_at_pure_noise() -> None:
    with pytest.raises(ValueError, match="pure noise"):
        clean_estimate("epsilon", torch.zeros(1), torch.zeros(1), CosineSchedule().highest())
