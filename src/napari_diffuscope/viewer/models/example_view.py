"""The example of a model: an image before and after."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import reading
from napari_diffuscope.weights.place import EXAMPLE_FILES

EDGE = 120
_MOST_PIXELS = 4_000_000


class ExampleView(QWidget):
    """Two small pictures with their captions; takes no room where a model has no example."""

    def __init__(self) -> None:
        super().__init__()
        self.setToolTip("A small image that the model did not learn from, and what it makes of it")
        self.pictures = (QLabel(), QLabel())
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for picture, caption in zip(self.pictures, ("Before", "After"), strict=True):
            column = QVBoxLayout()
            column.setSpacing(1)
            column.addWidget(QLabel(caption))
            column.addWidget(picture)
            picture.setToolTip(self.toolTip())
            layout.addLayout(column)
        layout.addStretch(1)
        self.hide()

    def show_of(self, folder: Path | None) -> None:
        """Show the example in a model folder; one that is damaged is not shown."""
        images = None if folder is None else _read(folder)
        self.setVisible(images is not None)
        for picture, image in zip(self.pictures, images or (), strict=False):
            picture.setPixmap(grey_picture(image))


def _read(folder: Path) -> tuple[np.ndarray, ...] | None:
    import tifffile

    images = []
    for name in EXAMPLE_FILES:
        try:
            with reading(folder / name, "TIFF"), tifffile.TiffFile(folder / name) as file:
                if len(file.pages) != 1 or np.prod(file.pages[0].shape) > _MOST_PIXELS:
                    return None
                images.append(np.asarray(file.asarray(), np.float32))
        except DiffuscopeError:
            return None
    return tuple(images) if all(image.ndim == 2 for image in images) else None


def grey_range(image: np.ndarray) -> tuple[float, float]:
    """The darkest and the brightest value but a few pixels."""
    low, high = np.percentile(image, (0.2, 99.8))
    return float(low), float(high)


def grey_picture(
    image: np.ndarray, limits: tuple[float, float] | None = None, *, edge: int = EDGE
) -> QPixmap:
    """An image ``(Y, X)`` in grey, between limits or over its own range."""
    low, high = limits or grey_range(image)
    grey = np.clip((image - low) / max(high - low, 1e-12) * 255, 0, 255).astype(np.uint8)
    content = np.ascontiguousarray(grey)
    picture = QImage(
        content.data, content.shape[1], content.shape[0], content.shape[1], QImage.Format.Format_Grayscale8
    )
    return QPixmap.fromImage(picture.copy()).scaled(
        edge, edge, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    )
