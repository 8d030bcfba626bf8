"""Figures as files, all or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_diffuscope.atomic import replacing
from napari_diffuscope.imaging.failures import writing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
