"""One step of a training, and how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.jobs import Update
from napari_diffuscope.training.phases import Phases
from napari_diffuscope.training.precision import Chosen, mixed
from napari_diffuscope.training.processes import Processes
from napari_diffuscope.training.recipe import Recipe
from napari_diffuscope.training.state import State, rate_at
from napari_diffuscope.training.task import Draw, Part, Task, Tensors
from napari_diffuscope.training.watching import Validated, Watch

LOOK_EVERY = 50
"""Steps between looks at the loss on a GPU, which has to be waited for."""


@dataclass
class Training:
    """A training under way.

    Parameters
    ----------
    task, recipe, state
        What is trained, how, and how far it is.
    network
        What is called in a step: the state's network, or that in a wrapper.
    group, part
        This process and its part of each batch.
    precision, dropout
        Of the network.
    run
        Folder of the checkpoint and the log.
    phases
        Where the time goes.
    watch
        Is told of every validation.
    """

    task: Task
    recipe: Recipe
    state: State
    network: nn.Module
    group: Processes
    part: Part
    precision: Chosen
    run: Path
    phases: Phases = field(default_factory=lambda: Phases(torch.device("cpu")))
    watch: Watch | None = None
    dropout: bool = field(init=False)
    since: tuple[int, float] = field(init=False)
    """Step and seconds at the last row of the log."""
    written: float = field(init=False)
    """Seconds at the last validation that the time called for."""
    before: dict[str, float] = field(default_factory=dict)
    """Seconds of each phase at the last row of the log."""

    def __post_init__(self) -> None:
        self.dropout = any(isinstance(m, nn.Dropout) and m.p > 0 for m in self.state.network.modules())
        self.since = (self.state.step, self.state.seconds)
        self.written = self.state.seconds

    @property
    def budget(self) -> float | None:
        """Seconds to train, where time decides instead of the number of steps."""
        minutes = self.recipe.optimisation.time_budget_minutes
        return None if minutes is None else 60 * minutes

    def due(self) -> tuple[bool, bool]:
        """Whether to validate, and to write a checkpoint, after the present step."""
        plan, step = self.recipe.optimisation, self.state.step
        if plan.every_minutes is None:
            return step % plan.validate_every == 0, step % plan.checkpoint_every == 0
        seconds = self.group.told(self.state.seconds)
        late = seconds - self.written >= 60 * plan.every_minutes
        if late:
            self.written = seconds
        return late, late

    def tell(self, row: Mapping[str, float]) -> None:
        """Tell who watches of a validation, with an image that was kept out."""
        if self.watch is not None:
            self.watch(Validated(row, self.task.example(self.state.averaged)))

    def update(self, message: str = "") -> Update:
        """How far it is, in steps or in seconds."""
        if self.budget is None:
            return Update(self.state.step, self.recipe.optimisation.steps, message)
        total = max(round(self.budget), 1)
        return Update(min(round(self.state.seconds), total), total, message)


def train_step(training: Training, batch: Tensors) -> None:
    """One step of the optimiser; its random numbers depend on the seed, the step and the place in the batch alone."""
    state, plan, part = training.state, training.recipe.optimisation, training.part
    rate = rate_at(state.step, plan, used=_time_used(training))
    for group in state.optimiser.param_groups:
        group["lr"] = rate
    state.optimiser.zero_grad(set_to_none=True)
    if training.dropout:
        torch.manual_seed((plan.seed * 1_000_003 + state.step) * 1009 + training.group.rank)
    with training.phases("network"), mixed(training.precision, training.group.device):
        loss = training.task.loss(training.network, batch, Draw(plan.seed, state.step, part))
    with training.phases("gradients"):
        # The processes' gradients are averaged as if their parts were of the same size.
        (loss * (part.share * training.group.world)).backward()  # type: ignore[no-untyped-call]
    with training.phases("optimiser"):
        norm = nn.utils.clip_grad_norm_(state.network.parameters(), plan.clip)
        state.losses += torch.stack((loss.detach() * part.share, norm.detach()))
        state.counted += 1
        if state.step % (LOOK_EVERY if state.losses.is_cuda else 1) == 0:
            check(state)
        state.optimiser.step()
    with training.phases("average"):
        state.average.update_parameters(state.network)
    state.step += 1


def check(state: State) -> None:
    """Refuse to go on with losses or gradients that are no numbers."""
    if not bool(torch.isfinite(state.losses).all()):
        raise DiffuscopeError(
            f"The loss is no number any more at step {state.step}; the last checkpoint is kept: lower the learning "
            "rate."
        )


def _time_used(training: Training) -> float | None:
    budget = training.budget
    return None if budget is None else training.group.told(training.state.seconds / budget)


def is_finished(training: Training) -> bool:
    """Whether all steps are done, or all the time is used."""
    used = _time_used(training)
    return training.state.step >= training.recipe.optimisation.steps if used is None else used >= 1
