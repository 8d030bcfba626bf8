"""Answers side by side: what each makes of a piece of the open image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any, Literal

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
_ABOVE = Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignHCenter

Verdict = Literal["", "one", "alike", "none"]
"""Whether one answer keeps the image best, several do alike, or none keeps anything; empty before all are tried."""


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
        self.verdict: Verdict = ""
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)

    @property
    def shown(self) -> int:
        """How many answers were tried and are shown."""
        return len(self._tried)

    def clear(self) -> None:
        """Take all pictures away."""
        self.buttons, self._candidates, self._tried, self.verdict = [], [], [], ""
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
        self._put(0, _waiting("your image", "The piece of your image that the answers are tried on"))
        for place, (words, _) in enumerate(candidates, start=1):
            tooltip = "What this answer makes of the image is shown here as soon as it is computed."
            self._put(place, _waiting(f"{words}\nnot tried yet", tooltip))

    def add(self, tried: TriedAnswer) -> None:
        """Show what came of the next answer."""
        words, value = self._candidates[len(self._tried)]
        if tried.piece is not None and all(one.piece is None for one in self._tried):
            self._put(0, _piece(tried.piece))
        self._tried.append(tried)
        if tried.image is None:
            problem = note(f"{words}: {tried.problem}")
            problem.setFixedWidth(PICTURE)
            self._put(len(self._tried), problem)
            return
        button = self._picture(words, value, tried)
        self.buttons.append(button)
        self._put(len(self._tried), button)

    def judge(self) -> None:
        """All are there: the one that keeps the image best says so, if it does so clearly."""
        errors = [one.error if one.keeps else np.inf for one in self._tried]
        best = _best(errors)
        self.verdict = "one" if best >= 0 else "alike" if np.isfinite(errors).any() else "none"
        if best >= 0:
            button = self.buttons[sum(one.image is not None for one in self._tried[:best])]
            button.setText(f"{button.text()}\nkeeps the image best")

    def _put(self, place: int, widget: QWidget) -> None:
        """Show something at a place, instead of what is there."""
        there = self._grid.itemAtPosition(place // _ROW, place % _ROW)
        before = there.widget() if there is not None else None
        if before is not None:
            self._grid.removeWidget(before)
            before.hide()
            before.deleteLater()
        self._grid.addWidget(widget, place // _ROW, place % _ROW, _ABOVE)

    def show_tried(self, candidates: Sequence[tuple[str, Any]], tried: Sequence[TriedAnswer]) -> None:
        """Show what came of each answer, all at once."""
        self.begin(candidates)
        for one in tried:
            self.add(one)
        self.judge()

    def _picture(self, words: str, value: Any, tried: TriedAnswer) -> QToolButton:
        assert tried.image is not None
        button = _under_picture(tried.image, fill(words, 24))
        button.setToolTip(
            f"{words}: the piece differs from what it was by {tried.error:.3f} of its range, after noise was added and "
            "taken away. Press it to take this answer."
        )
        button.clicked.connect(lambda: self._on_chosen(value))
        return button


def _waiting(words: str, tooltip: str) -> QLabel:
    label = note(words)
    label.setAlignment(Qt.AlignmentFlag.AlignCenter)
    label.setFixedSize(PICTURE, PICTURE)
    label.setToolTip(tooltip)
    return label


def _piece(image: np.ndarray) -> QToolButton:
    button = _under_picture(image, "your image")
    button.setAutoRaise(True)
    button.setToolTip(
        "The piece of your image that the answers are tried on: the right one gives back what is in it."
    )
    return button


def _under_picture(image: np.ndarray, words: str) -> QToolButton:
    button = QToolButton()
    button.setIcon(QIcon(_pixmap(image)))
    button.setIconSize(QSize(PICTURE, PICTURE))
    button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
    button.setText(words)
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
