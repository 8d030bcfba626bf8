"""The task of the third dimension: the shape of a cell, learned from cells whose shape is known.

Waibel et al., ISBI 2023 (arXiv 2208.14125), with a small network that predicts x₀, the shape itself, and is its own
regressor at pure noise. Noise of 64³ voxels does not fit through a small network, so it could not predict v or ε.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.shape.conditions import CHANNELS
from napari_diffuscope.training.objective import noised
from napari_diffuscope.training.of_recipe import RecipeTask
from napari_diffuscope.training.recipe import Recipe
from napari_diffuscope.training.shape.cells import KnownCell, cell_extent, features_of, kept_names, read_cells
from napari_diffuscope.training.shape.data import CellPieces, as_condition, as_target
from napari_diffuscope.training.task import Arrays, Draw, Part, Parts, Tensors
from napari_diffuscope.weights.card import ModelCard

DEFAULT_SHARE = 0.2
"""Share of the cells that is kept out where the recipe names none."""

EXPECTED_VARIANCE = 0.3
"""Rough variance of a voxel (-1 or 1) given the image alone, averaged over the window."""


THRESHOLDS = tuple(round(0.3 + 0.02 * step, 2) for step in range(16))
"""Probabilities among which the best is chosen: a voxel that is rather outside than in may still add to the overlap."""


@dataclass(frozen=True)
class ShapesTask(RecipeTask):
    """Learns the occupied voxels given image and mask.

    Parameters
    ----------
    recipe
        What to do.
    pieces
        Single cells by number.
    kept
        Batches for validation: objects and conditions.
    extent
        Median of the larger extent of the training masks, as a share of the window.
    known
        What the card says of the data.
    """

    recipe: Recipe
    pieces: CellPieces
    kept: Sequence[Tensors]
    extent: float
    notes: tuple[str, ...] = ()
    known: Mapping[str, Any] = field(default_factory=dict)
    measure: str = "iou"

    def batches(self, part: Part) -> Dataset[Arrays]:
        """Objects and conditions."""
        return Parts(self.pieces, piece=1, part=part)

    def loss(self, network: nn.Module, batch: Tensors, draw: Draw) -> Tensor:
        """Error of x₀ at random noise levels."""
        times, generator = self.drawn(draw, batch[0].shape[1:])
        return shapes_loss(network, batch, times, shift=self.recipe.diffusion.shift, generator=generator)

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Means over the cells kept out: overlap of the best estimate with the truth, and relative error of volume."""
        overlaps, errors, level = [], [], 2 * self.threshold(network) - 1
        for truth, condition in self.kept:
            predicted, true = self.estimate(network, condition) > level, truth > 0
            overlaps.append(_overlap(predicted, true))
            volume = true.sum((1, 2, 3, 4))
            errors.append((predicted.sum((1, 2, 3, 4)) - volume).abs() / volume)
        return {
            self.measure: float(torch.cat(overlaps).mean()),
            "volume_error": float(torch.cat(errors).mean()),
        }

    def estimate(self, network: nn.Module, condition: Tensor) -> Tensor:
        """Best estimate, x₀ at pure noise: twice the probability minus 1."""
        with torch.inference_mode():
            state = condition.new_zeros(condition.shape[0], 1, *condition.shape[2:])
            output: Tensor = network(torch.cat((state, condition), 1), torch.ones(1, device=condition.device))
        return output

    def example(self, network: nn.Module) -> tuple[np.ndarray, np.ndarray]:
        """Grey values of a cell kept out, and the section along z through the middle of its probability."""
        condition = self.kept[0][1][:1]
        probability = (self.estimate(network, condition)[0, 0] + 1) / 2
        image, middle = condition[0, CHANNELS.index("image"), 0], self.recipe.data.patch // 2
        return image.cpu().numpy(), probability[:, middle].clamp(0, 1).cpu().numpy()

    def threshold(self, network: nn.Module) -> float:
        """Probability from which on voxels overlap best, on average, with the cells that were learned from."""
        device = next(network.parameters()).device
        total = torch.zeros(len(THRESHOLDS))
        for cell in self.pieces.cells:
            truth = torch.as_tensor(cell.occupied, device=device)[None, None]
            estimate = self.estimate(network, torch.as_tensor(as_condition(cell)[None], device=device))
            total += torch.cat([_overlap(estimate > 2 * level - 1, truth) for level in THRESHOLDS]).cpu()
        return THRESHOLDS[int(total.argmax())]

    def card(self, network: nn.Module) -> ModelCard:
        """Card of the model, but for its training and metrics."""
        return self.described(
            axes="ZYX",
            size=(self.recipe.data.patch,) * 3,
            condition_channels=len(CHANNELS),
            cell_extent=self.extent,
            occupancy_threshold=self.threshold(network),
            cell_features=features_of(self.pieces.cells) if len(self.pieces.cells) > 2 else None,
        )


def _overlap(predicted: Tensor, true: Tensor) -> Tensor:
    """Intersection over union of objects ``(B, 1, Z, Y, X)`` bool: ``(B,)``."""
    return (predicted & true).sum((1, 2, 3, 4)) / (predicted | true).sum((1, 2, 3, 4))


def shapes_loss(
    network: nn.Module, batch: Tensors, times: Tensor, *, shift: float, generator: torch.Generator
) -> Tensor:
    """Mean squared error of x₀ over what is to be expected of it without a state, all noise levels alike.

    Parameters
    ----------
    network
        Called with ``(B, 5, Z, Y, X)`` and ``(B,)``.
    batch
        Objects ``(B, 1, Z, Y, X)``, -1 and 1, and conditions ``(B, 4, Z, Y, X)``.
    times
        ``(B,)`` in (0, 1].
    shift
        Of the schedule.
    generator
        Of the noise.
    """
    clean, condition = batch
    state, *_ = noised(clean, times, shift=shift, generator=generator)
    output = network(torch.cat((state, condition), 1), times.to(clean.device))
    loss: Tensor = (output - clean).square().mean() / EXPECTED_VARIANCE
    return loss


def shapes_task(recipe: Recipe, device: torch.device) -> ShapesTask:
    """Read the cells of a recipe, and keep some of them out.

    Raises
    ------
    DiffuscopeError
        For unreadable cells, or too few to keep some out.
    """
    if recipe.task != "shape":
        raise DiffuscopeError('Training on shapes makes models for task = "shape"; correct the recipe.')
    training, kept = split_cells(recipe)
    plan = recipe.optimisation
    facts = {
        "cells": len(training),
        "kept_out": [cell.name for cell in kept],
        **({"fold": list(recipe.data.fold)} if recipe.data.fold else {}),
        **({"kept_class": recipe.data.kept_class} if recipe.data.kept_class else {}),
    }
    return ShapesTask(
        recipe,
        CellPieces(training, seed=plan.seed, upside_down=recipe.data.upside_down),
        _kept_batches(kept, plan.batch, device),
        cell_extent(training),
        known=facts,
    )


def split_cells(recipe: Recipe) -> tuple[tuple[KnownCell, ...], tuple[KnownCell, ...]]:
    """Cells to learn from, and those that are kept out.

    Raises
    ------
    DiffuscopeError
        For unreadable cells, or too few to keep some out.
    """
    data = recipe.data
    cells = read_cells(Path(data.folder))
    if cells[0].side != data.patch:
        raise DiffuscopeError(
            f"The cells in {data.folder} have windows of {cells[0].side} pixels; write patch = {cells[0].side}, not "
            f"{data.patch}, into [data]."
        )
    share = DEFAULT_SHARE if data.validation_share is None else data.validation_share
    names = [cell.name for cell in cells]
    seed, whole = recipe.optimisation.seed, data.kept_class
    kept = kept_names(names, fold=data.fold, share=share, seed=seed, whole=whole)
    return tuple(c for c in cells if c.name not in kept), tuple(c for c in cells if c.name in kept)


def _kept_batches(cells: Sequence[KnownCell], size: int, device: torch.device) -> tuple[Tensors, ...]:
    groups = [cells[first : first + size] for first in range(0, len(cells), size)]
    return tuple(
        (
            torch.as_tensor(np.stack([as_target(cell.occupied) for cell in group]), device=device),
            torch.as_tensor(np.stack([as_condition(cell) for cell in group]), device=device),
        )
        for group in groups
    )
