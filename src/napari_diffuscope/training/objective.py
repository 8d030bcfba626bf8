"""What a network is trained to do."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from napari_diffuscope.diffusion.denoiser import v_target
from napari_diffuscope.training.pairs import Batch


def draw_times(count: int, *, highest_share: float, generator: torch.Generator) -> Tensor:
    """Times in (0, 1), the first ``highest_share`` of them exactly 1: pure noise."""
    times = torch.rand(count, generator=generator)
    times[: round(highest_share * count)] = 1.0
    return times


def levels_of(times: Tensor, shift: float) -> tuple[Tensor, Tensor]:
    """α and σ of the shifted cosine schedule at times ``(B,)``."""
    angle = torch.where(times < 1, torch.atan(shift * torch.tan(0.5 * math.pi * times)), math.pi / 2)
    alpha = torch.where(times < 1, torch.cos(angle), 0.0)
    return alpha, torch.sin(angle)


def noised(
    clean: Tensor, times: Tensor, *, shift: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """States of clean data at some times.

    Parameters
    ----------
    clean
        ``(B, C, *space)``.
    times
        ``(B,)`` in (0, 1].
    shift
        Of the schedule.
    generator
        Of the noise.

    Returns
    -------
    state, noise, alpha, sigma
        α and σ as ``(B, 1, …)``. At pure noise the state says nothing; it is zero there, in training as in use.
    """
    alpha, sigma = (a.to(clean.device).view(-1, *[1] * (clean.dim() - 1)) for a in levels_of(times, shift))
    noise = torch.randn(clean.shape, generator=generator).to(clean.device)
    return torch.where(alpha > 0, alpha * clean + sigma * noise, 0.0), noise, alpha, sigma


def expected_variance(spread: Tensor) -> Tensor:
    """Rough variance of the clean image given a measurement with noise of RMS ``spread``, both in network units.

    A fit to what good denoisers leave over on photographs of cells at 5 to 200 photons.
    """
    return 0.08 * spread**2 / (1 + 5 * spread**2) + 2e-4


def denoising_loss(
    network: nn.Module, batch: Batch, times: Tensor, *, shift: float, generator: torch.Generator
) -> Tensor:
    """Mean squared error of v, each patch weighed by what error is to be expected of it.

    Given the measurement (variance m) and the state (variance σ²/α²), x₀ is known to 1 / (1/m + α²/σ²) and v to
    that over σ². Dividing by it lets each patch and level contribute alike; otherwise the noisiest patches and the
    lowest levels own the training.

    Parameters
    ----------
    network
        Called with ``(B, 2, Y, X)`` and ``(B,)``.
    batch
        Patches.
    times
        ``(B,)`` in (0, 1].
    shift
        Of the schedule.
    generator
        Of the noise.
    """
    state, noise, alpha, sigma = noised(batch.clean, times, shift=shift, generator=generator)
    output = network(torch.cat((state, batch.noisy), 1), times.to(batch.clean.device))
    error = (output - v_target(batch.clean, noise, alpha, sigma)).square().mean((1, 2, 3))
    weight = sigma.flatten() ** 2 / expected_variance(batch.spread) + alpha.flatten() ** 2
    return tamed(weight * error).mean()


def tamed(losses: Tensor, limit: float = 8.0) -> Tensor:
    """Losses above ``limit`` grow as its logarithm only: one odd patch must not decide a step."""
    above = losses.clamp(min=limit)
    tame: Tensor = torch.where(losses <= limit, losses, limit * (1 + torch.log(above / limit)))
    return tame
