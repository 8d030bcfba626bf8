"""Fluorescent emitters as points in micrometres, and their rendering onto a pixel grid."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_diffuscope.errors import DiffuscopeError

PixelSize = float | Sequence[float] | np.ndarray


def pixel_sizes(pixel_size_um: PixelSize, ndim: int) -> np.ndarray:
    """Pixel size per axis in µm, float64 (ndim,); one number stands for all axes."""
    sizes = np.broadcast_to(np.asarray(pixel_size_um, dtype=np.float64), (ndim,)).copy()
    if not (np.isfinite(sizes).all() and (sizes > 0).all()):
        raise DiffuscopeError(f"Pixel sizes must be positive numbers of micrometres, not {pixel_size_um!r}.")
    return sizes


def field_of_view(shape: Sequence[int], pixel_size_um: PixelSize) -> np.ndarray:
    """Edge lengths of an image in µm, float64 (ndim,)."""
    return np.asarray(np.asarray(shape, dtype=np.float64) * pixel_sizes(pixel_size_um, len(shape)))


@dataclass(frozen=True)
class Emitters:
    """Points that shine.

    Parameters
    ----------
    position_um
        (N, D) positions in µm, in the order of the image's axes; the centre of pixel 0 lies at half a pixel.
    weight
        (N,) brightness, non-negative, in arbitrary units.
    owner
        (N,) integer: which structure (filament, vesicle) the point belongs to; moving ones move as a whole.
    """

    position_um: np.ndarray
    weight: np.ndarray
    owner: np.ndarray

    def render(self, shape: Sequence[int], pixel_size_um: PixelSize) -> np.ndarray:
        """Emitter density on a grid: float32 array of ``shape``, the summed weight in each pixel."""
        pixels = self.position_um / pixel_sizes(pixel_size_um, len(shape)) - 0.5
        return splat(pixels, self.weight, shape)

    def moved(self, shift_um: np.ndarray) -> Emitters:
        """The same emitters after each owner has moved by its row of ``shift_um`` (owners, D)."""
        return Emitters(self.position_um + shift_um[self.owner], self.weight, self.owner)

    def within(self, chance: np.ndarray, pixel_size_um: PixelSize, rng: np.random.Generator) -> Emitters:
        """The emitters of those owners that survive a draw with the ``chance`` (an image) at their centre."""
        owners = int(self.owner.max(initial=-1)) + 1
        number = np.maximum(np.bincount(self.owner, minlength=owners), 1)
        centre = [np.bincount(self.owner, axis, owners) / number for axis in self.position_um.T]
        place = np.stack(centre, axis=1) / pixel_sizes(pixel_size_um, chance.ndim)
        index = np.clip(place.astype(int), 0, np.asarray(chance.shape) - 1)
        inside = (rng.uniform(size=owners) < chance[tuple(index.T)])[self.owner]
        return Emitters(self.position_um[inside], self.weight[inside], self.owner[inside])


def splat(pixels: np.ndarray, weight: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Share out weights at sub-pixel positions to the 2**D nearest pixels, linearly per axis.

    Parameters
    ----------
    pixels
        (N, D) positions in pixels; integers are pixel centres.
    weight
        (N,) what each point carries; what falls outside the grid is lost.
    shape
        Shape of the grid.

    Returns
    -------
    ndarray
        float32 of ``shape``; its sum is the sum of the weights of all points well inside.
    """
    grid = np.asarray(shape)
    padded = grid + 2
    # Pixels -1 and n catch the halves that fall over the edge and are cut off below.
    inside = np.ones(len(pixels), bool)
    for place, edge in zip(pixels.T, grid, strict=True):
        inside &= (place > -1) & (place < edge)
    axes = np.ascontiguousarray(pixels[inside].T)
    low = np.floor(axes).astype(np.int64)
    shares = (1 - (axes - low), axes - low)
    strides = np.concatenate([np.cumprod(padded[::-1])[::-1][1:], [1]])
    first = strides @ (low + 1)
    total = np.zeros(int(np.prod(padded)))
    for corner in itertools.product((0, 1), repeat=len(grid)):
        part = np.asarray(weight)[inside].astype(np.float64)
        for axis, side in enumerate(corner):
            part *= shares[side][axis]
        total += np.bincount(first + int(strides @ corner), part, total.size)
    inner = tuple(slice(1, n + 1) for n in grid)
    return total.reshape(padded)[inner].astype(np.float32)


def join(parts: Sequence[Emitters]) -> Emitters:
    """Several sets of emitters as one; owners stay apart."""
    firsts = np.cumsum([0] + [int(part.owner.max(initial=-1)) + 1 for part in parts])
    return Emitters(
        np.concatenate([part.position_um for part in parts]),
        np.concatenate([part.weight for part in parts]),
        np.concatenate([part.owner + first for part, first in zip(parts, firsts, strict=False)]),
    )
