"""The network that a training begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.networks.local_config import LocalUNetConfig
from napari_diffuscope.training.network import demand_of, slices_demand
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
    if recipe.data.kind == "slices" and STEM in tensors:
        tensors = shown_as_many(tensors, network)
    fill(network, tensors, str(folder))
    return network


def shown_as_many(tensors: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Weights for a network that is shown more slices beside a slice than the one they were learned by, or fewer.

    It begins by not looking at further ones: filters are used at unit norm, so what they make of the others stays what
    it was.
    """
    stem, wanted = tensors[STEM], network.state_dict()[STEM]
    fitting = torch.zeros_like(wanted, dtype=stem.dtype)
    common = min(stem.shape[1], wanted.shape[1]) - 1
    fitting[:, :common], fitting[:, -1:] = stem[:, :common], stem[:, -1:]  # the channel of ones comes last
    return {**tensors, STEM: fitting}


def _check_alike(card: ModelCard, recipe: Recipe, spec: NetworkSpec) -> None:
    before, now = (build_network(each, device="meta").config for each in (card.network, spec))
    if not _alike(before, now, slices=recipe.data.kind == "slices"):
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


def _alike(config: Any, wanted: Any, *, slices: bool) -> bool:
    """Whether weights for a network will do for another; of slices, it may be shown fewer or more beside them."""
    if not slices or not isinstance(config, LocalUNetConfig) or not isinstance(wanted, LocalUNetConfig):
        return bool(config == wanted)
    shown_alike = replace(
        config, condition_channels=wanted.condition_channels, wavelet_inputs=wanted.wavelet_inputs
    )
    return shown_alike == wanted and config.bands == wanted.bands


def like_model(recipe: Recipe, name: str) -> Recipe:
    """A recipe that starts from a model: with its network and its noise levels.

    A network of slices is shown as many beside a slice as the recipe says.

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
    network = {"kind": card.network.kind, **card.network.arguments}
    if recipe.data.kind == "slices":
        network |= slices_demand(recipe.data.beside).completed.get(card.network.kind, {})
    return replace(
        recipe,
        network=network,
        diffusion=replace(recipe.diffusion, shift=spec.schedule.shift, sampling_steps=spec.steps),
        start_from=name,
    )
