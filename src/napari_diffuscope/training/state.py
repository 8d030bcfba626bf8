"""What a training must remember to go on as if it had never stopped."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from napari_diffuscope.atomic import replacing
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import reason
from napari_diffuscope.training.recipe import Data, Diffusion, Optimisation, Recipe
from napari_diffuscope.training.run_files import CHECKPOINT

FREE = (
    "compiled",
    "steps",
    "checkpoint_every",
    "every_minutes",
    "patience",
    "min_gain",
    "time_budget_minutes",
)
"""Entries of the optimisation that may differ when a training is resumed."""


DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "data": asdict(Data()),
    "diffusion": asdict(Diffusion()),
    "optimisation": asdict(Optimisation()),
}


@dataclass
class Best:
    """The best averaged weights so far, for trainings that stop early.

    Parameters
    ----------
    value
        Their validation measure.
    step
        When they were found.
    waited
        Validations since then.
    weights
        State of the averaged network, on the CPU; empty before the first validation.
    """

    value: float = -math.inf
    step: int = 0
    waited: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)

    def see(self, value: float, step: int, network: nn.Module, *, min_gain: float) -> None:
        """Take note of a validation."""
        if value > self.value + min_gain or not self.weights:
            self.value, self.step, self.waited = value, step, 0
            self.weights = {name: t.detach().cpu().clone() for name, t in network.state_dict().items()}
        else:
            self.waited += 1


@dataclass
class State:
    """Network, its average, the optimiser, and how far it is.

    Parameters
    ----------
    network, average, optimiser
        What is trained.
    step
        Steps done.
    seconds
        Time of all these steps, in all runs together, without validation and checkpoints.
    losses, counted
        Sums of the losses and of the gradients' norms since the last row of the log, float64, and of how many steps.
        They stay on the device: looking at each would hold up a GPU.
    best
        For early stops.
    measures
        Of the last validation.
    """

    network: nn.Module
    average: AveragedModel
    optimiser: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    losses: Tensor = field(default_factory=lambda: torch.zeros(2, dtype=torch.float64))
    counted: int = 0
    best: Best = field(default_factory=Best)
    measures: dict[str, float] = field(default_factory=dict)

    @classmethod
    def fresh(cls, network: nn.Module, plan: Optimisation) -> State:
        """State before the first step."""
        average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(plan.ema))  # type: ignore[no-untyped-call]
        optimiser = torch.optim.Adam(network.parameters(), plan.learning_rate, betas=(0.9, 0.99), fused=True)
        place = next(network.parameters()).device
        return cls(network, average, optimiser, losses=torch.zeros(2, dtype=torch.float64, device=place))

    @property
    def averaged(self) -> nn.Module:
        """The averaged network, in inference mode."""
        network: nn.Module = self.average.module
        return network.eval()

    def save(self, folder: Path, recipe: Recipe) -> None:
        """Write the checkpoint, all or nothing.

        Raises
        ------
        DiffuscopeError
            If the disk is full.
        """
        content = {
            "step": self.step,
            "seconds": self.seconds,
            "losses": self.losses.cpu(),
            "counted": self.counted,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "best": vars(self.best),
            "measures": self.measures,
            "recipe": recipe.to_dict(),
        }
        try:
            with replacing(folder / CHECKPOINT, sync=True) as file:
                torch.save(content, file)
        except (OSError, RuntimeError) as error:
            raise DiffuscopeError(
                f"The checkpoint in {folder} cannot be written ({reason(error)}); the last one, if any, is "
                "kept."
            ) from error

    def restore(self, folder: Path, recipe: Recipe) -> None:
        """Take up a checkpoint of the same recipe; how long to train may differ.

        Raises
        ------
        DiffuscopeError
            If there is none, it is damaged, or of another recipe.
        """
        content = _read(folder)
        if (entry := difference(content["recipe"], recipe.to_dict())) is not None:
            raise DiffuscopeError(
                f"The checkpoint in {folder} belongs to another recipe, with another {entry}; choose another folder."
            )
        self.network.load_state_dict(content["network"])
        self.average.load_state_dict(content["average"])
        self.optimiser.load_state_dict(content["optimiser"])
        self.losses = content["losses"].to(self.losses.device)
        self.counted = content["counted"]
        self.best, self.measures = Best(**content["best"]), content["measures"]
        self.step, self.seconds = content["step"], content["seconds"]


def _read(folder: Path) -> dict[str, Any]:
    path = folder / CHECKPOINT
    if not path.is_file():
        raise DiffuscopeError(f"There is nothing to resume in {folder}: it has no {CHECKPOINT}.")
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged archive shows itself in many ways
        raise DiffuscopeError(f"The checkpoint {path} is damaged and cannot be resumed: {error}.") from error
    if "losses" not in content:
        raise DiffuscopeError(f"The checkpoint {path} was written by an older version and cannot be resumed.")
    return content


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    """The first entry in which two recipes differ, of those that decide the curve."""
    for part in ("task", "network", "start_from", "data", "diffusion", "optimisation"):
        a, b = old.get(part), new[part]
        if isinstance(a, Mapping):
            a = {**DEFAULTS.get(part, {}), **a}  # an older version knew fewer entries
            names = [str(name) for name in b if a.get(name) != b[name]]
            if names := [name for name in names if part != "optimisation" or name not in FREE]:
                return names[0]
        elif a != b:
            return part
    return None


WARMUP_SHARE = 0.1
"""Share of a time budget after which the learning rate has risen, however few steps that were."""


def rate_at(step: int, plan: Optimisation, *, used: float | None = None) -> float:
    """Learning rate of a step: a linear rise, a plateau, half a cosine down to zero.

    Parameters
    ----------
    step
        Steps done.
    plan
        Rise, height and fall.
    used
        Share of the time that is used, where a time budget decides instead of the steps.
    """
    rise = min(1.0, (step + 1) / max(plan.warmup, 1))
    if used is not None:  # on a slow computer the whole time may be less than those steps
        rise = max(rise, min(1.0, used / WARMUP_SHARE))
    if used is None:
        decay_from = plan.decay_from * plan.steps
        progress = max(0.0, (step - decay_from) / max(plan.steps - decay_from, 1))
    else:
        progress = max(0.0, (used - plan.decay_from) / max(1 - plan.decay_from, 1e-6))
    return plan.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
