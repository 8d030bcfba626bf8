"""A model that is ready to denoise."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from napari_diffuscope.diffusion.denoiser import clean_estimate
from napari_diffuscope.diffusion.schedule import (
    CosineSchedule,
    DiscreteSchedule,
    NoiseLevel,
    cosine_alpha_bar,
    linear_alpha_bar,
    scaled_linear_alpha_bar,
)
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.weights.card import CARD_FILE, ModelCard, ScheduleSpec
from napari_diffuscope.weights.catalogue import find_model
from napari_diffuscope.weights.folder import read_folder

# Below this ᾱ an ε network's error is amplified more than fifty-fold; see docs/design.md.
LOWEST_ALPHA_BAR = 4e-4


def build_schedule(spec: ScheduleSpec, *, lowest_alpha_bar: float = 0.0) -> CosineSchedule | DiscreteSchedule:
    """Schedule that a card describes."""
    match spec.kind:
        case "continuous-cosine":
            return CosineSchedule(spec.shift)
        case "linear" if spec.betas is None:
            return DiscreteSchedule(linear_alpha_bar(spec.count), lowest_alpha_bar)
        case "linear" | "scaled-linear":
            first, last = spec.betas or (1e-4, 0.02)
            scale = spec.count / 1000  # undoes the scaling that linear_alpha_bar does
            if spec.kind == "linear":
                return DiscreteSchedule(linear_alpha_bar(spec.count, first * scale, last * scale), lowest_alpha_bar)
            return DiscreteSchedule(scaled_linear_alpha_bar(spec.count, first, last), lowest_alpha_bar)
        case "cosine":
            return DiscreteSchedule(cosine_alpha_bar(spec.count), lowest_alpha_bar)


@dataclass(frozen=True)
class Model:
    """A network with what is needed to use it.

    Parameters
    ----------
    card
        What is known about it.
    network
        The bare module, in inference mode; called as ``network(input, t)``.
    """

    card: ModelCard
    network: nn.Module

    @property
    def schedule(self) -> CosineSchedule | DiscreteSchedule:
        """Noise levels to sample with: for ε networks without those where their error explodes."""
        clipped = self.card.diffusion.prediction == "epsilon"
        return build_schedule(self.card.diffusion.schedule, lowest_alpha_bar=LOWEST_ALPHA_BAR if clipped else 0.0)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.network.parameters()).device

    def time_of(self, level: NoiseLevel) -> float:
        """What the network is told of a level."""
        spec = self.card.diffusion
        match spec.time:
            case "rescaled":
                return level.time * 1000 / spec.schedule.count
            case "alpha-bar":
                return level.alpha**2
            case "continuous" | "index":
                return level.time

    def estimate(self, x: Tensor, level: NoiseLevel, condition: Tensor | None = None) -> Tensor:
        """Estimate of the clean image, E[x₀ | x_t, condition].

        Parameters
        ----------
        x
            State ``(B, C, *space)`` at ``level``. At pure noise it holds no information and is replaced by zeros,
            so that the posterior mean given the condition depends on no random number.
        level
            Noise level.
        condition
            ``(B, Cc, *space)``, concatenated as the network expects it.

        Returns
        -------
        Tensor
            ``(B, C, *space)`` in the network's range.
        """
        spec = self.card.diffusion
        if level.alpha == 0:
            x = torch.zeros_like(x)
        time = torch.tensor([self.time_of(level)], dtype=torch.float32, device=x.device)
        output = self.network(self._inputs(x, condition), time)[:, : x.shape[1]]
        clean = clean_estimate(spec.prediction, x, output, level)
        return clean if spec.clip is None else clean.clamp_(*spec.clip)

    def _inputs(self, x: Tensor, condition: Tensor | None) -> Tensor:
        if condition is None:
            return x
        return torch.cat((condition, x) if self.card.condition_first else (x, condition), 1)


def load_model(name_or_path: str | os.PathLike[str], *, device: str | torch.device = "cpu") -> Model:
    """Open a model by name or path.

    Parameters
    ----------
    name_or_path
        Name in the catalogue, or path of a model folder.
    device
        Where to put the weights.

    Raises
    ------
    DiffuscopeError
        If there is no such model, or it is damaged; the sentence says which tensors are wrong, missing or extra.
    """
    path = find_model(name_or_path)
    if not (path.is_dir() and (path / CARD_FILE).is_file()):
        raise DiffuscopeError(f"{path} is not a model folder: it has no {CARD_FILE}.")
    card, network = read_folder(Path(path))
    return Model(card, network.to(device).eval().requires_grad_(False))
