"""What all tasks that follow a recipe have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from napari_diffuscope.training.network import demand_of, trained_network
from napari_diffuscope.training.objective import draw_times
from napari_diffuscope.training.recipe import Recipe
from napari_diffuscope.training.task import Draw, Tensors
from napari_diffuscope.weights.card import DiffusionSpec, ModelCard, ScheduleSpec


class RecipeTask:
    """Base of the tasks: what they are is in their fields."""

    recipe: Recipe
    known: Mapping[str, Any]

    def ready(self, batch: Tensors) -> Tensors:
        """The batch, which is complete."""
        return batch

    def facts(self) -> dict[str, Any]:
        """What was learned from and what was kept out."""
        return {"data": self.recipe.card.data, **self.known}

    def files(self) -> Mapping[str, bytes]:
        """No further files."""
        return {}

    def drawn(self, draw: Draw, shape: Sequence[int]) -> tuple[Tensor, torch.Generator]:
        """Times of a part of a batch, and the generator of its noise; ``shape`` is that of a member."""
        generator = draw.generator()
        share = self.recipe.diffusion.highest_share
        times = draw_times(draw.part.total, highest_share=share, generator=generator)
        draw.skip(generator, shape)
        return draw.of_part(times), generator

    def described(
        self,
        *,
        time: Literal["continuous", "rescaled"] = "continuous",
        levels: int = 1000,
        **more: Any,
    ) -> ModelCard:
        """Card of a model of the recipe, but for its training and metrics.

        Parameters
        ----------
        time
            What the network is told of the level.
        levels
            For ``rescaled`` times: a single one makes them t · 1000 of the continuous t.
        more
            Further entries of the card.
        """
        recipe, card = self.recipe, self.recipe.card
        return ModelCard(
            name=recipe.name,
            title=card.title,
            purpose=card.purpose,
            task=recipe.task,
            network=trained_network(recipe),
            diffusion=DiffusionSpec(
                demand_of(recipe).prediction,
                ScheduleSpec("continuous-cosine", recipe.diffusion.shift, count=levels),
                time=time,
                steps=recipe.diffusion.sampling_steps,
                estimate_only=recipe.diffusion.highest_share == 1,
            ),
            pixel_size=card.pixel_size,
            limits=card.limits,
            licence=card.licence,
            citation=card.citation,
            **more,
        )
