"""From a finished training to a model folder."""

from __future__ import annotations

import json
import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import napari_diffuscope
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import reason
from napari_diffuscope.training.compiling import CompiledNetwork
from napari_diffuscope.training.processes import Processes
from napari_diffuscope.training.recipe import Recipe
from napari_diffuscope.training.state import State, difference
from napari_diffuscope.training.step import Training
from napari_diffuscope.training.task import Task
from napari_diffuscope.weights.card import ModelCard, NetworkSpec, read_card
from napari_diffuscope.weights.folder import write_folder
from napari_diffuscope.weights.place import TRIAL_FILE
from napari_diffuscope.weights.trial_run import trial_of


def finished_card(
    task: Task, recipe: Recipe, state: State, *, spec: NetworkSpec, made: dict[str, Any]
) -> ModelCard:
    """Card of a finished training: everything that is needed to repeat it.

    Parameters
    ----------
    task, recipe, state
        What was trained.
    spec
        The network, with all its arguments.
    made
        Where and how: from :func:`circumstances`.
    """
    stopping = recipe.optimisation.patience > 0
    training = {
        **task.facts(),
        **({"notes": list(task.notes)} if task.notes else {}),
        "recipe": without_folders(recipe.to_dict()),
        "version": napari_diffuscope.__version__,
        "seed": recipe.optimisation.seed,
        "steps": state.step,
        "weights_of_step": state.best.step if stopping else state.step,
        "seconds": round(state.seconds, 1),
        **made,
    }
    return replace(
        task.card(state.averaged),
        network=spec,
        training=training,
        metrics={f"validation_{name}": round(value, 4) for name, value in state.measures.items()},
    )


def is_better(card: ModelCard, measure: str) -> bool:
    """Whether a finished training is better than what it began with, and than knowing nothing.

    Parameters
    ----------
    card
        From :func:`finished_card`.
    measure
        What decides, 0 where nothing is known.
    """
    learned = card.training["recipe"]["start_from"] is None or card.training["weights_of_step"] > 0
    return bool(learned and card.metrics[f"validation_{measure}"] > 0)


def is_of(folder: Path, recipe: Recipe) -> bool:
    """Whether a model was made by the training that a recipe goes on with: how long may differ."""
    try:
        made = read_card(folder).training["recipe"]
    except (DiffuscopeError, LookupError, TypeError):
        return False
    mine = json.loads(json.dumps(without_folders(recipe.to_dict())))
    return bool(made.get("name") == recipe.name and difference(made, mine) is None)


def without_folders(recipe: dict[str, Any]) -> dict[str, Any]:
    """A recipe whose paths are reduced to their last part: where somebody keeps files is nobody's business."""
    data = dict(recipe["data"])
    data["images"] = [{**entry, "path": Path(entry["path"]).name} for entry in data["images"]]
    for entry in ("folder", "high_folder"):
        if data.get(entry):
            data[entry] = Path(data[entry]).name
    start = recipe.get("start_from")
    return {**recipe, "data": data, "start_from": Path(start).name if start else start}


def circumstances(group: Processes, training: Training) -> dict[str, Any]:
    """Hardware and software of a training."""
    network = training.network
    return {
        "device": group.device.type,
        "hardware": hardware(group.device),
        "processes": group.world,
        "threads": torch.get_num_threads(),
        "precision": training.precision,
        "compiled": isinstance(network, CompiledNetwork) and not network.problem,
        "torch": torch.__version__,
    }


def hardware(device: torch.device) -> str:
    """Name of the GPU or processor."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def write_model(
    out: Path, card: ModelCard, task: Task, network: nn.Module, *, overwrite: bool = False
) -> ModelCard:
    """Store averaged weights in half precision, with the card, an example and a trial, all or nothing.

    Raises
    ------
    DiffuscopeError
        If the disk is full or the folder may not be written to; the checkpoint is there to resume.
    """
    tensors = {name: _half(tensor) for name, tensor in network.state_dict().items()}
    trial = trial_of(card, tensors)
    files = {**task.files(), **({} if trial is None else {TRIAL_FILE: trial})}
    try:
        return write_folder(
            out, card, tensors, example=task.example(network), files=files, overwrite=overwrite
        )
    except DiffuscopeError as error:
        if error.__cause__ is None:
            raise
        raise DiffuscopeError(
            f"The model folder {out} cannot be written ({reason(error.__cause__)}); the checkpoint is kept: make room "
            "and resume."
        ) from error


def _half(tensor: Tensor) -> Tensor:
    return tensor.half() if tensor.is_floating_point() else tensor
