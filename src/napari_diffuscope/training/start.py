"""The network that a training begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.training.network import demand_of
from napari_diffuscope.training.recipe import Recipe
from napari_diffuscope.weights.card import CARD_FILE, ModelCard, NetworkSpec, read_card
from napari_diffuscope.weights.catalogue import find_model
from napari_diffuscope.weights.folder import build_network, fill, read_tensors

STEM = "stem.weight"


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
    if recipe.data.beside:
        tensors = seeing_beside(tensors, network)
    fill(network, tensors, str(folder))
    return network


def seeing_beside(tensors: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Weights for a network that is shown further inputs after its own: it begins by not looking at them.

    Filters are used at unit norm, so what they make of the other inputs does not change.
    """
    stem, wanted = tensors[STEM], network.state_dict()[STEM]
    wide = torch.zeros_like(wanted, dtype=stem.dtype)
    wide[:, : stem.shape[1] - 1], wide[:, -1:] = stem[:, :-1], stem[:, -1:]  # the ones come last
    return {**tensors, STEM: wide}


def _check_alike(card: ModelCard, recipe: Recipe, spec: NetworkSpec) -> None:
    network = build_network(card.network, device="meta")
    config: Any = network.config
    if (card.network.kind, config.to_dict()) not in _startable(spec, recipe.data.beside):
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


def _startable(spec: NetworkSpec, beside: int) -> list[tuple[str, dict[str, Any]]]:
    """Kinds and arguments of networks whose weights a network may begin with."""
    alike = [(spec.kind, dict(spec.arguments))]
    if beside:
        narrow = {
            "condition_channels": spec.arguments["condition_channels"] - 2 * beside,
            "wavelet_inputs": 0,
        }
        alike.append((spec.kind, {**spec.arguments, **narrow}))
    return alike


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
