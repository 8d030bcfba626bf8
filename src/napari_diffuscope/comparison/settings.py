"""What decides the numbers of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from napari_diffuscope.comparison.measures import NAMES, checked_measures
from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.methods.checks import checked_real, listed
from napari_diffuscope.methods.declared import Settings, Text, declared


def _checked_names(value: Any) -> tuple[str, ...]:
    several = listed(value)
    if several is None or not all(isinstance(name, str) for name in several):
        raise DiffuscopeError(f"The measures must be a list of names, not {quoted(value)}.")
    return checked_measures(several)


def _checked_range(value: Any) -> float:
    real = checked_real("data_range", value)
    if real <= 0:
        raise DiffuscopeError(f"data_range must be a positive number, not {quoted(value)}.")
    return real


@dataclass(frozen=True)
class CompareSettings(Settings):
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

    measures: tuple[str, ...] = declared(
        NAMES,
        "Measures",
        "Only these measures, by their names in numbers.csv.",
        check=_checked_names,
        text=Text("A,B,…", lambda text: tuple(text.split(",")), ",".join),
    )
    affine: bool = declared(
        False,
        "Fit intensities to the reference",
        "Bring each image nearest to the reference by a line, a × image + b, before MAE to MS-SSIM are measured. "
        "For images in other units. It hides errors of intensity.",
        also=("fit",),
    )
    data_range: float | None = declared(
        None,
        "Data range",
        "Range of intensities that errors are set against; by default that of the reference.",
        check=_checked_range,
    )
    labels: bool = declared(False, "Labels", "The files are labels: IoU, Dice, volume ratio.", hidden=True)
    frc_of_results: bool = declared(
        False,
        "Ring correlation also of results",
        "Fourier ring correlation also of restored or generated images, where it measures what the model draws, not "
        "the specimen.",
    )

    def wants(self, names: Sequence[str]) -> bool:
        """Whether any of some measures is wanted."""
        return any(name in self.measures for name in names)
