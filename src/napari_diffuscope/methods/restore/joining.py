"""A plane joined with the planes before and after it, before a network sees it.

All are taken apart into starlet bands. Each neighbour counts in each band by the inverse of its variance as a
measurement of the plane at work: that of the noise, and that of what changed from plane to plane, which is what the
differences of the bands hold beyond noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
import torch
from scipy.ndimage import correlate1d, gaussian_filter

from napari_diffuscope.imaging.sampling import window_starts
from napari_diffuscope.measure.noise_model import LEAST_EDGE, NoiseModel, noise_correlation, noise_model
from napari_diffuscope.networks.starlet import starlet, starlet_radius

SCALES = 5
"""Bands of details; what is left is one more."""

NARROW, MIDDLE, WIDE = (1.0, 1.0), (4.0, 0.25), (16.0, 0.05)
"""Widths of windows, in pixels of a band, and the excess over noise that chance makes in them."""

WIDEST, TRUNCATE = 40.0, 2.5
"""No window is wider, in pixels; and how many widths far it reaches."""

CAUTION = 8.0
"""A change counts so many times: what is taken for equal and is not costs more than what is not used."""

WIDE_CAUTION = 2.0
"""What changed around counts so many times of what changed here."""

INHERITED = 0.25
"""Share of the change in the next coarser band that is expected in this one."""

MARGIN = starlet_radius(SCALES) + int(TRUNCATE * WIDEST + 0.5)
"""Pixels around a region that decide what becomes of it."""

TILE = 1024
"""Edge of what is joined at a time, in pixels: bands of whole planes would need much memory."""

LAGS, WHITE = 6, 0.12
"""Pixels up to which neighbours are taken to share noise, and the correlation up to which it counts as white."""

MOST_SHARED = 0.9
"""No correlation of neighbours is taken to be larger: it is divided by what is left."""

WINDOW, MOST_ALONG = 512, 3
"""Edge of the windows of a plane in which noise is measured, in pixels, and how many there are along an axis."""

COARSE = 8
"""Edge of the blocks, in pixels, whose means tell whether two planes are alike as a whole."""

MOST_UNLIKE = 0.5
"""Part of what is to be seen in coarse blocks that may differ: 0 between equal planes, 1 between those of different
things."""

SURE = 4.0
"""Standard deviations of chance that something must stand out of the noise to be seen."""

LEAST_VARIANCE = 1e-100
"""Where nothing varies, nothing is divided by nothing."""


@dataclass(frozen=True)
class PlaneNoise:
    """Noise of the planes of a channel.

    Parameters
    ----------
    model
        How its variance grows with the signal, as differences of neighbouring pixels tell it.
    along_y, along_x
        Correlation of the noise of pixels 1, 2, … apart; empty for white noise.
    """

    model: NoiseModel
    along_y: tuple[float, ...] = ()
    along_x: tuple[float, ...] = ()

    @property
    def powers(self) -> np.ndarray:
        """Variance of the noise in each band, of the variance that differences of neighbouring pixels tell."""
        return _powers(self.along_y, self.along_x) * self._missed

    def of_means(self, edge: int) -> float:
        """Variance of the noise of means of square blocks, likewise."""
        lags = np.arange(edge)
        parts = 1.0
        for along in (self.along_y, self.along_x):
            shared = np.zeros(edge)
            shared[0] = 1
            shared[1 : len(along) + 1] = 2 * np.array(along[: edge - 1])
            parts *= max(float((shared * (edge - lags)).sum()) / edge**2, 0.0)
        return parts * self._missed

    @property
    def _missed(self) -> float:
        # In differences of neighbours what they share is missing.
        shares = [min(along[0], MOST_SHARED) if along else 0.0 for along in (self.along_y, self.along_x)]
        return 1 / ((1 - shares[0]) * (1 - shares[1]))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form, for records."""
        return {
            **self.model.to_dict(),
            "correlation_along_y": [round(share, 4) for share in self.along_y],
            "correlation_along_x": [round(share, 4) for share in self.along_x],
        }


def noise_of_planes(planes: Sequence[np.ndarray]) -> PlaneNoise | None:
    """Noise of planes of one channel, measured in windows spread over them.

    Parameters
    ----------
    planes
        float32 ``(Y, X)``, finite, of one shape.

    Returns
    -------
    PlaneNoise or None
        ``None`` where planes are too small to tell.
    """
    if not planes or min(planes[0].shape) < LEAST_EDGE:
        return None
    windows = [window.astype(np.float64) for plane in planes for window in _windows(plane)]
    along_y, along_x = (_correlation(windows, axis) for axis in (0, 1))
    return PlaneNoise(noise_model(windows), along_y, along_x)


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
        0 for equal planes, 1 for those of different things; 0 where nothing stands out of the noise.
    """
    first, second = (_block_means(each) for each in (plane, other))
    variance = _variance(np.stack([first, second]), noise) * noise.of_means(COARSE)
    chance = float(variance.sum(0).mean())
    seen = float(first.var() + second.var()) - chance
    if seen <= SURE * chance * (2 / first.size) ** 0.5:
        return 0.0
    return (float((first - second).var()) - chance) / seen


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
    variance = _variance(gaussian_filter(plane.astype(np.float64), 2.0), noise)
    own, others = _bands(plane), [_bands(neighbour) for neighbour in neighbours]
    result, changes = np.zeros(plane.shape), [np.zeros(plane.shape) for _ in neighbours]
    for band, power in reversed(list(enumerate(noise.powers))):
        total, weight = own[band].copy(), np.ones(plane.shape)
        for index, other in enumerate(others):
            scale, least = 2.0 ** min(band, SCALES - 1), INHERITED * changes[index]
            changes[index] = _changed(other[band] - own[band], variance * power, scale, least)
            counts = 1 / (1 + CAUTION * changes[index])
            total += counts * other[band]
            weight += counts
        result += total / weight
    return result


def _changed(difference: np.ndarray, noise: np.ndarray, scale: float, least: np.ndarray) -> np.ndarray:
    """Variance of the change between two planes in a band, over that of the noise in both; nowhere below ``least``."""
    excess = np.square(difference) / (2 * noise)
    change = least
    for (width, chance), factor in ((NARROW, 1.0), (MIDDLE, 1.0), (WIDE, WIDE_CAUTION)):
        reach = min(max(width * scale, 1.0), WIDEST)
        around = gaussian_filter(excess, reach, truncate=TRUNCATE) - 1 - chance
        change = np.maximum(change, factor * around)
    return change


def _variance(signal: np.ndarray, noise: PlaneNoise) -> np.ndarray:
    """Of the noise of pixels, as differences of neighbours tell it."""
    variance: np.ndarray = np.maximum(noise.model.variance(signal), LEAST_VARIANCE)
    return variance


def _bands(plane: np.ndarray) -> np.ndarray:
    """Starlet bands ``(SCALES + 1, Y, X)``, float64."""
    values = torch.from_numpy(np.asarray(plane, np.float64))[None, None]
    apart: np.ndarray = starlet(values, SCALES)[0].numpy()
    return apart


@lru_cache(maxsize=16)
def _powers(along_y: tuple[float, ...], along_x: tuple[float, ...]) -> np.ndarray:
    """Variance of noise of unit variance in each band; white noise's times a hundredth at least."""
    reach = starlet_radius(SCALES)
    edge = 2 * (reach + 1) + 1
    point = np.zeros((edge, edge))
    point[edge // 2, edge // 2] = 1
    kernels = _bands(point)
    shared = kernels
    for axis, along in ((1, along_y), (2, along_x)):
        if along:
            shared = correlate1d(shared, [*along[::-1], 1.0, *along], axis, mode="constant")
    white = np.square(kernels).sum((1, 2))
    powers: np.ndarray = np.maximum((kernels * shared).sum((1, 2)), white / 100)
    return powers


def _windows(plane: np.ndarray) -> list[np.ndarray]:
    starts = (window_starts(length, WINDOW, most=MOST_ALONG, overlapping=False) for length in plane.shape)
    return [plane[y : y + WINDOW, x : x + WINDOW] for y, x in product(*starts)]


def _correlation(windows: Sequence[np.ndarray], axis: int) -> tuple[float, ...]:
    measured = noise_correlation(windows, axis, LAGS)
    return measured if max(map(abs, measured)) > WHITE else ()


def _block_means(plane: np.ndarray) -> np.ndarray:
    rows, columns = (length // COARSE for length in plane.shape)
    blocks = plane[: COARSE * rows, : COARSE * columns].reshape(rows, COARSE, columns, COARSE)
    means: np.ndarray = blocks.mean((1, 3), dtype=np.float64)
    return means
