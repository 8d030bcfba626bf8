"""Which task a recipe asks for."""

from __future__ import annotations

from pathlib import Path

import torch

from napari_diffuscope.training.generate.images import images_task
from napari_diffuscope.training.recipe import Recipe
from napari_diffuscope.training.restore.data import denoising_task
from napari_diffuscope.training.shape.shapes import shapes_task
from napari_diffuscope.training.superres.slices import slices_task
from napari_diffuscope.training.task import Task


def task_of(recipe: Recipe, run: Path, device: torch.device) -> Task:
    """What a recipe trains, with its data.

    Raises
    ------
    DiffuscopeError
        For data that cannot be used.
    """
    if recipe.data.kind == "slices":
        return slices_task(recipe, run, device)
    if recipe.data.kind == "shapes":
        return shapes_task(recipe, device)
    if recipe.data.kind == "classes":
        return images_task(recipe, device)
    return denoising_task(recipe, run, device)
