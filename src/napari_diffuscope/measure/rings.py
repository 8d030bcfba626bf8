"""Rings and shells of equal spatial frequency in the Fourier transform of an image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import scipy
from scipy import fft

from napari_diffuscope.errors import DiffuscopeError

Window = Literal["hann", "tukey", "none"]

TUKEY = 0.25
"""Share of each axis over which a Tukey window rises and falls (both ends together)."""


def make_window(shape: Sequence[int], kind: Window) -> np.ndarray:
    """Weights of the pixels that bring an image to zero at its borders.

    Without them the jump between opposite borders, which the Fourier transform takes as neighbours, appears as
    a bright cross that both images of a pair share.
    """
    if kind not in get_args(Window):
        raise DiffuscopeError(f"The window must be one of {', '.join(get_args(Window))}, not {kind!r}.")
    window = np.ones(shape)
    if kind == "none":
        return window
    for axis, size in enumerate(shape):
        curve = (
            scipy.signal.windows.hann(size + 2)
            if kind == "hann"
            else scipy.signal.windows.tukey(size + 2, TUKEY)
        )
        # without the zeros at both ends, which would waste the outermost pixels
        window *= curve[1:-1].reshape([-1 if other == axis else 1 for other in range(len(shape))])
    return window


def half_transform(image: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Fourier transform of the windowed image without its mean; the last axis holds half of it."""
    lowered = image - image.flat[0]  # a constant image is then exactly 0, in whatever order sums are taken
    level = float(np.vdot(window, lowered)) / float(window.sum())
    transform: np.ndarray = fft.rfftn(window * (lowered - level))
    return transform


def pixel_sizes(pixel_size: float | Sequence[float], dimensions: int) -> tuple[float, ...]:
    """One positive size per axis; a single number is that of all."""
    sizes = (pixel_size,) * dimensions if isinstance(pixel_size, int | float) else tuple(pixel_size)
    if len(sizes) != dimensions or not all(math.isfinite(size) and size > 0 for size in sizes):
        raise DiffuscopeError(
            f"pixel_size must be one positive number, or {dimensions} of them, not {pixel_size}."
        )
    return tuple(float(size) for size in sizes)


class Rings:
    """Which Fourier pixel belongs to which ring.

    Rings are shells of equal physical frequency, whatever the shape of the pixels. Their width is one over the
    longest side of the image. They reach up to the Nyquist frequency of the finest axis; beyond that of a
    coarser axis they are not closed, and what they say holds for the finer axes.

    Parameters
    ----------
    shape
        Shape of the image, 2D or 3D.
    sizes
        Size of a pixel along each axis.

    Attributes
    ----------
    frequency
        Centre of each ring in cycles per unit of the pixel size, rising, without frequency 0.
    count
        Fourier pixels in each ring, counting each of a conjugate pair.
    nyquist
        Nyquist frequency of the finest axis.
    """

    def __init__(self, shape: Sequence[int], sizes: Sequence[float]) -> None:
        if min(shape) < 4:
            raise DiffuscopeError(f"Rings of frequencies need 4 pixels along every axis, not {tuple(shape)}.")
        width = 1 / max(n * size for n, size in zip(shape, sizes, strict=True))
        self.nyquist = 0.5 / min(sizes)
        index = np.rint(radii(shape, sizes) / width).astype(np.intp)
        rings = math.floor(self.nyquist / width + 1e-9)
        self._index = np.where(index > rings, 0, index).ravel()  # corners go where frequency 0 is
        self._pairs = np.broadcast_to(_multiplicity(shape[-1]), index.shape).ravel()
        self._rings = rings
        count = self._sum(np.ones(index.shape))
        self._kept = count > 0
        self.count = count[self._kept].astype(np.intp)
        self.frequency = (np.arange(1, rings + 1) * width)[self._kept]

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Sums over rings of real values given at the pixels of a half transform."""
        summed: np.ndarray = self._sum(values)[self._kept]
        return summed

    def _sum(self, values: np.ndarray) -> np.ndarray:
        weights = self._pairs * values.ravel()
        return np.bincount(self._index, weights=weights, minlength=self._rings + 1)[1:]


def radii(shape: Sequence[int], sizes: Sequence[float]) -> np.ndarray:
    """Physical frequency at each pixel of a half transform, in cycles per unit."""
    axes = [fft.fftfreq(n, size) for n, size in zip(shape[:-1], sizes[:-1], strict=True)]
    axes.append(fft.rfftfreq(shape[-1], sizes[-1]))
    squares = np.zeros([len(axis) for axis in axes])
    for number, axis in enumerate(axes):
        squares += (axis**2).reshape([-1 if other == number else 1 for other in range(len(axes))])
    return np.sqrt(squares)


def _multiplicity(size: int) -> np.ndarray:
    """2 along the last axis where the other half is left out, 1 where a column is its own conjugate."""
    weights = np.full(size // 2 + 1, 2.0)
    weights[0] = 1
    if size % 2 == 0:
        weights[-1] = 1
    return weights
