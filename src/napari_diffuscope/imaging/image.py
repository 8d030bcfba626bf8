"""An image that knows its axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


class ArrayLike(Protocol):
    """Anything with a shape, a dtype and slicing: numpy, dask, zarr."""

    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def dtype(self) -> Any: ...  # noqa: D102
    def __getitem__(self, index: Any) -> Any: ...


@dataclass(frozen=True)
class Image:
    """Pixels with their axes and physical size; ``data`` is read block by block.

    Parameters
    ----------
    data
        numpy, dask or zarr array.
    axes
        One letter of ``TCZYX`` per dimension, in the order of the data; Y and X are the last two.
    scale
        Distance between neighbouring elements along each axis, in ``units``; ones where unknown.
    units
        One unit per axis, ``"pixel"`` where unknown.
    name, source
        What to call it, and the file it came from, if any.
    """

    data: ArrayLike
    axes: str
    scale: tuple[float, ...] = ()
    units: tuple[str, ...] = ()
    name: str = "image"
    source: str | None = None

    # __post_init__: fills scale/units with defaults, validates (one sentence errors)

    @property
    def leading_shape(self) -> tuple[int, ...]: ...
    @property
    def plane_shape(self) -> tuple[int, int]: ...
    @property
    def plane_count(self) -> int: ...
    def plane_index(self, flat: int) -> tuple[int, ...]: ...
    def channel_of(self, flat: int) -> int: ...
    def read_plane(self, flat: int) -> np.ndarray: ...

    @classmethod
    def wrap(cls, data: Any, axes: str | None = None, *, scale: Sequence[float] | None = None,
             units: Sequence[str] | None = None, rgb: str = "luminance", name: str = "image",
             source: str | None = None) -> "Image": ...
