"""What decides the numbers of a comparison."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from napari_diffuscope.comparison.measures import NAMES, checked_measures
from napari_diffuscope.errors import DiffuscopeError


@dataclass(frozen=True)
class CompareSettings:
    """What decides the numbers of a comparison.

    Parameters
    ----------
    measures
        Which measures, by name; see :data:`~napari_diffuscope.comparison.measures.NAMES`.
    affine
        Whether each image is first fitted to the reference, ``a * image + b``, for the errors from MAE to MS-SSIM.
    data_range
        The range of intensities that errors are set against; ``None`` is that of the reference.
    labels
        Whether they are labels: then IoU, Dice and volume ratio.
    frc_of_results
        Whether Fourier ring correlation is also computed where it measures a model and not a specimen.
    """

    measures: tuple[str, ...] = NAMES
    affine: bool = False
    data_range: float | None = None
    labels: bool = False
    frc_of_results: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "measures", checked_measures(self.measures))
        if self.data_range is not None and not (math.isfinite(self.data_range) and self.data_range > 0):
            raise DiffuscopeError(f"data_range must be a positive number, not {self.data_range}.")

    def wants(self, names: Sequence[str]) -> bool:
        """Whether any of some measures is wanted."""
        return any(name in self.measures for name in names)
