"""Empty parts of the planes of a restoration: found, left as they were measured, counted. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from napari_diffuscope.imaging.parts import part_of_large_planes
from napari_diffuscope.imaging.stack_intensity import measure_intensities
from napari_diffuscope.jobs import Job, Update
from napari_diffuscope.methods.bridging import Bridging
from napari_diffuscope.methods.method import Inputs
from napari_diffuscope.methods.restore.outputs import RESTORED, select
from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.methods.skipping import Parts, Skipped, empty_squares, of_pixels, squares_of

AS_MEASURED = "they have their measured values, and no deviation"
"""What becomes of parts that are left out."""

Region = tuple[tuple[int, int], tuple[int, int]]


@dataclass
class EmptyParts:
    """Which pixels of a region the network is not asked for.

    Parameters
    ----------
    below
        The threshold; ``None`` to leave out nothing.
    region
        The part of each plane that is worked on.
    whole
        Whether a plane is left out as a whole or not at all, as where planes are resampled for the model.
    """

    below: float | None
    region: Region
    whole: bool = False
    skipped: Skipped = field(init=False)
    looked_at: Skipped = field(init=False)

    def __post_init__(self) -> None:
        self.skipped, self.looked_at = Skipped(self.below), Skipped(self.below)

    def of(self, flat: int, pixels: np.ndarray) -> np.ndarray | None:
        """For a plane as the network sees it, bool ``(Y, X)`` of the region; ``None`` where nothing is left out."""
        if self.below is None:
            return None
        squares = empty_squares(pixels, self.below)
        if self.whole and not squares.all():
            squares = np.zeros_like(squares)
        self.looked_at.note(flat, squares_of(squares, self.region))
        return of_pixels(squares, *self.region)

    def taken(self) -> Parts:
        """What was looked at since it was taken last."""
        return self.looked_at.taken()

    def add(self, parts: Parts) -> None:
        """Count what was looked at in a piece of the run."""
        self.skipped.add(parts)

    def note(self, record: dict[str, Any]) -> None:
        """Add to the record how much was left out."""
        if self.below is not None:
            record["skipped"] = self.skipped.to_dict()

    @property
    def sentences(self) -> list[str]:
        """What the user must be told."""
        return [] if self.below is None else [self.skipped.sentence(AS_MEASURED)]


def leave(values: np.ndarray, name: str, crop: np.ndarray, empty: np.ndarray | None) -> None:
    """Give an output its measured values where nothing was done, and a deviation no value."""
    if empty is not None:
        values[empty] = crop[empty] if name == RESTORED else np.nan


def empty_job(inputs: Inputs, settings: RestoreSettings) -> Job[Skipped]:
    """Counts what a restoration leaves out; reads every plane, and shows the network none.

    Raises
    ------
    DiffuscopeError
        For planes or a crop that the image does not have, and where it cannot be read.
    """
    image, crop = part_of_large_planes(inputs["image"], settings.crop)
    part = select(image, replace(settings, crop=crop))
    intensities = measure_intensities(image, robust=settings.defects != "ignore")
    bridging = Bridging(image, intensities, settings.defects, part.region)
    empty = EmptyParts(settings.skip_below, part.region)
    for number, flat in enumerate(part.planes):
        yield Update(number, len(part.planes), message="" if number else "Looking for empty parts.")
        empty.of(flat, bridging.shown(flat, image.read_plane(flat)).pixels)
    return empty.looked_at
