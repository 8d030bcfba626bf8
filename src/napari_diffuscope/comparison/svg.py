"""Curves as a picture for a page, without any library that draws."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

import numpy as np

from napari_diffuscope.comparison.curves import Curves, Line, has_points

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#999933", "#882255")
"""Colours that the colour-blind can tell apart (Okabe & Ito first)."""

GREY = "#777777"

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 12, 12, 44
MOST_POINTS = 600


def curves_svg(curves: Curves, names: Sequence[str] = ()) -> str:
    """Curves as an SVG picture that takes the width that it is given; empty where there is nothing to draw.

    Parameters
    ----------
    curves
        What is drawn.
    names
        Of all images, so that one has the same colour in all pictures.
    """
    if not has_points(curves):
        return ""
    x_range, y_range = _ranges(curves)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(curves.title)}" '
        'xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="11">'
    ]
    parts += [_x_tick(value, x_range) for value in _ticks(*x_range)]
    parts += [_y_tick(value, y_range, curves.log_y) for value in _y_ticks(*y_range, curves.log_y)]
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    parts.append(
        f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{html.escape(curves.x_label)}</text>'
    )
    down = TOP + (HEIGHT - TOP - BOTTOM) / 2
    parts.append(
        f'<text x="13" y="{down}" text-anchor="middle" transform="rotate(-90 13 {down})">'
        f"{html.escape(curves.y_label)}</text>"
    )
    colours = colours_of(curves, names)
    parts += [
        _path(line, colour, x_range, y_range, curves.log_y)
        for line, colour in zip(curves.lines, colours, strict=True)
    ]
    return "".join([*parts, "</svg>", _legend(curves, colours)])


def colours_of(curves: Curves, names: Sequence[str] = ()) -> list[str]:
    """A colour for each curve: by the place of its name among those of all images, grey for what is dashed."""
    order = list(dict.fromkeys([*names, *(line.name for line in curves.lines if line.style != "dashed")]))
    return [
        GREY if line.style == "dashed" else COLOURS[order.index(line.name) % len(COLOURS)]
        for line in curves.lines
    ]


def _ranges(curves: Curves) -> tuple[tuple[float, float], tuple[float, float]]:
    x = np.concatenate([line.x for line in curves.lines])
    y = np.concatenate([line.y for line in curves.lines])
    y = y[np.isfinite(y) & ((y > 0) if curves.log_y else True)]
    y = np.log10(y) if curves.log_y else y
    low, high = float(y.min()), float(y.max())
    room = 0.04 * (high - low) or 0.5
    return (float(x.min()), float(x.max()) if x.max() > x.min() else float(x.min()) + 1), (
        low - room,
        high + room,
    )


def _x(value: float, ends: tuple[float, float]) -> float:
    return LEFT + (value - ends[0]) / (ends[1] - ends[0]) * (WIDTH - LEFT - RIGHT)


def _y(value: float, ends: tuple[float, float]) -> float:
    return HEIGHT - BOTTOM - (value - ends[0]) / (ends[1] - ends[0]) * (HEIGHT - TOP - BOTTOM)


def _ticks(low: float, high: float) -> list[float]:
    """About five round numbers between two."""
    step = 10 ** math.floor(math.log10((high - low) / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 6)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _y_ticks(low: float, high: float, log: bool) -> list[float]:
    if not log or high - low < 1.5:
        return _ticks(low, high)
    step = max(1, math.ceil((high - low) / 6))
    return [float(power) for power in range(math.ceil(low), math.floor(high) + 1, step)]


def _x_tick(value: float, ends: tuple[float, float]) -> str:
    x = _x(value, ends)
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#8884"/>'
        f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">{_number(value)}</text>'
    )


def _y_tick(value: float, ends: tuple[float, float], log: bool) -> str:
    y = _y(value, ends)
    return (
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#8884"/>'
        f'<text x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{_number(10**value if log else value)}</text>'
    )


def _number(value: float) -> str:
    return f"{value:.4g}" if abs(value) > 1e-12 else "0"


def _path(
    line: Line, colour: str, x_range: tuple[float, float], y_range: tuple[float, float], log: bool
) -> str:
    every = -(-len(line.x) // MOST_POINTS)
    pieces, pen = [], "M"
    for x, y in zip(line.x[::every], line.y[::every], strict=True):
        if not math.isfinite(y) or (log and y <= 0):
            pen = "M"
            continue
        pieces.append(
            f"{pen}{_x(float(x), x_range):.1f} {_y(math.log10(y) if log else float(y), y_range):.1f}"
        )
        pen = "L"
    dash = ' stroke-dasharray="5 4"' if line.style == "dashed" else ""
    path = f'<path d="{"".join(pieces)}" fill="none" stroke="{colour}" stroke-width="1.6"{dash}/>'
    if line.style != "points":
        return path
    dots = (piece[1:].split() for piece in pieces)
    return path + "".join(f'<circle cx="{x}" cy="{y}" r="2.5" fill="{colour}"/>' for x, y in dots)


def _legend(curves: Curves, colours: Sequence[str]) -> str:
    entries = []
    for line, colour in zip(curves.lines, colours, strict=True):
        kind = "dashed" if line.style == "dashed" else "solid"
        entries.append(f'<span><i style="border-top:2px {kind} {colour}"></i>{html.escape(line.name)}</span>')
    return f'<p class="legend">{"".join(entries)}</p>'
