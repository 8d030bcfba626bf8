"""All images of a run in small, each kept or discarded, the chosen one beside its nearest training image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from qtpy.QtCore import QSignalBlocker, QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QImage, QPixmap
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_diffuscope.viewer.widgets import ERROR_COLOUR, button, choice, note, say

SMALL, LARGE = 72, 120
"""Edges in pixels of an icon, and of the two pictures beside each other."""

KEPT, DISCARDED = "#b8b8b8", "#787878"
"""Colours of what stands below them."""

MOST = 2000
"""Images that are shown in small."""

NUMBER = int(Qt.ItemDataRole.UserRole)


class Gallery(QWidget):
    """The images of the last run. Hidden while there are none.

    ``chosen`` brings the number of the image that was clicked on; ``marked`` tells that one was kept or discarded.

    Parameters
    ----------
    on_save, on_pairs
        Called to save what is kept, and to make training pairs of it.
    """

    chosen, marked = Signal(int), Signal()

    def __init__(self, on_save: Callable[[], None], on_pairs: Callable[[], None]) -> None:
        super().__init__()
        self.setToolTip("The images of the last run; those that are kept can be saved together")
        self.kept: dict[int, bool] = {}
        self.scores: dict[int, Any] = {}
        self._planes: dict[int, np.ndarray] = {}
        self._limits = (0.0, 1.0)
        self.order = choice(
            [("In order", "number"), ("Most like the training first", "score")],
            "How the small images are sorted. An image that is much like a training image may be a copy of it.",
        )
        self.order.currentIndexChanged.connect(lambda _: self._sort())
        self.list = _small_images()
        self.list.currentItemChanged.connect(self._on_current)
        self.keep_button = button(
            "Keep (K)", "Keep the shown image; press K over it.", lambda: self.mark(self.current, True)
        )
        self.discard_button = button(
            "Discard (X)",
            "Leave the shown image out of what is saved; press X over it.",
            lambda: self.mark(self.current, False),
        )
        self.save_button = button(
            "Save kept…",
            "Save the kept images as OME-TIFF files with pixel size and record, with a manifest of all of them.",
            on_save,
        )
        self.pairs_button = button(
            "Training pairs…",
            "Write the kept images with low-quality twins, to train a network on.",
            on_pairs,
        )
        self.own, self.nearest = (
            _picture("The chosen image"),
            _picture("The training image that it is most like"),
        )
        self.words = note()
        self.words.setToolTip("How much the chosen image is like its nearest training image")
        self.summary = note()
        self.summary.setToolTip(
            "What the card of the run says: are they copies of the training, are they like real images. The record of "
            "the result and the manifest of saved images hold all of it."
        )
        self._lay_out()
        self.setVisible(False)

    @property
    def current(self) -> int | None:
        """Number of the chosen image."""
        item = self.list.currentItem()
        return None if item is None else int(item.data(NUMBER))

    def begin(self) -> None:
        """Forget the images of the run before."""
        self.kept.clear()
        self.scores.clear()
        self._planes.clear()
        self.list.clear()
        self.sum_up(())
        self.setVisible(False)

    def sum_up(self, words: Sequence[str]) -> None:
        """Say what the card of the run says."""
        say(self.summary, " ".join(words))

    def add(self, number: int, pixels: np.ndarray, limits: tuple[float, float], score: Any = None) -> None:
        """Show a finished image, or what came to be known of one that is shown."""
        if number in self._planes or len(self._planes) >= MOST:
            self._judge(number, score)
            return
        step = max(1, -(-max(pixels.shape) // (2 * LARGE)))
        self._planes[number] = np.array(pixels[::step, ::step])
        self._limits = limits
        self.kept[number] = True
        if score is not None:
            self.scores[number] = score
        item = QListWidgetItem()
        item.setData(NUMBER, number)
        item.setIcon(QIcon(_pixmap(self._planes[number], limits, SMALL)))
        self.list.addItem(item)
        self._describe(item)
        self.setVisible(True)
        if self.order.currentData() == "score":
            self._sort()
        if self.current is None:
            self.list.setCurrentItem(item)

    def _judge(self, number: int, score: Any) -> None:
        if score is None or number in self.scores or (item := self._item(number)) is None:
            return
        self.scores[number] = score
        self._describe(item)
        if self.order.currentData() == "score":
            self._sort()
        if self.current == number:
            self._show_beside(number)

    def show_number(self, number: int) -> None:
        """Choose the image that the viewer shows, without telling."""
        item = self._item(number)
        if item is not None and item is not self.list.currentItem():
            with QSignalBlocker(self):
                self.list.setCurrentItem(item)

    def mark(self, number: int | None, kept: bool) -> None:
        """Keep or discard an image."""
        item = None if number is None else self._item(number)
        if item is not None and number is not None:
            self.kept[number] = kept
            self._describe(item)
            self.marked.emit()

    def _item(self, number: int) -> QListWidgetItem | None:
        items = (self.list.item(row) for row in range(self.list.count()))
        return next((item for item in items if item is not None and item.data(NUMBER) == number), None)

    def _describe(self, item: QListWidgetItem) -> None:
        number = int(item.data(NUMBER))
        score, kept = self.scores.get(number), self.kept[number]
        words = f"{'' if kept else '✗ '}{number}" + _score_in_short(score)
        flagged = score is not None and score.flagged
        item.setText(words + " !" * flagged)
        item.setForeground(QColor(ERROR_COLOUR if flagged else KEPT if kept else DISCARDED))
        item.setToolTip(f"Image {number}, {'kept' if kept else 'discarded'}. {score_in_words(score)}".strip())

    def _sort(self) -> None:
        numbers = sorted(self._planes)
        if self.order.currentData() == "score":
            numbers.sort(key=lambda number: -self.scores[number].score if number in self.scores else 2.0)
        current, items = self.current, {}
        with QSignalBlocker(self.list):
            while self.list.count():
                item = self.list.takeItem(0)
                if item is not None:
                    items[int(item.data(NUMBER))] = item
            for number in numbers:
                self.list.addItem(items[number])
            if current is not None:
                self.list.setCurrentItem(items[current])

    def _on_current(self, item: QListWidgetItem | None, _: Any = None) -> None:
        if item is None:
            return
        number = int(item.data(NUMBER))
        self._show_beside(number)
        self.chosen.emit(number)

    def _show_beside(self, number: int) -> None:
        """The chosen image, the training image that it is most like, and how much."""
        score = self.scores.get(number)
        self.own.setPixmap(_pixmap(self._planes[number], self._limits, LARGE))
        self.nearest.setVisible(score is not None)
        if score is not None:
            self.nearest.setPixmap(_pixmap(score.patch, self._limits, LARGE))
        say(
            self.words,
            score_in_words(score)
            or "Not compared with the training: the model carries none, or the image is too large.",
        )

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        beside = QHBoxLayout()
        beside.addWidget(self.own)
        beside.addWidget(self.nearest)
        beside.addStretch(1)
        buttons = QGridLayout()
        each = (self.keep_button, self.discard_button, self.save_button, self.pairs_button)
        for place, one in enumerate(each):
            buttons.addWidget(one, place // 2, place % 2)
        layout.addWidget(self.order)
        layout.addWidget(self.list)
        layout.addLayout(beside)
        layout.addWidget(self.words)
        layout.addWidget(self.summary)
        layout.addLayout(buttons)


def score_in_words(score: Any) -> str:
    """How much an image is like the training, in a sentence; empty where nothing is known."""
    if score is None:
        return ""
    if score.score < 0:
        return "All but empty: there is nothing in it to compare with the training."
    known = not np.isnan(score.percentile)
    than = f", more than {score.percentile:.0f} % of real images that were kept out" if known else ""
    verdict = " It may be a copy: compare the two." if score.flagged else ""
    return f"Most like {score.name!r} of the training: correlation {score.score:.2f}{than}.{verdict}"


def _score_in_short(score: Any) -> str:
    """What stands below a small image."""
    if score is None:
        return ""
    return " · empty" if score.score < 0 else f" · {score.score:.2f}"


def _small_images() -> QListWidget:
    images = QListWidget()
    images.setViewMode(QListWidget.ViewMode.IconMode)
    images.setIconSize(QSize(SMALL, SMALL))
    images.setGridSize(QSize(SMALL + 14, SMALL + 24))
    images.setMovement(QListWidget.Movement.Static)
    images.setResizeMode(QListWidget.ResizeMode.Adjust)
    images.setUniformItemSizes(True)
    images.setMinimumHeight(SMALL + 34)
    images.setMaximumHeight(SMALL + 60)
    images.setToolTip("Click on an image to show it; those with an exclamation mark may be copies")
    return images


def _picture(tooltip: str) -> QLabel:
    label = QLabel()
    label.setFixedSize(LARGE, LARGE)
    label.setAlignment(Qt.AlignmentFlag.AlignCenter)
    label.setToolTip(tooltip)
    return label


def _pixmap(pixels: np.ndarray, limits: tuple[float, float], edge: int) -> QPixmap:
    low, high = limits
    grey = np.clip((np.nan_to_num(pixels) - low) / max(high - low, 1e-12), 0, 1)
    image = np.ascontiguousarray(np.rint(255 * grey), dtype=np.uint8)
    height, width = image.shape
    picture = QImage(image.tobytes(), width, height, width, QImage.Format.Format_Grayscale8).copy()
    keep, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    return QPixmap.fromImage(picture).scaled(edge, edge, keep, smooth)
