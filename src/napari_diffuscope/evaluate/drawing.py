"""Figures as files, all or nothing."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from napari_diffuscope.atomic import replacing
from napari_diffuscope.imaging.failures import writing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 130
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
"""Colours that the colour-blind can tell apart (Okabe & Ito)."""


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of a size in inches; needs matplotlib, see :func:`can_draw`."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save_figure(figure: Figure, path: Path, *, dpi: int) -> None:
    """Write a figure as PNG; its folder is made where missing.

    Raises
    ------
    DiffuscopeError
        If it cannot be written.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            figure.savefig(file, dpi=dpi, format="png")
