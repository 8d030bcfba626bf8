"""What a reader of microscopes' files says of one scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Protocol

from napari_diffuscope.imaging.scenes import SeriesInfo
from napari_diffuscope.imaging.views import ArrayLike


@dataclass(frozen=True, eq=False)
class Stack:
    """One scene.

    Parameters
    ----------
    pixels
        Read when it is indexed.
    names
        Letter of each of its axes.
    sizes
        Step and unit of the axes that have one.
    channels
        Names of all channels; empty where they are not known.
    notes
        What the user must be told.
    """

    pixels: ArrayLike
    names: str
    sizes: dict[str, tuple[float, str]] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class SceneFile(Protocol):
    """An open file."""

    @property
    def scene_names(self) -> Sequence[str]:
        """Of all scenes, in their order; empty texts where they have none."""
        ...

    def scenes(self) -> Sequence[SeriesInfo]:
        """All scenes with their sizes."""
        ...

    def stack(self, number: int) -> Stack:
        """One of them."""
        ...


def true_sizes(steps: dict[str, float | None]) -> dict[str, tuple[float, str]]:
    """Those steps that are some: along Z, Y, X in µm, along T in seconds; without what conversion adds to 0.1."""
    return {
        letter: (float(f"{step:.12g}"), "second" if letter == "T" else "micrometer")
        for letter, step in steps.items()
        if step is not None and isfinite(step) and step > 0
    }


def left_aside(name: str, lengths: dict[str, int]) -> list[str]:
    """What must be said of dimensions of which an image has no axes."""
    return [
        f"{name!r} has {length} images along its dimension {letter!r}, of which the first is read."
        for letter, length in lengths.items()
        if length > 1
    ]


def tiles_note(name: str, tiles: int) -> list[str]:
    """What must be said of a scene that was recorded in tiles."""
    if tiles < 2:
        return []
    return [f"{name!r} is made of {tiles} tiles, which were put together at the places that it names."]
