"""Learning from a noisy image alone: scales in a fixed network.

A little more noise is added to windows of the image, and the network is asked for what less noise would have left: for
z of the variance of the noise, y + a z and y - z / a have independent noise about the same clean image ("recorrupted to
recorrupted", Pang et al., CVPR 2021), so that the squared difference is least for the clean image.

That rests on the measured noise. Whether the result is used is therefore judged at pixels that are hidden from the
network.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from napari_diffuscope.methods.restore.judging import ADDED
from napari_diffuscope.methods.restore.windows import Colour, Sampling, Window, drawn, one_thread
from napari_diffuscope.networks.local_unet import LocalUNet
from napari_diffuscope.weights.model import Model

STEPS, BATCH = 60, 2
RATE, WARMUP = 0.01, 5
SEED = 0


def learned(
    model: Model, windows: Sequence[Window], colour: Colour | None, sampling: Sampling
) -> Generator[int, None, tuple[np.ndarray, ...]]:
    """Scales that make the network better on the windows.

    Parameters
    ----------
    model
        As it is; of a local network.
    windows
        As large as a crop at least.
    colour
        Of their noise; ``None`` for white.
    sampling
        How the network sees them.

    Yields
    ------
    int
        Steps that are done.
    """
    random, noise = np.random.default_rng(SEED), torch.Generator().manual_seed(SEED)
    network = model.network
    assert isinstance(network, LocalUNet)
    scales = [torch.zeros(count, device=model.device, requires_grad=True) for count in network.scales]
    optimiser = torch.optim.Adam(scales, lr=RATE, betas=(0.9, 0.99))
    student = replace(model, network=network.scaled(scales))
    for step in range(STEPS):
        for group in optimiser.param_groups:
            group["lr"] = RATE * (1 - step / STEPS) * min(1.0, (step + 1) / WARMUP)
        noisy, variance = _crops(windows, random, sampling.crop)
        with one_thread(), torch.enable_grad():
            more = drawn(variance, colour, noise)
            error = sampling.estimate(student, noisy + ADDED * more) - (noisy - more / ADDED)
            loss = error.square().mean() / variance.mean()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        yield step + 1
    return tuple(scale.detach().cpu().numpy().copy() for scale in scales)


def _crops(
    windows: Sequence[Window], random: np.random.Generator, crop: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Parts of some windows, noisy values and variances."""
    values, variances = [], []
    for _ in range(BATCH):
        window = windows[int(random.integers(len(windows)))]
        y, x = (
            int(random.integers(length - edge + 1))
            for length, edge in zip(window.values.shape[-2:], crop, strict=True)
        )
        part = (..., slice(y, y + crop[0]), slice(x, x + crop[1]))
        values.append(window.values[part])
        variances.append(window.variance[part])
    return torch.cat(values), torch.cat(variances)
