"""The task of removing noise: a diffusion model conditioned on the noisy image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from napari_diffuscope.training.objective import denoising_loss
from napari_diffuscope.training.of_recipe import RecipeTask
from napari_diffuscope.training.pairs import Batch
from napari_diffuscope.training.recipe import Recipe
from napari_diffuscope.training.task import Arrays, Draw, Part, Parts, Tensors
from napari_diffuscope.weights.card import ModelCard

INDEX_SCALE = 1000
"""Networks of the OpenAI family embed the time as an index; t in [0, 1] is stretched to that range."""


@dataclass(frozen=True)
class DenoisingTask(RecipeTask):
    """Learns the clean image given the noisy one.

    Parameters
    ----------
    recipe
        What to do.
    pieces
        Batches of ``piece`` members by number.
    piece
        Members that are drawn together.
    kept
        Batches for validation, by the name of the set.
    notes
        What the user must be told.
    known
        What the card says of the data.
    measure
        What decides which weights are best.
    up_to_a_line
        Whether gains are measured after the best line: where what is learned has a contrast of its own, reaching that
        would count as taking noise away.
    finish
        Makes noisy patches of the batches on the device; ``None`` where they come with their noise.
    """

    recipe: Recipe
    pieces: Dataset[Arrays]
    piece: int
    kept: Mapping[str, tuple[Batch, ...]]
    notes: tuple[str, ...] = ()
    known: Mapping[str, Any] = field(default_factory=dict)
    measure: str = "gain_db"
    up_to_a_line: bool = False
    finish: Callable[[Tensors], Tensors] | None = None

    def batches(self, part: Part) -> Dataset[Arrays]:
        """Noisy patches, clean patches and the spread of the noise, or what :attr:`finish` makes them of."""
        return Parts(self.pieces, piece=self.piece, part=part)

    def ready(self, batch: Tensors) -> Tensors:
        """Noisy patches, clean patches and the spread of the noise."""
        return batch if self.finish is None else self.finish(batch)

    def loss(self, network: nn.Module, batch: Tensors, draw: Draw) -> Tensor:
        """Weighted error of v at random noise levels."""
        times, generator = self.drawn(draw, batch[1].shape[1:])
        shift = self.recipe.diffusion.shift
        return denoising_loss(self._timed(network), Batch(*batch), times, shift=shift, generator=generator)

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Mean gain in PSNR of the best estimate over the noisy patch, in dB: of all, and of each set of several."""
        gains = {name: torch.cat([self._gain(network, b) for b in kept]) for name, kept in self.kept.items()}
        measures = {self.measure: float(torch.cat(list(gains.values())).mean())}
        if len(gains) > 1:
            measures.update({f"{name}_gain_db": float(values.mean()) for name, values in gains.items()})
        return measures

    def _gain(self, network: nn.Module, batch: Batch) -> Tensor:
        """Per patch, in dB."""
        estimate = self.estimate(network, batch.noisy)
        if self.up_to_a_line:
            before, after = (_off_the_line(image, batch.clean) for image in (batch.noisy, estimate))
            return 10 * torch.log10(before / after)
        error = (estimate - batch.clean).square().mean((1, 2, 3))
        return 10 * torch.log10(batch.spread**2 / error)

    def estimate(self, network: nn.Module, noisy: Tensor) -> Tensor:
        """Best estimate: x₀ = -v at pure noise."""
        with torch.inference_mode():
            time = torch.ones(1, device=noisy.device)
            output: Tensor = self._timed(network)(torch.cat((torch.zeros_like(noisy), noisy), 1), time)
        return -output

    def example(self, network: nn.Module) -> tuple[np.ndarray, np.ndarray]:
        """The first patch for validation and its best estimate."""
        noisy = next(iter(self.kept.values()))[0].noisy[:1]
        return noisy[0, 0].cpu().numpy(), self.estimate(network, noisy)[0, 0].cpu().numpy()

    def card(self, network: nn.Module) -> ModelCard:
        """Card of the model, but for its training and metrics."""
        if self.recipe.network_spec.kind != "openai-unet":
            return self.described()
        # A count of one level makes "rescaled" t · 1000 of the continuous t.
        return self.described(time="rescaled", levels=1, size=(self.recipe.data.patch,) * 2)

    def _timed(self, network: nn.Module) -> nn.Module:
        return _Indexed(network) if self.recipe.network_spec.kind == "openai-unet" else network


def _off_the_line(image: Tensor, clean: Tensor) -> Tensor:
    """Share of the variance of each clean patch that no line through the image's values explains."""
    both = torch.stack((image, clean)).flatten(2).double()
    a, b = both - both.mean(-1, keepdim=True)
    explained = (a * b).sum(-1).square() / (a.square().sum(-1) * b.square().sum(-1)).clamp_min(1e-30)
    left: Tensor = (1 - explained).clamp_min(1e-12)
    return left.float()


class _Indexed(nn.Module):
    """Calls a network whose time is an index with t in [0, 1]."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Network output."""
        output: Tensor = self.network(x, t * INDEX_SCALE)
        return output
