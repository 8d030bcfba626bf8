"""What a comparison draws over the canvas: crosses, names, and the divider that is dragged. No layer, no pixel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QEvent, QObject, QPointF, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QFontMetricsF, QLinearGradient, QMouseEvent, QPainter, QPaintEvent, QPen
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QMainWindow, QWidget

CROSS_COLOUR = QColor(255, 213, 0)
SHADE = QColor(0, 0, 0, 170)
#: Half length of a cross and half width of the strip in which the divider can be taken, in pixels of the screen.
ARM, GRIP = 12.0, 7
#: Length of the scale of colours.
BAR = 150.0


@dataclass(frozen=True)
class Mark:
    """A cross at a place of the canvas, with a text beside it, within a cell."""

    x: float
    y: float
    text: str
    cell: tuple[float, float, float, float]


@dataclass(frozen=True)
class Caption:
    """A text in a corner of the canvas: ``right`` and ``bottom`` say which."""

    text: str
    right: bool = False
    bottom: bool = False


@dataclass(frozen=True)
class ColourScale:
    """Colours from least to most, red, green and blue from 0 to 1, and what stands at either end."""

    colours: tuple[tuple[float, ...], ...]
    low: str
    high: str


class Overlay(QWidget):
    """Draws over the canvas and lets the mouse through.

    Parameters
    ----------
    canvas
        The widget on which napari draws.
    on_leave
        Called when the mouse leaves the canvas.
    """

    def __init__(self, canvas: QWidget, on_leave: Callable[[], None]) -> None:
        super().__init__(canvas)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        self._on_leave = on_leave
        self.marks: list[Mark] = []
        self.captions: list[Caption] = []
        self.scale: ColourScale | None = None
        self.divider = Divider(canvas)
        canvas.installEventFilter(self)
        self._fit()

    def mark(self, marks: Sequence[Mark]) -> None:
        """Draw these crosses alone."""
        if list(marks) != self.marks:
            self.marks = list(marks)
            self._redraw()

    def caption(self, captions: Sequence[Caption], scale: ColourScale | None = None) -> None:
        """Draw these texts alone, and a scale of colours."""
        if (list(captions), scale) != (self.captions, self.scale):
            self.captions, self.scale = list(captions), scale
            self._redraw()

    def clear(self) -> None:
        """Draw nothing."""
        self.divider.hide()
        self.marks, self.captions, self.scale = [], [], None
        self._redraw()

    def close_for_good(self) -> None:
        """Leave the canvas."""
        canvas = self.parentWidget()
        if canvas is not None:
            canvas.removeEventFilter(self)
        self.divider.deleteLater()
        self.hide()
        self.deleteLater()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the size of the canvas."""
        if event.type() == QEvent.Type.Resize:
            self._fit()
        elif event.type() == QEvent.Type.Leave:
            self._on_leave()
        return False

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for mark in self.marks:
            _draw_mark(painter, mark)
        for caption in self.captions:
            _draw_caption(painter, caption, self.width(), self.height())
        if self.scale is not None:
            _draw_scale(painter, self.scale, self.height())
        painter.end()

    def _fit(self) -> None:
        canvas = self.parentWidget()
        if canvas is not None:
            self.setGeometry(canvas.rect())
            self.divider.place()

    def _redraw(self) -> None:
        self.setVisible(bool(self.marks or self.captions))
        self.update()


class Divider(QWidget):
    """The line between two layers, taken and dragged with the mouse; ``dragged`` tells where it is from 0 to 1."""

    dragged = Signal(float)

    def __init__(self, canvas: QWidget) -> None:
        super().__init__(canvas)
        self.setToolTip("Drag to uncover more of one image or of the other.")
        self.fraction, self.upright = 0.5, True
        self.hide()

    def set_up(self, *, upright: bool, fraction: float) -> None:
        """Stand upright or lie, at a fraction of the canvas."""
        self.upright, self.fraction = upright, fraction
        self.setCursor(Qt.CursorShape.SplitHCursor if upright else Qt.CursorShape.SplitVCursor)
        self.place()
        self.show()
        self.raise_()

    def place(self) -> None:
        """Go to where it belongs on a canvas of this size."""
        canvas = self.parentWidget()
        if canvas is None:
            return
        if self.upright:
            self.setGeometry(round(canvas.width() * self.fraction) - GRIP, 0, 2 * GRIP, canvas.height())
        else:
            self.setGeometry(0, round(canvas.height() * self.fraction) - GRIP, canvas.width(), 2 * GRIP)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take it; the canvas below does not pan."""
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag it."""
        canvas = self.parentWidget()
        if canvas is None or not event.buttons():
            return
        place = self.mapToParent(event.position().toPoint())
        at = place.x() / max(canvas.width(), 1) if self.upright else place.y() / max(canvas.height(), 1)
        self.fraction = min(max(at, 0.0), 1.0)
        self.place()
        self.dragged.emit(self.fraction)
        event.accept()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw a line, and a knob at half its length."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle = QPointF(self.width() / 2, self.height() / 2)
        for colour, width in ((SHADE, 3.0), (QColor("white"), 1.2)):
            painter.setPen(QPen(colour, width))
            if self.upright:
                painter.drawLine(QPointF(middle.x(), 0), QPointF(middle.x(), self.height()))
            else:
                painter.drawLine(QPointF(0, middle.y()), QPointF(self.width(), middle.y()))
        painter.setBrush(QColor("white"))
        painter.setPen(QPen(SHADE, 1))
        painter.drawEllipse(middle, GRIP - 1.5, GRIP - 1.5)
        painter.end()


def canvas_of(widget: QWidget | None) -> QWidget | None:
    """The widget on which napari draws, in the main window around a widget."""
    while widget is not None and not isinstance(widget, QMainWindow):
        widget = widget.parentWidget()
    if widget is None:
        return None
    canvases = widget.findChildren(QOpenGLWidget)
    return max(canvases, key=lambda each: (each.isVisible(), each.width() * each.height()), default=None)


def _draw_mark(painter: QPainter, mark: Mark) -> None:
    left, top, width, height = mark.cell
    painter.save()
    painter.setClipRect(QRectF(left, top, width, height))
    for colour, thickness in ((SHADE, 3.0), (CROSS_COLOUR, 1.4)):
        painter.setPen(QPen(colour, thickness))
        painter.drawLine(QPointF(mark.x - ARM, mark.y), QPointF(mark.x + ARM, mark.y))
        painter.drawLine(QPointF(mark.x, mark.y - ARM), QPointF(mark.x, mark.y + ARM))
    metrics = QFontMetricsF(painter.font())
    wide, high = metrics.horizontalAdvance(mark.text) + 8, metrics.height() + 2
    x = mark.x + 8 if mark.x + 8 + wide <= left + width else mark.x - 8 - wide
    y = mark.y + 8 if mark.y + 8 + high <= top + height else mark.y - 8 - high
    _draw_text(painter, QRectF(x, y, wide, high), mark.text)
    painter.restore()


def _draw_caption(painter: QPainter, caption: Caption, width: int, height: int) -> None:
    metrics = QFontMetricsF(painter.font())
    text = metrics.elidedText(caption.text, Qt.TextElideMode.ElideMiddle, width / 2 - 30)
    wide, high = metrics.horizontalAdvance(text) + 12, metrics.height() + 6
    x = width - 8 - wide if caption.right else 8.0
    y = height - 8 - high if caption.bottom else 8.0
    _draw_text(painter, QRectF(x, y, wide, high), text)


def _draw_scale(painter: QPainter, scale: ColourScale, height: int) -> None:
    """A bar of colours in the lower left corner, with its ends."""
    metrics = QFontMetricsF(painter.font())
    high = metrics.height()
    box = QRectF(8, height - 32 - high, BAR + 16, high + 24)
    _draw_text(painter, box, "")
    bar = QRectF(box.left() + 8, box.top() + 7, BAR, 9)
    gradient = QLinearGradient(bar.topLeft(), bar.topRight())
    for number, colour in enumerate(scale.colours):
        gradient.setColorAt(number / (len(scale.colours) - 1), QColor.fromRgbF(*colour[:3]))
    painter.fillRect(bar, gradient)
    painter.setPen(QColor("white"))
    text = QRectF(bar.left(), bar.bottom() + 2, BAR, high)
    painter.drawText(text, Qt.AlignmentFlag.AlignLeft, scale.low)
    painter.drawText(text, Qt.AlignmentFlag.AlignRight, scale.high)


def _draw_text(painter: QPainter, box: QRectF, text: str) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(SHADE)
    painter.drawRoundedRect(box, 3, 3)
    painter.setPen(QColor("white"))
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)


def in_words(value: Any) -> str:
    """A value under the cursor as it is written beside the cross."""
    if isinstance(value, tuple):  # napari gives the level of a multiscale image as well
        value = value[-1]
    if value is None:
        return "–"
    if getattr(value, "ndim", 0):
        return " ".join(f"{each:g}" for each in value[:3])
    return f"{float(value):.5g}"
