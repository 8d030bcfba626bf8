"""How a network that predicts ε gives its best estimate in ten evaluations.

Such a network says nothing about the image at pure noise, so its posterior mean takes a short chain. Candidates:
the ancestral chain without its noise, and DDIM, each started from zero, down to no noise or stopped where noise
and image are equally strong. Compared with ordinary samplers and averages of samples on

1. an exact denoiser of a one-dimensional problem with two peaks, exact and with a constant error added to ε: squared
   error over the smallest possible one;
2. a small network, trained here on simulated filaments for a minute or two: PSNR.

Run: ``python benchmarks/epsilon_estimate.py [--steps 10] [--training 1500] [--seed 0]``.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from _driving import finish
from torch import Tensor

from napari_diffuscope.diffusion.denoiser import clean_estimate
from napari_diffuscope.diffusion.posterior_mean import mean_chain, mean_levels
from napari_diffuscope.diffusion.schedule import (
    DiscreteSchedule,
    NoiseLevel,
    cosine_alpha_bar,
    linear_alpha_bar,
)
from napari_diffuscope.diffusion.solvers import Solver, ancestral_means, ddim, dpm_solver_pp_2m
from napari_diffuscope.networks.local_unet import LocalUNet, LocalUNetConfig

LOWEST = 4e-4
SCHEDULES = {
    "linear 1000": linear_alpha_bar(1000),
    "cosine 200": cosine_alpha_bar(200),
    "cosine 1000": cosine_alpha_bar(1000),
}
Denoise = Callable[[Tensor, NoiseLevel], Tensor]


def candidates(noise: Tensor, schedule: DiscreteSchedule, steps: int) -> dict[str, Solver]:
    """Every way to come from noise to an image, by name."""
    whole = schedule.levels(steps)
    found = {"ancestral means from noise": ancestral_means(noise, whole)}
    for ratio in (0.0, 0.5, 1.0, 2.0, 4.0):
        levels = mean_levels(schedule, steps, last_ratio=ratio)
        where = f"down to σ = {ratio:g} α" if ratio else "to the end"
        found[f"ancestral means from zero {where}"] = mean_chain(noise, levels, kind="ancestral-means")
        found[f"DDIM from zero {where}"] = mean_chain(noise, levels, kind="ddim")
    found["DPM-Solver++ from zero"] = dpm_solver_pp_2m(torch.zeros_like(noise), whole)
    found["DDIM from noise (a sample)"] = ddim(noise, whole)
    found["DPM-Solver++ from noise (a sample)"] = dpm_solver_pp_2m(noise, whole)
    return found


def compare(
    title: str, denoise: Denoise, truth: Tensor, schedule: DiscreteSchedule, args: argparse.Namespace
) -> dict[str, float]:
    """Mean squared error of every candidate, and of averages of samples."""
    generator = torch.Generator().manual_seed(args.seed)

    def noise() -> Tensor:
        return torch.randn(truth.shape, generator=generator, dtype=truth.dtype)

    errors = {
        f"{name}, {args.steps} evaluations": error(finish(denoise, solver), truth)
        for name, solver in candidates(noise(), schedule, args.steps).items()
    }
    many = schedule.levels(5 * args.steps)
    mean = sum(finish(denoise, ddim(noise(), many)) for _ in range(16)) / 16
    errors[f"mean of 16 DDIM chains, {16 * 5 * args.steps} evaluations"] = error(mean, truth)
    print(f"\n{title}", flush=True)
    return errors


def error(found: Tensor, truth: Tensor) -> float:
    return float((found - truth).square().mean())


# One dimension: two peaks, measured with noise


PEAKS, WIDTH, MEASUREMENT = (-0.7, 0.5), 0.15, 0.5


def posterior_mean(x: Tensor, level: NoiseLevel, y: Tensor) -> Tensor:
    """E[x₀ | x_t, y], exact."""
    weights, means = [], []
    for peak in PEAKS:
        precision = 1 / WIDTH**2 + 1 / MEASUREMENT**2
        mean, variance = (peak / WIDTH**2 + y / MEASUREMENT**2) / precision, 1 / precision
        logit = -0.5 * (y - peak) ** 2 / (WIDTH**2 + MEASUREMENT**2)
        total = level.alpha**2 * variance + level.sigma**2
        logit = logit - 0.5 * (x - level.alpha * mean) ** 2 / total
        means.append(mean + variance * level.alpha / total * (x - level.alpha * mean))
        weights.append(logit)
    share = torch.softmax(torch.stack(weights), 0)
    return (share * torch.stack(means)).sum(0)


def one_dimension(args: argparse.Namespace, wrong: float) -> None:
    generator = torch.Generator().manual_seed(args.seed + 1)
    count = 5_000
    peak = torch.tensor(PEAKS, dtype=torch.float64)[torch.randint(0, 2, (count,), generator=generator)]
    truth = peak + WIDTH * torch.randn(count, generator=generator, dtype=torch.float64)
    y = truth + MEASUREMENT * torch.randn(count, generator=generator, dtype=torch.float64)
    best = error(posterior_mean(truth, NoiseLevel(0.0, 1.0, 0.0), y), truth)
    offset = wrong * torch.randn(count, generator=generator, dtype=torch.float64)

    def denoise(x: Tensor, level: NoiseLevel) -> Tensor:
        exact = posterior_mean(x, level, y)
        output = (x - level.alpha * exact) / level.sigma + offset
        return clean_estimate("epsilon", x, output, level).clamp(-1.5, 1.5)

    for name, table in SCHEDULES.items():
        errors = compare(
            f"Exact denoiser, {name}, error of ε {wrong:g}: squared error over the smallest possible",
            denoise,
            truth,
            DiscreteSchedule(table, LOWEST),
            args,
        )
        for key, value in errors.items():
            print(f"  {value / best:8.3f}  {key}")


# Filaments: a small network


def filaments(count: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Blurred random arcs, about -1 to 1."""
    y, x = np.mgrid[:size, :size].astype(np.float32)
    out = np.full((count, 1, size, size), -1, np.float32)
    for image in out[:, 0]:
        for _ in range(rng.integers(2, 6)):
            cy, cx = rng.uniform(-size, 2 * size, 2)
            radius = math.hypot(cy - size / 2, cx - size / 2) + rng.uniform(-size / 3, size / 3)
            distance = np.abs(np.hypot(y - cy, x - cx) - radius)
            image += rng.uniform(0.6, 2) * np.exp(-0.5 * (distance / rng.uniform(0.8, 1.6)) ** 2).astype(
                np.float32
            )
    return out.clip(-1, 1.5)


def noisy(clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    photons = rng.uniform(3, 15, (len(clean), 1, 1, 1)).astype(np.float32)
    return (rng.poisson(photons * (clean + 1.1)) / photons - 1.1).astype(np.float32)


def trained(table: tuple[float, ...], args: argparse.Namespace) -> LocalUNet:
    """A small ε network."""
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    network = LocalUNet(LocalUNetConfig(widths=(24, 48), encoder_blocks=(1, 2), decoder_blocks=(1,)))
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=args.training)
    images = torch.from_numpy(filaments(512, 32, rng))
    bar = torch.tensor(table, dtype=torch.float32)
    start = time.process_time()
    for _ in range(args.training):
        clean = images[torch.from_numpy(rng.integers(0, len(images), 16))]
        condition = torch.from_numpy(noisy(clean.numpy(), rng))
        index = torch.randint(0, len(table), (16,))
        alpha = bar[index].sqrt().view(-1, 1, 1, 1)
        noise = torch.randn_like(clean)
        state = alpha * clean + (1 - alpha**2).sqrt() * noise
        loss = (network(torch.cat((state, condition), 1), index / len(table)) - noise).square().mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        plan.step()
    seconds = time.process_time() - start
    print(f"\ntrained for {args.training} steps in {seconds:.0f} s of processor time, loss {loss.item():.4f}")
    return network.eval()


def denoised(network: LocalUNet, condition: Tensor, count: int, x: Tensor, level: NoiseLevel) -> Tensor:
    output = network(torch.cat((x, condition), 1), torch.tensor([level.time / count]))
    return clean_estimate("epsilon", x, output, level).clamp(-1, 1.5)


def images(args: argparse.Namespace) -> None:
    for name in ("linear 1000", "cosine 200"):
        table = SCHEDULES[name]
        network = trained(table, args)
        rng = np.random.default_rng(args.seed + 100)
        clean = filaments(24, 32, rng)
        truth, condition = torch.from_numpy(clean), torch.from_numpy(noisy(clean, rng))

        denoise = partial(denoised, network, condition, len(table))
        with torch.inference_mode():
            errors = compare(
                f"Filaments, {name}: PSNR in dB", denoise, truth, DiscreteSchedule(table, LOWEST), args
            )
        errors["noisy image"] = error(condition, truth)
        for key, value in errors.items():
            print(f"  {10 * math.log10(2.5**2 / value):8.2f}  {key}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=10, help="evaluations of each candidate")
    parser.add_argument("--training", type=int, default=1500, help="training steps of the small network")
    parser.add_argument("--part", choices=("exact", "network", "both"), default="both")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.part in ("exact", "both"):
        for wrong in (0.0, 0.01, 0.03):
            one_dimension(args, wrong)
    if args.part in ("network", "both"):
        images(args)


if __name__ == "__main__":
    main()
