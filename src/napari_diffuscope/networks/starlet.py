"""Starlet transform: an image as a sum of bands of one size each, without losing resolution.

The isotropic undecimated wavelet transform ("à trous") of Starck, Fadili & Murtagh, IEEE Trans. Image Process. 16
(2007) 297, here with the linear spline [1, 2, 1] / 4 as its filter.
"""

from __future__ import annotations

import torch
from torch import Tensor


def starlet(x: Tensor, scales: int) -> Tensor:
    """Bands of details from fine to coarse, and the smooth rest; they add up to the image.

    Parameters
    ----------
    x
        ``(B, C, *space)``; beyond its borders it is continued by its border values.
    scales
        Number of bands of details; band j holds structures of about 2ʲ pixels.

    Returns
    -------
    Tensor
        ``(B, (scales + 1) · C, *space)``, the bands of all channels one after the other.

    Notes
    -----
    Multiplications by powers of two are exact, so every value is a sum of the same terms in the same order whatever
    the size of the array: tiles come out bit-identical.
    """
    bands = []
    for scale in range(scales):
        smooth = x
        for axis in range(2, x.dim()):
            smooth = _smoothed(smooth, axis, 2**scale)
        bands.append(x - smooth)
        x = smooth
    return torch.cat((*bands, x), 1)


def smoothed_copies(x: Tensor, scales: int) -> Tensor:
    """Copies that are smoothed ever more, each over the deviation that white noise is left with.

    What is larger than the filter stands out of the noise, however faint it is in a single voxel.

    Parameters
    ----------
    x
        ``(B, C, *space)``; continued as by :func:`starlet`.
    scales
        Number of copies; copy j is smoothed over about 2ʲ pixels.

    Returns
    -------
    Tensor
        ``(B, scales · C, *space)``; of unit variance, away from the borders, where ``x`` is unit white noise.
    """
    copies, kernel = [], torch.ones(1, dtype=torch.float64)
    for scale in range(scales):
        for axis in range(2, x.dim()):
            x = _smoothed(x, axis, 2**scale)
        kernel = _widened(kernel, 2**scale)
        copies.append(x / float(kernel.square().sum()) ** (0.5 * (x.dim() - 2)))
    return torch.cat(copies, 1)


def smoothing_kernel(times: int) -> Tensor:
    """Weights along an axis of so many smoothings, each twice as wide; float64 ``(2^(times + 1) - 1,)``, of sum 1."""
    kernel = torch.ones(1, dtype=torch.float64)
    for scale in range(times):
        kernel = _widened(kernel, 2**scale)
    return kernel


def _widened(kernel: Tensor, step: int) -> Tensor:
    """The filter along an axis after one more smoothing."""
    wide = kernel.new_zeros(len(kernel) + 2 * step)
    for place, weight in ((0, 0.25), (step, 0.5), (2 * step, 0.25)):
        wide[place : place + len(kernel)] += weight * kernel
    return wide


def starlet_radius(scales: int) -> int:
    """How many pixels far a band reaches."""
    return int(2**scales) - 1


def _smoothed(x: Tensor, axis: int, step: int) -> Tensor:
    """Weights 1/4, 1/2, 1/4 at distances of ``step`` pixels along an axis."""
    return (x * 0.5).add_(_sides(x, axis, step), alpha=0.25)


def _sides(x: Tensor, axis: int, step: int) -> Tensor:
    """Sum of the values ``step`` pixels before and after, those beyond a border being its own."""
    length = x.shape[axis]
    if length <= 2 * step:
        places = torch.arange(-step, length + step, device=x.device).clamp_(0, length - 1)
        padded = x.index_select(axis, places)
        return padded.narrow(axis, 0, length) + padded.narrow(axis, 2 * step, length)
    inner, sides = length - 2 * step, torch.empty_like(x)
    sides.narrow(axis, step, inner).copy_(x.narrow(axis, 0, inner) + x.narrow(axis, 2 * step, inner))
    sides.narrow(axis, 0, step).copy_(x.narrow(axis, 0, 1) + x.narrow(axis, step, step))
    sides.narrow(axis, length - step, step).copy_(x.narrow(axis, inner, step) + x.narrow(axis, length - 1, 1))
    return sides
