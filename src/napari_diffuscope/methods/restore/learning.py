"""Learning from a noisy image alone: scales in a fixed network, and whether they are worth anything.

A little more noise is added to windows of the image, and the network is asked for what less noise would have left: for
z of the variance of the noise, y + a z and y - z / a have independent noise about the same clean image ("recorrupted to
recorrupted", Pang et al., CVPR 2021), so that the squared difference is least for the clean image.

That rests on the measured noise. Whether the result is used is therefore judged by a loss that does not: at pixels that
the network does not see (blind spots, as of Batson and Royer, ICML 2019, and of Noise2VST, Herbreteau et al., ICCV
2025).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from napari_diffuscope.diffusion.schedule import NoiseLevel
from napari_diffuscope.networks.local_unet import LocalUNet
from napari_diffuscope.weights.model import Model

STEPS, BATCH, CROP = 60, 2, 128
RATE, WARMUP = 0.01, 5
ADDED = 0.5
"""How much noise is added, in deviations of the noise."""

GAP = 4
"""Distance between blind spots, in pixels."""

LIGHT = 3
"""Edge of the square over which the estimate is averaged, for the variance of the noise."""

SEED = 0


@dataclass(frozen=True)
class Window:
    """A part of a plane, in values of the network.

    Parameters
    ----------
    values
        ``(1, 1, h, w)``, noisy.
    variance
        Of the noise, likewise.
    """

    values: Tensor
    variance: Tensor


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread: sums are then taken in one order, wherever it is learned."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def best_estimate(model: Model, values: Tensor) -> Tensor:
    """Best estimate of windows in one evaluation, with gradients where they are switched on."""
    stride = int(max(model.network.total_stride))  # type: ignore[arg-type]
    height, width = values.shape[-2:]
    padded = functional.pad(values, (0, -width % stride, 0, -height % stride), mode="replicate")
    level: NoiseLevel = model.schedule.highest()
    return model.estimate(torch.zeros_like(padded), level, padded)[..., :height, :width]


def smoothed(values: Tensor) -> Tensor:
    """Averaged over a small square."""
    padded = functional.pad(values, (LIGHT // 2,) * 4, mode="replicate")
    return functional.avg_pool2d(padded, LIGHT, 1)


def learned(model: Model, windows: Sequence[Window]) -> Generator[int, None, tuple[np.ndarray, ...]]:
    """Scales that make the network better on the windows.

    Parameters
    ----------
    model
        As it is; of a local network.
    windows
        At least ``CROP`` pixels high and wide.

    Yields
    ------
    int
        Steps that are done.
    """
    random, noise = np.random.default_rng(SEED), torch.Generator().manual_seed(SEED)
    device = model.device
    network = model.network
    assert isinstance(network, LocalUNet)
    scales = [torch.zeros(count, device=device, requires_grad=True) for count in network.scales]
    optimiser = torch.optim.Adam(scales, lr=RATE, betas=(0.9, 0.99))
    student = replace(model, network=network.scaled(scales))
    for step in range(STEPS):
        for group in optimiser.param_groups:
            group["lr"] = RATE * (1 - step / STEPS) * min(1.0, (step + 1) / WARMUP)
        noisy, variance = _crops(windows, random)
        with one_thread(), torch.enable_grad():
            drawn = torch.randn(noisy.shape, generator=noise).to(device) * variance.sqrt()
            error = best_estimate(student, noisy + ADDED * drawn) - (noisy - drawn / ADDED)
            loss = error.square().mean() / variance.mean()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        yield step + 1
    return tuple(scale.detach().cpu().numpy().copy() for scale in scales)


def _crops(windows: Sequence[Window], random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Parts of some windows, noisy values and variances."""
    values, variances = [], []
    for _ in range(BATCH):
        window = windows[int(random.integers(len(windows)))]
        height, width = window.values.shape[-2:]
        y, x = int(random.integers(height - CROP + 1)), int(random.integers(width - CROP + 1))
        part = (..., slice(y, y + CROP), slice(x, x + CROP))
        values.append(window.values[part])
        variances.append(window.variance[part])
    return torch.cat(values), torch.cat(variances)


def blind_loss(model: Model, windows: Sequence[Window]) -> float:
    """Mean squared difference at pixels that the network does not see, in variances of the noise.

    They are shown as the mean of their four neighbours, so that noise of its own is in none of them.
    """
    total = count = 0.0
    for number, window in enumerate(windows):
        for turn in range(2):
            place = (5 * number + 7 * turn) % GAP**2
            spots = (..., slice(place // GAP, None, GAP), slice(place % GAP, None, GAP))
            shown = window.values.clone()
            shown[spots] = _from_neighbours(window.values)[spots]
            with one_thread(), torch.inference_mode():
                error = (best_estimate(model, shown) - window.values)[spots]
                share = error.square() / window.variance[spots]
            total += float(share.double().sum())
            count += share.numel()
    return total / count


def _from_neighbours(values: Tensor) -> Tensor:
    wide = functional.pad(values, (1, 1, 1, 1), mode="reflect")
    return (wide[..., 1:-1, :-2] + wide[..., 1:-1, 2:] + wide[..., :-2, 1:-1] + wide[..., 2:, 1:-1]) / 4
