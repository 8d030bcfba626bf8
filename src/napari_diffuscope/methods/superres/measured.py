"""The measured planes of a volume, read by parts: as stored, and as a network is to see them. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from napari_diffuscope.imaging.blocks import BlockReader
from napari_diffuscope.imaging.defects import BRIGHT, bridged, isolated_defects, level
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.intensity import ChannelIntensity
from napari_diffuscope.imaging.lost import REACH
from napari_diffuscope.imaging.stack_intensity import PlaneLines
from napari_diffuscope.imaging.tiles import reflect_index
from napari_diffuscope.methods.bridging import Tally
from napari_diffuscope.methods.common_settings import Defects
from napari_diffuscope.methods.overlapping import Range
from napari_diffuscope.methods.superres.lost import LostPlanes

MARGIN = 8
"""Pixels around a part that decide where its defects are and what bridges them."""

BESIDE = 2
"""Pixels next to what is too bright that its light reaches."""


@dataclass
class MeasuredPlanes:
    """Planes of one channel at one time; what a pixel becomes does not depend on the part that is read.

    Parameters
    ----------
    image
        In the order ``TCZYX``.
    leading
        Index along the axes before z.
    channel
        Its intensities.
    defects
        See the settings.
    reader
        Of the image.
    lines, tally
        What all volumes share: maps of single planes, and what was found.
    """

    image: Image
    leading: tuple[int, ...]
    channel: ChannelIntensity
    defects: Defects
    reader: BlockReader = field(repr=False)
    lines: PlaneLines = field(repr=False)
    tally: Tally = field(repr=False)
    lost: LostPlanes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.lost = LostPlanes(self.image, self.lines)

    @property
    def count(self) -> int:
        """Number of planes."""
        return self.image.shape[-3]

    def stored(self, planes: Range, rows: Range, columns: Range) -> np.ndarray:
        """Pixels ``(Z, Y, X)`` as float32, as stored; mirrored where the ranges overhang."""
        window = (*((at, at + 1) for at in self.leading), planes, rows, columns)
        pixels = self.reader(window)
        return pixels.reshape(pixels.shape[-3:])

    def shown(self, planes: Range, rows: Range, columns: Range) -> np.ndarray:
        """The same without defects: what is missing comes from the planes above and below, else is NaN."""
        pixels = self._clean(planes, rows, columns)
        missing = np.isnan(pixels)
        if missing.any():
            places = reflect_index(*planes, self.count)
            low, high = max(0, int(places.min()) - REACH), min(self.count, int(places.max()) + REACH + 1)
            around = self._clean((low, high), rows, columns)
            _interpolate(pixels, missing, around, places - low)
            left = np.isnan(pixels)
            if left.any() and (bright := self.bright(planes, rows, columns)) is not None:
                pixels[left & bright] = self.brightest
        return pixels

    @property
    def brightest(self) -> float:
        """Intensity from which on a thing is far brighter than the rest."""
        return level(self.channel.map, BRIGHT)

    def bright(self, planes: Range, rows: Range, columns: Range) -> np.ndarray | None:
        """Where things far brighter than the rest lie, ``(Z, Y, X)``; ``None`` if nowhere."""
        if self.defects == "ignore":
            return None
        wide = self._wide(planes, rows, columns)
        if not bool((wide > self.brightest).any()):
            return None
        masks = []
        for plane, at in zip(wide, reflect_index(*planes, self.count), strict=True):
            masks.append(np.zeros(plane.shape, bool) if self.left_out(int(at)) else self._bright(plane))
        found = np.stack(masks)[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
        return found if found.any() else None

    def _bright(self, plane: np.ndarray) -> np.ndarray:
        isolated = isolated_defects(plane, self.channel.heights)
        core = (plane > self.brightest) & np.isfinite(plane)
        if isolated is not None:
            core &= ~isolated
        found: np.ndarray = (
            ndimage.binary_dilation(core, np.ones((3, 3)), iterations=BESIDE) if core.any() else core
        )
        return found

    def note(self, planes: Range, rows: Range, columns: Range) -> None:
        """Count what is found in a part, once."""
        if self.defects == "ignore":
            return
        for at, plane in zip(range(*planes), self._wide(planes, rows, columns), strict=True):
            part = (self._flat(at), rows[0], columns[0])
            if part in self.tally.parts:
                continue
            if self.left_out(at):
                self.tally.count_far(part[0])
                continue
            mask = isolated_defects(plane, self.channel.heights)
            isolated = 0 if mask is None else int(mask[_INSIDE].sum())
            self.tally.count_part(part, isolated, int(self._bright(plane)[_INSIDE].sum()))

    def _flat(self, plane: int) -> int:
        place = (*self.leading, plane)
        return int(np.ravel_multi_index(place, self.image.leading_shape))

    def left_out(self, plane: int) -> bool:
        """Whether a plane tells nothing: far brighter or darker than those around it, lost, or outside."""
        if not 0 <= plane < self.count:
            return True
        flat = self._flat(plane)
        return self.defects != "ignore" and (self.lines.far(flat, self.channel.map) or self.lost(flat))

    def _wide(self, planes: Range, rows: Range, columns: Range) -> np.ndarray:
        margins = ((start - MARGIN, stop + MARGIN) for start, stop in (rows, columns))
        return self.stored(planes, *margins)

    def _clean(self, planes: Range, rows: Range, columns: Range) -> np.ndarray:
        """Without defects; NaN where there is no value, and in planes that tell nothing."""
        if self.defects == "ignore":
            pixels = self.stored(planes, rows, columns)
        else:
            wide = self._wide(planes, rows, columns)
            pixels = wide[:, MARGIN:-MARGIN, MARGIN:-MARGIN].copy()
            for row, at in enumerate(reflect_index(*planes, self.count)):
                if self.left_out(int(at)):
                    pixels[row] = np.nan
                    continue
                if (mask := isolated_defects(wide[row], self.channel.heights)) is not None:
                    pixels[row] = bridged(wide[row], mask)[_INSIDE]
                if bool((wide[row] > self.brightest).any()):
                    pixels[row][self._bright(wide[row])[_INSIDE]] = np.nan
        pixels[~np.isfinite(pixels)] = np.nan
        return pixels


_INSIDE = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))


def _interpolate(pixels: np.ndarray, missing: np.ndarray, around: np.ndarray, places: np.ndarray) -> None:
    """Fill missing values between the nearest planes within reach that have one, linearly, or with the nearest one."""
    for row, place in enumerate(places):
        if not missing[row].any():
            continue
        below, under = _nearest(around, int(place), -1)
        above, over = _nearest(around, int(place), 1)
        with np.errstate(invalid="ignore"):
            between = (below * over + above * under) / (under + over)
        value = np.where(np.isnan(below), above, np.where(np.isnan(above), below, between))
        pixels[row][missing[row]] = value[missing[row]]


def _nearest(around: np.ndarray, place: int, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Value of the nearest plane in a direction that has one, and its distance."""
    value = np.full(around.shape[1:], np.nan, np.float32)
    distance = np.ones(around.shape[1:], np.float32)
    for far in range(REACH, 0, -1):
        at = place + step * far
        if 0 <= at < len(around):
            there = np.isfinite(around[at])
            value[there], distance[there] = around[at][there], far
    return value, distance
