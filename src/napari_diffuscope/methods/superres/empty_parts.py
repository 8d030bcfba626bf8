"""Empty parts of the volumes of a super-resolution: found, left as interpolated, counted. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product

import numpy as np

from napari_diffuscope.imaging.blocks import in_standard_order
from napari_diffuscope.imaging.stack_intensity import measure_intensities
from napari_diffuscope.jobs import Job, Update
from napari_diffuscope.methods.method import Inputs
from napari_diffuscope.methods.skipping import DEPTH, SQUARE, LeftOut, Parts, Skipped
from napari_diffuscope.methods.superres.scale import plan_scale
from napari_diffuscope.methods.superres.settings import SuperresSettings
from napari_diffuscope.methods.superres.volume import Volume, volumes_of
from napari_diffuscope.methods.superres.windows import Ranges


@dataclass
class EmptyParts(LeftOut):
    """Which fine voxels the network is not asked for.

    Parameters
    ----------
    below
        The threshold; ``None`` to leave out nothing.
    """

    became = "they have their measured planes and straight lines between these, and no deviation"

    _known: dict[tuple[int, ...], bool] = field(default_factory=dict, repr=False)

    def of(self, volume: Volume, core: Ranges) -> np.ndarray | None:
        """Bool ``(Z, Y, X)`` of fine voxels inside a volume; ``None`` where nothing is left out."""
        if self.below is None:
            return None
        numbers = _parts(volume, core)
        firsts = [int(along[0]) for along in numbers]
        empty = np.zeros([int(along[-1] - along[0]) + 1 for along in numbers], bool)
        for place in np.ndindex(empty.shape):
            there = tuple(int(at) + first for at, first in zip(place, firsts, strict=True))
            empty[place] = self._is_empty(volume, there)
        rows = [along - first for along, first in zip(numbers, firsts, strict=True)]
        voxels: np.ndarray = empty[np.ix_(*rows)]
        return voxels

    def within(self, volume: Volume, core: Ranges) -> Parts:
        """Of the parts that fine voxels lie in, whether they are empty."""
        if self.below is None:
            return {}
        places = product(*(map(int, np.unique(along)) for along in _parts(volume, core)))
        return {(volume.number, *place): (int(self._is_empty(volume, place)), 1) for place in places}

    def _is_empty(self, volume: Volume, place: tuple[int, ...]) -> bool:
        """Whether nothing in a part reaches the threshold, the measured plane behind it included."""
        key = (volume.number, *place)
        if key not in self._known:
            height, width = volume.image.plane_shape
            z, y, x = place
            first = z * DEPTH
            planes = (first, min(first + DEPTH + 1, volume.planes.count))
            rows, columns = (
                (at * SQUARE, min((at + 1) * SQUARE, length)) for at, length in ((y, height), (x, width))
            )
            with np.errstate(invalid="ignore"):
                self._known[key] = not (volume.planes.shown(planes, rows, columns) >= self.below).any()
            self.looked_at.note(key, np.array([self._known[key]]))
        return self._known[key]


def _parts(volume: Volume, core: Ranges) -> list[np.ndarray]:
    """In which part each fine voxel lies, along each axis."""
    edges = (DEPTH * volume.scale.factor, SQUARE, SQUARE)
    return [np.arange(*ends) // edge for ends, edge in zip(core, edges, strict=True)]


def empty_job(inputs: Inputs, settings: SuperresSettings) -> Job[Skipped]:
    """Counts what a super-resolution leaves out; reads every plane, and shows the network none.

    Raises
    ------
    DiffuscopeError
        As the scale, and where the image cannot be read.
    """
    image, empty = in_standard_order(inputs["image"]), EmptyParts(settings.skip_below)
    scale = plan_scale(image, settings)
    intensities = measure_intensities(image, robust=settings.defects != "ignore")
    volumes = list(volumes_of(image, scale, intensities, (-1.0, 1.0), defects=settings.defects))
    edges = (DEPTH * scale.factor, SQUARE, SQUARE)
    parts = [range(0, length, edge) for length, edge in zip(volumes[0].shape, edges, strict=True)]
    total = len(volumes) * int(np.prod([len(part) for part in parts]))
    for done, (volume, place) in enumerate(product(volumes, product(*parts))):
        yield Update(done, total, message="" if done else "Looking for empty parts.")
        z, y, x = ((at, at + 1) for at in place)
        empty.of(volume, (z, y, x))
    return empty.looked_at
