"""Which task a recipe asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from napari_diffuscope.training.generate.images import images_task
from napari_diffuscope.training.recipe import Recipe
from napari_diffuscope.training.restore.data import denoising_task
from napari_diffuscope.training.shape.shapes import shapes_task
from napari_diffuscope.training.superres.slices import slices_task
from napari_diffuscope.training.task import Task

TASKS: dict[str, Callable[[Recipe, Path, torch.device], Task]] = {
    "denoising": denoising_task,
    "pairs": denoising_task,
    "slices": slices_task,
    "shapes": lambda recipe, _, device: shapes_task(recipe, device),
    "classes": lambda recipe, _, device: images_task(recipe, device),
}
"""By kind of data."""


def task_of(recipe: Recipe, run: Path, device: torch.device) -> Task:
    """What a recipe trains, with its data.

    Raises
    ------
    DiffuscopeError
        For data that cannot be used.
    """
    return TASKS[recipe.data.kind](recipe, run, device)
