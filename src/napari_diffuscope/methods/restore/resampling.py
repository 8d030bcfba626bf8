"""Planes of one pixel size as those of another."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional


def resampled(values: Tensor, shape: Sequence[int]) -> Tensor:
    """Planes ``(B, C, h, w)`` of another height and width: bilinear, averaged where pixels become larger."""
    return functional.interpolate(values, size=tuple(shape), mode="bilinear", antialias=True)
