"""Empty parts of the volumes of a super-resolution: found, left as interpolated, counted. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product

import numpy as np

from napari_diffuscope.imaging.blocks import in_standard_order
from napari_diffuscope.imaging.stack_intensity import measure_intensities
from napari_diffuscope.jobs import Job, Update
from napari_diffuscope.methods.method import Inputs
from napari_diffuscope.methods.skipping import DEPTH, SQUARE, LeftOut, Skipped
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
        edges = (DEPTH * volume.scale.factor, SQUARE, SQUARE)
        parts = [np.arange(*part) // edge for part, edge in zip(core, edges, strict=True)]
        firsts = [int(numbers[0]) for numbers in parts]
        empty = np.zeros(
            [int(numbers[-1]) - first + 1 for numbers, first in zip(parts, firsts, strict=True)], bool
        )
        for place in np.ndindex(empty.shape):
            empty[place] = self._is_empty(
                volume, tuple(at + first for at, first in zip(place, firsts, strict=True))
            )
        return empty[np.ix_(*(numbers - first for numbers, first in zip(parts, firsts, strict=True)))]

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
