"""The task of removing noise: a diffusion model conditioned on the noisy image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.training.objective import denoising_loss, draw_times
from napari_diffuscope.training.pairs import Batch
from napari_diffuscope.training.recipe import Recipe
from napari_diffuscope.training.shape.network import check_shape_channels, with_shape_channels
from napari_diffuscope.training.superres.network import check_slice_channels, with_slice_channels
from napari_diffuscope.training.task import Arrays, Draw, Part, Parts, Tensors
from napari_diffuscope.weights.card import DiffusionSpec, ModelCard, NetworkSpec, ScheduleSpec
from napari_diffuscope.weights.folder import build_network

INDEX_SCALE = 1000
"""Networks of the OpenAI family embed the time as an index; t in [0, 1] is stretched to that range."""


@dataclass(frozen=True)
class DenoisingTask:
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
    finish: Callable[[Tensors], Tensors] | None = None

    def batches(self, part: Part) -> Dataset[Arrays]:
        """Noisy patches, clean patches and the spread of the noise, or what :attr:`finish` makes them of."""
        return Parts(self.pieces, piece=self.piece, part=part)

    def ready(self, batch: Tensors) -> Tensors:
        """Noisy patches, clean patches and the spread of the noise."""
        return batch if self.finish is None else self.finish(batch)

    def loss(self, network: nn.Module, batch: Tensors, draw: Draw) -> Tensor:
        """Weighted error of v at random noise levels."""
        noise_levels, generator = self.recipe.diffusion, draw.generator()
        times = draw_times(draw.part.total, highest_share=noise_levels.highest_share, generator=generator)
        draw.skip(generator, batch[1].shape[1:])
        return denoising_loss(
            self._timed(network),
            Batch(*batch),
            draw.of_part(times),
            shift=noise_levels.shift,
            generator=generator,
        )

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Mean gain in PSNR of the best estimate over the noisy patch, in dB: of all, and of each set of several."""
        gains = {name: torch.cat([self._gain(network, b) for b in kept]) for name, kept in self.kept.items()}
        measures = {self.measure: float(torch.cat(list(gains.values())).mean())}
        if len(gains) > 1:
            measures.update({f"{name}_gain_db": float(values.mean()) for name, values in gains.items()})
        return measures

    def _gain(self, network: nn.Module, batch: Batch) -> Tensor:
        """Per patch, in dB."""
        error = (self.estimate(network, batch.noisy) - batch.clean).square().mean((1, 2, 3))
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
        recipe, card = self.recipe, self.recipe.card
        indexed = recipe.network_spec.kind == "openai-unet"
        only_estimate = recipe.diffusion.highest_share == 1
        # A count of one level makes "rescaled" t · 1000 of the continuous t.
        schedule = ScheduleSpec("continuous-cosine", recipe.diffusion.shift, count=1 if indexed else 1000)
        return ModelCard(
            name=recipe.name,
            title=card.title,
            purpose=card.purpose,
            task=recipe.task,
            network=_with_channels(recipe.network_spec),
            diffusion=DiffusionSpec(
                "v",
                schedule,
                time="rescaled" if indexed else "continuous",
                steps=recipe.diffusion.sampling_steps,
                estimate_only=only_estimate,
            ),
            size=(recipe.data.patch,) * 2 if indexed else None,
            pixel_size=card.pixel_size,
            limits=card.limits,
            licence=card.licence,
            citation=card.citation,
        )

    def facts(self) -> dict[str, Any]:
        """What was learned from and what was kept out."""
        return {"data": self.recipe.card.data, **self.known}

    def _timed(self, network: nn.Module) -> nn.Module:
        return _Indexed(network) if self.recipe.network_spec.kind == "openai-unet" else network


class _Indexed(nn.Module):
    """Calls a network whose time is an index with t in [0, 1]."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Network output."""
        output: Tensor = self.network(x, t * INDEX_SCALE)
        return output


def _with_channels(spec: NetworkSpec) -> NetworkSpec:
    """The network with the channels that denoising asks for: a noisy state and the measurement in, one image out."""
    if spec.kind == "openai-unet":
        return NetworkSpec(spec.kind, {"in_channels": 2, "out_channels": 1, **spec.arguments})
    return spec


def trained_network(recipe: Recipe) -> NetworkSpec:
    """The network of a recipe, complete, and checked to take patches of the recipe's size.

    Raises
    ------
    DiffuscopeError
        If its arguments are wrong, or the patch is no multiple of its stride.
    """
    complete, check = _DEMANDS.get(recipe.data.kind, (_with_channels, _check_channels))
    spec = complete(recipe.network_spec)
    network = build_network(spec, device="meta")
    config: Any = network.config
    check(spec.kind, config)
    patch, stride = recipe.data.patch, max(network.total_stride)  # type: ignore[arg-type]
    if patch % stride:
        raise DiffuscopeError(
            f"The network takes sizes that are multiples of {stride}; a patch of {patch} is none."
        )
    return NetworkSpec(spec.kind, config.to_dict())


_DEMANDS: dict[str, tuple[Callable[[NetworkSpec], NetworkSpec], Callable[[str, Any], None]]] = {
    "slices": (with_slice_channels, check_slice_channels),
    "shapes": (with_shape_channels, check_shape_channels),
}
"""By kind of data, where it is not images: what completes a network, and what refuses one."""


def _check_channels(kind: str, config: Any) -> None:
    local = kind == "local-unet"
    channels = (
        (config.channels, config.condition_channels)
        if local
        else (config.out_channels, config.in_channels - 1)
    )
    if channels != (1, 1) or config.dims != 2 or config.classes:
        raise DiffuscopeError(
            "Denoising takes a 2D network without classes that is given a noisy state and one measurement and makes "
            "one channel; correct [network]."
        )
