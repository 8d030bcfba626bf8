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
        self._candidates: list[tuple[str, Any]] = []
        self._tried: list[TriedAnswer] = []
        self.buttons: list[QToolButton] = []
        self.undecided = False
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)

    @property
    def shown(self) -> int:
        """How many answers were tried and are shown."""
        return len(self._tried)

    def clear(self) -> None:
        """Take all pictures away."""
        self.buttons, self._candidates, self._tried = [], [], []
        while self._grid.count():
            widget = self._grid.takeAt(0).widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()

    def begin(self, candidates: Sequence[tuple[str, Any]]) -> None:
        """Make room for what comes of each answer.

        Parameters
        ----------
        candidates
            Answers in words and as values, in the order in which they are tried.
        """
        self.clear()
        self._candidates = list(candidates)
        for place, (words, _) in enumerate(candidates):
            waiting = note(f"{words}\nnot tried yet")
            waiting.setAlignment(Qt.AlignmentFlag.AlignCenter)
            waiting.setFixedSize(PICTURE, PICTURE)
            waiting.setToolTip("What this answer makes of the image is shown here as soon as it is computed.")
            self._grid.addWidget(waiting, place // _ROW, place % _ROW)

    def add(self, tried: TriedAnswer) -> None:
        """Show what came of the next answer."""
        place = len(self._tried)
        words, value = self._candidates[place]
        waiting = self._grid.itemAtPosition(place // _ROW, place % _ROW).widget()
        self._grid.removeWidget(waiting)
        waiting.hide()
        waiting.deleteLater()
        self._tried.append(tried)
        shown: QLabel | QToolButton
        if tried.image is None:
            shown = note(f"{words}: {tried.problem}")
            shown.setFixedWidth(PICTURE)
        else:
            shown = self._picture(words, value, tried)
            self.buttons.append(shown)
        self._grid.addWidget(shown, place // _ROW, place % _ROW)

    def judge(self) -> None:
        """All are there: the one that keeps the image best says so, if it does so clearly."""
        best = _best([one.error if one.keeps else np.inf for one in self._tried])
        self.undecided = best < 0
        if best >= 0:
            button = self.buttons[sum(one.image is not None for one in self._tried[:best])]
            button.setText(f"{button.text()}\nkeeps the image best")

    def show_tried(self, candidates: Sequence[tuple[str, Any]], tried: Sequence[TriedAnswer]) -> None:
        """Show what came of each answer, all at once."""
        self.begin(candidates)
        for one in tried:
            self.add(one)
        self.judge()

    def _picture(self, words: str, value: Any, tried: TriedAnswer) -> QToolButton:
        assert tried.image is not None
        button = QToolButton()
        button.setIcon(QIcon(_pixmap(tried.image)))
        button.setIconSize(QSize(PICTURE, PICTURE))
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        button.setText(fill(words, 24))
        button.setToolTip(
            f"{words}: the piece differs from what it was by {tried.error:.3f} of its range, after noise was added and "
            "taken away. Press it to take this answer."
        )
        button.clicked.connect(lambda: self._on_chosen(value))
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
