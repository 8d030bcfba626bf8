"""The grid and the difference while the window shows volumes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import dask.array as da
import numpy as np
import pytest

from ..conftest import PATIENCE, click

SIDE = 24
KEYWORDS: dict[str, Any] = {"contrast_limits": (0, 1), "units": ("µm",) * 3}


@pytest.fixture
def volumes(viewer: Any) -> tuple[Any, Any]:
    """A volume, and one that is brighter on its left and darker on its right, of other voxels."""
    grey = np.full((SIDE, SIDE, SIDE), 0.5, np.float32)
    other = np.full((SIDE // 2, SIDE, SIDE), 0.5, np.float32)
    other[:, :, :8], other[:, :, -8:] = 0.9, 0.1
    first = viewer.add_image(grey, name="reference", **KEYWORDS)
    second = viewer.add_image(other, name="other", scale=(2, 1, 1), translate=(0.5, 0, 0), **KEYWORDS)
    viewer.dims.ndisplay = 3
    return first, second


def shown(qtbot: Any, viewer: Any, dock: Any) -> list[Any]:
    """The layers that show the difference, when it is there."""
    names = lambda: [layer for layer in viewer.layers if layer.visible and "−" in layer.name]  # noqa: E731
    qtbot.waitUntil(lambda: bool(names()) and not dock.looking.stage.background.busy, timeout=PATIENCE)
    return names()


@pytest.mark.viewer
def test_the_difference_of_volumes_is_red_above_and_blue_below(
    qtbot, viewer, compare, photograph, volumes
) -> None:
    dock = compare(*volumes)
    click(qtbot, dock.look.buttons["difference"])
    above, below = shown(qtbot, viewer, dock)
    assert above.data.max() == pytest.approx(0.4, abs=1e-3)
    assert below.data.max() == pytest.approx(0.4, abs=1e-3)
    picture = photograph().astype(int)
    height, width = picture.shape[:2]
    zoom = viewer.scene.camera.zoom
    columns = [int(width / 2 + zoom * (at - SIDE / 2 + 0.5)) for at in (3, 11.5, 20)]
    left, middle, right = (picture[height // 2, column] for column in columns)
    assert left[0] > left[2] + 80
    assert right[2] > right[0] + 80
    assert middle.max() < 30
    assert "red where it is above" in dock.look.message.text()
    before = volumes[0].visible
    dock.looking.end()
    assert [layer.name for layer in viewer.layers] == ["reference", "other"]
    assert all(layer.visible for layer in volumes)
    assert not before


@pytest.mark.viewer
def test_the_difference_follows_from_planes_to_volumes_and_back(qtbot, viewer, compare, volumes) -> None:
    viewer.dims.ndisplay = 2
    dock = compare(*volumes)
    click(qtbot, dock.look.buttons["difference"])
    assert len(shown(qtbot, viewer, dock)) == 1
    viewer.dims.ndisplay = 3
    qtbot.waitUntil(lambda: len(shown(qtbot, viewer, dock)) == 2, timeout=PATIENCE)
    viewer.dims.ndisplay = 2
    qtbot.waitUntil(lambda: len(shown(qtbot, viewer, dock)) == 1, timeout=PATIENCE)
    assert "at the pixels of" in dock.look.message.text()


@pytest.mark.viewer
def test_what_is_no_volume_is_told(qtbot, viewer, compare, volumes) -> None:
    plane = viewer.add_image(np.ones((SIDE, SIDE)), name="plane")
    dock = compare(volumes[0], plane)
    click(qtbot, dock.look.buttons["difference"])
    assert dock.looking.way == ""
    assert "'plane' is no volume" in dock.look.message.text()
    assert all(layer.visible for layer in viewer.layers)


@pytest.mark.viewer
def test_the_cross_lies_on_one_line_of_sight_with_the_brightest_value_along_it(
    qtbot, viewer, compare, photograph
) -> None:
    deep = np.zeros((SIDE, SIDE, SIDE), np.float32)
    deep[17, 12, 12] = 0.75
    lazy = da.from_array(deep, chunks=8)
    layers = [
        viewer.add_image(deep, name="deep", **KEYWORDS),
        viewer.add_image(deep[::2] + 0.125, name="half", scale=(2, 1, 1), **KEYWORDS),
        viewer.add_image(lazy, name="lazy", **KEYWORDS),
    ]
    viewer.dims.ndisplay = 3
    dock = compare(*layers)
    click(qtbot, dock.look.buttons["grid"])
    photograph()
    event = SimpleNamespace(pos=(40.0, 50.0), position=(-30.0, 12.0, 12.0), view_direction=(1.0, 0.0, 0.0))
    for callback in list(viewer.mouse_move_callbacks):
        callback(viewer, event)
    marks = dock.looking.stage.overlay.marks
    assert [mark.text for mark in marks] == ["max 0.75", "max 0.125", "–"]
    assert len({(mark.x - mark.cell[0], mark.y - mark.cell[1]) for mark in marks}) == 1
    assert "line of sight" in dock.look.message.text()
    viewer.scene.camera.angles = (10, 20, 30)
    qtbot.waitUntil(lambda: not dock.looking.stage.overlay.marks, timeout=PATIENCE)
