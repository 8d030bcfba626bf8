"""Files that hold several images: series of a TIFF file, scenes of a microscope's file, images of an OME-Zarr.

Which one is taken, and what is said of the others, is decided here for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from napari_diffuscope.errors import DiffuscopeError, quoted, shortened

_LISTED = 3
"""Other images that a note names."""
_NAMED = 120
"""Characters of the names of all images in an error."""


class Scene(Protocol):
    """One of the images in a file."""

    @property
    def name(self) -> str:
        """As the file calls it; may be empty."""
        ...

    @property
    def bytes(self) -> int:
        """Size of its pixels."""
        ...

    @property
    def reduced(self) -> bool:
        """Whether the file says that it is a smaller copy of another one."""
        ...

    @property
    def in_words(self) -> str:
        """``'overview' 64 x 64``."""
        ...


@dataclass(frozen=True)
class SeriesInfo:
    """One of the images in a file.

    Parameters
    ----------
    number
        What to ask for to read it.
    name
        As the file calls it; may be empty.
    axes, shape
        Letter and length of each axis, those of length 1 left out.
    dtype
        Pixel type.
    nbytes
        Size of the pixels in memory.
    """

    number: int
    name: str
    axes: str
    shape: tuple[int, ...]
    dtype: str
    nbytes: int

    @property
    def bytes(self) -> int:
        """Size of its pixels."""
        return self.nbytes

    @property
    def reduced(self) -> bool:
        """Not said by files of these kinds."""
        return False

    @property
    def in_words(self) -> str:
        """``'overview' 64 x 64``."""
        return in_words(self.name, self.shape)


def in_words(name: str, shape: Sequence[int]) -> str:
    """An image by its name and lengths: ``'overview' 64 x 64``."""
    lengths = " x ".join(str(length) for length in shape if length > 1)
    return f"{name!r} {lengths}" if name else lengths


def one_of(series: int | None, scene: int | str | None) -> int | str | None:
    """What was asked for, by number or by name.

    Raises
    ------
    DiffuscopeError
        If both were given.
    """
    if series is not None and scene is not None:
        raise DiffuscopeError(
            "Series and scene say the same, which image of a file is meant; give one of them."
        )
    return scene if series is None else series


def scene_number(wanted: int | str, names: Sequence[str], path: Path) -> int:
    """Number of the image that was asked for.

    Parameters
    ----------
    wanted
        A number, counted from 0, or a name; text that is no name but a number counts as that.
    names
        Of all images, in their order.
    path
        The file, for messages.

    Raises
    ------
    DiffuscopeError
        If there is none, or several are called so.
    """
    if isinstance(wanted, str):
        if (number := _number_by_name(wanted, names, path)) is not None:
            return number
        if not wanted.strip().removeprefix("-").isdecimal():
            raise DiffuscopeError(f"{path.name!r} has no scene {quoted(wanted, 60)}; {_all_of(names)}.")
    number = int(wanted)
    if not 0 <= number < len(names):
        raise DiffuscopeError(
            f"{path.name!r} holds {counted(names)}, so there is no series {number}; count from 0."
        )
    return number


def _number_by_name(wanted: str, names: Sequence[str], path: Path) -> int | None:
    """Exactly so called, else but for case, else by the end of its way (``"Image 1"`` of ``"Project/Image 1"``)."""
    plain = wanted.strip().casefold()
    for alike in (
        [number for number, name in enumerate(names) if name == wanted],
        [number for number, name in enumerate(names) if name.strip().casefold() == plain],
        [number for number, name in enumerate(names) if name.strip().casefold().endswith(f"/{plain}")],
    ):
        if len(alike) > 1:
            numbers = shortened(", ".join(map(str, alike)), 60)
            raise DiffuscopeError(
                f"{path.name!r} has {len(alike)} scenes called {quoted(wanted, 60)}; choose one by its number "
                f"({numbers})."
            )
        if alike:
            return alike[0]
    return None


def _all_of(names: Sequence[str]) -> str:
    listed = ", ".join(f"{number}: {name!r}" if name else str(number) for number, name in enumerate(names))
    return f"it has {shortened(listed, _NAMED)}"


def chosen_scene(scenes: Sequence[Scene], wanted: int | str | None, path: Path) -> tuple[int, list[str]]:
    """Which image is taken: the one asked for, else the largest, and what must be said of that.

    Parameters
    ----------
    scenes
        All images of a file, in their order.
    wanted
        Number or name, if one was asked for.
    path
        The file, for messages.

    Raises
    ------
    DiffuscopeError
        If there is no such image.
    """
    if wanted is not None:
        return scene_number(wanted, [scene.name for scene in scenes], path), []
    largest = max(range(len(scenes)), key=lambda place: (scenes[place].bytes, -place))
    others = [place for place, scene in enumerate(scenes) if place != largest and not scene.reduced]
    if not others:
        return largest, []
    alone = sum(scene.bytes == scenes[largest].bytes for scene in scenes) == 1
    listed = ", ".join(f"{place}: {scenes[place].in_words}" for place in others[:_LISTED])
    more = ", …" if len(others) > _LISTED else ""
    return largest, [
        f"{path.name!r} holds {counted(scenes)}; series {largest} ({scenes[largest].in_words}) is read, "
        f"{'the largest' if alone else 'the first of the largest'}. The others can be chosen "
        f"with series ({listed}{more})."
    ]


def counted(images: Sequence[object]) -> str:
    """``one image``, ``3 images``."""
    return "one image" if len(images) == 1 else f"{len(images)} images"
