"""Answers side by side: what each makes of a piece of the open image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QIcon, QImage, QPixmap
from qtpy.QtWidgets import QGridLayout, QLabel, QToolButton, QWidget

from napari_diffuscope.viewer.widgets import note

if TYPE_CHECKING:
    from napari_diffuscope.methods.trying import TriedAnswer

PICTURE = 150
CLEARLY = 0.97
"""An answer is called the best if its error is below this part of the second's."""

_ROW = 3


class CandidateStrip(QWidget):
    """Pictures to choose an answer by.

    Parameters
    ----------
    on_chosen
        Called with the answer whose picture was pressed.
    """

    def __init__(self, on_chosen: Callable[[Any], None]) -> None:
        super().__init__()
        self._on_chosen = on_chosen
        self.buttons: list[QToolButton] = []
        self.undecided = False
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)

    def clear(self) -> None:
        """Take all pictures away."""
        self.buttons = []
        while self._grid.count():
            widget = self._grid.takeAt(0).widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()

    def show_tried(self, candidates: Sequence[tuple[str, Any]], tried: Sequence[TriedAnswer]) -> None:
        """Show what came of each answer; the one that keeps the image best says so, if it does so clearly."""
        self.clear()
        best = _best([one.error if one.keeps else np.inf for one in tried])
        self.undecided = best < 0
        for place, ((words, value), one) in enumerate(zip(candidates, tried, strict=True)):
            shown: QLabel | QToolButton
            if one.image is None:
                shown = note(f"{words}: {one.problem}")
                shown.setFixedWidth(PICTURE)
            else:
                shown = self._picture(words, value, one, best=place == best)
            self._grid.addWidget(shown, place // _ROW, place % _ROW)

    def _picture(self, words: str, value: Any, tried: TriedAnswer, *, best: bool) -> QToolButton:
        assert tried.image is not None
        button = QToolButton()
        button.setIcon(QIcon(_pixmap(tried.image)))
        button.setIconSize(QSize(PICTURE, PICTURE))
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        remark = "\nkeeps the image best" if best else ""
        button.setText(f"{fill(words, 24)}{remark}")
        button.setToolTip(
            f"{words}: the piece differs from what it was by {tried.error:.3f} of its range, after noise was added and "
            "taken away. Press it to take this answer."
        )
        button.clicked.connect(lambda: self._on_chosen(value))
        self.buttons.append(button)
        return button


def _best(errors: Sequence[float]) -> int:
    """Which answer keeps the image best; -1 where the two best hardly differ, or none keeps anything of it."""
    if not np.isfinite(errors).any():
        return -1
    first, *others = sorted(errors)
    return -1 if others and first > CLEARLY * others[0] else int(np.argmin(errors))


def _pixmap(image: np.ndarray) -> QPixmap:
    grey = np.ascontiguousarray(np.clip(image, 0, 1) * 255, np.uint8)
    picture = QImage(grey.data, grey.shape[1], grey.shape[0], grey.shape[1], QImage.Format.Format_Grayscale8)
    return QPixmap.fromImage(picture.copy()).scaled(PICTURE, PICTURE)
