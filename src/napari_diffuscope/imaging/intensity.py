"""From the intensities of an image to about -1 … 1 and back, chosen from its pixels alone.

What is bright in a few pixels or planes does not decide the scale of the rest.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.defects import (
    Heights,
    bridged,
    heights_of,
    isolated_defects,
    typical_difference,
)
from napari_diffuscope.imaging.intensity_map import IntensityMap

__all__ = [
    "ChannelIntensity",
    "IntensityMap",
    "PlaneSample",
    "intensity_from_planes",
    "own_heights",
    "robust_intensity",
    "sampled",
]

LOW, HIGH, TOP = 1.0, 99.5, 99.95
"""Percentiles of the smoothed pixels: what becomes -1, what becomes 1, and the brightest trusted ones."""

LEAST_SHARE = 0.25
"""In sparse images, 1 is at least so far from the background to the brightest pixels."""

MOST_BLOCKS = 2**20
"""Blocks of 2x2 pixels taken from one plane, at most (about)."""

MOST_ROWS = 512
"""Rows of a plane that its range is guessed from."""

APART = 8.0
"""Ranges of the rest from which on something that is bright is none of it. No image without defects, of 120 looked
at, has its brightest trusted pixels so far away, except for sparse points in the dark."""

REST = 4.0
"""What is left of an image then: up to so many times its range."""

SKIRT_BLOCKS = 6
"""Blocks around what is brighter that its light may reach."""

SHARES = (1.0, 2.0, 4.0)
"""Percentages of the pixels that something bright may cover, where nothing lies between it and the rest."""

STRUCTURED = 1.5
"""The rest is an image, and no bare noise, where blocks of 8x8 pixels differ by so much more than noise would."""

NOISE_RANGE = 4.65
"""From the 1st to the 99th percentile of a normal distribution, in standard deviations."""


@dataclass(frozen=True)
class ChannelIntensity:
    """The intensity map of one channel.

    Parameters
    ----------
    channel
        Index along C, 0 without that axis.
    map
        The line that all planes of the channel share, but for those far from the rest.
    planes
        Flat indices of the planes that it was measured on.
    heights
        By how much an isolated defect stands out.
    """

    channel: int
    map: IntensityMap
    planes: tuple[int, ...]
    heights: Heights = field(default_factory=Heights)


@dataclass(frozen=True, eq=False)
class PlaneSample:
    """What is kept of a plane to measure intensities on.

    Parameters
    ----------
    blocks
        float64 means over 2x2 pixels, ``(rows, columns)``, NaN where a pixel has no value.
    difference
        See :func:`~napari_diffuscope.imaging.defects.typical_difference`.
    """

    blocks: np.ndarray = field(repr=False)
    difference: float = 0.0

    @property
    def pool(self) -> np.ndarray:
        """The finite ones, one after the other."""
        return np.asarray(self.blocks[np.isfinite(self.blocks)])

    @property
    def constant(self) -> bool:
        """Whether it says nothing: one value everywhere, or none."""
        pool = self.pool
        return pool.size == 0 or float(pool.min()) == float(pool.max())


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
    return _line([PlaneSample(_blocks(np.asarray(plane))) for plane in planes])


def robust_intensity(samples: Sequence[PlaneSample]) -> IntensityMap:
    """The same map, as it would be without what is small and far brighter than the rest.

    Where the rest is bare noise, as between a few points in the dark, it is the same map.
    """
    line, cut = _line(samples), _cut(samples)
    if cut is None:
        return line
    rest = [_apart(sample, cut) for sample in samples]
    return _line(rest) if _structured(rest) else line


def sampled(plane: np.ndarray) -> PlaneSample:
    """What a plane says of its intensities, its isolated defects bridged.

    Parameters
    ----------
    plane
        float32 ``(Y, X)``.
    """
    difference = typical_difference(plane)
    defects = isolated_defects(plane, own_heights(plane, difference))
    return PlaneSample(_blocks(plane if defects is None else bridged(plane, defects)), difference)


def own_heights(plane: np.ndarray, difference: float | None = None) -> Heights:
    """Heights of isolated defects in a plane of which nothing is known yet.

    Parameters
    ----------
    plane
        float32 ``(Y, X)``.
    difference
        Of its pixels, where it is at hand.
    """
    some = plane[:: -(-len(plane) // MOST_ROWS)]
    some = some[np.isfinite(some)]
    if not some.size:
        return Heights()
    low, high = (float(value) for value in np.percentile(some, (LOW, HIGH)))
    line = IntensityMap(0.0, max((high - low) / 4, np.finfo(float).tiny))
    return heights_of(typical_difference(plane) if difference is None else difference, line)


def _line(samples: Sequence[PlaneSample]) -> IntensityMap:
    pool = _pool(samples)
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


def _pool(samples: Sequence[PlaneSample]) -> np.ndarray:
    return np.concatenate([sample.pool for sample in samples]) if samples else np.zeros(0)


def _cut(samples: Sequence[PlaneSample]) -> float | None:
    """Intensity above which something is none of the rest; ``None`` where there is nothing such."""
    pool = _pool(samples)
    if pool.size == 0:
        return None
    low, high, top = (float(value) for value in np.percentile(pool, (LOW, HIGH, TOP)))
    if top - low <= APART * (high - low):
        return _cut_at_gap(pool, low, top)
    return low + REST * (high - low) if high > low else None


def _apart(sample: PlaneSample, cut: float) -> PlaneSample:
    """What lies apart from everything brighter, whose light reaches further; or all that is not brighter."""
    brighter = sample.blocks > cut
    near = (
        ndimage.binary_dilation(brighter, np.ones((3, 3)), iterations=SKIRT_BLOCKS)
        if brighter.any()
        else brighter
    )
    left_out = near if 2 * np.count_nonzero(near) < near.size else brighter
    return PlaneSample(np.where(left_out, np.nan, sample.blocks))


def _cut_at_gap(pool: np.ndarray, low: float, top: float) -> float | None:
    """Something bright that covers more than the percentile of the range, but is set apart by a gap."""
    for end in np.percentile(pool, [100 - share for share in SHARES]):
        reach = float(end) - low
        if not 0 < APART * reach < top - low:
            continue
        beyond = np.count_nonzero(pool > low + APART * reach)
        between = np.count_nonzero(pool > low + REST / 2 * reach) - beyond
        if 2 * between < beyond:
            return low + REST / 2 * reach
    return None


def _structured(samples: Sequence[PlaneSample]) -> bool:
    """Whether there is more in the planes than noise that differs from pixel to pixel."""
    means, steps = [], []
    for sample in samples:
        grid = sample.blocks
        rows, columns = grid.shape[0] // 4, grid.shape[1] // 4
        if grid.ndim == 2 and rows and columns:
            steps.append(np.abs(np.diff(grid, axis=1)).ravel())
            means.append(grid[: 4 * rows, : 4 * columns].reshape(rows, 4, columns, 4).mean((1, 3)).ravel())
    step, mean = (np.concatenate(parts) if parts else np.zeros(0) for parts in (steps, means))
    step, mean = step[np.isfinite(step)], mean[np.isfinite(mean)]
    if not (step.size and mean.size):
        return False
    noise = 1.4826 * float(np.median(step)) / math.sqrt(2) / 4
    low, high = np.percentile(mean, (1, 99))
    return bool(high - low > STRUCTURED * NOISE_RANGE * noise)


def _blocks(plane: np.ndarray) -> np.ndarray:
    """Means of 2x2 blocks that hold finite pixels only; the pixels themselves where there is none."""
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
            means = (blocks.astype(np.float64) * 0.25).sum(axis=(1, 3))
        if np.isfinite(means).any():
            return np.asarray(means)
    return plane.astype(np.float64)
