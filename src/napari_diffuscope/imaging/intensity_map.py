"""The straight line between intensities and the values that a network works on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from napari_diffuscope.errors import DiffuscopeError

TINY, HUGE = 1e-30, 1e30
"""Scales beyond which differences or products of float32 values may be nothing or infinite."""


@dataclass(frozen=True)
class IntensityMap:
    """The line ``(x - offset) / scale`` between intensities and network values.

    Parameters
    ----------
    offset
        Intensity that becomes 0.
    scale
        Intensity difference that becomes 1; positive.
    """

    offset: float
    scale: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.offset) and math.isfinite(self.scale) and self.scale > 0):
            raise DiffuscopeError(
                f"Offset {self.offset} and scale {self.scale} are no intensity map; "
                "both must be finite and the scale positive."
            )

    @property
    def _extreme(self) -> bool:
        return not (TINY < self.scale < HUGE and abs(self.offset) < HUGE)

    def forward(self, values: np.ndarray) -> np.ndarray:
        """Intensities to network values; float32 stays float32."""
        if self._extreme:
            return _narrowed((values.astype(np.float64) - self.offset) / self.scale, values.dtype)
        return (values - self.offset) / self.scale

    def inverse(self, values: np.ndarray) -> np.ndarray:
        """Network values to intensities; float32 stays float32, and finite."""
        if self._extreme:
            return _narrowed(values.astype(np.float64) * self.scale + self.offset, values.dtype)
        return values * self.scale + self.offset

    def inverse_spread(self, values: np.ndarray) -> np.ndarray:
        """Standard deviations of network values to standard deviations of intensities."""
        if self._extreme:
            return _narrowed(values.astype(np.float64) * self.scale, values.dtype)
        return values * self.scale


def _narrowed(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Values of a pixel type, those beyond its range at its end."""
    if dtype.kind != "f":
        return values
    limit = np.finfo(dtype).max
    return np.asarray(np.clip(values, -limit, limit).astype(dtype))
