"""Lossy compression and the contrast stretch of :mod:`napari_diffuscope.simulate.processing`, in torch."""

from __future__ import annotations

import functools

import torch
from scipy.fft import dct
from torch import Tensor
from torch.nn import functional

from napari_diffuscope.simulate.processing import Compress


def compressed(image: Tensor, step: Compress) -> Tensor:
    """What :class:`Compress` makes of an image ``(Y, X)``."""
    rows, columns = image.shape
    padded = functional.pad(image[None, None], (0, -columns % 8, 0, -rows % 8), mode="replicate")[0, 0]
    blocks = padded.reshape(padded.shape[0] // 8, 8, padded.shape[1] // 8, 8).transpose(1, 2)
    low, high = quantiles(image.flatten(), (0.005, 0.995))
    place = torch.arange(8, device=image.device)
    slopes = 1 + step.slope * (place[:, None] + place) / 14
    steps = 8 * step.strength * (high - low).clamp(min=1e-6) * slopes
    cosines = _cosines(image.device)
    rounded = torch.round(cosines @ (blocks - low) @ cosines.T / steps) * steps
    whole = (cosines.T @ rounded @ cosines + low).transpose(1, 2).reshape(padded.shape)
    cut: Tensor = whole[:rows, :columns]
    return cut


def stretched(taken: Tensor, clean: Tensor, margins: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Both images in grey values 0 … 255, the noisy one rounded; the margins are shares of the clean one's range."""
    low, high = clean.min(), clean.max()
    black, white = low + margins[0] * (high - low), high - margins[1] * (high - low)
    factor = 255 / (white - black).clamp(min=1e-6)
    grey, grey_clean = (((image - black) * factor).clamp(0, 255) for image in (taken, clean))
    return grey.round(), grey_clean


def quantiles(values: Tensor, shares: tuple[float, ...]) -> Tensor:
    """Quantiles along the last axis, ``(len(shares), …)``; values between two of them are interpolated."""
    ordered, last = values.sort(dim=-1).values, values.shape[-1] - 1
    interpolated = []
    for share in shares:
        place = share * last
        low = int(place)
        interpolated.append(torch.lerp(ordered[..., low], ordered[..., min(low + 1, last)], place - low))
    return torch.stack(interpolated)


@functools.cache
def _cosines(device: torch.device) -> Tensor:
    """The cosine transform of eight values as a matrix."""
    matrix = dct(torch.eye(8, dtype=torch.float64).numpy(), axis=0, norm="ortho")
    return torch.as_tensor(matrix, dtype=torch.float32, device=device)
