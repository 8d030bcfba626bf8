"""The network that fills in rows: what it must take."""

from __future__ import annotations

from typing import Any

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.weights.card import NetworkSpec


def with_slice_channels(spec: NetworkSpec) -> NetworkSpec:
    """The network with two condition channels, the interpolation and the mask of known rows."""
    return NetworkSpec(spec.kind, {"condition_channels": 2, **spec.arguments})


def check_slice_channels(kind: str, config: Any) -> None:
    """Refuse networks that cannot fill in rows.

    Raises
    ------
    DiffuscopeError
        If it is no local 2D network of one channel with two condition channels.
    """
    if kind != "local-unet" or (config.dims, config.channels, config.condition_channels, config.classes) != (
        2,
        1,
        2,
        0,
    ):
        raise DiffuscopeError(
            "Filling in rows takes a local-unet in 2D without classes, of one channel and two condition channels (the "
            "interpolation and the mask); correct [network]."
        )
