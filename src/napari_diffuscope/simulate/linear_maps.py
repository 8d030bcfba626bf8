"""The linear steps of :mod:`napari_diffuscope.simulate.processing` in torch, on any device.

All but turning act along rows and columns apart, so each is a matrix from the left and one from the right: two
products of matrices, which a GPU does in no time. The matrices of digital zoom depend on two sizes alone and are made
once, by the very functions that they stand for.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from napari_diffuscope.simulate.processing import Enlarge, Resample, Sharpen, Smooth, area_matrix
from napari_diffuscope.simulate.scanning import PRE_ROLL, Scan


def smoothed(image: Tensor, step: Smooth) -> Tensor:
    """What :class:`Smooth` makes of an image ``(Y, X)``."""
    rows, columns = (
        gaussian_matrix(n, s, image.device) for n, s in zip(image.shape, step.sigma, strict=True)
    )
    return rows @ image @ columns.T


def sharpened(image: Tensor, step: Sharpen) -> Tensor:
    """What :class:`Sharpen` makes of an image ``(Y, X)``."""
    smooth = smoothed(image, Smooth((0.5, 0.5)))
    return smooth + step.amount * (smooth - smoothed(image, Smooth((step.sigma, step.sigma))))


def rolled(image: Tensor) -> Tensor:
    """Lines with their pre-roll, as :meth:`Scan.rolled`: ``(Y, X + pre-roll)``."""
    return torch.cat((image[:, :PRE_ROLL].flip(1), image), dim=1)


def smeared(signal: Tensor, scan: Scan, width: int) -> Tensor:
    """What the amplifier makes of lines with their pre-roll, as :meth:`Scan.smeared`: ``(Y, width)``."""
    count = signal.shape[1]
    places = torch.arange(count, device=signal.device, dtype=torch.float64)
    delay = places[-width:, None] - places
    weights = torch.where(delay >= 0, (1 - scan.memory) * scan.memory ** delay.clamp(min=0), 0.0)
    weights[:, 0] += scan.memory ** (places[-width:] + 1)  # before the first pixel it was as bright as there
    return signal @ weights.T.to(signal.dtype)


def laser(kicks: Tensor, scan: Scan) -> Tensor:
    """Relative power per line of the laser, as :meth:`Scan.laser`, of normal random numbers ``(lines,)``."""
    places = torch.arange(len(kicks), device=kicks.device, dtype=torch.float32)
    delay = places[:, None] - places
    weights = torch.where(delay >= 0, scan.kept_power ** delay.clamp(min=0), 0.0)
    weights[:, 1:] *= math.sqrt(1 - scan.kept_power**2)
    return 1 + scan.flicker * (weights @ kicks)


def reduced(image: Tensor, step: Enlarge) -> Tensor:
    """The image as the camera of a digital zoom sees it: ``(y, x)``."""
    rows, columns = (
        _area(n, m, image.device) for n, m in zip(image.shape, step.small_shape(image.shape), strict=True)
    )
    return rows @ image @ columns.T


def enlarged(small: Tensor, step: Enlarge, shape: tuple[int, int]) -> Tensor:
    """The small image of a digital zoom, interpolated to ``shape``."""
    rows, columns = (_zoom(n, m, step.order, small.device) for n, m in zip(shape, small.shape, strict=True))
    return rows @ small @ columns.T


def resampled(image: Tensor, step: Resample) -> Tensor:
    """What :class:`Resample` makes of an image ``(Y, X)``: splines of order 1 or 3, mirrored beyond the borders."""
    (rows, columns), device = image.shape, image.device
    cos, sin = math.cos(step.angle) / step.zoom, math.sin(step.angle) / step.zoom
    y = torch.arange(rows, device=device, dtype=torch.float32)[:, None] - (rows - 1) / 2
    x = torch.arange(columns, device=device, dtype=torch.float32)[None] - (columns - 1) / 2
    places = (
        cos * y - sin * x + (rows - 1) / 2 + step.shift[0],
        sin * y + cos * x + (columns - 1) / 2 + step.shift[1],
    )
    if step.order == 3:
        image = _prefilter(rows, device) @ image @ _prefilter(columns, device).T
    (down, row_taps), (across, column_taps) = (_taps(place, step.order) for place in places)
    total = torch.zeros_like(image)
    for row_weight, dy in zip(row_taps, range(len(row_taps)), strict=True):
        for column_weight, dx in zip(column_taps, range(len(column_taps)), strict=True):
            values = image[_mirrored(down + dy, rows), _mirrored(across + dx, columns)]
            total += row_weight * column_weight * values
    return total


def gaussian_matrix(length: int, sigma: float, device: torch.device) -> Tensor:
    """Gaussian filter along an axis, cut off at three deviations and mirrored: ``(length, length)``, rows sum to 1."""
    radius = int(3 * sigma + 0.5)
    offsets = torch.arange(-radius, radius + 1, device=device)
    weights = torch.exp(-0.5 * (offsets / max(sigma, 1e-6)) ** 2)
    places = _mirrored(torch.arange(length, device=device)[:, None] + offsets, length)
    matrix = torch.zeros(length, length, device=device)
    return matrix.scatter_add_(1, places, (weights / weights.sum()).expand(length, -1))


def _taps(place: Tensor, order: int) -> tuple[Tensor, list[Tensor]]:
    """First pixel that counts at each place, and the weights of that and the following ones."""
    low = torch.floor(place)
    t = place - low
    if order == 1:
        return low.long(), [1 - t, t]
    cubes = [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
    return low.long() - 1, [cube / 6 for cube in cubes]


def _mirrored(places: Tensor, length: int) -> Tensor:
    """Pixels at places beyond the borders, the border pixels being the mirrors."""
    period = max(2 * (length - 1), 1)
    inside = places % period
    return torch.minimum(inside, period - inside).clamp_(0, length - 1)


@functools.lru_cache(maxsize=512)
def _area(length: int, small: int, device: torch.device) -> Tensor:
    return torch.as_tensor(area_matrix(length, small), device=device)


@functools.lru_cache(maxsize=512)
def _zoom(length: int, small: int, order: int, device: torch.device) -> Tensor:
    """Interpolation from ``small`` to ``length`` pixels, one column per pixel of the small image."""
    unit = Enlarge(length / small, order)
    columns = [_alone(unit, small, place, length) for place in range(small)]
    return torch.as_tensor(np.stack(columns, 1), device=device)


def _alone(step: Enlarge, small: int, place: int, length: int) -> np.ndarray:
    """What a single bright row becomes: along the other axis nothing changes."""
    image = np.zeros((small, 2), np.float32)
    image[place] = 1
    return step(image, (length, 2))[:, 0]


@functools.lru_cache(maxsize=16)
def _prefilter(length: int, device: torch.device) -> Tensor:
    """From pixels to coefficients of the cubic spline through them."""
    filtered = ndimage.spline_filter1d(np.eye(length), 3, axis=0, output=np.float64, mode="mirror")
    return torch.as_tensor(filtered.astype(np.float32), device=device)
