"""Embeddings of a network's time."""

from __future__ import annotations

import math

import torch
from torch import Tensor

MAX_PERIOD = 10_000.0
"""The longest period is 2π times this."""


def sinusoidal_embedding(t: Tensor, channels: int, *, frequency_shift: float = 0.0) -> Tensor:
    """Embed times as cosines, then sines, of geometrically spaced frequencies (Vaswani et al. 2017).

    Parameters
    ----------
    t
        Times, ``(B,)``, whole or fractional.
    channels
        Width of the embedding; an odd one ends in a zero.
    frequency_shift
        The spacing is ``log(MAX_PERIOD) / (channels // 2 - frequency_shift)``.

    Returns
    -------
    Tensor
        ``(B, channels)``, float32.
    """
    half = channels // 2
    order = torch.arange(half, dtype=torch.float32, device=t.device)
    frequencies = torch.exp(-math.log(MAX_PERIOD) * order / (half - frequency_shift))
    angles = t.float()[:, None] * frequencies[None]
    embedding = torch.cat([angles.cos(), angles.sin()], dim=1)
    return torch.nn.functional.pad(embedding, (0, channels % 2))
