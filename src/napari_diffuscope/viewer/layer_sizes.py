"""Sizes that a layer does not say itself: they stand in its file, or were typed. Kept beside the layer."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.formats import keeps_sizes
from napari_diffuscope.imaging.units import to_micrometres, unit_name

#: Where a layer's metadata say what our readers know of it: the file (also of layers that napari did not open
#: itself, as sample data), the number of the image in it, and the sentences that the user must be told.
SOURCE_KEY = "napari-diffuscope-source"
SERIES_KEY = "napari-diffuscope-series"
NOTES_KEY = "napari-diffuscope-notes"
#: Key in a result's metadata of the sizes that its place in the window does not show.
SIZES_KEY = "napari-diffuscope-sizes"

Steps = dict[str, tuple[float, str]]
"""Distance of neighbours and its unit, by axis letter."""


@dataclass(frozen=True)
class LayerSizes:
    """How far apart the elements of a layer are.

    Parameters
    ----------
    steps
        By axis letter, for all axes of the layer.
    file
        Name of the file that says so, where the layer itself does not; else empty.
    """

    steps: Steps
    file: str = ""

    def along(self, axes: str) -> tuple[tuple[float, ...], tuple[str, ...]]:
        """Scale and units of some axes."""
        return tuple(self.steps[a][0] for a in axes), tuple(self.steps[a][1] for a in axes)

    @property
    def in_words(self) -> str:
        """``pixels of 0.1 µm, 0.3 µm from plane to plane``; empty where nothing is known."""
        parts = []
        across = self._micrometres("X")
        if across is not None:
            parts.append(f"pixels of {across:.4g} µm")
        deep = self._micrometres("Z")
        if deep is not None:
            parts.append(f"{deep:.4g} µm from plane to plane")
        if "T" in self.steps and unit_name(self.steps["T"][1]) != "pixel":
            parts.append(f"{self.steps['T'][0]:.4g} {self.steps['T'][1]} from time to time")
        return ", ".join(parts)

    def _micrometres(self, letter: str) -> float | None:
        return to_micrometres(*self.steps[letter]) if letter in self.steps else None


def source_of(layer: Any) -> str | None:
    """Path of the file that a layer shows, if it came from one."""
    path = layer.source.path or layer.metadata.get(SOURCE_KEY)
    return str(path) if path and Path(path).exists() else None


def own_sizes(layer: Any, axes: str) -> LayerSizes:
    """What the layer itself says."""
    units = (unit_name(str(unit)) for unit in layer.units)
    steps = (abs(float(step)) for step in layer.scale)
    return LayerSizes(dict(zip(axes, zip(steps, units, strict=True), strict=True)))


def sizes_of_layer(layer: Any, axes: str) -> LayerSizes:
    """What the layer says, else what was noted beside it, else what its file says.

    Parameters
    ----------
    layer
        A layer of the viewer.
    axes
        One letter per dimension of the layer.
    """
    own = own_sizes(layer, axes)
    if says_sizes(own):
        return own
    noted = noted_sizes(layer.metadata)
    if noted:
        return LayerSizes(own.steps | {letter: noted[letter] for letter in axes if letter in noted})
    stored = stored_description(layer, axes)
    found = {a: stored.steps[a] for a in axes if a in stored.steps} if stored else {}
    if stored is None or not says_sizes(LayerSizes(found)) or not _agree(own.steps, found):
        return own
    return LayerSizes(own.steps | found, Path(stored.path).name)


def says_sizes(sizes: LayerSizes) -> bool:
    """Whether the pixels, or the planes, have a size in a unit of length."""
    return any(to_micrometres(*sizes.steps[letter]) is not None for letter in "ZYX" if letter in sizes.steps)


def _agree(own: Steps, found: Steps) -> bool:
    """Whether a layer without units says nothing else than its file: steps of one, or the numbers of the file."""
    pairs = [(own[letter][0], step) for letter, (step, _) in found.items() if letter in "ZYX"]
    mine, theirs = np.array(pairs).T
    # a reader that takes the numbers over may have rounded them
    return bool(np.allclose(mine, 1.0) or np.allclose(mine, theirs, rtol=1e-3))


# What stands in the file


@dataclass(frozen=True)
class Stored:
    """What a file says of the image in it; lengths do not count axes of length 1."""

    path: str
    axes: str
    shape: tuple[int, ...]
    steps: Steps = field(hash=False)


def stored_description(layer: Any, axes: str | None = None) -> Stored | None:
    """What the file of a layer says, where the layer shows what is in it; else ``None``.

    Parameters
    ----------
    layer
        A layer of the viewer.
    axes
        Its axes, where somebody chose them; else those that the file names.
    """
    source = source_of(layer)
    if source is None or not keeps_sizes(source):
        return None
    data = layer.data[0] if layer.multiscale else layer.data
    lengths = tuple(data.shape)[:-1] if getattr(layer, "rgb", False) else tuple(data.shape)
    try:
        state = os.stat(source)
    except OSError:
        return None
    series = layer.metadata.get(SERIES_KEY)
    for read_as in dict.fromkeys((None, axes)):
        stored = _described(source, state.st_mtime_ns, state.st_size, read_as, series)
        if stored is None:
            continue
        if axes is None and stored.shape == lengths:
            return stored
        long = _long(stored.axes, stored.shape)
        if getattr(layer, "rgb", False) and "C" not in (axes or ""):
            long.pop("C", None)  # channels that napari took for colours
        if axes is not None and long == _long(axes, lengths):
            return stored
    return None


def _long(axes: str, shape: Sequence[int]) -> dict[str, int]:
    return {a: n for a, n in zip(axes, shape, strict=True) if n > 1 or a in "YX"}


@lru_cache(maxsize=64)
def _described(
    source: str, _modified: int, _size: int, axes: str | None, series: int | None
) -> Stored | None:
    """Cached, for forms ask at every change; a file that changes is read anew."""
    from napari_diffuscope.imaging.files import open_image

    chosen: dict[str, Any] = {} if series is None else {"series": int(series)}
    try:
        image = open_image(source, axes=axes, **chosen)
    except DiffuscopeError:  # another reader could open it, with its own idea of the axes
        return None
    steps = dict(zip(image.axes, zip(image.scale, image.units, strict=True), strict=True))
    return Stored(source, image.axes, image.shape, steps)


# What is kept beside a layer


def noted_sizes(metadata: Mapping[str, Any]) -> Steps:
    """Sizes noted in the metadata of a layer; empty where there are none."""
    noted = metadata.get(SIZES_KEY)
    if not isinstance(noted, Mapping):
        return {}
    return {str(a): (float(step), str(unit)) for a, (step, unit) in noted.get("steps", {}).items()}


def sizes_note(axes: str, steps: Mapping[str, tuple[float, str]], input_id: str = "") -> dict[str, Any]:
    """Entry for the metadata of a result whose place in the window does not show its sizes.

    Parameters
    ----------
    axes
        One letter per dimension of the result.
    steps
        Of the result, by axis letter.
    input_id
        Of the layer that it was made from: the result follows when that one is given its sizes.
    """
    return {
        SIZES_KEY: {
            "axes": axes,
            "steps": {letter: [float(step), str(unit)] for letter, (step, unit) in steps.items()},
            "input": input_id,
        }
    }


def set_sizes(layer: Any, axes: str, steps: Mapping[str, tuple[float, str]]) -> None:
    """Give a layer sizes, at the user's wish; its first pixel moves with them.

    Parameters
    ----------
    layer
        A layer of the viewer.
    axes
        One letter per dimension.
    steps
        Distance of neighbours and its unit, by axis letter; other axes stay as they are.
    """
    before = [float(step) for step in layer.scale]
    after = [
        float(np.copysign(steps[letter][0], step)) if letter in steps else step
        for letter, step in zip(axes, before, strict=True)
    ]
    moved = [t * b / a for t, a, b in zip(layer.translate, before, after, strict=True)]
    units = [
        steps[letter][1] if letter in steps else str(unit)
        for letter, unit in zip(axes, layer.units, strict=True)
    ]
    layer.scale, layer.translate, layer.units = after, moved, units
    if all(label.lstrip("-").isdigit() for label in layer.axis_labels):  # napari's own, which say nothing
        layer.axis_labels = tuple("sample" if a == "N" else a.lower() for a in axes)


def set_sizes_with_results(
    viewer: Any, layer: Any, axes: str, steps: Mapping[str, tuple[float, str]]
) -> None:
    """Give a layer sizes, and the results that were made from it theirs, so that they lie over each other."""
    shown = tuple(viewer.dims.current_step)
    for other in viewer.layers:
        note = other.metadata.get(SIZES_KEY)
        if isinstance(note, Mapping) and note.get("input") == layer_id(layer):
            set_sizes(other, str(note["axes"]), noted_sizes(other.metadata))
            del other.metadata[SIZES_KEY]
    set_sizes(layer, axes, steps)
    viewer.dims.set_current_step(range(len(shown)), shown)  # the same plane, though it lies elsewhere now


def layer_id(layer: Any) -> str:
    """The same for the same layer as long as it lives."""
    return str(layer.unique_id)
