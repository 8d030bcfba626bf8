"""Planes of a volume that were lost, each looked at once. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.lost import is_lost
from napari_diffuscope.imaging.stack_intensity import PlaneLines


@dataclass
class LostPlanes:
    """Tells lost planes from those of an empty place, by :func:`napari_diffuscope.imaging.lost.is_lost`.

    Parameters
    ----------
    image
        In the order ``TCZYX``.
    lines
        Tell which planes have one value only.
    """

    image: Image
    lines: PlaneLines
    _known: dict[int, bool] = field(default_factory=dict)

    def __call__(self, flat: int) -> bool:
        """Whether a plane, by its flat index, was lost: it has one value, and those below and above are alike."""
        if self.lines.line(flat) is not None:
            return False
        if flat not in self._known:
            self._known[flat] = self._finite(flat) and self._between_alike(flat)
        return self._known[flat]

    def _between_alike(self, flat: int) -> bool:
        place = self.image.plane_index(flat)[-1]
        first = flat - place  # z is the last of the axes before the planes
        return is_lost(
            place,
            self.image.shape[-3],
            lambda at: self.lines.line(first + at) is not None,
            lambda at: self.image.read_plane(first + at),
        )

    def _finite(self, flat: int) -> bool:
        return bool(np.isfinite(self.image.read_plane(flat)).any())
