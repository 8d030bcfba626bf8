"""The network that a training begins with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import nn

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.training.network import demand_of
from napari_diffuscope.training.recipe import Recipe
from napari_diffuscope.weights.card import CARD_FILE, ModelCard, NetworkSpec, read_card
from napari_diffuscope.weights.catalogue import find_model
from napari_diffuscope.weights.folder import build_network, fill, read_tensors


def starting_network(recipe: Recipe, spec: NetworkSpec) -> nn.Module:
    """Network with random weights, or with those of the model that the recipe starts from.

    Raises
    ------
    DiffuscopeError
        If that model is absent, has another network, or was trained for other noise levels.
    """
    network = build_network(spec)
    if recipe.start_from is None:
        return network
    folder = find_model(recipe.start_from)
    card, tensors = read_tensors(folder)
    _check_alike(card, recipe, spec)
    fill(network, tensors, str(folder))
    return network


def _check_alike(card: ModelCard, recipe: Recipe, spec: NetworkSpec) -> None:
    network = build_network(card.network, device="meta")
    config: Any = network.config
    if (card.network.kind, config.to_dict()) != (spec.kind, spec.arguments):
        raise DiffuscopeError(
            f"The network of {card.name} is not that of the recipe; copy its network into the recipe, or train "
            "without start_from."
        )
    wanted = (demand_of(recipe).prediction, "continuous-cosine")
    if (card.diffusion.prediction, card.diffusion.schedule.kind) != wanted:
        raise DiffuscopeError(
            f"{card.name} was trained to predict {card.diffusion.prediction}; only models that were trained here "
            "can be trained on."
        )


def like_model(recipe: Recipe, name: str) -> Recipe:
    """A recipe that starts from a model: with its network and its noise levels.

    Raises
    ------
    DiffuscopeError
        If there is no such model folder.
    """
    folder = find_model(name)
    if not (folder / CARD_FILE).is_file():
        raise DiffuscopeError(
            f"{folder} is no model folder; only models that were trained here can be trained on."
        )
    card = read_card(folder)
    spec = card.diffusion
    return replace(
        recipe,
        network={"kind": card.network.kind, **card.network.arguments},
        diffusion=replace(recipe.diffusion, shift=spec.schedule.shift, sampling_steps=spec.steps),
        start_from=name,
    )
