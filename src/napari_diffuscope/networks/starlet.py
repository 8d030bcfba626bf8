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


def starlet_radius(scales: int) -> int:
    """How many pixels far a band reaches."""
    return int(2**scales) - 1


def _smoothed(x: Tensor, axis: int, step: int) -> Tensor:
    """Weights 1/4, 1/2, 1/4 at distances of ``step`` pixels along an axis."""
    length = x.shape[axis]
    places = torch.arange(-step, length + step, device=x.device).clamp_(0, length - 1)
    padded = x.index_select(axis, places)
    sides = padded.narrow(axis, 0, length) + padded.narrow(axis, 2 * step, length)
    return x * 0.5 + sides * 0.25
