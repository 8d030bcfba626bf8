"""Small models for tests of super-resolution, and an exact one."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from napari_diffuscope.diffusion.schedule import CosineSchedule
from napari_diffuscope.networks.openai_unet import OpenAIUNet
from napari_diffuscope.weights.card import DiffusionSpec, NetworkSpec, ScheduleSpec
from napari_diffuscope.weights.folder import write_folder
from napari_diffuscope.weights.model import Model
from tests.published import fill
from tests.tiny import SMALL, openai_config, tiny_card, tiny_network, write_local

CARD = tiny_card("tiny-slices", task="superresolution", shift=0.5, steps=3, condition_channels=2)


def write_tiny(folder: Path, **changes: Any) -> Path:
    """An untrained local network, whose gains are opened so that all of it counts."""
    network = tiny_network(**SMALL, condition_channels=2, wavelets=2, wavelet_start="identity", gain=0.3)
    return write_local(folder, CARD, network, **changes)


def write_seeing_beside(folder: Path, beside: int) -> Path:
    """The same, but shown the interpolations of so many slices on each side."""
    conditions = 2 + 2 * beside
    network = tiny_network(
        **SMALL,
        condition_channels=conditions,
        wavelets=2,
        wavelet_inputs=3,
        wavelet_start="identity",
        gain=0.3,
    )
    return write_local(folder, CARD, network, condition_channels=conditions)


class CopyingNetwork(nn.Module):
    """Takes one of the channels that it is shown for the clean image."""

    total_stride = (1, 1)
    floats_per_pixel = 10.0
    receptive_radius = (0, 0)

    def __init__(self, channel: int) -> None:
        super().__init__()
        self.channel = channel
        self.one = nn.Parameter(torch.ones(()), requires_grad=False)

    def forward(self, inputs: Tensor, time: Tensor) -> Tensor:
        return inputs[:, self.channel, None]


def copying_model(channel: int, beside: int) -> Model:
    """One that gives back a channel; 0 is the state, 1 the interpolation, 2 the mask, then come those beside."""
    diffusion = DiffusionSpec("x0", ScheduleSpec("continuous-cosine", shift=0.5), steps=2)
    card = replace(CARD, diffusion=diffusion, condition_channels=2 + 2 * beside)
    return Model(card, CopyingNetwork(channel).eval())


def write_published(folder: Path) -> Path:
    """A network as in the paper, but small: three channels, attention, windows of 16 pixels."""
    network = OpenAIUNet(openai_config(in_channels=3, out_channels=3, heads=2))
    fill(network)
    card = replace(
        CARD,
        network=NetworkSpec("openai-unet", network.config.to_dict()),
        diffusion=DiffusionSpec(
            "epsilon",
            ScheduleSpec("cosine", count=20),
            time="index",
            steps=4,
            published_steps=5,
            published_eta=1.0,
        ),
        size=(16, 16),
        state_channels=3,
        condition_channels=0,
        data_range=(0.0, 1.0),
    )
    write_folder(folder, card, dict(network.state_dict()))
    return folder


class BrownianNetwork(nn.Module):
    """Exact E[x₀ | x_t, known rows] where x₀ is, along the first axis, a Brownian motion of ``step`` per row.

    Given the known rows, what lies between two of them is independent of all else: a Brownian bridge, whose mean is
    the linear interpolation and whose variance is step² · i (f - i) / f. With Gaussian noise on top the posterior is
    Gaussian too: mean m + K α (αα K + σσ 1)⁻¹ (x_t - α m) with the bridge's covariance K.
    """

    total_stride = (1, 1)
    floats_per_pixel = 10.0

    def __init__(self, factor: int, step: float, shift: float) -> None:
        super().__init__()
        self.factor, self.step, self.shift = factor, step, shift
        self.receptive_radius = (factor, 0)
        self.one = nn.Parameter(torch.ones(()), requires_grad=False)

    def forward(self, inputs: Tensor, time: Tensor) -> Tensor:
        x, mean, known = inputs[:, 0], inputs[:, 1], inputs[0, 2, :, 0] > 0
        level = CosineSchedule(self.shift).at(float(time[0]))
        rows = torch.arange(1, self.factor, dtype=torch.float64)
        kernel = self.step**2 * (torch.minimum(rows[:, None], rows) - rows[:, None] * rows / self.factor)
        inverse = torch.linalg.inv(
            level.alpha**2 * kernel + level.sigma**2 * torch.eye(len(rows), dtype=torch.float64)
        )
        gain = (level.alpha * kernel @ inverse).to(x)
        clean = mean.clone()
        first = int(torch.nonzero(known)[0])
        for start in range(first + 1, x.shape[1] - len(rows) + 1, self.factor):
            part = slice(start, start + len(rows))
            clean[:, part] += gain @ (x[:, part] - level.alpha * mean[:, part])
        return clean[:, None]


def brownian_model(factor: int, step: float) -> Model:
    card = replace(
        CARD, diffusion=DiffusionSpec("x0", ScheduleSpec("continuous-cosine", shift=0.5), steps=12)
    )
    return Model(card, BrownianNetwork(factor, step, 0.5).eval())


def bridge_deviation(factor: int, step: float, row: int) -> float:
    return step * math.sqrt(row * (factor - row) / factor)
