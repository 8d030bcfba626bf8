"""A small curve that grows while a training goes on, with lines to hold it against. Drawn by Qt alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFont, QFontMetrics, QPainter, QPaintEvent, QPen, QPolygonF, QResizeEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

CURVE = QColor("#4f9dde")
LINES = (QColor("#e0a030"), QColor("#59b36b"))
"""Of what the curve is held against."""

LEFT, BELOW, LINE = 44, 18, 15
"""Pixels beside and below the plot, and of a line of words above it."""

HEIGHT = 88
"""Of the plot without words."""

ROOM = 0.08
"""Share of the range that is left free above and below."""

FAR = 3.0
"""From how many times the range of all else on a level lies outside of the plot: the curve would be flat with it."""


@dataclass(frozen=True)
class Level:
    """A line to hold a curve against: its value, and what has it."""

    value: float
    name: str


class CurveView(QWidget):
    """Draws points in their order, and levels as dashed lines.

    Parameters
    ----------
    title
        What the vertical axis means, in words.
    x_label
        What the horizontal axis counts.
    """

    def __init__(self, title: str, x_label: str) -> None:
        super().__init__()
        self.title, self.x_label = title, x_label
        self.points: list[tuple[float, float]] = []
        self.levels: tuple[Level, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(title)

    def show_points(self, points: Sequence[tuple[float, float]], levels: Sequence[Level] = ()) -> None:
        """Draw anew.

        Parameters
        ----------
        points
            Place and value each; those without a value are left out.
        levels
            Up to two.
        """
        self.points = [point for point in points if all(map(math.isfinite, point))]
        self.levels = tuple(levels)
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """As high as the plot and its words."""
        return QSize(240, self._top + HEIGHT + BELOW)

    def minimumSizeHint(self) -> QSize:
        """The same height: half a curve is of no use."""
        return QSize(120, self.sizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The words may need another line."""
        super().resizeEvent(event)
        self.updateGeometry()

    @property
    def _top(self) -> int:
        return LINE * (self._title_lines + len(self.levels)) + 4

    @property
    def _title_lines(self) -> int:
        """Two where the words need them."""
        return 1 + (QFontMetrics(_small(self.font())).horizontalAdvance(self.title) > self.width() - 8)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw words, axes, levels and the curve."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(_small(self.font()))
        text = self.palette().text().color()
        box = QRectF(LEFT, self._top, max(10, self.width() - LEFT - 8), HEIGHT)
        self._write(painter, text)
        painter.setPen(QPen(QColor(128, 128, 128), 1))
        painter.drawRect(box)
        low, high = self._range()
        self._draw_axes(painter, box, text, low, high)
        painter.setClipRect(box)
        for level, colour in zip(self.levels, LINES, strict=False):
            painter.setPen(QPen(colour, 1.4, Qt.PenStyle.DashLine))
            y = self._y(level.value, box, low, high)
            painter.drawLine(QPointF(box.left(), y), QPointF(box.right(), y))
        self._draw_curve(painter, box, low, high)
        painter.end()

    def _write(self, painter: QPainter, text: QColor) -> None:
        metrics, lines = QFontMetrics(painter.font()), self._title_lines
        painter.setPen(text)
        room = QRectF(4, 1, self.width() - 8, LINE * lines)
        painter.drawText(room, Qt.TextFlag.TextWordWrap, self.title)
        for number, (level, colour) in enumerate(zip(self.levels, LINES, strict=False), lines + 1):
            painter.setPen(colour)
            shown = metrics.elidedText(self._legend(level), Qt.TextElideMode.ElideRight, self.width() - 8)
            painter.drawText(QPointF(4, LINE * number - 3), shown)

    def _draw_axes(self, painter: QPainter, box: QRectF, text: QColor, low: float, high: float) -> None:
        painter.setPen(text)
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for value, y in ((high, box.top() + 6), (low, box.bottom() - 6)):
            painter.drawText(QRectF(0, y - 8, LEFT - 4, 16), right, _number(value, high - low))
        end = self.points[-1][0] if self.points else 0
        below = QRectF(box.left(), box.bottom() + 1, box.width(), BELOW - 2)
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, "0")
        painter.drawText(
            below,
            Qt.AlignmentFlag.AlignRight,
            f"{end:.3g} {self.x_label}" if end < 1000 else f"{end:.0f} {self.x_label}",
        )

    def _draw_curve(self, painter: QPainter, box: QRectF, low: float, high: float) -> None:
        end = max((x for x, _ in self.points), default=0) or 1
        places = [
            QPointF(box.left() + x / end * box.width(), self._y(y, box, low, high)) for x, y in self.points
        ]
        painter.setPen(QPen(CURVE, 1.8))
        painter.drawPolyline(QPolygonF(places))
        painter.setBrush(CURVE)
        for place in places:
            painter.drawEllipse(place, 2.0, 2.0)

    def _legend(self, level: Level) -> str:
        low, high = self._range()
        where = ", below" if level.value < low else ", above" if level.value > high else ""
        return f"- -  {_number(level.value, high - low)}{where}: {level.name}"

    def _range(self) -> tuple[float, float]:
        """Of the curve and the levels that are not far from it."""
        values = [y for _, y in self.points]
        low, high = min(values, default=0.0), max(values, default=1.0)
        for level in sorted(self.levels, key=lambda level: abs(level.value - high)):
            reach = FAR * max(high - low, 1e-3 * abs(high))
            if not values or low - reach <= level.value <= high + reach:
                low, high = min(low, level.value), max(high, level.value)
        room = ROOM * (high - low) or 0.5
        return (0.0 if 0 <= low < room else low - room), high + room

    def _y(self, value: float, box: QRectF, low: float, high: float) -> float:
        return box.bottom() - (value - low) / (high - low) * box.height()


def _number(value: float, span: float) -> str:
    """With as many digits as the range of a plot shows."""
    return f"{value:.2f}" if span >= 0.05 else f"{value:.3f}"


def _small(font: QFont) -> QFont:
    """The font of words in a plot."""
    smaller = QFont(font)
    smaller.setPixelSize(11)
    return smaller
