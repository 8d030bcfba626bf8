"""One evaluation of a network on a pattern: the example that a model carries, by which it is tested elsewhere."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_diffuscope.diffusion.schedule import CosineSchedule, NoiseLevel
from napari_diffuscope.weights.card import ModelCard
from napari_diffuscope.weights.folder import filled_network
from napari_diffuscope.weights.model import Model

FORMAT = 1
MOST_PARAMETERS = 300_000_000
"""Of a network that is run by itself when it is imported: of this size it takes a second or two on a processor."""

_LEAST_EDGE = 16
_MOST_VALUES = 1024


def trial_of(card: ModelCard, tensors: Mapping[str, Tensor]) -> bytes | None:
    """The example of a model.

    Parameters
    ----------
    card, tensors
        Of the model; its weights as they are stored.

    Returns
    -------
    bytes or None
        Content of the file; ``None`` where the model is too large for it, or gives values that are not finite.
    """
    if sum(tensor.numel() for tensor in tensors.values()) > MOST_PARAMETERS:
        return None
    network = filled_network(card.network, tensors, card.name).eval().requires_grad_(False)
    output = evaluated(Model(card, network))
    return packed_trial(output) if np.isfinite(output).all() else None


def packed_trial(output: np.ndarray) -> bytes:
    """Content of the file that keeps what a model gave."""
    content = io.BytesIO()
    np.savez_compressed(content, format=FORMAT, output=output)
    return content.getvalue()


def evaluated(model: Model) -> np.ndarray:
    """What the network estimates from a pattern, in the middle of its schedule: at most 1024 values, spread evenly."""
    card, device = model.card, model.device
    strides = getattr(getattr(model.network, "config", None), "total_stride", (1,) * len(card.axes))
    edges = [_LEAST_EDGE] * len(card.axes)
    if len(card.axes) == 3 and card.size is not None:
        edges[0] = card.size[0]  # networks of shapes know one depth
    space = tuple(stride * -(-edge // stride) for edge, stride in zip(edges, strides, strict=True))
    state = pattern((1, card.state_channels, *space), 1.0).to(device)
    condition = (
        pattern((1, card.condition_channels, *space), 0.5).to(device) if card.condition_channels else None
    )
    labels = torch.eye(1, len(card.classes), device=device) if card.classes else None
    told = ToldModel(card, model.network, model.source, labels)
    with torch.inference_mode():
        clean = told.estimate(state, _level(model), condition).float().cpu().reshape(-1)
    step = -(-clean.numel() // _MOST_VALUES)
    return np.asarray(clean[::step].numpy())


def pattern(shape: tuple[int, ...], height: float) -> Tensor:
    """Ramps and something like noise; whole numbers alone, so that it is the same on every computer."""
    index = torch.arange(math.prod(shape), dtype=torch.int64)
    ramp, noise = index % 61, (index * 40503) % 65536
    values = ramp.double() / 64 + noise.double() / 65536 - 1.0
    return (height * values).float().reshape(shape)


def _level(model: Model) -> NoiseLevel:
    schedule = model.schedule
    return schedule.at(0.5) if isinstance(schedule, CosineSchedule) else schedule.at(len(schedule) // 2)


@dataclass(frozen=True)
class ToldModel(Model):
    """A model whose network is told a class, where it knows classes."""

    labels: Tensor | None = None

    def prediction(self, inputs: Tensor, time: Tensor) -> Tensor:
        """Network output."""
        if self.labels is None:
            return super().prediction(inputs, time)
        output: Tensor = self.network(inputs, time, self.labels)
        return output
