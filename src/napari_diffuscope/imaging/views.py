"""Lazy views of arrays: reordered axes and colour to grey, reading only what is indexed.

They stand in for a dask graph: nothing is read, copied or scheduled before an index is taken.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

LUMINANCE = (0.2126, 0.7152, 0.0722)
"""Weights of red, green and blue: ITU-R BT.709, item 3.2."""

FullIndex = tuple[int | slice, ...]


class ArrayLike(Protocol):
    """Anything with a shape, a dtype and slicing: numpy, dask, zarr."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length along each axis."""
        ...

    @property
    def dtype(self) -> Any:
        """Pixel type."""
        ...

    def __getitem__(self, index: Any) -> Any: ...


def _position(index: Any, length: int) -> int:
    position = operator.index(index)
    if not -length <= position < length:
        raise IndexError(f"index {position} is out of bounds for an axis of length {length}")
    return position % length


def _steps(index: slice, length: int) -> slice:
    start, stop, step = index.indices(length)
    if step < 0:
        raise IndexError("lazy views are not sliced backwards")
    return slice(start, max(start, stop), step)


def full_index(index: Any, shape: Sequence[int]) -> FullIndex:
    """One non-negative integer or slice per axis, from integers, slices and one ellipsis.

    Raises
    ------
    IndexError
        For too many indices, positions outside, backward slices and anything but integers and slices.
    """
    items = index if isinstance(index, tuple) else (index,)
    if ... in items:
        cut = items.index(...)
        rest = items[cut + 1 :]
        items = items[:cut] + (slice(None),) * (len(shape) - len(items) + 1) + rest
    if len(items) > len(shape):
        raise IndexError(f"{len(items)} indices for {len(shape)} axes")
    items += (slice(None),) * (len(shape) - len(items))
    return tuple(
        _steps(item, length) if isinstance(item, slice) else _position(item, length)
        for item, length in zip(items, shape, strict=True)
    )


class LazyArray:
    """What arrays that are read when indexed share: dimensions, and conversion to numpy by reading everything."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> np.ndarray:
        raise NotImplementedError

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("a lazy view cannot become an array without a copy")
        return self[...].astype(dtype if dtype is not None else self.dtype, copy=False)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={self.shape}, dtype={self.dtype})"


class View(LazyArray):
    """An array that shows another one, its ``base``."""

    base: ArrayLike


class AxisView(View):
    """Axes of an array in another order, some of them fixed at an index or cut short.

    Parameters
    ----------
    data
        The array that is looked at.
    order
        For each axis of the view, the axis of ``data``.
    fixed
        For every other axis of ``data``, the index to take.
    lengths
        Axes of ``data`` of which only the first so many elements belong to the view.
    """

    def __init__(
        self,
        data: ArrayLike,
        order: Sequence[int],
        *,
        fixed: Mapping[int, int] | None = None,
        lengths: Mapping[int, int] | None = None,
    ) -> None:
        self.base = data
        self.order = tuple(order)
        self._fixed = dict(fixed or {})
        if sorted((*self.order, *self._fixed)) != list(range(len(data.shape))):
            raise ValueError(f"order {order} and fixed {fixed} must name each of {len(data.shape)} axes once")
        cut = lengths or {}
        self.shape = tuple(min(int(data.shape[axis]), cut.get(axis, data.shape[axis])) for axis in order)
        self.dtype = np.dtype(data.dtype)

    def __getitem__(self, index: Any) -> np.ndarray:
        source: dict[int, int | slice] = dict(self._fixed)
        source.update(zip(self.order, full_index(index, self.shape), strict=True))
        block = np.asarray(self.base[tuple(source[axis] for axis in range(len(source)))])
        sliced = [axis for axis in self.order if isinstance(source[axis], slice)]
        read = sorted(sliced)
        return block.transpose([read.index(axis) for axis in sliced])


def base_array(data: ArrayLike) -> ArrayLike:
    """The array that a view, or a view of a view, looks at in the end."""
    while isinstance(data, View):
        data = data.base
    return data


def chunks_of(data: ArrayLike) -> tuple[int, ...] | None:
    """Lengths of the (largest) chunks that a zarr or dask array, or a view of one, is read in; else ``None``."""
    if isinstance(data, AxisView):
        inner = chunks_of(data.base)
        return inner and tuple(inner[axis] for axis in data.order)
    if isinstance(data, View):
        inner = chunks_of(data.base)
        more = len(data.shape) - len(data.base.shape)  # colours gone or added, as the last axis
        return inner and (*inner[: len(data.shape)], *data.shape[len(data.shape) - max(more, 0) :])
    chunks = getattr(data, "chunks", None)
    if not isinstance(chunks, tuple):
        return None
    return tuple(max(edges) if isinstance(edges, tuple) else int(edges) for edges in chunks)


class LuminanceView(View):
    """Luminance of an array whose last axis holds red, green, blue and maybe alpha, which is left out.

    Parameters
    ----------
    data
        Shape ``(..., 3)`` or ``(..., 4)``; the weights apply to the values as they are stored.
    """

    def __init__(self, data: ArrayLike) -> None:
        self.base = data
        self.shape = tuple(data.shape[:-1])
        self.dtype = np.dtype(np.float32)

    def __getitem__(self, index: Any) -> np.ndarray:
        colour = np.asarray(self.base[(*full_index(index, self.shape), slice(None))])
        return np.asarray(colour[..., :3] @ np.asarray(LUMINANCE), dtype=np.float32)


class MaskedView(View):
    """A masked array as real numbers; what is masked has no value, NaN.

    Parameters
    ----------
    data
        A ``numpy.ma`` array, or anything whose parts are some.
    """

    def __init__(self, data: ArrayLike) -> None:
        self.base = data
        self.shape = tuple(data.shape)
        self.dtype = np.result_type(data.dtype, np.float32)

    def __getitem__(self, index: Any) -> np.ndarray:
        part = self.base[index]
        part = np.ma.asarray(part.compute() if hasattr(part, "compute") else part)
        return np.asarray(np.ma.filled(part.astype(self.dtype), np.nan))


def is_masked(data: Any) -> bool:
    """Whether an array, or the parts of a dask array, have a mask that hides something or may do so."""
    if isinstance(data, np.ma.MaskedArray):
        return bool(np.ma.is_masked(data))
    # Only dask is asked for its private name: napari hands views out behind a proxy that warns of every such access.
    return hasattr(data, "dask") and isinstance(getattr(data, "_meta", None), np.ma.MaskedArray)
