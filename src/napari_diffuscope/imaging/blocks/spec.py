"""What a volume written by blocks is: its lengths, axes, sizes, channels, and how it lies in its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, prod
from typing import Any, Literal

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.axes import LETTERS, checked_axes
from napari_diffuscope.imaging.units import unit_name

Pyramid = Literal["mean", "nearest", "none"]
"""How coarser levels are made: averages, every second voxel (labels), or not at all."""

CHUNK = 64
"""Edge of a chunk of a volume, in voxels."""

PLANE_CHUNK = 256
"""Edge of a chunk of planes."""

SHARD_BYTES = 16 * 2**20
"""Most bytes of a shard, before compression."""

BLOCK_VOXELS = 2**23
"""Most voxels of a block of a volume where nobody says: 128 × 256 × 256."""


@dataclass(frozen=True)
class Channel:
    """Name and display of a channel.

    Parameters
    ----------
    label
        Its name.
    window
        Values shown black and white; ``None`` for those that the finished image has.
    limits
        Lowest and highest value to choose from; by default those of ``window``.
    color
        Six hexadecimal digits, RRGGBB.
    """

    label: str
    window: tuple[float, float] | None = None
    limits: tuple[float, float] | None = None
    color: str = "FFFFFF"


@dataclass(frozen=True)
class VolumeSpec:
    """An image to be written by blocks.

    Parameters
    ----------
    shape, axes
        Lengths and letters of the axes, Y and X last; ``N`` counts samples.
    dtype
        Pixel type.
    scale, units
        Distance between neighbours along each axis, and its unit; 1 ``"pixel"`` where unknown.
    translate
        Position of the centre of the first voxel, in ``units``; zeros by default.
    channels
        One for each channel, or none where nothing is known about them.
    name
        What to call the image.
    record
        How it was made, JSON-able.
    pyramid
        How coarser levels are made, in formats that have them; labels need ``"nearest"``.

    Raises
    ------
    DiffuscopeError
        If these do not fit together.
    """

    shape: tuple[int, ...]
    axes: str
    dtype: str = "float32"
    scale: tuple[float, ...] = ()
    units: tuple[str, ...] = ()
    translate: tuple[float, ...] = ()
    channels: tuple[Channel, ...] = ()
    name: str = "image"
    record: Mapping[str, Any] | None = field(default=None, compare=False)
    pyramid: Pyramid = "mean"

    def __post_init__(self) -> None:
        shape = tuple(int(length) for length in self.shape)
        count = len(shape)
        axes = checked_axes(self.axes, count, allowed="N" + LETTERS)
        if not axes.endswith("YX"):
            raise DiffuscopeError(f"The axes {axes!r} do not end in YX; reorder them to be written.")
        if min(shape) < 1:
            raise DiffuscopeError(f"An image of shape {shape} has no pixels to be written.")
        normal = {
            "shape": shape,
            "axes": axes,
            "dtype": _pixel_type(self.dtype),
            "scale": tuple(map(float, self.scale)) or (1.0,) * count,
            "units": tuple(map(unit_name, self.units)) or ("pixel",) * count,
            "translate": tuple(map(float, self.translate)) or (0.0,) * count,
        }
        for name, value in normal.items():
            object.__setattr__(self, name, value)
        self._check(count)

    def _check(self, count: int) -> None:
        for what in ("scale", "units", "translate"):
            if len(getattr(self, what)) != count:
                raise DiffuscopeError(
                    f"The {what} {getattr(self, what)} does not fit the axes {self.axes}; give one per axis."
                )
        if not all(isfinite(step) and step > 0 for step in self.scale):
            raise DiffuscopeError(
                f"The scale {self.scale} is no pixel size; give a positive number for every axis."
            )
        expected = self.shape[self.axes.index("C")] if "C" in self.axes else 1
        if self.channels and len(self.channels) != expected:
            raise DiffuscopeError(
                f"{len(self.channels)} channels are described, but the image has {expected}; describe each."
            )

    @property
    def nbytes(self) -> int:
        """Bytes of all pixels, before compression."""
        return prod(self.shape) * np.dtype(self.dtype).itemsize

    def identity(self) -> dict[str, Any]:
        """Everything but the record, JSON-able: images of equal identity may share a file."""
        names = ("shape", "axes", "dtype", "scale", "units", "translate", "name", "pyramid")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Layout:
    """How an array lies on the disk: chunks are read at a time, shards are files and written at a time."""

    chunk: tuple[int, ...]
    shard: tuple[int, ...]


def choose_layout(
    shape: Sequence[int], axes: str, dtype: Any, *, most_bytes: int = SHARD_BYTES, planes: bool = False
) -> Layout:
    """Chunks of about 64³ voxels (256² pixels for planes), in shards of at most ``most_bytes``.

    Times and channels never share a chunk. Shards grow along X and Y first, then along Z: 64 × 256 × 256 for
    real numbers.

    Parameters
    ----------
    shape, axes, dtype
        Of the array.
    most_bytes
        Most bytes of a shard before compression; what one shard needs in memory is a few times as much.
    planes
        Whether planes never share a shard, for what is made plane by plane.
    """
    lengths = dict(zip(axes, shape, strict=True))
    deep = lengths.get("Z", 1) > 1 and not planes
    edges = {"Z": CHUNK, "Y": CHUNK, "X": CHUNK} if deep else {"Y": PLANE_CHUNK, "X": PLANE_CHUNK}
    chunk = {letter: min(edges.get(letter, 1), length) for letter, length in lengths.items()}
    itemsize = np.dtype(dtype).itemsize
    while prod(chunk.values()) * itemsize > most_bytes and max(chunk.values()) > 16:
        longest = max(chunk, key=lambda letter: chunk[letter])
        chunk[longest] = -(-chunk[longest] // 2)
    shard = dict(chunk)
    while letter := _to_grow(shard, chunk, lengths, most_bytes // itemsize, deep=deep):
        shard[letter] *= 2
    return Layout(tuple(chunk[letter] for letter in axes), tuple(shard[letter] for letter in axes))


def _to_grow(
    shard: Mapping[str, int], chunk: Mapping[str, int], lengths: Mapping[str, int], most: int, *, deep: bool
) -> str | None:
    """The axis along which a shard is doubled next: the shorter of X and Y, then Z."""
    if 2 * prod(shard.values()) > most:
        return None
    growing = [letter for letter in "XY" if shard[letter] < lengths[letter]]
    growing = growing or [letter for letter in "Z" * deep if shard.get(letter, 1) < lengths.get(letter, 1)]
    return min(growing, key=lambda letter: shard[letter] // chunk[letter], default=None)


def default_block(spec: VolumeSpec) -> tuple[int, ...]:
    """Lengths of the blocks of a volume where nobody says: whole shards, one on the other along Z.

    They do not depend on how large the volume is, once it is larger than a block: nor does the memory that a block
    takes.
    """
    block = list(choose_layout(spec.shape, spec.axes, spec.dtype).shard)
    if "Z" in spec.axes:
        along = spec.axes.index("Z")
        while block[along] < spec.shape[along] and 2 * prod(block) <= BLOCK_VOXELS:
            block[along] *= 2
    return tuple(min(edge, length) for edge, length in zip(block, spec.shape, strict=True))


def choose_block(
    shape: Sequence[int], unit: Sequence[int], wanted: Sequence[int] | None = None
) -> tuple[int, ...]:
    """Lengths of blocks that are made of whole shards.

    Parameters
    ----------
    shape
        Of the array.
    unit
        Lengths of a shard.
    wanted
        Least lengths of a block; rounded up to shards, and no more than needed to cover the array.
    """
    least = tuple(unit if wanted is None else wanted)
    if len(least) != len(unit) or min(least) < 1:
        raise DiffuscopeError(
            f"The block {wanted} does not fit the shape {tuple(shape)}; give one edge per axis."
        )
    return tuple(
        min(-(-edge // step), -(-length // step)) * step
        for edge, step, length in zip(least, unit, shape, strict=True)
    )


def _pixel_type(dtype: Any) -> str:
    """Name of a pixel type that files hold; masks become 8-bit integers."""
    found = np.dtype(dtype)
    if found.kind not in "buif":
        raise DiffuscopeError(f"Pixels of type {found} cannot be written; convert them to numbers.")
    return "uint8" if found.kind == "b" else found.name
