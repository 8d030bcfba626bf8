"""What a training comes to while it goes on: two curves, and an image that was kept out, before and after."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_diffuscope.training.learnable import Learnable
from napari_diffuscope.training.watching import Ended, Validated, value_before
from napari_diffuscope.viewer.models.example_view import grey_picture, grey_range
from napari_diffuscope.viewer.train.curve_view import CurveView, Level
from napari_diffuscope.viewer.widgets import note, say

EDGE = 140
"""Of a picture, in pixels of the window."""

NOTHING_YET = "What a training comes to is shown here while it goes on."


class ProgressPage(QWidget):
    """Shows the validations of a training, as they come."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, float]] = []
        self.remarks = note()
        self.remarks.setToolTip("What must be known of the images")
        self._what: Learnable | None = None
        self._start, self._timed = "", False
        self.gain, self.loss = CurveView("", "steps"), CurveView("", "steps")
        self.loss.title = "Loss on what is learned from: less is better"
        self.loss.setToolTip(
            "How wrong the network is on the images that it learns from. Where this still falls and the curve above "
            "does too, it learns them by heart."
        )
        self.state = note(NOTHING_YET)
        self.pictures, self.captions = (QLabel(), QLabel()), (QLabel("Before"), QLabel("After"))
        self._pictures = QWidget()
        self._lay_out()
        say(self.remarks, "")
        self._pictures.hide()
        self.gain.hide()
        self.loss.hide()

    def begin(self, what: Learnable, *, start: str, timed: bool) -> None:
        """Another training begins.

        Parameters
        ----------
        what
            Is learned.
        start
            Title of the model that is begun with; empty for random weights.
        timed
            Whether its length is a time.
        """
        self._what, self._start, self._timed, self.rows = what, start, timed, []
        self.gain.title = f"{what.measured.axis}: more is better"
        self.gain.setToolTip(f"Measured on images that were kept out. {self.gain.title}.")
        for caption, words in zip(self.captions, what.shown, strict=True):
            caption.setText(words)
        for view in (self.gain, self.loss):
            view.x_label = "min" if timed else "steps"
            view.show_points([])
            view.hide()
        self._pictures.hide()
        say(self.state, "Nothing was measured yet.")
        say(self.remarks, "")

    def forget(self) -> None:
        """The training ended before anything was measured."""
        self._what = None
        say(self.state, NOTHING_YET)

    def remark(self, sentence: str) -> None:
        """Show something that must be known, as long as no other training begins."""
        lines = [line for line in self.remarks.text().split("\n") if line]
        say(self.remarks, "\n".join(dict.fromkeys([*lines, sentence])))

    def take(self, validated: Validated) -> None:
        """Show a validation."""
        if self._what is None:
            return
        self.rows.append(dict(validated.row))
        measured = self._what.measured
        levels = [Level(0.0, measured.zero)]
        if (before := value_before(self.rows, measured)) is not None:
            levels.append(Level(before, f"{self._start or 'the model'} before this training"))
        self.gain.show_points(self._points(f"validation_{measured.column}"), levels)
        self.loss.show_points(self._points("loss"))
        self.gain.show()
        self.loss.setVisible(bool(self.loss.points))
        value = self.rows[-1].get(f"validation_{measured.column}", float("nan"))
        sentence = measured.sentence.format(value=measured.in_words(value))
        say(self.state, f"Step {int(self.rows[-1]['step']):,}: on images that were kept out, {sentence}.")
        if validated.example is not None:
            self._show_example(*validated.example)

    def end(self, ended: Ended) -> None:
        """Say how it ended, as long as no other training begins."""
        if self._what is not None:
            say(self.state, ended.sentence(self._what))

    def _points(self, column: str) -> list[tuple[float, float]]:
        nan = float("nan")
        return [
            (row.get("seconds", nan) / 60 if self._timed else row.get("step", nan), row.get(column, nan))
            for row in self.rows
        ]

    def _show_example(self, before: Any, after: Any) -> None:
        same = self._what is not None and self._what.kind != "shapes"  # a picture and a section of a shape
        limits = grey_range(after) if same else None
        for label, image in zip(self.pictures, (before, after), strict=True):
            label.setPixmap(grey_picture(image, limits, edge=EDGE))
        self._pictures.show()

    def _lay_out(self) -> None:
        row = QHBoxLayout(self._pictures)
        row.setContentsMargins(0, 0, 0, 0)
        for caption, picture in zip(self.captions, self.pictures, strict=True):
            column = QVBoxLayout()
            column.setSpacing(1)
            column.addWidget(caption)
            column.addWidget(picture)
            column.setAlignment(Qt.AlignmentFlag.AlignTop)
            picture.setToolTip("An image that was kept out, and what the network makes of it now")
            row.addLayout(column)
        row.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 4)
        for part in (self.state, self.gain, self._pictures, self.loss, self.remarks):
            layout.addWidget(part)
        layout.addStretch(1)
