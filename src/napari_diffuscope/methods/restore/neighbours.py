"""Planes of an image joined with their neighbours along z or along time, one after the other."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.memory import free_memory
from napari_diffuscope.methods.bridging import Bridging, ShownPlane
from napari_diffuscope.methods.restore.joining import MOST_UNLIKE, joined, unlike
from napari_diffuscope.methods.restore.noise_of_image import planes_to_learn_from
from napari_diffuscope.methods.restore.plane_noise import PlaneNoise, noise_of_planes

KEY = "neighbours"
"""Entry of the record."""

SHARE_OF_MEMORY = 0.2
"""Of what is free, for planes that are kept so that none is read again."""

Read = Callable[[int], np.ndarray]


@dataclass
class KeptPlanes:
    """Reads planes; the last ones are kept, so that each is read once where they come one after the other.

    Parameters
    ----------
    read
        Gives the pixels of a plane by its flat index.
    most
        How many are kept.
    """

    read: Read
    most: int = 3
    _planes: OrderedDict[int, np.ndarray] = field(default_factory=OrderedDict)

    def __call__(self, flat: int) -> np.ndarray:
        """Pixels of a plane, not to be changed."""
        if flat not in self._planes:
            self._planes[flat] = self.read(flat)
        self._planes.move_to_end(flat)
        while len(self._planes) > self.most:
            self._planes.popitem(last=False)
        return self._planes[flat]


@dataclass(frozen=True, eq=False)
class JoinedPlane:
    """A plane that is joined with its neighbours.

    Parameters
    ----------
    pixels
        float32 ``(Y, X)``.
    left_out
        Flat indices of neighbours that were not used: they are of something else as a whole, far brighter or darker,
        or of one value.
    """

    pixels: np.ndarray
    left_out: tuple[int, ...] = ()


@dataclass
class Neighbours:
    """Joins planes.

    Parameters
    ----------
    image
        Where they come from.
    axis
        The letter of the axis along which they are neighbours.
    bridging
        Prepares neighbours as the planes at work are; what it finds is counted elsewhere.
    read
        Gives the pixels of a plane.
    noises
        Noise of the planes of each channel; ``None`` where they are too small to tell.
    """

    image: Image
    axis: str
    bridging: Bridging
    read: Read
    noises: Mapping[int, PlaneNoise | None]
    _shown: dict[int, ShownPlane] = field(default_factory=dict)
    _last: tuple[int, JoinedPlane] | None = None

    def joined(self, flat: int, shown: ShownPlane) -> JoinedPlane:
        """A plane with what its neighbours say of it; the last one is kept.

        Parameters
        ----------
        flat
            Its flat index.
        shown
            As the network would see it alone.
        """
        if self._last is None or self._last[0] != flat:
            self._last = flat, self._join(flat, shown)
        return self._last[1]

    def _join(self, flat: int, shown: ShownPlane) -> JoinedPlane:
        noise = self.noises.get(self.image.channel_of(flat))
        if noise is None:
            return JoinedPlane(shown.pixels)
        places = around(self.image, flat, self.axis)
        self._shown = {each: plane for each, plane in self._shown.items() if each in places}
        self._shown[flat] = shown
        others, left_out = list[np.ndarray | None](), list[int]()
        for other in places:
            pixels = None if other is None else self._usable(other, shown, noise)
            if other is not None and pixels is None:
                left_out.append(other)
            others.append(pixels)
        before, after = others
        return JoinedPlane(joined(shown.pixels, before, after, noise), tuple(left_out))

    def _usable(self, other: int, shown: ShownPlane, noise: PlaneNoise) -> np.ndarray | None:
        """Pixels of a neighbour; ``None`` where it says nothing of the plane at work."""
        if other not in self._shown:
            self._shown[other] = self.bridging.shown(other, self.read(other))
        neighbour = self._shown[other]
        if neighbour.constant or neighbour.line != shown.line:
            return None
        different = unlike(shown.pixels, neighbour.pixels, noise) > MOST_UNLIKE
        return None if different else neighbour.pixels

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form, for the record."""
        told = {str(channel): noise and noise.to_dict() for channel, noise in self.noises.items()}
        return {"axis": self.axis, "noise": told, "left_out": {}}

    @property
    def too_small(self) -> bool:
        """Whether nothing is joined, since the noise of planes so small cannot be told."""
        return all(noise is None for noise in self.noises.values())


def around(image: Image, flat: int, letter: str) -> tuple[int | None, int | None]:
    """Flat indices of the planes before and after one along an axis: of the same channel, and so on."""
    axis = image.axes.index(letter)
    place, length = image.plane_index(flat)[axis], image.leading_shape[axis]
    stride = int(np.prod(image.leading_shape[axis + 1 :], dtype=int))
    return flat - stride if place else None, flat + stride if place < length - 1 else None


def planes_to_keep(image: Image, letter: str) -> int:
    """How many planes must be kept so that each is read once, in order; 3 where memory has no room for them.

    Parameters
    ----------
    image
        Its planes are worked one after the other, along its last axes first.
    letter
        The axis along which they are neighbours.
    """
    after = around(image, 0, letter)[1] or 1
    needed = 3 * after  # of those looked at in between
    room = SHARE_OF_MEMORY * free_memory("cpu")
    return needed if needed * 4 * int(np.prod(image.plane_shape)) <= room else 3


def noises_of(
    image: Image, letter: str, bridging: Bridging, channels: Sequence[int]
) -> dict[int, PlaneNoise | None]:
    """Noise of the planes of some channels, from planes spread evenly over the whole image and their neighbours.

    Parameters
    ----------
    image
        Read one plane at a time.
    letter
        The axis along which planes are neighbours.
    bridging
        Prepares the planes.
    channels
        Which.
    """
    noises = {}
    for channel in sorted(set(channels)):
        planes, beside = list[np.ndarray](), list[np.ndarray | None]()
        for plane, other in _to_measure(image, letter, bridging, channel):
            planes.append(plane.pixels)
            beside.append(None if other is None or other.line != plane.line else other.pixels)
        noises[channel] = noise_of_planes(planes, beside)
    return noises


def left_out_sentence(left_out: Mapping[str, Sequence[int]]) -> str:
    """What the user must be told of neighbours that were not used; empty where all were."""
    count = sum(map(len, left_out.values()))
    if not count:
        return ""
    return (
        f"{count} neighbour{' was' if count == 1 else 's were'} not used, as what they show differs as a whole, in "
        f"{len(left_out)} plane{'' if len(left_out) == 1 else 's'} (the record names them)."
    )


def _to_measure(
    image: Image, letter: str, bridging: Bridging, channel: int
) -> Iterator[tuple[ShownPlane, ShownPlane | None]]:
    """Planes, each with a neighbour."""
    for flat in planes_to_learn_from(image, channel):
        shown = bridging.shown(flat, image.read_plane(flat))
        if shown.constant:
            continue
        before, after = around(image, flat, letter)
        other = before if after is None else after
        beside = None if other is None else bridging.shown(other, image.read_plane(other))
        yield shown, None if beside is None or beside.constant else beside
