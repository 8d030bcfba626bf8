"""The task of filling in rows: what makes a volume isotropic is learned from 2D images.

The first axis of an image plays z; some of its rows are known, the others are to be found. Jiang et al., CVPRW 2024
(arXiv 2404.09425), with the linear interpolation and the mask of known rows as condition, which makes the network
its own regressor at pure noise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from napari_diffuscope.diffusion.denoiser import v_target
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.superres.slices import slice_inputs, slices_beside
from napari_diffuscope.training.network import demand_of
from napari_diffuscope.training.objective import noised
from napari_diffuscope.training.of_recipe import RecipeTask
from napari_diffuscope.training.recipe import Recipe
from napari_diffuscope.training.superres.batches import SliceBatches, kept_batches
from napari_diffuscope.training.superres.pools import slice_pools
from napari_diffuscope.training.task import Arrays, Draw, Part, Parts, Tensors
from napari_diffuscope.weights.card import ModelCard, read_card
from napari_diffuscope.weights.catalogue import find_model

PIECE = 4
"""Patches that are drawn together."""


@dataclass(frozen=True)
class SlicesTask(RecipeTask):
    """Learns unknown rows given known ones.

    Parameters
    ----------
    recipe
        What to do.
    pieces
        Small batches by number.
    kept
        Batches for validation by factor.
    known
        What the card says of the data.
    """

    recipe: Recipe
    pieces: Dataset[Arrays]
    kept: Mapping[int, tuple[Tensors, ...]]
    notes: tuple[str, ...] = ()
    known: Mapping[str, Any] = field(default_factory=dict)
    measure: str = "gain_db"

    def batches(self, part: Part) -> Dataset[Arrays]:
        """Clean patches, interpolated ones, masks of known rows and weights of the rows."""
        return Parts(self.pieces, piece=PIECE, part=part)

    def loss(self, network: nn.Module, batch: Tensors, draw: Draw) -> Tensor:
        """Weighted error of v at random noise levels."""
        times, generator = self.drawn(draw, batch[0].shape[1:])
        return slices_loss(
            network,
            batch,
            times,
            shift=self.recipe.diffusion.shift,
            replace=self.recipe.data.blur_fwhm is None,
            generator=generator,
        )

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Mean gain in PSNR over linear interpolation on rows that were missing, in dB: of all factors, and of each."""
        gains = {
            factor: float(torch.cat([self._gain(network, batch) for batch in batches]).mean())
            for factor, batches in self.kept.items()
        }
        each = {f"gain_{factor}x_db": gain for factor, gain in gains.items()}
        return {self.measure: sum(gains.values()) / len(gains), **each}

    def _gain(self, network: nn.Module, batch: Tensors) -> Tensor:
        """Per patch, in dB."""
        clean, linear, _, weights = batch
        counted = (weights == 1).to(clean)[:, None, :, None]
        found = self.estimate(network, batch)
        before, after = (((one - clean).square() * counted).sum((1, 2, 3)) for one in (linear[:, :1], found))
        return 10 * torch.log10((before + 1e-12) / (after + 1e-12))

    def estimate(self, network: nn.Module, batch: Tensors) -> Tensor:
        """Best estimate: x₀ = -v at pure noise."""
        clean, linear, known, _ = batch
        state = torch.zeros_like(clean)
        with torch.inference_mode():
            inputs = slice_inputs(state, linear, known, replace=self.recipe.data.blur_fwhm is None)
            output: Tensor = network(inputs, torch.ones(1, device=clean.device))
        return -output

    def example(self, network: nn.Module) -> tuple[np.ndarray, np.ndarray]:
        """An interpolated patch for validation, and its best estimate."""
        batch = next(iter(self.kept.values()))[0]
        first = tuple(one[:1] for one in batch)
        return first[1][0, 0].cpu().numpy(), self.estimate(network, first)[0, 0].cpu().numpy()

    def card(self, network: nn.Module) -> ModelCard:
        """Card of the model, but for its training and metrics."""
        conditions = demand_of(self.recipe).conditions
        return self.described(condition_channels=conditions, axial_fwhm=self.recipe.data.blur_fwhm)


def slices_loss(
    network: nn.Module,
    batch: Tensors,
    times: Tensor,
    *,
    shift: float,
    replace: bool,
    generator: torch.Generator,
) -> Tensor:
    """Mean squared error of v on unknown rows, each patch weighed by what error is to be expected of it.

    As :func:`~napari_diffuscope.training.objective.denoising_loss`; the variance of the clean image given the known
    rows is taken for half the squared error of linear interpolation.

    Parameters
    ----------
    network
        Called with ``(B, 2 + S, Z, X)`` and ``(B,)``.
    batch
        Clean patches ``(B, 1, Z, X)``, interpolated ones ``(B, S, Z, X)``, known rows and weights ``(B, Z)``.
    times
        ``(B,)`` in (0, 1].
    shift
        Of the schedule.
    replace
        As for :func:`slice_inputs`.
    generator
        Of the noise.
    """
    clean, linear, known, weights = batch
    state, noise, alpha, sigma = noised(clean, times, shift=shift, generator=generator)
    output = network(slice_inputs(state, linear, known, replace=replace), times.to(clean.device))
    share = (weights / (weights.sum(1, keepdim=True) + 1e-6))[:, None, :, None]
    width = clean.shape[-1]
    error = ((output - v_target(clean, noise, alpha, sigma)).square() * share).sum((1, 2, 3)) / width
    expected = 0.5 * ((linear[:, :1] - clean).square() * share).sum((1, 2, 3)) / width + 2e-4
    loss: Tensor = ((sigma.flatten() ** 2 / expected + alpha.flatten() ** 2) * error).mean()
    return loss


def slices_task(recipe: Recipe, run: Path, device: torch.device) -> SlicesTask:
    """Simulate or read the images of a recipe, and keep some of them out.

    Raises
    ------
    DiffuscopeError
        For unreadable or too small images, or nothing to train or to validate on.
    """
    if recipe.task != "superres":
        raise DiffuscopeError('Training on slices makes models for task = "superres"; correct the recipe.')
    pools = slice_pools(recipe, run)
    data, plan = recipe.data, recipe.optimisation
    batches = SliceBatches(
        pools.training,
        patch=data.patch,
        batch=PIECE,
        seed=plan.seed,
        blur=data.blur_fwhm,
        known=data.known_weight,
    )
    notes = (*pools.notes, *_shown_otherwise(recipe))
    return SlicesTask(recipe, batches, kept_batches(recipe, pools.kept, device), notes, pools.known)


def _shown_otherwise(recipe: Recipe) -> Iterator[str]:
    """What the user must be told where the model to begin with was shown more slices beside each, or fewer."""
    if recipe.start_from is None:
        return
    card = read_card(find_model(recipe.start_from))
    before, now = slices_beside(card), recipe.data.beside
    if before != now:
        yield (
            f"{card.title!r} was shown {before or 'no'} slices on each side of a slice; the new model is shown "
            f"{now or 'none'}."
        )
