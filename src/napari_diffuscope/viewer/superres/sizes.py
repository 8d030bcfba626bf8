"""Z-step and pixel size: what a layer says, and what was typed where it is silent."""

from __future__ import annotations

from dataclasses import dataclass

from qtpy.QtWidgets import QAbstractSpinBox, QDoubleSpinBox

from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.units import to_micrometres

DECIMALS = 4


@dataclass(frozen=True)
class Sizes:
    """Z-step and pixel size in µm; ``None`` where nobody knows."""

    z_step: float | None = None
    pixel_size: float | None = None


def sizes_of(image: Image) -> Sizes:
    """What an image says of itself; 1, 1, 1 is what files and readers give that say nothing."""
    scale = dict(zip(image.axes, image.scale, strict=True))
    units = dict(zip(image.axes, image.units, strict=True))
    if all(scale.get(letter, 1.0) == 1.0 for letter in "ZYX"):
        return Sizes()
    z_step = to_micrometres(scale["Z"], units["Z"]) if "Z" in scale else None
    return Sizes(z_step, to_micrometres(scale["X"], units["X"]))


class SizeBox(QDoubleSpinBox):
    """A length in µm that follows the image until somebody types another one; 0 is not known."""

    def __init__(self, tooltip: str) -> None:
        super().__init__()
        self.setToolTip(tooltip)
        self.setDecimals(DECIMALS)
        self.setRange(0.0, 10_000.0)
        self.setSuffix(" µm")
        self.setSpecialValueText("not known")
        self.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)
        self._own = 0.0

    def follow(self, size: float | None) -> None:
        """Show what the image says, which is then no choice of the user."""
        self._own = round(size or 0.0, DECIMALS)
        self.setValue(self._own)

    @property
    def typed(self) -> float | None:
        """What the user chose instead of what the image says."""
        return self.value() if self.value() and self.value() != self._own else None

    def take(self, size: float | None) -> None:
        """Show a choice, or what the image says."""
        self.setValue(self._own if size is None else size)
