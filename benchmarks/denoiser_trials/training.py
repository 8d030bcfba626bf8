"""Training of one trial for so much time of one processor core."""

from __future__ import annotations

import csv
import time
from dataclasses import replace
from pathlib import Path

import torch
from benchmarks.denoiser_trials.arms import Arm
from benchmarks.denoiser_trials.patches import PER_STEP, Patches
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from napari_diffuscope.atomic import replacing
from napari_diffuscope.training.compiling import CompiledNetwork
from napari_diffuscope.training.objective import expected_variance, tamed
from napari_diffuscope.training.pairs import Batch
from napari_diffuscope.training.recipe import Optimisation
from napari_diffuscope.training.state import rate_at

EMAS = (0.99, 0.998, 0.9995)
"""Averages of the weights that are kept beside each other."""

MIDDLE = 1
"""Which of them the trials are compared by."""

EVERY = 0.1
"""Share of the time between validations."""


def train_arm(
    arm: Arm, patches: Patches, kept: dict[str, Patches], out: Path, *, minutes: float, compiled: bool = True
) -> None:
    """Train for so many minutes of processor time, and write the averaged weights.

    Parameters
    ----------
    arm
        What is tried.
    patches
        To train on, from the first one on; from the first again where the time is longer.
    kept
        Patches to validate on.
    out
        Folder for ``log.csv`` and ``weights.pt``.
    minutes
        Time of one thread, without validations. A process that is stopped does not use any.
    compiled
        Whether the network is compiled.
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    network = arm.network().train()
    averages = [AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(ema)) for ema in EMAS]
    optimiser = torch.optim.Adam(network.parameters(), arm.learning_rate, betas=(0.9, 0.99), fused=True)
    plan = replace(
        Optimisation(), learning_rate=arm.learning_rate, warmup=200, decay_from=arm.decay_from, clip=1.0
    )
    called: nn.Module = CompiledNetwork(network) if compiled else network
    used, step, validated = 0.0, 0, 0.0
    per_round = len(patches.pairs) // PER_STEP
    while used < 1:
        began = time.process_time()
        first = step % per_round * PER_STEP
        for group in optimiser.param_groups:
            group["lr"] = rate_at(step, plan, used=used)
        optimiser.zero_grad(set_to_none=True)
        loss = weighted_loss(arm, called, *patches.batch(first, first + PER_STEP))
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), plan.clip)
        optimiser.step()
        for average in averages:
            average.update_parameters(network)
        step += 1
        used += (time.process_time() - began) / (60 * minutes)
        if used - validated >= EVERY or used >= 1:
            validated = used
            gains = [means(arm, average.module, kept) for average in averages]
            _log(out / "log.csv", step, used * minutes, loss.item(), gains)
            with replacing(out / "weights.pt") as file:
                torch.save([average.module.state_dict() for average in averages], file)


def weighted_loss(arm: Arm, network: nn.Module, batch: Batch, measured: Tensor) -> Tensor:
    """Squared error over what is to be expected, as the starter is trained, at pure noise."""
    estimate = arm.estimate(network, batch.noisy, measured)
    error = (estimate - batch.clean).square().mean((1, 2, 3))
    return tamed(error / expected_variance(batch.spread)).mean()


def gains_of(arm: Arm, network: nn.Module, patches: Patches) -> Tensor:
    """Gain in PSNR of the best estimate of each patch, in dB."""
    network.eval()
    found = []
    with torch.inference_mode():
        for first in range(0, len(patches.pairs), 8):
            batch, measured = patches.batch(first, first + 8)
            error = (arm.estimate(network, batch.noisy, measured) - batch.clean).square().mean((1, 2, 3))
            found.append(10 * torch.log10(batch.spread.square() / error))
    return torch.cat(found)


def means(arm: Arm, network: nn.Module, kept: dict[str, Patches]) -> dict[str, float]:
    """Mean gain of each set."""
    return {name: float(gains_of(arm, network, patches).mean()) for name, patches in kept.items()}


def _log(path: Path, step: int, minutes: float, loss: float, gains: list[dict[str, float]]) -> None:
    row = {"step": step, "minutes": round(minutes, 2), "loss": round(loss, 3)}
    row |= {
        f"{name} {ema}": round(g, 3) for ema, of in zip(EMAS, gains, strict=True) for name, g in of.items()
    }
    new = not path.is_file()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)
