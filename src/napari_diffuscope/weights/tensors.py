"""Tensors in safetensors files, looked at before they are read."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path

from torch import Tensor

from napari_diffuscope.imaging.memory import check_room


def stored_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor in a safetensors file; nothing but its header is read.

    Call it inside :func:`napari_diffuscope.imaging.failures.reading`: what is raised for other files is the library's.
    """
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118


def load_stored(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """All tensors of a safetensors file, if they fit into memory.

    Raises
    ------
    DiffuscopeError
        If they do not.
    """
    from safetensors.torch import load_file

    check_room(min(path.stat().st_size, 8 * sum(map(prod, shapes.values()))), f"The file {path.name}")
    tensors: dict[str, Tensor] = load_file(path)
    return tensors
