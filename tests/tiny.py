"""A small untrained network of the starters' kind, all of which counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from napari_diffuscope.networks.local_unet import LocalUNet, LocalUNetConfig
from napari_diffuscope.networks.openai_config import OpenAIUNetConfig
from napari_diffuscope.weights.card import DiffusionSpec, ModelCard, NetworkSpec, ScheduleSpec
from napari_diffuscope.weights.folder import write_folder

SMALL: dict[str, Any] = {
    "widths": (8, 12),
    "encoder_blocks": (1, 1),
    "decoder_blocks": (1,),
    "embedding": 16,
}


def tiny_network(*, gain: float = 0.5, **config: Any) -> LocalUNet:
    """A network whose gains, which start at zero and would hide the noise level, are opened."""
    torch.manual_seed(0)
    network = LocalUNet(LocalUNetConfig(**config))
    for parameter in network.parameters():
        if parameter.dim() == 0:
            torch.nn.init.constant_(parameter, gain)
    return network


def tiny_card(
    name: str = "tiny",
    *,
    title: str = "Tiny",
    task: Any = "restore",
    shift: float = 0.2,
    steps: int = 2,
    **further: Any,
) -> ModelCard:
    """The card of a local network that was trained here."""
    diffusion = DiffusionSpec("v", ScheduleSpec("continuous-cosine", shift=shift), steps=steps)
    network = NetworkSpec("local-unet", {})
    return ModelCard(name, title, "Tests.", task, network=network, diffusion=diffusion, **further)


def openai_config(**changes: Any) -> OpenAIUNetConfig:
    """The smallest network of OpenAI's kind that attends."""
    usual: dict[str, Any] = {
        "in_channels": 1,
        "out_channels": 1,
        "model_channels": 32,
        "channel_multipliers": (1, 2),
        "res_blocks": 1,
        "attention_downsampling": (2,),
    }
    return OpenAIUNetConfig(**{**usual, **changes})


def write_local(folder: Path, card: ModelCard, network: LocalUNet, **changes: Any) -> Path:
    """The folder of a model: a card, with changes, and a network."""
    spec = NetworkSpec("local-unet", network.config.to_dict())
    write_folder(folder, replace(card, network=spec, **changes), dict(network.state_dict()))
    return folder
