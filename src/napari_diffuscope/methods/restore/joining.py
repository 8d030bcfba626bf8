"""A plane joined with the planes before and after it, before a network sees it.

All are taken apart into starlet bands. Each neighbour counts in each band by the inverse of its variance as a
measurement of the plane at work: that of the noise, and that of what changed from plane to plane, which is what the
differences of the bands hold beyond noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from napari_diffuscope.methods.restore.plane_noise import (
    SCALES,
    SMOOTHINGS,
    PlaneNoise,
    bands_of,
    own_scale,
    smoothed,
)
from napari_diffuscope.networks.starlet import starlet_radius

SIGNAL = 2
"""How often a plane is smoothed for the signal that its noise grows with."""

WINDOWS = ((1, 2.5, 1.0), (3, 2.5, 1.0), (5, 2.0, 2.0))
"""Windows in which change is looked for: how much more often squares are smoothed than their band, the standard
deviations of chance that count for nothing, and how many times what is above counts."""

CAUTION = 8.0
"""A change counts so many times: what is taken for equal and is not costs more than what is not used."""

INHERITED = 0.25
"""Share of the change in the next coarser band that is expected in this one."""

MOST_EXCESS = 1e30
"""Larger squares are as good as infinite, and no 32-bit numbers."""

MARGIN = starlet_radius(SCALES) + starlet_radius(SMOOTHINGS)
"""Pixels around a region that decide what becomes of it."""

TILE = 1024
"""Edge of what is joined at a time, in pixels: bands of whole planes would need much memory."""

COARSE = 8
"""Edge of the blocks, in pixels, whose means tell whether two planes are alike as a whole."""

MOST_UNLIKE = 0.2
"""Part of what is to be seen in coarse blocks that may differ: 0 between equal planes, 1 between those of different
things."""

VAGUELY = 2.0
"""What differs counts so many times where the strength of the noise is not well known."""

SURE = 4.0
"""Standard deviations of chance that something must stand out of the noise to be seen."""


def joined(
    plane: np.ndarray, before: np.ndarray | None, after: np.ndarray | None, noise: PlaneNoise
) -> np.ndarray:
    """A plane with what its neighbours say of it.

    Parameters
    ----------
    plane
        ``(Y, X)``, finite.
    before, after
        The planes next to it, likewise; ``None`` where there is none, or none that is to be used.
    noise
        Of all of them.

    Returns
    -------
    np.ndarray
        float32 ``(Y, X)``, in the same units.

    Notes
    -----
    A region that is given with `MARGIN` pixels around it becomes what it becomes in the whole plane, bit for bit.
    """
    neighbours = [each for each in (before, after) if each is not None]
    result = np.array(plane, np.float32)
    if not neighbours:
        return result
    starts = (range(0, length, TILE) for length in plane.shape)
    for corner in product(*starts):
        inner, outer, cut = _tile(corner, plane.shape)
        result[inner] = _joined_tile(plane[outer], [each[outer] for each in neighbours], noise)[cut]
    return result


def unlike(plane: np.ndarray, other: np.ndarray, noise: PlaneNoise) -> float:
    """Which part of what is to be seen in coarse blocks differs between two planes, on the whole.

    Parameters
    ----------
    plane, other
        ``(Y, X)``, finite.
    noise
        Of both.

    Returns
    -------
    float
        0 for equal planes, 1 for those of different things. Where nothing stands out of the noise 0, or 1 where its
        strength is known badly: noise that pixels share this much looks like structure.
    """
    first, second = (_block_means(each) for each in (plane, other))
    both, of_means = np.stack([first, second]), noise.of_means(COARSE)
    chance, between = (
        float(each(both).sum(0).mean()) * of_means for each in (noise.variance, noise.differing)
    )
    seen = float(first.var() + second.var()) - chance
    if seen <= SURE * chance * (2 / first.size) ** 0.5:
        return float(noise.vague)
    different = (float((first - second).var()) - between) / seen
    # Planes that differ by much less than their noise have another noise than was told.
    return VAGUELY * abs(different) if noise.vague else different


def _tile(corner: tuple[int, ...], shape: tuple[int, ...]) -> tuple[tuple[slice, ...], ...]:
    """A tile in the plane, with its margin, and where it lies in that."""
    inner, outer, cut = [], [], []
    for start, length in zip(corner, shape, strict=True):
        stop = min(start + TILE, length)
        first, last = max(start - MARGIN, 0), min(stop + MARGIN, length)
        inner.append(slice(start, stop))
        outer.append(slice(first, last))
        cut.append(slice(start - first, stop - first))
    return tuple(inner), tuple(outer), tuple(cut)


def _joined_tile(plane: np.ndarray, neighbours: Sequence[np.ndarray], noise: PlaneNoise) -> np.ndarray:
    precision = 0.5 / noise.differing(smoothed(plane.astype(np.float64), (SIGNAL,))[0])
    own, others = bands_of(plane), [bands_of(neighbour) for neighbour in neighbours]
    result, changes = np.zeros(plane.shape), [np.zeros(plane.shape, np.float32) for _ in neighbours]
    for band, power in reversed(list(enumerate(noise.differing_powers))):
        total, weight = own[band].copy(), np.ones(plane.shape, np.float32)
        for index, other in enumerate(others):
            excess = other[band] - own[band]
            excess *= excess
            excess *= precision / power
            squares = excess.clip(max=MOST_EXCESS).astype(np.float32)
            changes[index] = _changed(squares, band, noise.chances[band], INHERITED * changes[index])
            counts = 1 / (1 + CAUTION * changes[index])
            total += counts * other[band]
            weight += counts
        result += total / weight
    return result


def _changed(excess: np.ndarray, band: int, chances: np.ndarray, least: np.ndarray) -> np.ndarray:
    """Variance of the change between two planes in a band, over that of the noise in both; nowhere below ``least``."""
    change = least
    often = [min(own_scale(band) + further, SMOOTHINGS) for further, _, _ in WINDOWS]
    for around, times, (_, sure, factor) in zip(smoothed(excess, often), often, WINDOWS, strict=True):
        change = np.maximum(change, np.float32(factor) * (around - np.float32(1 + sure * chances[times])))
    return change


def _block_means(plane: np.ndarray) -> np.ndarray:
    rows, columns = (length // COARSE for length in plane.shape)
    blocks = plane[: COARSE * rows, : COARSE * columns].reshape(rows, COARSE, columns, COARSE)
    means: np.ndarray = blocks.mean((1, 3), dtype=np.float64)
    return means
