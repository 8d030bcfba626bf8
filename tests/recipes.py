"""The recipe of a training that takes seconds."""

from __future__ import annotations

from typing import Any

SIMULATED = "simulated = 2\nvalidation = 2\nsize = 64"


def small_recipe(data: str = SIMULATED, **optimisation: Any) -> str:
    """A tiny network on a few patches; how it is trained may be named, else two steps of two patches.

    Parameters
    ----------
    data
        Lines on the data, but for the size of a patch.
    optimisation
        Entries of that part.
    """
    chosen = {"steps": 2, "batch": 2, "validate_every": 2, "checkpoint_every": 2} | optimisation
    lines = [
        f'{name} = "{value}"' if isinstance(value, str) else f"{name} = {value}"
        for name, value in chosen.items()
    ]
    return f"""
name = "small"
task = "restoration"
[card]
title = "Small"
purpose = "Tests."
[network]
widths = [8, 8]
encoder_blocks = [1, 1]
decoder_blocks = [1]
embedding = 16
[data]
{data}
patch = 32
[optimisation]
""" + "".join(f"{line}\n" for line in lines)
