"""From the intensities of an image to about -1 … 1 and back, chosen from its pixels alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.image import Image

LOW, HIGH, TOP = 1.0, 99.5, 99.95
"""Percentiles of the smoothed pixels: what becomes -1, what becomes 1, and the brightest trusted ones."""

LEAST_SHARE = 0.25
"""In sparse images, 1 is at least so far from the background to the brightest pixels."""

MOST_BLOCKS = 2**20
"""Blocks of 2x2 pixels taken from one plane, at most (about)."""


@dataclass(frozen=True)
class IntensityMap:
    """The line ``(x - offset) / scale`` between intensities and network values.

    Parameters
    ----------
    offset
        Intensity that becomes 0.
    scale
        Intensity difference that becomes 1; positive.
    """

    offset: float
    scale: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.offset) and math.isfinite(self.scale) and self.scale > 0):
            raise DiffuscopeError(
                f"Offset {self.offset} and scale {self.scale} are no intensity map; "
                "both must be finite and the scale positive."
            )

    def forward(self, values: np.ndarray) -> np.ndarray:
        """Intensities to network values; float32 stays float32."""
        return (values - self.offset) / self.scale

    def inverse(self, values: np.ndarray) -> np.ndarray:
        """Network values to intensities; float32 stays float32."""
        return values * self.scale + self.offset

    def inverse_spread(self, values: np.ndarray) -> np.ndarray:
        """Standard deviations of network values to standard deviations of intensities."""
        return values * self.scale


@dataclass(frozen=True)
class ChannelIntensity:
    """The intensity map of one channel.

    Parameters
    ----------
    channel
        Index along C, 0 without that axis.
    map
        The line that all planes of the channel share.
    planes
        Flat indices of the planes that it was measured on.
    """

    channel: int
    map: IntensityMap
    planes: tuple[int, ...]


def intensity_from_planes(planes: Iterable[np.ndarray]) -> IntensityMap:
    """Map that takes the 1st percentile of the planes to -1 and the 99.5th to 1.

    Percentiles are those of means over 2x2 pixels, so that noise widens the range less. In sparse images the
    upper end is raised to a quarter of the way to the 99.95th percentile. Pixels that are not finite do not
    count. The map follows the image: for ``a > 0``, the planes ``a * x + b`` give the same network values.

    Parameters
    ----------
    planes
        Real arrays ``(Y, X)`` of any type, read one after the other; at least one.

    Returns
    -------
    IntensityMap
        With offset at the constant and scale 1 if all pixels are equal; 0 and 1 if none is finite.
    """
    pools = [_smoothed(np.asarray(plane)) for plane in planes]
    pool = np.concatenate(pools) if pools else np.zeros(0)
    if pool.size == 0:
        return IntensityMap(0.0, 1.0)
    low, high, top = (float(value) for value in np.percentile(pool, (LOW, HIGH, TOP)))
    high = max(high, low + LEAST_SHARE * (top - low))
    if high <= low:  # rarer than 1 in 2,000, structures are still no reason to call the image empty
        high = low + LEAST_SHARE * float(np.abs(pool - low).max())
    half = high / 2 - low / 2
    if not (math.isfinite(half) and half > 0):
        return IntensityMap(low, 1.0)
    return IntensityMap(low + half, half)


def measure_intensities(image: Image, *, most_planes: int = 16) -> tuple[ChannelIntensity, ...]:
    """Intensity map of every channel, from planes spread evenly over it.

    Parameters
    ----------
    image
        Read one plane at a time.
    most_planes
        Planes to read per channel, at most; the first and the last are among them.

    Returns
    -------
    tuple of ChannelIntensity
        In the order of the channels. The same image always gives the same maps.
    """
    flat = np.arange(image.plane_count).reshape(image.leading_shape)
    axis = image.axes.index("C") if "C" in image.axes else None
    found = []
    for channel in range(image.channel_count):
        own = (flat if axis is None else np.take(flat, channel, axis=axis)).ravel()
        chosen = _spread(own, most_planes)
        found.append(
            ChannelIntensity(channel, intensity_from_planes(map(image.read_plane, chosen)), tuple(chosen))
        )
    return tuple(found)


def _spread(indices: np.ndarray, most: int) -> Sequence[int]:
    positions = np.linspace(0, indices.size - 1, min(indices.size, max(most, 1)))
    return [int(index) for index in indices[np.round(positions).astype(int)]]


def _smoothed(plane: np.ndarray) -> np.ndarray:
    """Means of 2x2 blocks that hold finite pixels only; the finite pixels themselves where there is none."""
    if plane.ndim != 2:
        raise DiffuscopeError(
            f"Intensities are measured on planes (Y, X), not on an array of shape {plane.shape}."
        )
    height, width = plane.shape
    if min(height, width) >= 2:
        rows, columns = height // 2, width // 2
        step = -(-rows * columns // MOST_BLOCKS)
        blocks = plane[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2)[::step]
        with np.errstate(invalid="ignore", over="ignore"):  # infinite pixels; their blocks are dropped
            means = (blocks.astype(np.float64) * 0.25).sum(axis=(1, 3)).ravel()
        means = means[np.isfinite(means)]
        if means.size:
            return np.asarray(means)
    pixels = plane.astype(np.float64).ravel()
    return np.asarray(pixels[np.isfinite(pixels)])
