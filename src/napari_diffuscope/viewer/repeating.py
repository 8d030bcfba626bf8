"""Back to the layer that a result was made from, and to the axes that it was read with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from napari_diffuscope.viewer.command import recorded_axes
from napari_diffuscope.viewer.layer_sizes import source_of


def input_of(record: Mapping[str, Any], layers: Iterable[Any]) -> Any:
    """The layer that a result was made from: by its name, else by its file; ``None`` where it is not open."""
    source, name, candidates = record["input"].get("source"), record["input"]["name"], list(layers)
    ways: list[Callable[[Any], bool]] = [
        lambda layer: bool(source) and source_of(layer) == source and layer.name == name,
        lambda layer: bool(layer.name == name),
        lambda layer: bool(source) and source_of(layer) == source,
    ]
    return next((layer for fits in ways for layer in candidates if fits(layer)), None)


def not_open(record: Mapping[str, Any]) -> str:
    """What to say where it is not open."""
    name, source = record["input"]["name"], record["input"].get("source")
    at = f"; it was {source}" if source and Path(source).exists() else ""
    return f"Its input {name!r} is not open{at}: open or choose an image."


def read_axes(record: Mapping[str, Any], choice: Any) -> bool:
    """Read the layer of an `ImageChoice` with the axes of a record; whether they fit."""
    now, then = choice.axes.text().upper(), recorded_axes(record)
    if len(then.replace("S", "")) != choice.layer.ndim:
        return False
    if "axes" not in record and sorted(now) == sorted(then):
        return True  # the record of a file, whose axes are in the order of planes
    return now == then.replace("S", "") or bool(choice.read_as(then))
