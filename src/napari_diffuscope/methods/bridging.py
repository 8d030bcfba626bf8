"""What the network is shown of a plane, and what is put back afterwards. Free of torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_diffuscope.imaging.defects import bridged, bright_objects, filled, isolated_defects
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.intensity import ChannelIntensity, own_heights
from napari_diffuscope.imaging.intensity_map import IntensityMap
from napari_diffuscope.imaging.stack_intensity import PlaneLines, check_range
from napari_diffuscope.methods.common_settings import Defects

MOST_BRIGHT = 0.05
"""Largest part of a plane that bright objects may cover; a plane with more gets an intensity range of its own."""

LISTED = 5
"""Planes that a sentence names, at most."""


@dataclass(frozen=True, eq=False)
class ShownPlane:
    """A plane as the network sees it.

    Parameters
    ----------
    pixels
        float32 ``(Y, X)``, finite where any pixel of the plane is.
    line
        Its intensity map.
    without
        bool ``(Y, X)``: pixels that have no value, and get none.
    kept
        bool ``(Y, X)``: pixels that get their measured value back; ``None`` for none.
    """

    pixels: np.ndarray = field(repr=False)
    line: IntensityMap
    without: np.ndarray = field(repr=False)
    kept: np.ndarray | None = field(default=None, repr=False)

    @property
    def constant(self) -> bool:
        """Whether there is nothing to do: one value everywhere, or none."""
        lowest, highest = float(self.pixels.min()), float(self.pixels.max())
        return not lowest < highest  # also where no pixel is finite


@dataclass
class Tally:
    """What was found in the planes so far.

    Parameters
    ----------
    isolated, bright
        Number of pixels, by flat index of the plane.
    far
        Planes with an intensity range of their own.
    beyond
        Pixels whose value float32 cannot hold.
    parts
        Isolated and bright pixels of the parts of planes that were counted, where planes are counted by parts: by
        flat index and corner.
    """

    isolated: dict[int, int] = field(default_factory=dict)
    bright: dict[int, int] = field(default_factory=dict)
    far: list[int] = field(default_factory=list)
    beyond: int = 0
    parts: dict[tuple[int, int, int], tuple[int, int]] = field(default_factory=dict)

    def count_part(self, part: tuple[int, int, int], isolated: int, bright: int) -> None:
        """Count what was found in a part of a plane, once."""
        if part in self.parts:
            return
        self.parts[part] = isolated, bright
        for counts, number in ((self.isolated, isolated), (self.bright, bright)):
            if number:
                counts[part[0]] = counts.get(part[0], 0) + number

    def count_far(self, flat: int) -> None:
        """Count a plane with an intensity range of its own, once."""
        if flat not in self.far:
            self.far.append(flat)

    def add(self, other: Tally) -> None:
        """Add what was found elsewhere: in other planes, or in parts that may have been counted here."""
        for part, counts in other.parts.items():
            self.count_part(part, *counts)
        if not other.parts:
            self.isolated.update(other.isolated)
            self.bright.update(other.bright)
        for flat in other.far:
            self.count_far(flat)
        self.beyond += other.beyond

    def taken(self) -> Tally:
        """What was found since it was taken last; nothing of it is left here."""
        found = Tally(self.isolated, self.bright, self.far, self.beyond, self.parts)
        self.isolated, self.bright, self.far, self.beyond, self.parts = {}, {}, [], 0, {}
        return found

    def facts(self) -> dict[str, Any]:
        """JSON-able form of a part of the counts, from which :meth:`of_facts` makes them again."""
        parts = [[*part, *counts] for part, counts in self.parts.items() if any(counts)]
        found = {
            "isolated": [] if self.parts else [list(each) for each in self.isolated.items()],
            "bright": [] if self.parts else [list(each) for each in self.bright.items()],
            "far": list(self.far),
            "beyond": self.beyond,
            "parts": parts,
        }
        return {name: counts for name, counts in found.items() if counts}

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> Tally:
        """The counts that gave these facts."""
        found = cls(
            {int(flat): int(count) for flat, count in facts.get("isolated", ())},
            {int(flat): int(count) for flat, count in facts.get("bright", ())},
            [int(flat) for flat in facts.get("far", ())],
            int(facts.get("beyond", 0)),
        )
        for flat, row, column, isolated, bright in facts.get("parts", ()):
            found.count_part((flat, row, column), isolated, bright)
        return found

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form, for the record."""
        return {
            "isolated_pixels": sum(self.isolated.values()),
            "isolated_by_plane": {str(flat): count for flat, count in sorted(self.isolated.items())},
            "bright_pixels": sum(self.bright.values()),
            "bright_by_plane": {str(flat): count for flat, count in sorted(self.bright.items())},
            "planes_with_own_range": sorted(self.far),
            "pixels_beyond_float32": self.beyond,
        }

    def sentences(
        self, *, kept: bool, far: str = "restored in an intensity range of their own"
    ) -> Iterator[str]:
        """What the user must be told.

        Parameters
        ----------
        kept
            Whether isolated pixels have their measured values in the result.
        far
            What became of planes far from their neighbours.
        """
        if self.isolated:
            after = "keep their measured values" if kept else "have the values of their neighbours"
            yield (
                f"Bridged for the network: {_counted(sum(self.isolated.values()), 'isolated pixel')} (hot, dead or "
                f"outliers) in {_counted(len(self.isolated), 'plane')}; in the result they {after} "
                "(defects=ignore switches this off)."
            )
        if self.bright:
            yield (
                "Far brighter than the rest, left out for the network and kept as measured: "
                f"{_counted(sum(self.bright.values()), 'pixel')} in {_counted(len(self.bright), 'plane')} "
                "(defects=ignore switches this off)."
            )
        if self.far:
            yield f"Far brighter or darker than the planes around: {_listed(self.far)}; {far}."
        if self.beyond:
            yield (
                f"Without a value in the result: {_counted(self.beyond, 'pixel')} beyond 3.4e38; divide the image by "
                "a number."
            )


@dataclass
class Bridging:
    """Prepares one plane after the other.

    Parameters
    ----------
    image
        Where they come from.
    channels
        Intensities of its channels.
    defects
        See the settings.
    region
        What is wanted of each plane: what is found elsewhere is bridged, and not counted.
    """

    image: Image
    channels: Sequence[ChannelIntensity]
    defects: Defects
    region: tuple[tuple[int, int], tuple[int, int]]
    tally: Tally = field(default_factory=Tally)
    lines: PlaneLines = field(init=False)

    def __post_init__(self) -> None:
        self.lines = PlaneLines(self.image)

    def shown(self, flat: int, plane: np.ndarray) -> ShownPlane:
        """What the network sees of a plane.

        Parameters
        ----------
        flat
            Its flat index.
        plane
            float32 ``(Y, X)``, as it was read; stays as it is.
        """
        self.tally.beyond += check_range(self.image, flat, plane)
        missing = ~np.isfinite(plane)
        channel = self.channels[self.image.channel_of(flat)]
        if self.defects == "ignore" or missing.all():
            return ShownPlane(_without_holes(plane, missing), channel.map, missing)
        line, heights = channel.map, channel.heights
        if self.lines.far(flat, line, plane):
            line, heights = self._own(flat)
        isolated = isolated_defects(plane, heights)
        pixels = plane if isolated is None else bridged(plane, isolated)
        bright = bright_objects(pixels, line)
        if bright is not None and bright.mean() > MOST_BRIGHT:
            line, _ = self._own(flat)
            bright = bright_objects(pixels, line)
        self._count(flat, isolated, bright)
        pixels = _without_holes(pixels, missing if bright is None else missing | bright)
        return ShownPlane(pixels, line, missing, self._kept(isolated, bright))

    def _own(self, flat: int) -> Any:
        self.tally.count_far(flat)
        line = self.lines.line(flat)
        assert line is not None  # a constant plane is neither far nor bright
        return line, self.lines.heights(flat)

    def _kept(self, isolated: np.ndarray | None, bright: np.ndarray | None) -> np.ndarray | None:
        masks = [bright] if self.defects == "bridge" else [isolated, bright]
        found = [mask for mask in masks if mask is not None]
        return None if not found else np.logical_or.reduce(found)

    def _count(self, flat: int, isolated: np.ndarray | None, bright: np.ndarray | None) -> None:
        inside = tuple(slice(start, stop) for start, stop in self.region)
        for mask, counts in ((isolated, self.tally.isolated), (bright, self.tally.bright)):
            if mask is not None and (count := int(mask[inside].sum())):
                counts[flat] = count


def bridged_plane(plane: np.ndarray, tally: Tally) -> np.ndarray:
    """A plane of any pixel type with its isolated defects bridged; the plane itself where it has none."""
    with np.errstate(over="ignore"):
        values = plane.astype(np.float32)
    mask = isolated_defects(values, own_heights(values))
    if mask is None:
        return plane
    tally.isolated[0] = int(mask.sum())
    return bridged(values, mask).astype(plane.dtype)


def _without_holes(plane: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """The plane with missing pixels taken from the nearest one that has a value."""
    return filled(plane, missing) if missing.any() and not missing.all() else plane


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _listed(planes: Sequence[int]) -> str:
    named = ", ".join(map(str, sorted(planes)[:LISTED]))
    more = f" and {len(planes) - LISTED} more" if len(planes) > LISTED else ""
    return f"plane{'' if len(planes) == 1 else 's'} {named}{more}"
