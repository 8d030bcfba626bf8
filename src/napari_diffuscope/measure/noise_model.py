"""The noise of an image from the image alone: how it grows with the signal, and whether neighbours share it.

In small blocks the mean tells the signal and differences between neighbouring pixels the noise. Structures only add to
differences, so that in each range of signals the median block decides, and a straight line through these is fitted
robustly: the noise of photons and of a camera (Foi et al., IEEE Trans. Image Process. 17, 1737 (2008), section II).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.arrays import real_array

BLOCK, WIDE_BLOCK = 8, 16
"""Edges of the blocks that tell signal and noise, and of those that tell correlation, in pixels."""

RANGES = 20
"""Ranges of signals of equally many blocks."""

INDEPENDENT = BLOCK**2 / 2.2
"""Independent differences in a block: neighbouring ones share pixels."""

QUIET = 0.3
"""Share of the blocks that tell correlation: those in whose neighbours differences are least hold the least structure.
Their own would be least where noise happens to be correlated least."""

LOUD = 2.0
"""A block with more than so many times their usual differences holds structure all the same."""

LEAST_SHARE = 0.3
"""The noise is nowhere less than this share of the least that was measured (of its variance)."""

LEAST_EDGE = 2 * WIDE_BLOCK


@dataclass(frozen=True)
class NoiseModel:
    """Variance ``gain · (signal - dark) + deviation²`` of white noise, in units of the image.

    Parameters
    ----------
    gain
        Grey values per photon, times the excess noise of the detector; 0 where the noise does not grow with the signal.
    dark
        The darkest signal, in grey values.
    deviation
        Standard deviation of the noise at ``dark``: read noise, and photons of the background. One image does not tell
        them apart, nor where an image without light would be.
    least
        The variance is never less.
    """

    gain: float
    dark: float
    deviation: float
    least: float

    def variance(self, signal: Any) -> Any:
        """Variance of the noise where the signal is known; numbers or arrays."""
        return (self.gain * (signal - self.dark) + self.deviation**2).clip(self.least)

    def to_dict(self) -> dict[str, float]:
        """JSON-able form, for records."""
        return {
            "gain": self.gain,
            "dark": self.dark,
            "deviation": self.deviation,
            "least_variance": self.least,
        }


def noise_model(planes: Sequence[object], others: Sequence[object] | None = None) -> NoiseModel:
    """Gain, darkest signal and noise there of white noise.

    Parameters
    ----------
    planes
        Real arrays ``(Y, X)`` of one detector, of at least 32 pixels along each axis. Noise that neighbours share is
        told too small.
    others
        A second picture of each plane. Then the noise is that of one of two whose difference is looked at: without the
        fixed pattern of a sensor, which both have.

    Raises
    ------
    DiffuscopeError
        For smaller planes, or none.
    """
    checked = _checked(planes)
    differing = [None] * len(checked) if others is None else _checked(others)
    parts = [_blocks(plane, other) for plane, other in zip(checked, differing, strict=True)]
    means, variances = (np.concatenate(each) for each in zip(*parts, strict=True))
    order = np.array_split(np.argsort(means, kind="stable"), RANGES)
    signal = np.array([means[part].mean() for part in order])
    middle = (1 - 2 / (9 * INDEPENDENT)) ** 3  # median of the mean of so many squares, by Wilson and Hilferty
    noise = np.array([np.median(variances[part]) for part in order]) / middle
    if (noise > 0).any():  # where all is black, a detector's offset was cut away with its noise
        signal, noise = signal[noise > 0], noise[noise > 0]
    gain, intercept = _line(signal, noise)
    dark, least = float(signal[0]), LEAST_SHARE * float(noise.min())
    return NoiseModel(gain, dark, math.sqrt(max(gain * dark + intercept, least)), least)


def typical_noise(planes: Sequence[object]) -> float:
    """Standard deviation of the noise in the median block, those of one value left out; 0 where there is no other.

    Parameters
    ----------
    planes
        As for :func:`noise_model`. Noise that neighbours share is told too small.

    Raises
    ------
    DiffuscopeError
        As :func:`noise_model`.
    """
    variances = np.concatenate([_blocks(plane)[1] for plane in _checked(planes)])
    noisy = variances[variances > 0]
    return math.sqrt(float(np.median(noisy))) if noisy.size else 0.0


def noise_correlation(planes: Sequence[object], axis: int, lags: int = 3) -> tuple[float, ...]:
    """Correlation of the noise of pixels 1, 2, … apart along an axis; 0 for white noise.

    The second difference along the other axis takes away what changes slowly. Blocks count alike however strong their
    noise is, and only those among the quietest, in which structures are least.

    Parameters
    ----------
    planes
        As for :func:`noise_model`.
    axis
        0 for Y, 1 for X.
    lags
        How many distances, less than 16.

    Raises
    ------
    DiffuscopeError
        As :func:`noise_model`.
    """
    parts = [_products(plane, axis, lags) for plane in _checked(planes)]
    power, *shared = np.concatenate([products for products, _ in parts], axis=1)
    around = np.concatenate([powers for _, powers in parts])
    present = power > 0
    if not present.any():
        return (0.0,) * lags
    quiet = present & (around <= np.quantile(around[present], QUIET))
    quiet &= power <= LOUD * np.median(power[quiet]) if quiet.any() else present
    return tuple(float(np.mean(each[quiet] / power[quiet])) for each in shared)


def _checked(planes: Sequence[object]) -> list[np.ndarray]:
    arrays = [real_array(plane, "the image", dimensions=(2,)) for plane in planes]
    if not arrays or any(min(array.shape) < LEAST_EDGE for array in arrays):
        raise DiffuscopeError(
            f"The noise is measured on planes of at least {LEAST_EDGE} x {LEAST_EDGE} pixels."
        )
    return arrays


def _cut(values: np.ndarray, edge: int) -> np.ndarray:
    """Blocks of an array: ``(rows, columns, edge, edge)``."""
    rows, columns = (length // edge for length in values.shape)
    return values[: rows * edge, : columns * edge].reshape(rows, edge, columns, edge).transpose(0, 2, 1, 3)


def _blocks(plane: np.ndarray, other: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Mean of each block, and the variance of the noise in it."""
    means = _cut(plane[:-1, :-1], BLOCK).mean((2, 3))
    noisy = plane if other is None else (plane - other) / 2**0.5
    diagonal = (noisy[:-1, :-1] - noisy[:-1, 1:] - noisy[1:, :-1] + noisy[1:, 1:]) / 2
    return means.ravel(), (_cut(diagonal, BLOCK) ** 2).mean((2, 3)).ravel()


def _line(signal: np.ndarray, noise: np.ndarray) -> tuple[float, float]:
    """Slope, not negative, and intercept: what lies above the line counts less and less."""
    if not noise.max() > 0:
        return 0.0, 0.0
    floor = max(LEAST_SHARE * float(noise.min()), 1e-6 * float(noise.max()))
    weight = 1 / np.maximum(noise, floor) ** 2
    slope = intercept = 0.0
    for _ in range(30):
        centre = float(np.average(signal, weights=weight))
        spread = float(np.average((signal - centre) ** 2, weights=weight))
        level = float(np.average(noise, weights=weight))
        slope = (
            float(np.average((signal - centre) * (noise - level), weights=weight)) / spread if spread else 0.0
        )
        slope = max(slope, 0.0)
        intercept = level - slope * centre
        fitted = np.maximum(slope * signal + intercept, floor)
        excess = (noise - fitted) / fitted
        width = 1.4826 * float(np.median(np.abs(excess))) + 0.02
        weight = 1 / fitted**2 / (1 + (np.maximum(excess, 0) / width) ** 2)
    return slope, intercept


def _products(plane: np.ndarray, axis: int, lags: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean product of pixels 0, 1, … apart in each block ``(lags + 1, blocks)``, and of 0 apart in those around it."""
    blocks = _cut(np.diff(plane, n=2, axis=1 - axis), WIDE_BLOCK)
    blocks = np.moveaxis(blocks, 2 + axis, -1)
    products = np.stack(
        [(blocks[..., : WIDE_BLOCK - lag] * blocks[..., lag:]).mean((2, 3)) for lag in range(lags + 1)]
    )
    wide = np.pad(products[0], 1, mode="symmetric")
    around = (wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:]) / 4
    return products.reshape(lags + 1, -1), around.ravel()
