"""Small models for tests of shapes, and windows whose answer is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_diffuscope.networks.openai_unet import OpenAIUNet, OpenAIUNetConfig
from napari_diffuscope.weights.card import DiffusionSpec, ModelCard, NetworkSpec, ScheduleSpec
from napari_diffuscope.weights.folder import write_folder
from napari_diffuscope.weights.model import Model
from tests.published import fill
from tests.tiny import SMALL, tiny_network, write_local

SIDE = 16

CARD = ModelCard(
    name="tiny-shapes",
    title="Tiny",
    purpose="Tests.",
    task="shape",
    network=NetworkSpec("local-unet", {}),
    diffusion=DiffusionSpec("v", ScheduleSpec("continuous-cosine"), steps=3),
    axes="ZYX",
    size=(SIDE,) * 3,
    condition_channels=4,
    cell_extent=0.75,
)


def write_tiny(folder: Path, **changes: Any) -> Path:
    """An untrained local network, whose gains are opened so that all of it counts."""
    network = tiny_network(**SMALL, dims=3, condition_channels=4, stem=(2, 2, 2))
    return write_local(folder, CARD, network, **changes)


def published_network() -> OpenAIUNet:
    """A network as DISPR's, but small."""
    return OpenAIUNet(
        OpenAIUNetConfig(
            dims=3,
            in_channels=3,
            out_channels=2,
            model_channels=32,
            channel_multipliers=(1, 1),
            res_blocks=1,
            attention_downsampling=(2,),
            heads=1,
        )
    )


def write_published(folder: Path, **changes: Any) -> Path:
    """A checkpoint like DISPR's as a model folder: a chain of six levels."""
    network = published_network()
    fill(network)
    card = replace(
        CARD,
        network=NetworkSpec("openai-unet", network.config.to_dict()),
        diffusion=DiffusionSpec(
            "epsilon",
            ScheduleSpec("linear", count=6, betas=(0.01, 0.9)),
            time="index",
            variance="learned-range",
            clip=(-1.0, 1.0),
            steps=3,
            published_steps=6,
            published_samples=5,
        ),
        condition_channels=2,
        condition_first=True,
        data_range=(0.0, 1.0),
        cell_extent=None,
    )
    write_folder(folder, replace(card, **changes), dict(network.state_dict()))
    return folder


class LathedNetwork(nn.Module):
    """Answers with the ball-like object that the mask says: occupied where |z - S/2| < its distance to the outline.

    The answer is what a v network says at pure noise of that object as the clean image.
    """

    total_stride = (1, 1, 1)
    floats_per_pixel = 10.0

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(()), requires_grad=False)

    def forward(self, inputs: Tensor, time: Tensor) -> Tensor:
        height, distance = inputs[:, 3].abs(), inputs[:, 4]
        return torch.where(height < distance, 1.0, -1.0)[:, None].to(inputs)


def lathed_model(side: int = 64, **changes: Any) -> Model:
    """A model of x₀ that knows its answer."""
    spec = DiffusionSpec("x0", ScheduleSpec("continuous-cosine"), steps=3)
    return Model(replace(CARD, diffusion=spec, size=(side,) * 3, **changes), LathedNetwork().eval())


def disc(shape: tuple[int, int], centre: tuple[float, float], radius: float) -> np.ndarray:
    """A filled circle, bool."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.hypot(y - centre[0], x - centre[1]) < radius


def three_cells() -> tuple[np.ndarray, np.ndarray]:
    """An image of 60 × 80 pixels and its labels: 1 and 7 are whole, 4 touches the border."""
    labels = np.zeros((60, 80), np.int32)
    labels[disc((60, 80), (20, 20), 10)] = 1
    labels[disc((60, 80), (2, 60), 9)] = 4
    labels[disc((60, 80), (40, 55), 12)] = 7
    image = np.random.default_rng(0).poisson(20 + 40 * (labels > 0)).astype(np.uint8)
    return image, labels
