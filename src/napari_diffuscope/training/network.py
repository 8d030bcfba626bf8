"""The network of a recipe, and what training on each kind of data asks of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.shape.conditions import CHANNELS
from napari_diffuscope.training.recipe import Recipe
from napari_diffuscope.weights.card import NetworkSpec
from napari_diffuscope.weights.folder import build_network

NUMBERS = 4
"""What a generator is told of a patch: whether its density is known, the density, its change of size, its bending."""


@dataclass(frozen=True)
class Demand:
    """What a task asks of its network: one channel out, and this.

    Parameters
    ----------
    dims, conditions
        Number of axes, and of channels that the network is given beside the noisy state.
    published
        Whether networks of the papers will do.
    sentence
        What is said of another one.
    completed
        Arguments where the recipe names none, by the kind of the network.
    classes
        Whether it may be told classes.
    numbers
        How many numbers it must be told, where any.
    prediction
        What it learns to predict.
    """

    dims: int
    conditions: int
    published: bool
    sentence: str
    completed: Mapping[str, Mapping[str, Any]]
    classes: bool = False
    numbers: int = 0
    prediction: Literal["v", "x0"] = "v"

    def check(self, kind: str, config: Any) -> None:
        """Refuse a network that does not fit.

        Raises
        ------
        DiffuscopeError
            With :attr:`sentence`.
        """
        local = kind == "local-unet"
        channels = (
            (config.channels, config.condition_channels)
            if local
            else (config.out_channels, config.in_channels - 1)
        )
        told = (self.classes or not config.classes) and self.numbers in (0, getattr(config, "numbers", 0))
        fits = (config.dims, *channels) == (self.dims, 1, self.conditions)
        if not (fits and told and (local or self.published)):
            raise DiffuscopeError(f"{self.sentence}; correct [network].")


DENOISING = Demand(
    2,
    1,
    published=True,
    sentence="Denoising takes a 2D network without classes that is given a noisy state and one measurement and makes "
    "one channel",
    completed={"openai-unet": {"in_channels": 2, "out_channels": 1}},
)
DEMANDS = {
    "shapes": Demand(
        3,
        len(CHANNELS),
        published=False,
        sentence=f"Shapes take a local-unet in 3D without classes, of one channel and {len(CHANNELS)} condition "
        f"channels ({', '.join(CHANNELS)})",
        completed={
            "local-unet": {
                "dims": 3,
                "channels": 1,
                "condition_channels": len(CHANNELS),
                "stem": (4, 4, 4),
            }
        },
        prediction="x0",
    ),
    "classes": Demand(
        2,
        0,
        published=False,
        sentence="Generating takes a local-unet in 2D of one channel, without condition channels, with numbers = "
        f"{NUMBERS}",
        completed={"local-unet": {"condition_channels": 0, "numbers": NUMBERS}},
        classes=True,
        numbers=NUMBERS,
    ),
}
"""By kind of data, where it is not images or slices."""


def demand_of(recipe: Recipe) -> Demand:
    """What the data of a recipe ask of its network."""
    if recipe.data.kind == "slices":
        return slices_demand(recipe.data.beside)
    return DEMANDS.get(recipe.data.kind, DENOISING)


def slices_demand(beside: int) -> Demand:
    """What slices ask of their network, which is shown so many slices on each side of them."""
    conditions = 2 + 2 * beside
    shown = f", and the interpolations of {beside} slices on each side" if beside else ""
    return Demand(
        2,
        conditions,
        published=False,
        sentence="Filling in rows takes a local-unet in 2D without classes, of one channel and "
        f"{conditions} condition channels (the interpolation and the mask{shown})",
        completed={"local-unet": {"condition_channels": conditions, "wavelet_inputs": 3 if beside else 0}},
    )


def trained_network(recipe: Recipe) -> NetworkSpec:
    """The network of a recipe, complete, and checked to take patches of the recipe's size.

    Raises
    ------
    DiffuscopeError
        If its arguments are wrong, or the patch is no multiple of its stride.
    """
    demand, spec = demand_of(recipe), recipe.network_spec
    arguments = {**demand.completed.get(spec.kind, {}), **spec.arguments}
    network = build_network(NetworkSpec(spec.kind, arguments), device="meta")
    config: Any = network.config
    demand.check(spec.kind, config)
    patch, stride = recipe.data.patch, max(network.total_stride)  # type: ignore[arg-type]
    if patch % stride:
        raise DiffuscopeError(
            f"The network takes sizes that are multiples of {stride}; a patch of {patch} is none."
        )
    return NetworkSpec(spec.kind, config.to_dict())
