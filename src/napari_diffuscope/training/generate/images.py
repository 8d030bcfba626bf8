"""The task of making new images: the distribution of some classes, without a measurement.

Saguy et al., Small Methods 2024, with a local network that predicts v, which is told the class, the density and what
was done to a patch.
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

from napari_diffuscope.diffusion.denoiser import v_target
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.training.generate.fields import POWER, SIMULATED, Field, Fields, read_fields
from napari_diffuscope.training.generate.known import real_images, training_images
from napari_diffuscope.training.generate.patches import PatchPieces, Range, density_of, range_of, windows_of
from napari_diffuscope.training.network import NUMBERS, trained_network
from napari_diffuscope.training.objective import noised
from napari_diffuscope.training.of_recipe import RecipeTask
from napari_diffuscope.training.recipe import Recipe
from napari_diffuscope.training.task import Arrays, Draw, Part, Parts, Tensors
from napari_diffuscope.weights.card import ModelCard
from napari_diffuscope.weights.card_parts import Density, ValueScale
from napari_diffuscope.weights.place import REAL_IMAGES_FILE, TRAINING_IMAGES_FILE

DEFAULT_SHARE = 0.2
"""Share of the fields of a class that is kept out where the recipe names none."""

PRIOR = 0.1
"""Rough variance of the pixels of a field in the range of the network: what error an estimate without a state has."""

LEVELS = tuple((number + 0.5) / 8 for number in range(8))
"""Times at which the network is validated."""


@dataclass(frozen=True)
class ImagesTask(RecipeTask):
    """Learns the images of some classes.

    Parameters
    ----------
    recipe
        What to do.
    fields
        What is learned from, and what is kept out.
    pieces
        Single patches by number.
    kept
        Patches of the fields that are kept out, for validation: images, classes and numbers.
    """

    recipe: Recipe
    fields: Fields
    pieces: PatchPieces
    kept: Sequence[Tensors]
    notes: tuple[str, ...] = ()
    known: Mapping[str, Any] = field(default_factory=dict)
    measure: str = "denoising_db"

    def batches(self, part: Part) -> Dataset[Arrays]:
        """Patches, classes and numbers."""
        return Parts(self.pieces, piece=1, part=part)

    def loss(self, network: nn.Module, batch: Tensors, draw: Draw) -> Tensor:
        """Weighted error of v at random noise levels."""
        times, generator = self.drawn(draw, batch[0].shape[1:])
        error, weight = self._errors(network, batch, times, generator)
        return (weight * error).mean()

    def validate(self, network: nn.Module) -> dict[str, float]:
        """How far the error of v lies below 1, in dB, mean over all levels: of all classes, and of each."""
        gains: dict[int, list[float]] = {}
        for batch in self.kept:
            gains.setdefault(int(batch[1][0].argmax()), []).append(self._gain(network, batch))
        each = {label: float(np.mean(values)) for label, values in gains.items()}
        measures = {self.measure: float(np.mean(list(each.values())))}
        if self.fields.classes:
            measures |= {
                f"{self.measure}_{self.fields.classes[label]}": value for label, value in each.items()
            }
        return measures

    def _gain(self, network: nn.Module, batch: Tensors) -> float:
        gains = []
        for number, time in enumerate(LEVELS):
            times, generator = torch.full((len(batch[0]),), time), torch.Generator().manual_seed(number)
            with torch.inference_mode():
                error, _ = self._errors(network, batch, times, generator)
            gains.append(-10 * torch.log10(error.mean() + 1e-12))
        return float(torch.stack(gains).mean())

    def _errors(
        self, network: nn.Module, batch: Tensors, times: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Squared error of v, and its weight, of each member ``(B,)``: all levels count alike.

        At a level x₀ is known to 1 / (1/m + α²/σ²) without looking at neighbours, m being its variance, and v to that
        over σ².
        """
        clean, weights, numbers = batch
        state, noise, alpha, sigma = noised(
            clean, times, shift=self.recipe.diffusion.shift, generator=generator
        )
        output = network(state, times.to(clean.device), weights if self.fields.classes else None, numbers)
        error = (output - v_target(clean, noise, alpha, sigma)).square().mean((1, 2, 3))
        return error, sigma.flatten() ** 2 / PRIOR + alpha.flatten() ** 2

    def example(self, network: nn.Module) -> tuple[np.ndarray, np.ndarray]:
        """A patch that was kept out with noise on it, and the estimate of it."""
        image, weights, numbers = (part[:1] for part in self.kept[0])
        time, generator = torch.tensor([0.5]), torch.Generator().manual_seed(0)
        state, _, alpha, sigma = noised(image, time, shift=self.recipe.diffusion.shift, generator=generator)
        with torch.inference_mode():
            output = network(state, time.to(image.device), weights if self.fields.classes else None, numbers)
        clean = alpha * state - sigma * output
        return state[0, 0].cpu().numpy(), clean[0, 0].cpu().numpy()

    def card(self, network: nn.Module) -> ModelCard:
        """Card of the model, but for its training and metrics."""
        return self.described(
            size=(self.recipe.data.patch,) * 2,
            condition_channels=0,
            data_range=self.pieces.range.limits,
            classes=self.fields.classes,
            class_optional=bool(self.fields.classes),
            density=self._density,
            values=ValueScale(0.0, self.pieces.range.highest, self.recipe.data.unit, POWER),
        )

    @property
    def _density(self) -> Density | None:
        if self.pieces.densities is None:
            return None
        low, high = self.pieces.densities
        return Density(
            low, high, "share of the pixels that are brighter than an eighth of the brightest value"
        )

    def files(self) -> Mapping[str, bytes]:
        """The images that were learned from with the scores of those kept out, and what real images are like."""
        patch = self.recipe.data.patch
        return {
            TRAINING_IMAGES_FILE: training_images(self.fields, patch).to_bytes(),
            REAL_IMAGES_FILE: real_images(self.fields, patch).to_bytes(),
        }


def images_task(recipe: Recipe, device: torch.device) -> ImagesTask:
    """Read the fields of a recipe, and keep some of them out.

    Raises
    ------
    DiffuscopeError
        For unreadable images, too few to keep some out, or a network for another number of classes.
    """
    if recipe.task != "generate":
        raise DiffuscopeError('Training on classes makes models for task = "generate"; correct the recipe.')
    data, plan = recipe.data, recipe.optimisation
    share = DEFAULT_SHARE if data.validation_share is None else data.validation_share
    fields = read_fields(Path(data.folder), share=share, seed=plan.seed, smallest=data.patch)
    if (told := trained_network(recipe).arguments["classes"]) != len(fields.classes):
        raise DiffuscopeError(
            f"{data.folder} has {len(fields.classes)} classes; write classes = {len(fields.classes)}, not {told}, into "
            "[network]."
        )
    pieces = PatchPieces(
        fields.training,
        classes=len(fields.classes),
        patch=data.patch,
        values=range_of(fields.training),
        densities=_densities(fields.training, data.patch, fields.highest),
        seed=plan.seed,
    )
    return ImagesTask(
        recipe,
        fields,
        pieces,
        _kept_batches(fields, recipe, pieces.range, device),
        fields.notes,
        known=_known(fields, data.patch),
    )


def _densities(fields: Sequence[Field], patch: int, highest: float) -> tuple[float, float] | None:
    """Range of the densities of the training, without the outermost twentieth on either side."""
    found = [
        density_of(window, highest) for one in fields for window in windows_of(one.pixels, patch, patch // 2)
    ]
    low, high = np.quantile(found, (0.05, 0.95))
    return (round(float(low), 4), round(float(high), 4)) if high - low > 0.001 else None


def _kept_batches(fields: Fields, recipe: Recipe, values: Range, device: torch.device) -> tuple[Tensors, ...]:
    """Windows of what is kept out, by class, as they are."""
    batches = []
    for label in sorted({one.label for one in fields.kept}):
        windows = np.concatenate(
            [
                windows_of(one.pixels, recipe.data.patch, recipe.data.patch)
                for one in fields.kept
                if one.label == label
            ]
        )
        if len(windows) > recipe.data.validation:
            windows = windows[np.linspace(0, len(windows) - 1, recipe.data.validation).round().astype(int)]
        weights = torch.zeros(len(windows), max(len(fields.classes), 1))
        weights[:, label] = 1
        numbers = torch.zeros(len(windows), NUMBERS)
        batches.append(
            (
                torch.as_tensor(values.network(windows)[:, None]).to(device),
                weights.to(device),
                numbers.to(device),
            )
        )
    return tuple(batches)


def _known(fields: Fields, patch: int) -> dict[str, Any]:
    """How many fields, and how many patches side by side, of each class; whether they are real."""
    classes = fields.classes or ("images",)
    table = {
        name: {
            "real": SIMULATED not in name,
            "fields": sum(one.label == label for one in fields.training),
            "patches": round(
                sum(one.pixels.size for one in fields.training if one.label == label) / patch**2, 1
            ),
            "kept_out": [one.name for one in fields.kept if one.label == label],
        }
        for label, name in enumerate(classes)
    }
    return {"classes": table}
