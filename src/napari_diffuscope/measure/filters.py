"""Smoothing of large images: along columns many times as fast as filters that walk down each column by itself.

Pixels of a column lie a whole row apart in memory. Rows are therefore added to rows, a few at a time, so that what is
added stays in the processor's cache; along rows scipy's filter is fast as it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeVar

import numpy as np
from scipy import ndimage

Border = Literal["reflect", "mirror"]
"""As :mod:`scipy.ndimage` calls them: with or without the outermost pixel twice."""

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

ROWS = 16
"""Rows that are added up at once."""

WORTH = 2**18
"""Pixels from which on work is shared among the cores."""

Value = TypeVar("Value")


def smoothed(image: np.ndarray, weights: np.ndarray, border: Border = "reflect") -> np.ndarray:
    """An image filtered along all of its axes with one symmetric, odd window, as scipy does it.

    Parameters
    ----------
    image
        float64 or float32, of any dimensions. Sums are taken in 64 bits and rounded to its type after each axis.
    weights
        The window: an odd number of weights, the same from both ends.
    border
        How the image goes on beyond its borders.
    """
    first = _down_columns if image.ndim == 2 and len(image) > 2 * len(weights) else _along_first
    image = first(image, weights, border)
    for axis in range(1, image.ndim):
        image = ndimage.correlate1d(image, weights, axis, mode=border)
    return image


def _along_first(image: np.ndarray, weights: np.ndarray, border: Border) -> np.ndarray:
    return np.asarray(ndimage.correlate1d(image, weights, 0, mode=border))


def _down_columns(image: np.ndarray, weights: np.ndarray, border: Border) -> np.ndarray:
    reach, rows = len(weights) // 2, len(image)
    result = np.empty_like(image)
    total, pair = (np.empty((ROWS, image.shape[1])) for _ in range(2))
    for start in range(0, rows, ROWS):
        count = min(ROWS, rows - start)
        first, last = start - reach, start + count + reach
        if first >= 0 and last <= rows:
            wide = image[first:last]
        else:
            wide = image[_reflected(np.arange(first, last), rows, border)]
        here, both = total[:count], pair[:count]
        np.multiply(wide[reach : reach + count], weights[reach], out=here)
        for away in range(reach, 0, -1):  # in scipy's order, for equal digits
            before, after = reach - away, reach + away
            np.add(wide[before : before + count], wide[after : after + count], out=both, dtype=np.float64)
            both *= weights[after]
            here += both
        result[start : start + count] = here
    return result


def _reflected(rows: np.ndarray, count: int, border: Border) -> np.ndarray:
    """Rows of the image that stand for rows beyond its borders."""
    twice = 1 if border == "reflect" else 0
    rows = np.where(rows < 0, -rows - twice, rows)
    reflected: np.ndarray = np.where(rows >= count, 2 * count - 2 + twice - rows, rows)
    return reflected


def together(works: Sequence[Callable[[], Value]], pixels: int) -> list[Value]:
    """What some functions return, in their order; on all cores where there is enough to do.

    Parameters
    ----------
    works
        Functions that spend their time outside of Python's lock.
    pixels
        How many pixels each of them goes through.
    """
    if CORES == 1 or pixels < WORTH:
        return [work() for work in works]
    with ThreadPoolExecutor(min(CORES, len(works))) as pool:
        return list(pool.map(lambda work: work(), works))
