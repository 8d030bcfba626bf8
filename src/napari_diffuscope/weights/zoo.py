"""One denoising step as a network of its own, as the packages of the BioImage Model Zoo describe networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from napari_diffuscope.diffusion.schedule import CosineSchedule, NoiseLevel
from napari_diffuscope.validation import parse
from napari_diffuscope.weights.card import ModelCard
from napari_diffuscope.weights.folder import build_network
from napari_diffuscope.weights.trial_run import ToldModel, pattern

_EDGE = 64


class DenoisingStep(nn.Module):
    """From a noisy state to the estimate of the clean image, at one level of noise.

    Parameters
    ----------
    card
        Content of ``model.json``.
    """

    def __init__(self, card: Mapping[str, Any]) -> None:
        super().__init__()
        self.card = parse(ModelCard, dict(card), "The card")
        self.network = build_network(self.card.network)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Take the weights."""
        return self.network.load_state_dict(state_dict, strict=strict, assign=assign)

    def forward(self, state: Tensor, level: Tensor, *more: Tensor) -> Tensor:
        """Estimate the clean image.

        Parameters
        ----------
        state
            ``(1, C, *space)``, in the card's ``data_range`` with noise.
        level
            ``(1, 1)``: index into the table of noise levels, or a time from 0 to 1 where the schedule is continuous.
        *more
            The measurement ``(1, Cc, *space)`` and the weights of the classes ``(1, classes)``, where the network is
            given them.

        Returns
        -------
        Tensor
            ``(1, C, *space)``.
        """
        rest = list(more)
        condition = rest.pop(0) if self.card.condition_channels else None
        labels = rest.pop(0) if self.card.classes else None
        told = ToldModel(self.card, self.network, None, labels)
        return told.estimate(state, _level(told, float(level.reshape(-1)[0])), condition)


def denoising_step(card: Mapping[str, Any]) -> DenoisingStep:
    """One denoising step of a model, to be given its weights: what a package of the BioImage Model Zoo names."""
    return DenoisingStep(card).eval().requires_grad_(False)


def tensors_to_test(card: ModelCard, network: nn.Module) -> tuple[dict[str, Tensor], Tensor]:
    """Inputs of a denoising step by name, in its order, and what it makes of them.

    Parameters
    ----------
    card, network
        Of the model; the network with its weights.
    """
    step = DenoisingStep(card.to_dict())
    step.network = network
    space = tuple(
        size if axis == "Z" else stride * -(-_EDGE // stride)
        for axis, size, stride in zip(card.axes, _edges(card), strides_of(network, card), strict=True)
    )
    continuous = card.diffusion.schedule.kind == "continuous-cosine"
    inputs = {
        "state": pattern((1, card.state_channels, *space), 1.0),
        "level": torch.tensor([[0.5 if continuous else float(card.diffusion.schedule.count // 2)]]),
    }
    if card.condition_channels:
        inputs["measurement"] = pattern((1, card.condition_channels, *space), 0.5)
    if card.classes:
        inputs["classes"] = torch.eye(1, len(card.classes))
    with torch.inference_mode():
        return inputs, step(*inputs.values()).float()


def strides_of(network: nn.Module, card: ModelCard) -> tuple[int, ...]:
    """What the edges of an image must be multiples of."""
    strides = getattr(network, "total_stride", (1,) * len(card.axes))
    return tuple(int(stride) for stride in strides)


def _edges(card: ModelCard) -> tuple[int, ...]:
    return card.size or (_EDGE,) * len(card.axes)


def _level(model: ToldModel, value: float) -> NoiseLevel:
    schedule = model.schedule
    return schedule.at(value) if isinstance(schedule, CosineSchedule) else schedule.at(round(value))
