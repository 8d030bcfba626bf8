"""A real viewer with the dock *Compare*."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QThreadPool
from qtpy.QtWidgets import QApplication

from napari_diffuscope.viewer.compare.grid import LATER

from ..conftest import PATIENCE, assert_no_traceback


@pytest.fixture
def viewer(make_napari_viewer_proxy: Any) -> Any:
    """A viewer in a window on the screen, whose canvas has its size."""
    return make_napari_viewer_proxy(show=True, ensure_main_thread=True)


@pytest.fixture
def compare(viewer: Any, qtbot: Any) -> Iterator[Callable[..., Any]]:
    """Opens the dock for a reference and others; no worker and no traceback is left at the end."""
    docks = []
    viewer.window.resize(1000, 600)

    def opened(reference: Any, *others: Any) -> Any:
        _, dock = viewer.window.add_plugin_dock_widget("napari-diffuscope", "Compare")
        dock.choice.choose(reference, list(others))
        docks.append(dock)
        QApplication.processEvents()
        viewer.reset_view()
        return dock

    yield opened
    for dock in docks:
        dock.looking.end()
    assert QThreadPool.globalInstance().waitForDone(PATIENCE)
    QApplication.processEvents()
    assert_no_traceback()


@pytest.fixture
def photograph(viewer: Any, qtbot: Any) -> Callable[[], np.ndarray]:
    """Takes a picture of the canvas as napari draws it, ``(height, width, 3)``, when all has settled."""

    def taken() -> np.ndarray:
        qtbot.wait(60)  # the camera is followed; later, the names of the grid are written
        assert QThreadPool.globalInstance().waitForDone(PATIENCE)
        qtbot.wait(LATER if viewer.canvas.grid.enabled else 40)
        picture = np.asarray(viewer.screenshot(canvas_only=True, flash=False))[..., :3]
        assert picture.shape[:2] == tuple(viewer.canvas.size)
        return picture

    return taken


def place_on_canvas(
    viewer: Any, world: tuple[float, float], cell: tuple[float, ...] | None = None
) -> tuple[int, int]:
    """Row and column of the canvas where a place of the world is drawn, in 2D; written without the code under test."""
    height, width = viewer.canvas.size
    left, top, wide, high = cell or (0, 0, width, height)
    camera = viewer.scene.camera
    row = top + high / 2 + (world[0] - camera.center[-2]) * camera.zoom
    column = left + wide / 2 + (world[1] - camera.center[-1]) * camera.zoom
    return int(row), int(column)
