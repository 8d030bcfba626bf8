"""Whether the axes and channels of a model card are those of its network. Free of torch."""

from __future__ import annotations

from napari_diffuscope.weights.card import ModelCard
from napari_diffuscope.weights.card_checks import refuse


def check_channels(card: ModelCard) -> None:
    """Refuse a card whose axes and channels are not those of its network.

    Raises
    ------
    DiffuscopeError
        Naming the entry.
    """
    arguments, state, condition = card.network.arguments, card.state_channels, card.condition_channels
    dims = arguments.get("dims", 2)
    if dims != len(card.axes):
        raise refuse("axes", card.axes, f"{dims} axes, as its network has")
    if card.network.kind == "local-unet":
        wanted = {
            "state_channels": arguments.get("channels", 1),
            "condition_channels": arguments.get("condition_channels", 1),
        }
    else:
        rgb = card.network.kind in ("openai-unet", "lucidrains-unet")
        learned = card.diffusion.variance == "learned-range"
        out = arguments.get("out_channels", 3 if rgb else 1)
        inputs = arguments.get("in_channels", 3 if rgb else 2)
        wanted = {"state_channels": out // 2 if learned else out, "condition_channels": inputs - state}
    for name, value in (("state_channels", state), ("condition_channels", condition)):
        if value != wanted[name]:
            raise refuse(name, value, f"{wanted[name]}, as its network has")
