"""Curves drawn by matplotlib in the colours of the window; matplotlib is loaded with the first plot."""

from __future__ import annotations

import io
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.theme import get_theme
from qtpy.QtCore import Qt
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from napari_diffuscope.comparison.curves import Curves, Line, has_points
from napari_diffuscope.comparison.svg import GREY, colours_of
from napari_diffuscope.viewer.widgets import note, say

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NEEDED = 'Plots need matplotlib: pip install "napari-diffuscope[plots]", then start napari again.'
EDGES = {"left": 0.17, "right": 0.97, "bottom": 0.16, "top": 0.90}
"""Of the axes, as shares of the picture: fixed, for finding the best ones takes longer than drawing."""

ROOM = 0.1
"""Share of the range that is left free above and below the curves."""

FILLED = 0.7
"""Axes are kept while the curves fill at least so much of them."""

COLUMNS, ROW = 2, 0.055
"""Of the legend, which lies below the axes: columns, and height of a row."""

MOST_POINTS = 400
"""Of a curve that is drawn; more than a dock has pixels across."""


def can_plot() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


class PlotCanvas(QWidget):
    """Shows curves.

    Parameters
    ----------
    viewer
        Gives the theme.
    """

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._canvas: Any = None
        self._axes: Axes | None = None
        self._artists: list[Any] = []
        self._background: Any = None
        self._labels: tuple[str, ...] = ()
        self._names: tuple[str, ...] = ()
        self.curves: Curves | None = None
        self.notes = note()
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.addWidget(self.notes)
        self.setMinimumHeight(280)
        if not can_plot():
            say(self.notes, NEEDED, error=True)
        viewer.events.theme.connect(self._on_theme)

    @property
    def figure(self) -> Figure | None:
        """The figure; ``None`` before anything was drawn."""
        return None if self._canvas is None else self._canvas.figure

    def disconnect_viewer(self) -> None:
        """Let go of the viewer."""
        self._viewer.events.theme.disconnect(self._on_theme)

    def show_curves(self, curves: Curves, names: Sequence[str] = ()) -> None:
        """Draw curves now; where only their values have changed, in a few milliseconds.

        Parameters
        ----------
        curves
            What is drawn.
        names
            Of all images, so that one has the same colour in all plots.
        """
        if not can_plot():
            return
        self.curves, self._names = curves, tuple(names)
        self._prepare()
        self._canvas.show()
        say(self.notes, "\n".join(curves.notes))
        labels = (curves.title, curves.x_label, curves.y_label, *(line.name for line in curves.lines))
        anew = labels != self._labels
        if anew:
            self._draw_anew(curves, labels)
        else:
            for artist, line in zip(self._artists, curves.lines, strict=True):
                artist.set_data(*_outline(line))
        if self._fit(curves, anew=anew) or anew or self._background is None:
            self._canvas.draw()  # lets _on_draw draw the curves
        else:
            self._draw_curves()

    def show_nothing(self) -> None:
        """Take the curves away: there are none of what was asked for."""
        self.curves = None
        say(self.notes, "" if can_plot() else NEEDED, error=not can_plot())
        if self._canvas is not None:
            self._canvas.hide()

    def picture(self, kind: str) -> bytes:
        """The plot as it is, ``"png"`` or ``"svg"``, on a white ground."""
        assert self._canvas is not None
        buffer = io.BytesIO()
        self._style(text="#000000", ground="#ffffff")
        try:
            self._canvas.figure.savefig(buffer, format=kind, dpi=200)
        finally:
            self._style()
            self._canvas.draw()
        return buffer.getvalue()

    def _on_draw(self, event: Any = None) -> None:
        """All but the curves has been drawn: keep it, for the next time only they change."""
        self._background = self._canvas.copy_from_bbox(self._canvas.figure.bbox)
        for artist in self._artists:
            self._canvas.figure.draw_artist(artist)

    def _draw_curves(self) -> None:
        assert self._axes is not None
        self._canvas.restore_region(self._background)
        for artist in self._artists:
            self._axes.draw_artist(artist)
        self._canvas.update()  # painted when the window comes to it; a blit would paint at once

    def _prepare(self) -> None:
        if self._canvas is not None:
            return
        from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
        from matplotlib.figure import Figure

        self._canvas = FigureCanvasQTAgg(Figure(figsize=(4, 3), dpi=90))
        self._canvas.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._canvas.setMinimumHeight(240)
        self._canvas.setToolTip("The plot; rest the pointer on the buttons below to save or detach it")
        self._layout.insertWidget(0, self._canvas, 1)
        self._canvas.mpl_connect("draw_event", self._on_draw)
        self._axes = self._canvas.figure.add_axes((0.2, 0.2, 0.7, 0.7))

    def _draw_anew(self, curves: Curves, labels: tuple[str, ...]) -> None:
        assert self._axes is not None
        self._labels = labels
        self._axes.clear()
        self._axes.set_yscale("log" if curves.log_y else "linear")
        self._axes.set_title(curves.title, fontsize=9)
        self._axes.set_xlabel(curves.x_label, fontsize=8)
        self._axes.set_ylabel(curves.y_label, fontsize=8)
        self._axes.tick_params(labelsize=7)
        self._artists = []
        for line, colour in zip(curves.lines, colours_of(curves, self._names), strict=True):
            style = {"points": "o-", "dashed": "--", "line": "-"}[line.style]
            self._artists += self._axes.plot(
                *_outline(line), style, color=_readable(colour), linewidth=1.1, markersize=3, animated=True
            )
        for old in list(self._canvas.figure.legends):
            old.remove()
        rows = -(-len(curves.lines) // COLUMNS)
        bottom = EDGES["bottom"] + ROW * rows
        self._axes.set_position(
            (EDGES["left"], bottom, EDGES["right"] - EDGES["left"], EDGES["top"] - bottom)
        )
        if curves.lines:
            names = [_short(line.name) for line in curves.lines]
            self._canvas.figure.legend(
                self._artists, names, fontsize=7, loc="lower center", ncols=COLUMNS, frameon=False
            )
        self._style()

    def _fit(self, curves: Curves, *, anew: bool) -> bool:
        """Axes around all curves, kept while these fill them well; whether they have changed."""
        assert self._axes is not None
        if not has_points(curves):
            return False
        x, y = (np.concatenate([getattr(line, axis) for line in curves.lines]) for axis in ("x", "y"))
        y = y[np.isfinite(y) & ((y > 0) if curves.log_y else True)]
        low, high, left, right = float(y.min()), float(y.max()), float(x.min()), float(x.max())
        if curves.log_y:
            wanted = (low / 1.3, high * 1.3)
        else:
            room = ROOM * (high - low) or 0.5
            wanted = (low - room, high + room)
        kept_y = not anew and _filled((low, high), self._axes.get_ylim(), log=curves.log_y)
        kept_x = not anew and _filled((left, right), self._axes.get_xlim())
        if not kept_y:
            self._axes.set_ylim(*wanted)
        if not kept_x:
            end = right if right > left else left + 1
            self._axes.set_xlim(
                left, end if anew else end + ROOM * (end - left)
            )  # a line that grows grows on
        return not (kept_x and kept_y)

    def _style(self, *, text: str = "", ground: str = "") -> None:
        """The colours of the window, or others."""
        if self._axes is None:
            return
        theme = get_theme(self._viewer.theme)
        text, ground = text or theme.text.as_hex(), ground or theme.background.as_hex()
        axes = self._axes
        self._canvas.figure.set_facecolor(ground)
        axes.set_facecolor(ground)
        for part in (axes.title, axes.xaxis.label, axes.yaxis.label):
            part.set_color(text)
        axes.tick_params(colors=text, which="both")
        for spine in axes.spines.values():
            spine.set_color(GREY)
        for legend in self._canvas.figure.legends:
            for entry in legend.get_texts():
                entry.set_color(text)

    def _on_theme(self, event: Any = None) -> None:
        if self._canvas is not None:
            self._style()
            self._canvas.draw_idle()


class PlotWindow(QWidget):
    """A window of its own for a plot; closing it gives the plot back, and it closes with the window of napari.

    Parameters
    ----------
    plot
        The plot.
    on_close
        Called when it closes.
    parent
        The window of napari; without it, this window would keep the program alive when that is closed.
    """

    def __init__(self, plot: PlotCanvas, on_close: Any, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        self.setWindowTitle("Comparison")
        self._on_close = on_close
        layout = QVBoxLayout(self)
        layout.addWidget(plot)
        self.resize(640, 480)

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Give the plot back."""
        self._on_close()
        super().closeEvent(event)


def _filled(ends: tuple[float, float], limits: tuple[float, float], *, log: bool = False) -> bool:
    """Whether curves lie within the axes and fill them well."""
    low, high, bottom, top = (np.log10([*ends, *limits]) if log else np.array([*ends, *limits])).tolist()
    return bool(bottom <= low and high <= top and high - low >= FILLED * (top - bottom))


def _outline(line: Line) -> tuple[np.ndarray, np.ndarray]:
    """A curve of many points as the least and the largest of every few, in their order: it looks the same."""
    few = len(line.x) // MOST_POINTS
    if few < 3 or line.style == "points":
        return line.x, line.y
    count = len(line.x) // few
    x, y = (values[: count * few].reshape(count, few) for values in (line.x, line.y))
    lowest = np.where(np.isfinite(y), y, np.inf).argmin(1)
    highest = np.where(np.isfinite(y), y, -np.inf).argmax(1)
    places = np.sort([lowest, highest], axis=0).T
    rows = np.arange(count)[:, None]
    return x[rows, places].ravel(), y[rows, places].ravel()


def _readable(colour: str) -> str:
    """Black would vanish on a dark theme."""
    return "#999999" if colour == "#000000" else colour


def _short(name: str) -> str:
    return name if len(name) <= 30 else "…" + name[-29:]
