"""The network that predicts shapes: what it must take."""

from __future__ import annotations

from typing import Any

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.shape.conditions import CHANNELS
from napari_diffuscope.weights.card import NetworkSpec


def with_shape_channels(spec: NetworkSpec) -> NetworkSpec:
    """The network in 3D with the condition channels of a cell."""
    fixed = {"dims": 3, "channels": 1, "condition_channels": len(CHANNELS)}
    return NetworkSpec(spec.kind, {**fixed, "stem": (4, 4, 4), **spec.arguments})


def check_shape_channels(kind: str, config: Any) -> None:
    """Refuse networks that cannot predict shapes.

    Raises
    ------
    DiffuscopeError
        If it is no local 3D network of one channel with the condition channels of a cell.
    """
    if kind != "local-unet" or (config.dims, config.channels, config.condition_channels, config.classes) != (
        3,
        1,
        len(CHANNELS),
        0,
    ):
        raise DiffuscopeError(
            f"Shapes take a local-unet in 3D without classes, of one channel and {len(CHANNELS)} condition channels "
            f"({', '.join(CHANNELS)}); correct [network]."
        )
