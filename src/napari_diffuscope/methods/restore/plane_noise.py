"""The noise of the planes of a channel in bands from fine to coarse, as joining them must know it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, product
from typing import Any

import numpy as np
import torch
from scipy.ndimage import correlate1d
from scipy.signal import fftconvolve

from napari_diffuscope.imaging.sampling import window_starts
from napari_diffuscope.measure.noise_model import LEAST_EDGE, NoiseModel, noise_correlation, noise_model
from napari_diffuscope.networks.starlet import smoothing_kernel, starlet, starlet_radius

SCALES = 5
"""Bands of details; what is left is one more."""

SMOOTHINGS = 7
"""How often squares of noise are smoothed at most: over about so many powers of two of pixels."""

LAGS, WHITE = 6, 0.12
"""Pixels up to which neighbours are taken to share noise, and the correlation up to which it counts as white."""

MOST_SHARED = 0.9
"""No correlation of neighbours is taken to be larger: it is divided by what is left."""

VAGUE = 0.6
"""Correlation of neighbouring pixels from which on noise looks like structure, and structure like noise."""

QUIET = 3
"""How much more often than their band squares are smoothed whose median tells how much differences of planes vary."""

PATTERN = 0.85
"""Planes have a fixed pattern in common where their differences have less than this share of the noise."""

WINDOW, MOST_ALONG = 512, 3
"""Edge of the windows of a plane in which noise is measured, in pixels, and how many there are along an axis."""

LEAST_SHARE = 0.01
"""No less of the noise is taken to be in differences of planes."""

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
    between
        The part of it that differs from plane to plane; ``None`` for all of it, as without a fixed pattern.
    shares
        Of each band, how much of this noise differences of planes have: less than 1 where structures passed for noise.
    """

    model: NoiseModel
    along_y: tuple[float, ...] = ()
    along_x: tuple[float, ...] = ()
    between: NoiseModel | None = None
    shares: tuple[float, ...] = (1.0,) * (SCALES + 1)

    @property
    def vague(self) -> bool:
        """Whether pixels share so much noise along both axes that its strength is not well known."""
        return all(along and along[0] > VAGUE for along in (self.along_y, self.along_x))

    @property
    def differing_powers(self) -> np.ndarray:
        """Variance in each band, of that of `differing`."""
        powers: np.ndarray = self.powers * self.shares
        return powers

    @property
    def powers(self) -> np.ndarray:
        """Variance of the noise in each band, of the variance that differences of neighbouring pixels tell."""
        return _powers(self.along_y, self.along_x) * self._missed

    @property
    def chances(self) -> np.ndarray:
        """Standard deviation of squares of noise of unit variance, by band and by how often they are smoothed."""
        return _chances(self.along_y, self.along_x)

    def variance(self, signal: np.ndarray) -> np.ndarray:
        """Of the noise of pixels, as differences of neighbours tell it."""
        variance: np.ndarray = np.maximum(self.model.variance(signal), LEAST_VARIANCE)
        return variance

    def differing(self, signal: np.ndarray) -> np.ndarray:
        """Likewise, of what two planes do not have in common."""
        variance = self.variance(signal)
        if self.between is None:
            return variance
        least: np.ndarray = np.maximum(np.minimum(self.between.variance(signal), variance), LEAST_VARIANCE)
        return least

    def of_means(self, edge: int) -> float:
        """Variance of the noise of means of square blocks, of that of pixels."""
        lags = np.arange(edge)
        parts = 1.0
        for along in (self.along_y, self.along_x):
            shared = np.zeros(edge)
            shared[0] = 1
            shared[1 : len(along) + 1] = 2 * np.array(along[: edge - 1])
            parts *= max(float((shared * (edge - lags)).sum()) / edge**2, 0.0)
        return parts * self._missed * self.shares[int(edge).bit_length() - 1]

    @property
    def _missed(self) -> float:
        # In differences of neighbours what they share is missing.
        shares = [min(along[0], MOST_SHARED) if along else 0.0 for along in (self.along_y, self.along_x)]
        return 1 / ((1 - shares[0]) * (1 - shares[1]))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form, for records."""
        pattern = {} if self.between is None else {"between_planes": self.between.to_dict()}
        return {
            **self.model.to_dict(),
            "correlation_along_y": [round(share, 4) for share in self.along_y],
            "correlation_along_x": [round(share, 4) for share in self.along_x],
            "differing_shares": [round(share, 4) for share in self.shares],
            **pattern,
        }


def noise_of_planes(
    planes: Sequence[np.ndarray], neighbours: Sequence[np.ndarray | None] = ()
) -> PlaneNoise | None:
    """Noise of planes of one channel, measured in windows spread over them.

    Parameters
    ----------
    planes
        float32 ``(Y, X)``, finite, of one shape.
    neighbours
        One of each plane, likewise, or ``None``: they tell whether planes have a fixed pattern in common. May be empty.

    Returns
    -------
    PlaneNoise or None
        ``None`` where planes are too small to tell.
    """
    if not planes or min(planes[0].shape) < LEAST_EDGE:
        return None
    cut = [_windows(plane) for plane in planes]
    windows = [*chain.from_iterable(cut)]
    along_y, along_x = (_correlation(windows, axis) for axis in (0, 1))
    noise = PlaneNoise(noise_model(windows), along_y, along_x)
    beside = {index: other for index, other in enumerate(neighbours) if other is not None}
    if not beside:
        return noise
    ours = [*chain.from_iterable(cut[index] for index in beside)]
    theirs = [*chain.from_iterable(map(_windows, beside.values()))]
    noise = replace(noise, between=_between(noise.model, ours, theirs))
    return replace(noise, shares=_shares(noise, [(planes[index], other) for index, other in beside.items()]))


def bands_of(plane: np.ndarray) -> np.ndarray:
    """Starlet bands ``(SCALES + 1, Y, X)`` of a plane, float64."""
    values = torch.from_numpy(np.asarray(plane, np.float64))[None, None]
    apart: np.ndarray = starlet(values, SCALES)[0].numpy()
    return apart


def own_scale(band: int) -> int:
    """Structures of a band are so many powers of two of pixels large; the rest has the size of the last details."""
    return min(band, SCALES - 1)


def smoothed(values: np.ndarray, often: Sequence[int]) -> list[np.ndarray]:
    """Values that are smoothed so many times each, every time twice as wide; what lies outside counts for nothing."""
    image = torch.from_numpy(values)
    inside = [torch.ones(length, dtype=image.dtype) for length in image.shape]
    copies = {}
    for times in range(1, max(often) + 1):
        step = 2 ** (times - 1)
        image = _spread(_spread(image, 0, step), 1, step)
        inside = [_spread(share, 0, step) for share in inside]
        if times in often:
            copies[times] = (image / inside[0][:, None] / inside[1]).numpy()
    return [copies[times] for times in often]


def _shares(noise: PlaneNoise, pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[float, ...]:
    """How much of the noise is in differences of planes; what changed is more, and not looked at.

    Change adds to differences, wherever it is, and nothing takes away from them.
    """
    shares = np.ones(SCALES + 1)
    squares = [_squares(noise, *(_middle(plane) for plane in pair)) for pair in pairs]
    for band in range(SCALES + 1):
        times = min(own_scale(band) + QUIET, SMOOTHINGS)
        around = [smoothed(each[band], (times,))[0] for each in squares]
        shares[band] = np.clip(np.median(around), LEAST_SHARE, 1.0)
    return tuple(float(share) for share in shares)


def _squares(noise: PlaneNoise, plane: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Squared differences in each band, over what is expected of noise."""
    signal = smoothed(plane.astype(np.float64), (2,))[0]
    expected = 2 * noise.differing(signal) * noise.powers[:, None, None]
    squares: np.ndarray = np.square(bands_of(plane) - bands_of(other)) / expected
    return squares


def _middle(plane: np.ndarray) -> np.ndarray:
    y, x = (max(length - WINDOW, 0) // 2 for length in plane.shape)
    return plane[y : y + WINDOW, x : x + WINDOW]


def _spread(values: torch.Tensor, axis: int, step: int) -> torch.Tensor:
    """Weights 1/4, 1/2, 1/4 at distances of ``step`` pixels; their products are exact, so that tiles are the whole."""
    result, kept = values * 0.5, values.shape[axis] - step
    if kept > 0:
        result.narrow(axis, step, kept).add_(values.narrow(axis, 0, kept), alpha=0.25)
        result.narrow(axis, 0, kept).add_(values.narrow(axis, step, kept), alpha=0.25)
    return result


def _between(
    model: NoiseModel, ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]
) -> NoiseModel | None:
    between = noise_model(ours, theirs)
    signal = np.concatenate([window.ravel() for window in ours])
    share = float(between.variance(signal).mean()) / max(float(model.variance(signal).mean()), LEAST_VARIANCE)
    return between if share < PATTERN else None


@lru_cache(maxsize=16)
def _powers(along_y: tuple[float, ...], along_x: tuple[float, ...]) -> np.ndarray:
    """Variance of noise of unit variance in each band; white noise's times a hundredth at least."""
    kernels, shared = _kernels(along_y, along_x)
    white = np.square(kernels).sum((1, 2))
    powers: np.ndarray = np.maximum((kernels * shared).sum((1, 2)), white / 100)
    return powers


@lru_cache(maxsize=16)
def _chances(along_y: tuple[float, ...], along_x: tuple[float, ...]) -> np.ndarray:
    """As `PlaneNoise.chances`: squares of normal noise are correlated by the square of its correlation, twice."""
    kernels, shared = _kernels(along_y, along_x)
    chances = np.zeros((SCALES + 1, SMOOTHINGS + 1))
    for band, (kernel, other) in enumerate(zip(kernels, shared, strict=True)):
        products = fftconvolve(kernel, other[::-1, ::-1])
        squared = np.square(products / products.max())
        reach = len(products) // 2
        for times in range(SMOOTHINGS + 1):
            weights = np.convolve(window := smoothing_kernel(times).numpy(), window)
            weights = np.pad(weights, reach)[len(weights) // 2 :][: 2 * reach + 1]
            chances[band, times] = (2 * weights @ squared @ weights) ** 0.5
    return chances


def _kernels(along_y: tuple[float, ...], along_x: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """What makes bands of a point, and the same after the correlation of the noise."""
    reach = starlet_radius(SCALES)
    edge = 2 * (reach + LAGS) + 1
    point = np.zeros((edge, edge))
    point[edge // 2, edge // 2] = 1
    kernels = shared = bands_of(point)
    for axis, along in ((1, along_y), (2, along_x)):
        if along:
            shared = correlate1d(shared, [*along[::-1], 1.0, *along], axis, mode="constant")
    return kernels, shared


def _windows(plane: np.ndarray) -> list[np.ndarray]:
    starts = (window_starts(length, WINDOW, most=MOST_ALONG, overlapping=False) for length in plane.shape)
    return [plane[y : y + WINDOW, x : x + WINDOW].astype(np.float64) for y, x in product(*starts)]


def _correlation(windows: Sequence[np.ndarray], axis: int) -> tuple[float, ...]:
    measured = noise_correlation(windows, axis, LAGS)
    return measured if max(map(abs, measured)) > WHITE else ()
