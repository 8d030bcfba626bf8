"""Planes of one value between planes that show the same: frames that a camera, or a file, has lost. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.stack_intensity import PlaneLines

ALIKE = 0.3
"""Correlation from which on two planes show the same, so that a plane between them shows it too."""


@dataclass
class EmptyPlanes:
    """Tells planes without an image from those of an empty place.

    Empty planes at the ends of a stack, and between things that end there, are measured as all others.

    Parameters
    ----------
    image
        In the order ``TCZYX``.
    lines
        Tell which planes have one value only.
    reach
        Planes on each side among which one with an image must lie.
    """

    image: Image
    lines: PlaneLines
    reach: int
    _dropped: dict[int, bool] = field(default_factory=dict)

    def dropped(self, flat: int) -> bool:
        """Whether a plane, by its flat index, was lost: it has one value, and those below and above are alike."""
        if self.lines.line(flat) is not None:
            return False
        if flat not in self._dropped:
            below, above = self._shown(flat, -1), self._shown(flat, 1)
            self._dropped[flat] = (
                below is not None and above is not None and self._finite(flat) and _alike(below, above)
            )
        return self._dropped[flat]

    def _shown(self, flat: int, step: int) -> np.ndarray | None:
        """The nearest plane along z that shows something."""
        place = self.image.plane_index(flat)[-1]
        for far in range(1, self.reach + 1):
            if not 0 <= place + step * far < self.image.shape[-3]:
                return None
            if self.lines.line(flat + step * far) is not None:
                return self.image.read_plane(flat + step * far)
        return None

    def _finite(self, flat: int) -> bool:
        return bool(np.isfinite(self.image.read_plane(flat)).any())


def _alike(one: np.ndarray, other: np.ndarray) -> bool:
    both = np.isfinite(one) & np.isfinite(other)
    a, b = (np.asarray(plane[both], np.float64) for plane in (one, other))
    if a.size < 2:
        return False
    a, b = a - a.mean(), b - b.mean()
    power = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return power > 0 and float((a * b).sum()) > ALIKE * power
