"""Values for settings: sensible ones by annotation and name, and some that nobody should give."""

from __future__ import annotations

import math
import types
from dataclasses import fields
from random import Random
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

SENSIBLE: dict[str, tuple[Any, ...]] = {
    "steps": (1, 2, 3),
    "samples": (1, 2, 3),
    "batch": (1, 2, 5),
    "tile": (16, 32, 64, 1000),
    "seed": (0, 1, 2**40, 2**63 - 1),
    "planes": ((0,), (1, 0), (0, 1, 2)),
    "crop": ((0, 8, 0, 9), (1, 2, 1, 2), (3, 30, 2, 12), (0, 1, 0, 16)),
    "zoom": (2, 3, 1.5, 2.0),
    "target_step": (0.1, 0.2, 0.15),
    "z_step": (0.4, 0.5, 0.3),
    "pixel_size": (0.1, 0.2, 1.0),
    "block": ((2, 8, 8), (4, 16, 8), (8, 64, 64)),
    "blur": (0.0, 0.5),
    "strength": (0.0, 0.5, 1.0),
    "plane": (0, 1),
    "device": ("cpu", "auto"),
    "number": (1, 2, 3),
    "size": (64, 65, 80),
    "width": (64, 90),
    "guidance": (0.0, 1.0, 2.0),
    "density": (0.1, 0.3, 5.0),
    "class_": ("microtubules", "mitochondria", "microtubules:0.5,mitochondria:0.5", "actin"),
}
"""Where the type alone would allow what takes for ever, or what no image here has."""

BY_TYPE: dict[Any, tuple[Any, ...]] = {
    int: (0, 1, 2, 3),
    float: (0.0, 0.1, 0.5, 1.0, 2.0),
    bool: (True, False),
    str: ("a", "name", ""),
}

WILD: tuple[Any, ...] = (
    -1, 0, 1, 7, 10**4, 10**9, 2**31, 2**63, 2**64, -(2**63), 10**400,
    0.0, 0.5, 1.5, -0.1, 1e-300, 1e300, math.nan, math.inf, -math.inf,
    True, False, None, "", " ", "3", "auto", "x" * 5000, "\ud800", "a\nb", "/", b"abc", 1j,
    (), [], {}, (0,), (0, 0, 0), (1, 2, 3), [1, 2], (1, 2, 3, 4), (-1, -1, -1), (0.5, 1, 2), (None, None), ("a", "b"),
    (5, 2, 0, 9), (0, 10**9, 0, 10**9), range(3), {1, 2}, object(), int,
    np.int64(2), np.uint8(1), np.float32(0.5), np.float64("nan"), np.bool_(True), np.array(2), np.array([1, 2]),
)  # fmt: skip


LONG = ("number", "size", "width", "samples", "steps")
"""Of which 10,000 are allowed and would take for ever."""


def wild_value(name: str, rng: Random) -> Any:
    """One that nobody should give."""
    value = rng.choice(WILD)
    return -(10**4) if name in LONG and isinstance(value, int) and value == 10**4 else value


def draw_settings(settings: type, rng: Random, *, wild: float) -> dict[str, Any]:
    """Some fields of a settings class with values; each one is wild with the given probability."""
    hints = get_type_hints(settings)
    chosen: dict[str, Any] = {}
    for field in fields(settings):
        if field.name != "model" and rng.random() < 0.25:
            odd = rng.random() < wild
            chosen[field.name] = (
                wild_value(field.name, rng) if odd else sensible(field.name, hints[field.name], rng)
            )
    return chosen


def sensible(name: str, hint: Any, rng: Random) -> Any:
    """A value that the annotation allows."""
    if get_origin(hint) in (Union, types.UnionType):
        choices = [choice for choice in get_args(hint) if choice is not type(None)]
        return None if rng.random() < 0.2 else sensible(name, rng.choice(choices), rng)
    if get_origin(hint) is Literal:
        return rng.choice(get_args(hint))
    if name in SENSIBLE:
        return rng.choice(SENSIBLE[name])
    if get_origin(hint) is tuple:
        kinds = [kind for kind in get_args(hint) if kind is not Ellipsis]
        return tuple(sensible("", kind, rng) for kind in kinds)
    return rng.choice(BY_TYPE[hint])
