"""Empty parts of the planes of a restoration: found, left as they were measured, counted. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from napari_diffuscope.imaging.parts import part_of_large_planes
from napari_diffuscope.imaging.stack_intensity import measure_intensities
from napari_diffuscope.imaging.tiles import Region
from napari_diffuscope.jobs import Job, Update
from napari_diffuscope.methods.bridging import Bridging
from napari_diffuscope.methods.method import Inputs
from napari_diffuscope.methods.restore.outputs import RESTORED, select
from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.methods.skipping import LeftOut, Skipped, empty_squares, of_pixels, squares_of


@dataclass
class EmptyParts(LeftOut):
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

    became = "they have their measured values, and no deviation"

    region: Region
    whole: bool = False

    def of(self, flat: int, pixels: np.ndarray) -> np.ndarray | None:
        """For a plane as the network sees it, bool ``(Y, X)`` of the region; ``None`` where nothing is left out."""
        if self.below is None:
            return None
        squares = empty_squares(pixels, self.below)
        if self.whole and not squares.all():
            squares = np.zeros_like(squares)
        self.looked_at.note(flat, squares_of(squares, self.region))
        return of_pixels(squares, *self.region)


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
