"""Contrast limits: those of the input, those that suit a plane, and the way between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

SPREAD = "deviation"
"""Output that is shown as a spread: from zero, in its own colours, above the image."""

#: Pixels that are looked at, at most, along each axis of what is shown.
LOOKED_AT = 512


def steady_limits(plane: np.ndarray, *, from_zero: bool = False) -> tuple[float, float] | None:
    """Contrast limits that suit a plane: all but its most extreme pixels; ``None`` where it has none."""
    values = plane[np.isfinite(plane)]
    if values.size == 0:
        return None
    low, high = (float(value) for value in np.percentile(values, (0.1, 99.9)))
    low = 0.0 if from_zero else low
    return (low, high) if high > low else (low, low + max(1e-6, abs(low)))


def joined(ranges: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Smallest range that holds all of them."""
    return min(float(r[0]) for r in ranges), max(float(r[1]) for r in ranges)


def shown_pixels(viewer: Any, layer: Any) -> np.ndarray:
    """What the window shows of a layer: a slice, or a volume in 3D; every so many pixels of a large one."""
    first = viewer.dims.ndim - layer.ndim
    shown = {axis - first for axis in viewer.dims.displayed}
    place = np.asarray(layer.world_to_data(np.asarray(viewer.dims.point)))[-layer.ndim :]
    index = tuple(
        slice(None, None, -(-length // LOOKED_AT))
        if axis in shown
        else int(np.clip(round(at), 0, length - 1))
        for axis, (at, length) in enumerate(zip(place.tolist(), layer.data.shape, strict=True))
    )
    return np.asarray(layer.data[index])


class Stretch:
    """Gives results the contrast that suits them, and gives back the one that they share with their input.

    Parameters
    ----------
    viewer
        The viewer.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._before: list[tuple[Any, tuple[float, ...]]] = []

    @property
    def on(self) -> bool:
        """Whether there is something to give back."""
        return bool(self._before)

    def stretch(self, layers: Sequence[Any]) -> None:
        """Choose limits from what the window shows."""
        for layer in layers:
            limits = steady_limits(shown_pixels(self._viewer, layer))
            if limits is not None:
                self._before.append((layer, tuple(layer.contrast_limits)))
                layer.contrast_limits_range = joined([layer.contrast_limits_range, limits])
                layer.contrast_limits = limits

    def give_back(self) -> None:
        """Return to the contrast before."""
        before, self._before = self._before, []
        for layer, limits in before:
            if layer in self._viewer.layers:
                layer.contrast_limits = limits

    def forget(self) -> None:
        """Leave everything as it is."""
        self._before = []
