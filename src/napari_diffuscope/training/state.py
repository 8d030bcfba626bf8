"""What a training must remember to go on as if it had never stopped."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.training.recipe import Optimisation, Recipe

CHECKPOINT = "checkpoint.pt"


@dataclass
class State:
    """Network, its average, the optimiser and the number of steps done."""

    network: nn.Module
    average: AveragedModel
    optimiser: torch.optim.Optimizer
    step: int = 0

    @classmethod
    def fresh(cls, network: nn.Module, plan: Optimisation) -> State:
        """State before the first step."""
        average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(plan.ema))  # type: ignore[no-untyped-call]
        optimiser = torch.optim.Adam(network.parameters(), plan.learning_rate, betas=(0.9, 0.99))
        return cls(network, average, optimiser)

    def save(self, folder: Path, recipe: Recipe) -> None:
        """Write the checkpoint, all or nothing."""
        content = {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "recipe": recipe.to_dict(),
        }
        temporary = folder / f".{CHECKPOINT}.{os.getpid()}"
        try:
            torch.save(content, temporary)
            temporary.replace(folder / CHECKPOINT)
        except (OSError, RuntimeError) as error:
            raise DiffuscopeError(
                f"The checkpoint in {folder} cannot be written ({error}); the last one is kept."
            ) from error
        finally:
            temporary.unlink(missing_ok=True)

    def restore(self, folder: Path, recipe: Recipe) -> None:
        """Take up a checkpoint of the same recipe; the number of steps alone may differ."""
        path = folder / CHECKPOINT
        if not path.is_file():
            raise DiffuscopeError(f"There is nothing to resume in {folder}: it has no {CHECKPOINT}.")
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if _identity(content["recipe"]) != _identity(recipe.to_dict()):
            raise DiffuscopeError(
                f"The checkpoint in {folder} belongs to another recipe; choose another folder."
            )
        self.network.load_state_dict(content["network"])
        self.average.load_state_dict(content["average"])
        self.optimiser.load_state_dict(content["optimiser"])
        self.step = content["step"]


def _identity(recipe: dict[str, Any]) -> dict[str, Any]:
    """The parts of a recipe that decide the curve."""
    kept = {key: recipe[key] for key in ("task", "network", "diffusion")}
    return {**kept, "seed": recipe["optimisation"]["seed"], "batch": recipe["optimisation"]["batch"]}


def rate_at(step: int, plan: Optimisation) -> float:
    """Learning rate of a step: a linear rise, a plateau, half a cosine down to zero."""
    rise = min(1.0, (step + 1) / max(plan.warmup, 1))
    decay_from = plan.decay_from * plan.steps
    progress = max(0.0, (step - decay_from) / max(plan.steps - decay_from, 1))
    return plan.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
