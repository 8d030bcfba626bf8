"""One volume of an image, one channel at one time: read by parts, and its results turned into pixels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import torch

from napari_diffuscope.imaging.blocks import Block, BlockReader
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.intensity import ChannelIntensity
from napari_diffuscope.imaging.intensity_map import IntensityMap
from napari_diffuscope.imaging.stack_intensity import PlaneLines
from napari_diffuscope.methods.bridging import Tally
from napari_diffuscope.methods.common_settings import Defects
from napari_diffuscope.methods.superres.measured import MeasuredPlanes
from napari_diffuscope.methods.superres.scale import ZScale
from napari_diffuscope.methods.superres.slices import Condition
from napari_diffuscope.methods.superres.windows import Ranges


@dataclass
class Volume:
    """What all blocks of one channel at one time share.

    Parameters
    ----------
    image
        In the order ``TCZYX``.
    number
        Of the volume, in C order of time and channel.
    leading
        Its index along the axes before z.
    scale
        Planes before and after.
    line
        From intensities to network values.
    planes
        Its measured planes.
    """

    image: Image
    number: int
    leading: tuple[int, ...]
    scale: ZScale
    line: IntensityMap
    planes: MeasuredPlanes = field(repr=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the fine volume ``(Z, Y, X)``."""
        return (self.scale.fine, *self.image.plane_shape)

    def condition(self, ranges: Ranges) -> Condition:
        """What is known of a part of the fine volume, which is mirrored where the part overhangs."""
        start, stop = ranges[0]
        pixels = self.planes.shown(self._planes_of(ranges), *ranges[1:])
        planes = np.nan_to_num(self.line.forward(pixels), nan=-1.0, posinf=-1.0, neginf=-1.0)
        if self.planes.defects != "ignore":
            np.minimum(planes, self.line.forward(np.array(self.planes.brightest, np.float32)), out=planes)
        known = torch.from_numpy(np.arange(start, stop) % self.scale.factor == 0)
        return Condition(
            torch.from_numpy(self._between(planes, ranges)), known, (start, ranges[1][0], ranges[2][0])
        )

    def _planes_of(self, ranges: Ranges) -> tuple[int, int]:
        """Measured planes that a part of the fine volume lies between."""
        factor, (start, stop) = self.scale.factor, ranges[0]
        return math.floor(start / factor), math.ceil((stop - 1) / factor) + 1

    def _between(self, planes: np.ndarray, ranges: Ranges) -> np.ndarray:
        """Fine planes by linear interpolation of the measured ones, float32."""
        factor, (start, stop) = self.scale.factor, ranges[0]
        place, first = np.arange(start, stop), math.floor(start / factor)
        low, weight = place // factor - first, (place % factor / factor).astype(np.float32)
        high = np.minimum(low + 1, len(planes) - 1)
        values = np.empty((len(place), *planes.shape[1:]), np.float32)
        for row in range(len(place)):  # plane by plane, so that no second volume is made
            np.multiply(planes[low[row]], 1 - weight[row], out=values[row])
            if weight[row]:
                values[row] += planes[high[row]] * weight[row]
        return values

    def measured(self, ranges: Ranges) -> tuple[np.ndarray, np.ndarray]:
        """Fine planes of a part that were measured, counted from its start, and their pixels as stored."""
        factor, (start, stop) = self.scale.factor, ranges[0]
        rows = np.arange(-(-start // factor) * factor, stop, factor)
        if not len(rows):
            return rows, np.empty((0, 0, 0), np.float32)
        planes = (int(rows[0]) // factor, int(rows[-1]) // factor + 1)
        stored = self.planes.stored(planes, ranges[1], ranges[2])
        if self.planes.defects == "bridge":
            left = ~np.isfinite(stored)
            bright = self.planes.bright(planes, ranges[1], ranges[2])
            left = left if bright is None else left | bright
            stored = np.where(left, stored, self.planes.shown(planes, ranges[1], ranges[2]))
        return rows - start, stored

    def finished(self, made: np.ndarray, ranges: Ranges, *, reimpose: bool) -> np.ndarray:
        """Fine planes with what was measured put back, and no value where none was measured.

        What lies between has a value everywhere. Things far brighter than the rest are
        interpolated.

        Parameters
        ----------
        made
            ``(Z, Y, X)`` in intensities, of the ranges.
        ranges
            Inside the volume.
        reimpose
            Whether measured planes are put back.
        """
        around, sides = self._planes_of(ranges), ranges[1:]
        stored, bright = self.planes.stored(around, *sides), self.planes.bright(around, *sides)
        if bright is not None:
            linear = self._between(np.where(bright, stored, self.planes.shown(around, *sides)), ranges)
            made = np.where(self._between(bright.astype(np.float32), ranges) > 0, linear, made)
        if reimpose:
            rows, planes = self.measured(ranges)
            made = made.copy()
            if len(rows):
                made[rows] = planes
        without = ~np.isfinite(stored)
        if without.any():
            here = np.arange(*ranges[0]) % self.scale.factor == 0
            missing = self._between(without.astype(np.float32), ranges) > 0
            made = np.where(missing & here[:, None, None], np.float32(np.nan), made)
        return made

    def pixels(
        self, values: np.ndarray, wide: Ranges, block: Block, *, blur: float, reimpose: bool
    ) -> np.ndarray:
        """From network values of fine planes to output pixels.

        Parameters
        ----------
        values
            ``(Z, Y, X)`` of the ranges ``wide``.
        wide
            What :meth:`wide` says.
        block
            Of the output.
        blur
            See the settings.
        reimpose
            Whether measured planes are put back.

        Returns
        -------
        ndarray
            float32, of the block's shape.
        """
        start, stop = block.region[-3].start, block.region[-3].stop
        core = self.core(block)
        made = self.line.inverse(values.astype(np.float32, copy=False))
        if blur:
            made = blurred(made, blur)
        inner = tuple(slice(a - w, b - w) for (a, b), (w, _) in zip(core, wide, strict=True))
        fine = made[inner]
        fine = self.finished(fine, core, reimpose=reimpose)
        own = -(-core[0][0] // self.scale.factor), -(-core[0][1] // self.scale.factor)
        if own[0] < own[1]:
            self.planes.note(own, *core[1:])
        return self.scale.resampled(fine, start, stop).reshape(block.shape)

    def core(self, block: Block) -> Ranges:
        """Fine voxels that a block of the output is made of."""
        z, y, x = block.region[-3:]
        return self.scale.needed(z.start, z.stop), (y.start, y.stop), (x.start, x.stop)

    def wide(self, block: Block, blur: float) -> Ranges:
        """The same with what a blur needs around it, where the volume has it."""
        margin = 1 if blur else 0
        z, y, x = (
            (max(a - margin, 0), min(b + margin, n))
            for (a, b), n in zip(self.core(block), self.shape, strict=True)
        )
        return z, y, x


def blurred(volume: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian over 3 × 3 × 3 voxels, weights that add up to 1, mirrored at the borders."""
    side = math.exp(-0.5 / sigma**2)
    centre, beside = np.float32(1 / (1 + 2 * side)), np.float32(side / (1 + 2 * side))
    for axis in range(3):
        if volume.shape[axis] == 1:
            continue
        widths = [(0, 0)] * 3
        widths[axis] = (1, 1)
        padded = np.pad(volume, widths, mode="reflect")
        length = volume.shape[axis]
        before, after = (np.take(padded, range(first, first + length), axis) for first in (0, 2))
        volume = volume * centre + (before + after) * beside
    return volume


def volumes_of(
    image: Image,
    scale: ZScale,
    intensities: tuple[ChannelIntensity, ...],
    data_range: tuple[float, float],
    *,
    defects: Defects = "ignore",
    tally: Tally | None = None,
) -> Iterator[Volume]:
    """All volumes of an image, in order; what is found in them goes into the tally."""
    reader, lines, tally = BlockReader(image), PlaneLines(image), tally or Tally()
    letters = image.axes[:-3]
    for number, leading in enumerate(product(*(range(n) for n in image.shape[:-3]))):
        channel = intensities[leading[letters.index("C")] if "C" in letters else 0]
        planes = MeasuredPlanes(image, leading, channel, defects, reader, lines, tally)
        yield Volume(image, number, leading, scale, in_range(channel.map, data_range), planes)


def in_range(line: IntensityMap, data_range: tuple[float, float]) -> IntensityMap:
    """A map to -1 … 1 as one to the range that a network works on."""
    low, high = data_range
    if (low, high) == (-1.0, 1.0):
        return line
    half = (high - low) / 2
    return IntensityMap(line.offset - line.scale * (1 + low / half), line.scale / half)
