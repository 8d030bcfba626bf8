"""The intensity map of a stack, and planes far from their neighbours: a flash, a wrong exposure, a channel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.defects import Heights, heights_of
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.intensity import (
    ChannelIntensity,
    PlaneSample,
    intensity_from_planes,
    robust_intensity,
    sampled,
)
from napari_diffuscope.imaging.intensity_map import IntensityMap

FAR = 6.0
"""Times brighter, times dimmer, or ranges away, from which on a plane is far from another.

Neighbouring planes of 20 stacks and time-lapses differed by at most 4.1."""

BULK, LEAST_BULK = (5.0, 50.0, 95.0), 1e-3
"""Percentiles that tell a plane that is far from the rest from one with something bright in it, and the least range
between them, in scales of the plane's map."""

NEIGHBOURS = 4
"""Planes on each side that a plane is compared with."""


@dataclass
class PlaneLines:
    """The own intensity map of single planes, each measured once.

    Parameters
    ----------
    image
        Read plane by plane, where a map is asked for.
    """

    image: Image
    _samples: dict[int, tuple[IntensityMap | None, float]] = field(default_factory=dict)
    _bulks: dict[int, IntensityMap] = field(default_factory=dict)

    def note(self, flat: int, sample: PlaneSample) -> IntensityMap | None:
        """Map of a plane of which a sample is at hand."""
        line = None if sample.constant else robust_intensity([sample])
        self._samples[flat] = line, sample.difference
        if line is not None:
            low, middle, high = (float(value) for value in np.percentile(sample.pool, BULK))
            self._bulks[flat] = IntensityMap(middle, max((high - low) / 2, LEAST_BULK * line.scale))
        return line

    def line(self, flat: int, plane: np.ndarray | None = None) -> IntensityMap | None:
        """Map of a plane; ``None`` where it is constant."""
        if flat not in self._samples:
            self.note(flat, sampled(self.image.read_plane(flat) if plane is None else plane))
        return self._samples[flat][0]

    def heights(self, flat: int) -> Heights:
        """Heights of isolated defects in a plane that is not constant."""
        line, difference = self._samples[flat]
        return Heights() if line is None else heights_of(difference, line)

    def far(self, flat: int, shared: IntensityMap, plane: np.ndarray | None = None) -> bool:
        """Whether a plane differs much from the planes around it, and from what all share.

        Parameters
        ----------
        flat
            Its flat index.
        shared
            Map of all planes.
        plane
            Its pixels, where they are at hand.
        """
        line = self.line(flat, plane)
        if line is None or not _far_apart(line, shared):
            return False
        return self.abrupt(flat)

    def abrupt(self, flat: int) -> bool:
        """Whether a plane differs much from the planes around it, along z or along time."""
        line = self.line(flat)
        if line is None:
            return False
        for around in _neighbours(self.image, flat):
            others = [other for other in around if self.line(other) is not None]
            if not others:
                continue
            lines = [fitted for other in others if (fitted := self.line(other)) is not None]
            bulk = _median([self._bulks[other] for other in others])
            if _far_apart(line, _median(lines)) and _far_apart(self._bulks[flat], bulk):
                return True
        return False


def measure_intensities(
    image: Image, *, most_planes: int = 16, robust: bool = True
) -> tuple[ChannelIntensity, ...]:
    """Intensity map of every channel, from planes spread evenly over it.

    Parameters
    ----------
    image
        Read one plane at a time.
    most_planes
        Planes to read per channel, at most; the first and the last are among them.
    robust
        Whether isolated defects, small things far brighter than the rest, empty planes and planes far from their
        neighbours are left out.

    Returns
    -------
    tuple of ChannelIntensity
        In the order of the channels. The same image always gives the same maps.

    Raises
    ------
    DiffuscopeError
        If no value of the planes can be held by float32.
    """
    flat = np.arange(image.plane_count).reshape(image.leading_shape)
    axis = image.axes.index("C") if "C" in image.axes else None
    intensities = []
    for channel in range(image.channel_count):
        planes = (flat if axis is None else np.take(flat, channel, axis=axis)).ravel()
        chosen = _spread(planes, most_planes)
        if robust:
            intensities.append(measure_channel(image, channel, chosen))
            continue
        line = intensity_from_planes(map(image.read_plane, chosen))
        intensities.append(ChannelIntensity(channel, line, tuple(chosen)))
    return tuple(intensities)


def _spread(indices: np.ndarray, most: int) -> Sequence[int]:
    positions = np.linspace(0, indices.size - 1, min(indices.size, max(most, 1)))
    return [int(index) for index in indices[np.round(positions).astype(int)]]


def measure_channel(image: Image, channel: int, chosen: Sequence[int]) -> ChannelIntensity:
    """The map that the planes of a channel share, from some of them.

    Parameters
    ----------
    image
        Read plane by plane.
    channel
        Index along C.
    chosen
        Flat indices of the planes to measure. Empty ones, and those far from the planes around them, do not count
        where there are others.

    Raises
    ------
    DiffuscopeError
        If no value of the planes can be held by float32.
    """
    lines, samples = PlaneLines(image), dict[int, PlaneSample]()
    for flat in chosen:
        plane = image.read_plane(flat)
        check_range(image, flat, plane)
        samples[flat] = sampled(plane)
        lines.note(flat, samples[flat])
    counting = [flat for flat in chosen if not samples[flat].constant] or list(chosen)
    shared = robust_intensity([samples[flat] for flat in counting])
    if any(_far_apart(lines.line(flat), _median_of(lines, counting)) for flat in counting):
        near = [flat for flat in counting if not lines.abrupt(flat)] or counting
        if len(near) < len(counting):
            counting = near
            shared = robust_intensity([samples[flat] for flat in counting])
    difference = float(np.median([samples[flat].difference for flat in counting]))
    return ChannelIntensity(channel, shared, tuple(counting), heights_of(difference, shared))


def check_range(image: Image, flat: int, plane: np.ndarray) -> int:
    """Number of pixels whose value is finite in the image, but beyond float32.

    Raises
    ------
    DiffuscopeError
        If that is all that there is.
    """
    if image.dtype.kind != "f" or image.dtype.itemsize <= 4 or not np.isinf(plane).any():
        return 0
    stored = np.asarray(image.data[(*image.plane_index(flat), slice(None), slice(None))])
    beyond = int((np.isfinite(stored) & ~np.isfinite(plane)).sum())
    if beyond and not np.isfinite(plane).any():
        raise DiffuscopeError(
            f"Plane {flat} of {image.name!r} holds values up to {np.nanmax(np.abs(stored)):.3g}, more than the 3.4e38 "
            "that can be worked with; divide the image by a number."
        )
    return beyond


def _median_of(lines: PlaneLines, planes: Sequence[int]) -> IntensityMap:
    fitted = [line for flat in planes if (line := lines.line(flat)) is not None]
    return _median(fitted) if fitted else IntensityMap(0.0, 1.0)


def _median(lines: Sequence[IntensityMap]) -> IntensityMap:
    return IntensityMap(
        float(np.median([line.offset for line in lines])), float(np.median([line.scale for line in lines]))
    )


def _far_apart(line: IntensityMap | None, other: IntensityMap) -> bool:
    if line is None:
        return False
    low, high = sorted((line.scale, other.scale))
    return high > FAR * low or abs(line.offset - other.offset) > FAR * high


def _neighbours(image: Image, flat: int) -> Iterator[list[int]]:
    """Flat indices of the planes next to one, along each axis but C."""
    place = image.plane_index(flat)
    for axis, (letter, length) in enumerate(zip(image.axes[:-2], image.leading_shape, strict=True)):
        if letter == "C" or length < 2:
            continue
        stride = int(np.prod(image.leading_shape[axis + 1 :], dtype=int))
        around = range(max(0, place[axis] - NEIGHBOURS), min(length, place[axis] + NEIGHBOURS + 1))
        yield [flat + (at - place[axis]) * stride for at in around if at != place[axis]]
