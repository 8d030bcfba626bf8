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
from napari_diffuscope.imaging.intensity import ChannelIntensity, IntensityMap
from napari_diffuscope.methods.superres.scale import ZScale
from napari_diffuscope.methods.superres.slices import Condition
from napari_diffuscope.methods.superres.windows import Range, Ranges


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
    reader
        Of the image.
    """

    image: Image
    number: int
    leading: tuple[int, ...]
    scale: ZScale
    line: IntensityMap
    reader: BlockReader = field(repr=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the fine volume ``(Z, Y, X)``."""
        return (self.scale.fine, *self.image.plane_shape)

    def condition(self, ranges: Ranges) -> Condition:
        """What is known of a part of the fine volume, which is mirrored where the part overhangs."""
        factor, (start, stop) = self.scale.factor, ranges[0]
        first, last = math.floor(start / factor), math.ceil((stop - 1) / factor)
        pixels = self._read((first, last + 1), ranges[1], ranges[2])
        planes = np.nan_to_num(self.line.forward(pixels), nan=-1.0, posinf=-1.0, neginf=-1.0)
        place = np.arange(start, stop)
        low, weight = place // factor - first, (place % factor / factor).astype(np.float32)
        high = np.minimum(low + 1, len(planes) - 1)
        values = np.empty((len(place), *planes.shape[1:]), np.float32)
        for row in range(len(place)):  # plane by plane, so that no second volume is made
            np.multiply(planes[low[row]], 1 - weight[row], out=values[row])
            if weight[row]:
                values[row] += planes[high[row]] * weight[row]
        known = torch.from_numpy(place % factor == 0)
        return Condition(torch.from_numpy(values), known, (start, ranges[1][0], ranges[2][0]))

    def measured(self, ranges: Ranges) -> tuple[np.ndarray, np.ndarray]:
        """Fine planes of a part that were measured, counted from its start, and their pixels as stored."""
        factor, (start, stop) = self.scale.factor, ranges[0]
        rows = np.arange(-(-start // factor) * factor, stop, factor)
        if not len(rows):
            return rows, np.empty((0, 0, 0), np.float32)
        planes = (int(rows[0]) // factor, int(rows[-1]) // factor + 1)
        return rows - start, self._read(planes, ranges[1], ranges[2])

    def _read(self, planes: Range, rows: Range, columns: Range) -> np.ndarray:
        """Pixels ``(Z, Y, X)`` as float32."""
        window = (*((at, at + 1) for at in self.leading), planes, rows, columns)
        overhang = tuple(
            (max(0, -start), max(0, stop - size))
            for (start, stop), size in zip(window, self.image.shape, strict=True)
        )
        everything = tuple(slice(start, stop) for start, stop in window)
        block = Block(0, (), everything, window, everything, overhang, everything)
        found: np.ndarray = self.reader(block)
        return found.reshape(found.shape[-3:])

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
        if reimpose:
            rows, planes = self.measured(core)
            fine = fine.copy()
            fine[rows] = planes
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
    image: Image, scale: ZScale, intensities: tuple[ChannelIntensity, ...], data_range: tuple[float, float]
) -> Iterator[Volume]:
    """All volumes of an image, in order."""
    reader = BlockReader(image)
    letters = image.axes[:-3]
    for number, leading in enumerate(product(*(range(n) for n in image.shape[:-3]))):
        channel = leading[letters.index("C")] if "C" in letters else 0
        line = in_range(intensities[channel].map, data_range)
        yield Volume(image, number, leading, scale, line, reader)


def in_range(line: IntensityMap, data_range: tuple[float, float]) -> IntensityMap:
    """A map to -1 … 1 as one to the range that a network works on."""
    low, high = data_range
    if (low, high) == (-1.0, 1.0):
        return line
    half = (high - low) / 2
    return IntensityMap(line.offset - line.scale * (1 + low / half), line.scale / half)
