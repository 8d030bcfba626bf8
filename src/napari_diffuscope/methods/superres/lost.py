"""Planes of a volume that were lost, each looked at once. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.lost import REACH, show_the_same
from napari_diffuscope.imaging.stack_intensity import PlaneLines


@dataclass
class LostPlanes:
    """Tells lost planes from those of an empty place, as :func:`napari_diffuscope.imaging.lost.lost_planes`.

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
            below, above = self._shown(flat, -1), self._shown(flat, 1)
            self._known[flat] = (
                below is not None and above is not None and self._finite(flat) and show_the_same(below, above)
            )
        return self._known[flat]

    def _shown(self, flat: int, step: int) -> np.ndarray | None:
        """The nearest plane along z that shows something."""
        place = self.image.plane_index(flat)[-1]
        for far in range(1, REACH + 1):
            if not 0 <= place + step * far < self.image.shape[-3]:
                return None
            if self.lines.line(flat + step * far) is not None:
                return self.image.read_plane(flat + step * far)
        return None

    def _finite(self, flat: int) -> bool:
        return bool(np.isfinite(self.image.read_plane(flat)).any())
