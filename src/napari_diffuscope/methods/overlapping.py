"""Overlapping windows whose results are blended: where they begin, how much each counts, where two of them meet."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Range = tuple[int, int]
"""First pixel, and the one after the last."""


def evenly_spread(length: int, size: int, step: int | None = None) -> list[int]:
    """First pixels of windows over a length, the first at its begin and the last at its end.

    Parameters
    ----------
    length
        To be covered, in pixels.
    size
        Of a window.
    step
        From one window to the next, at most; half a window by default.
    """
    if length <= size:
        return [0]
    count = -(-(length - size) // (step or max(size // 2, 1))) + 1
    return [round(i * (length - size) / (count - 1)) for i in range(count)]


def taper(shape: tuple[int, ...]) -> Tensor:
    """Product of Hann windows along two axes, which nowhere reach zero."""
    rows, columns = (torch.hann_window(length + 2, periodic=False)[1:-1] for length in shape)
    return torch.outer(rows, columns)


def overlap(window: Sequence[Range], wanted: Sequence[Range]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where what is wanted lies in a window, and where that lies in what is wanted."""
    both = [(max(a, c), min(b, d)) for (a, b), (c, d) in zip(window, wanted, strict=True)]
    inner = tuple(slice(a - s, b - s) for (a, b), (s, _) in zip(both, window, strict=True))
    outer = tuple(slice(a - s, b - s) for (a, b), (s, _) in zip(both, wanted, strict=True))
    return inner, outer
