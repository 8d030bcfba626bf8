"""What else is done to layers and plots while they are compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from ..conftest import PATIENCE, click


@pytest.fixture
def pair(viewer: Any) -> tuple[Any, Any]:
    pixels = np.random.default_rng(0).random((64, 64))
    return viewer.add_image(pixels, name="before"), viewer.add_image(pixels + 1, name="after")


def captions(dock: Any) -> str:
    return " ".join(caption.text for caption in dock.looking.stage.overlay.captions)


@pytest.mark.viewer
@pytest.mark.parametrize("way", ["swipe", "blink", "difference"])
def test_a_new_name_is_shown_at_once(qtbot, viewer, compare, pair, way: str) -> None:
    dock = compare(*pair)
    dock.look.pace.setCurrentIndex(2)
    click(qtbot, dock.look.buttons[way])
    pair[0].name, pair[1].name = "truth", "result"
    assert "truth" in captions(dock)
    assert "before" not in captions(dock)
    assert dock.look.against.itemText(0) == "result"
    if way == "difference":
        assert "'result' minus 'truth'" in dock.look.message.text()
        assert any(layer.name == "result − truth" for layer in viewer.layers)


@pytest.mark.viewer
@pytest.mark.parametrize("way", ["swipe", "difference"])
def test_all_layers_are_removed_together_with_those_of_the_comparison(
    qtbot, viewer, compare, pair, way: str
) -> None:
    dock = compare(*pair)
    click(qtbot, dock.look.buttons[way])
    viewer.layers.select_all()
    viewer.layers.remove_selected()
    qtbot.waitUntil(lambda: len(viewer.layers) == 0, timeout=PATIENCE)
    assert dock.looking.way == ""
    assert "Open the images" in dock.look.message.text()


@pytest.mark.viewer
@pytest.mark.parametrize("way", ["grid", "swipe", "blink", "difference"])
def test_the_layer_that_is_removed_goes_and_no_other(qtbot, viewer, compare, pair, way: str) -> None:
    viewer.add_image(np.ones((64, 64)), name="third")
    viewer.add_image(np.ones((64, 64)), name="fourth")
    dock = compare(viewer.layers["third"], pair[0])
    dock.look.pace.setCurrentIndex(2)
    click(qtbot, dock.look.buttons[way])
    assert viewer.layers.index(pair[0]) > viewer.layers.index("fourth")  # the comparison puts it on top
    viewer.layers.remove(pair[0])
    assert pair[0] not in viewer.layers
    qtbot.waitUntil(
        lambda: [layer.name for layer in viewer.layers] == ["after", "third", "fourth"], timeout=PATIENCE
    )
    assert all(layer.visible and layer.opacity == 1 for layer in viewer.layers)


@pytest.mark.viewer
def test_a_difference_of_nothing_is_told(qtbot, viewer, compare, pair) -> None:
    nothing = viewer.add_image(np.full((64, 64), np.nan), name="nothing", contrast_limits=(0, 1))
    dock = compare(pair[0], nothing)
    click(qtbot, dock.look.buttons["difference"])
    assert "No pixel in view has a value in both" in dock.look.message.text()


@pytest.mark.viewer
def test_an_old_plot_does_not_stand_under_why_there_is_none(qtbot, viewer, compare, pair) -> None:
    dock = compare(*pair)
    dock.tabs.setCurrentIndex(2)
    dock.plots.draw_line()
    qtbot.waitUntil(lambda: dock.plots.plot.curves is not None, timeout=PATIENCE)
    canvas = dock.plots.plot.figure.canvas
    assert canvas.isVisible()
    for kind in ("samples", "frames"):
        dock.plots.kind.setCurrentIndex(dock.plots.kind.findData(kind))
        qtbot.waitUntil(lambda: not dock.plots.runner.running, timeout=PATIENCE)
    dock.plots.kind.setCurrentIndex(dock.plots.kind.findData("samples"))
    qtbot.waitUntil(lambda: "No compared layer has samples" in dock.plots.message.text(), timeout=PATIENCE)
    assert not canvas.isVisible()
    assert dock.plots.plot.curves is None
    dock.plots.kind.setCurrentIndex(0)
    qtbot.waitUntil(canvas.isVisible, timeout=PATIENCE)


@pytest.mark.viewer
def test_samples_are_no_planes_of_a_volume(qtbot, viewer, compare, pair) -> None:
    noise = np.random.default_rng(1).normal(size=(6, 64, 64))
    layer = viewer.add_image(pair[0].data + 3 * noise, name="samples", axis_labels=("sample", "y", "x"))
    dock = compare(layer, pair[1])
    dock.numbers.extent.setCurrentIndex(1)
    scene = dock.numbers.scene()
    assert (scene.reference.image.axes, scene.reference.sample_axis) == ("TYX", 0)
    click(qtbot, dock.numbers.bar.run_button)
    qtbot.waitUntil(lambda: dock.numbers.table is not None, timeout=PATIENCE)
    assert dock.numbers.table["samples"]["frc_frames"] is not None
    assert "median over 6 planes" in dock.numbers.table.to_csv()


@pytest.mark.viewer
def test_units_that_do_not_go_together_are_told(qtbot, viewer, compare, pair) -> None:
    other = viewer.add_image(np.random.default_rng(0).random((64, 64)), name="sized", units=("µm", "µm"))
    dock = compare(pair[0], other)
    assert "do not go together" in dock.numbers.scene().note


@pytest.mark.viewer
def test_a_detached_plot_closes_with_the_window_and_does_not_keep_the_program_alive(
    qtbot, viewer, pair
) -> None:
    dock = viewer.window.add_plugin_dock_widget("napari-diffuscope", "Compare")[1]
    dock.choice.choose(pair[0], [pair[1]])
    dock.tabs.setCurrentIndex(2)
    dock.plots.detach()
    qtbot.waitUntil(lambda: _plot_windows() == 1, timeout=PATIENCE)
    viewer.close()
    qtbot.waitUntil(lambda: _plot_windows() == 0, timeout=PATIENCE)


def _plot_windows() -> int:
    windows = QApplication.topLevelWidgets()
    return sum(window.isVisible() and window.windowTitle() == "Comparison" for window in windows)
