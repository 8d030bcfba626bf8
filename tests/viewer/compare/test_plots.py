"""Plots in the dock: a profile that follows a line that is dragged, and curves of real layers."""

from __future__ import annotations

import csv
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da
import imageio.v3
import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QApplication

from napari_diffuscope.methods.records import RECORD_KEY
from napari_diffuscope.viewer.compare.plot_kinds import KINDS

from ..conftest import PATIENCE
from .conftest import place_on_canvas
from .test_measuring import noisy, specimen

Opened = Callable[..., Any]


def plots_of(dock: Any, kind: str = "profile") -> Any:
    """Turn to the page and choose a plot."""
    dock.tabs.setCurrentIndex([dock.tabs.tabText(n) for n in range(dock.tabs.count())].index("Plots"))
    dock.plots.plot.curves = None
    dock.plots.kind.setCurrentIndex([each for _, each in KINDS].index(kind))
    dock.plots.draw()
    return dock.plots


def drawn(plots: Any, qtbot: Any) -> Any:
    """The curves, when they are there."""
    qtbot.waitUntil(lambda: plots.plot.curves is not None, timeout=PATIENCE)
    return plots.plot.curves


def mouse(dock: Any, kind: Any, place: tuple[int, int], pressed: bool) -> None:
    """A mouse event at a row and column of the canvas."""
    canvas = dock.window().findChildren(QOpenGLWidget)[0]
    at = QPointF(place[1], place[0])
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    event = QMouseEvent(
        kind,
        at,
        QPointF(canvas.mapToGlobal(at.toPoint())),
        none if kind == QEvent.Type.MouseMove else left,
        left if pressed else none,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(canvas, event)
    QApplication.processEvents()


def test_a_profile_is_that_of_the_pixels_under_the_line(viewer: Any, compare: Opened, qtbot: Any) -> None:
    truth = specimen()
    scale = {"scale": (0.5, 0.5), "units": ("µm", "µm")}
    layers = [
        viewer.add_image(truth, name="a", **scale),
        viewer.add_image(2 * truth[:, 10:], name="b", translate=(0, 5), **scale),
    ]
    dock = compare(*layers)
    viewer.add_shapes([[[10, 8], [10, 28]]], shape_type="line", name="line", units=("µm", "µm"))
    plots = plots_of(dock)
    curves = drawn(plots, qtbot)
    assert [line.name for line in curves.lines] == ["a", "b"]
    assert curves.lines[0].x == pytest.approx(np.arange(41) * 0.5)
    assert curves.lines[0].y == pytest.approx(truth[20, 16:57], rel=1e-5)
    assert curves.lines[1].y == pytest.approx(2 * truth[20, 16:57], rel=1e-5)
    assert "µm" in curves.x_label
    plots.width.setValue(3)
    qtbot.waitUntil(
        lambda: plots.plot.curves.lines[0].y[0] == pytest.approx(truth[19:22, 16].mean(), rel=1e-5),
        timeout=PATIENCE,
    )


def test_the_profile_follows_while_the_line_is_dragged(viewer: Any, compare: Opened, qtbot: Any) -> None:
    rows = np.repeat(np.arange(100.0, dtype=np.float32)[:, None], 100, axis=1)
    dock = compare(viewer.add_image(rows, name="a"), viewer.add_image(2 * rows, name="b"))
    plots = plots_of(dock)
    plots.line_button.click()
    curves = drawn(plots, qtbot)
    assert curves.lines[0].y == pytest.approx(49.5)
    viewer.reset_view()
    qtbot.wait(50)
    start, on_the_way, end = (place_on_canvas(viewer, (row, 40)) for row in (49.5, 60, 80))
    mouse(dock, QEvent.Type.MouseMove, start, False)
    mouse(dock, QEvent.Type.MouseButtonPress, start, True)
    mouse(dock, QEvent.Type.MouseMove, on_the_way, True)
    qtbot.waitUntil(
        lambda: plots.plot.curves.lines[0].y.mean() == pytest.approx(60, abs=1.5), timeout=PATIENCE
    )
    mouse(dock, QEvent.Type.MouseMove, end, True)
    qtbot.waitUntil(
        lambda: plots.plot.curves.lines[0].y.mean() == pytest.approx(80, abs=1.5), timeout=PATIENCE
    )
    mouse(dock, QEvent.Type.MouseButtonRelease, end, False)
    assert plots.plot.curves.lines[1].y == pytest.approx(2 * plots.plot.curves.lines[0].y)


def test_five_large_layers_are_followed_without_reading_them_whole(
    viewer: Any, compare: Opened, qtbot: Any
) -> None:
    layers = [viewer.add_image(np.full((2048, 2048), n, np.float32), name=f"layer {n}") for n in range(5)]
    dock = compare(*layers)
    plots = plots_of(dock)
    plots.line_button.click()
    drawn(plots, qtbot)
    line = plots.line.currentData()
    line.data = [np.array([[109.0, 100], [1891, 1900]])]
    tracemalloc.start()
    plots.draw()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < layers[0].data.nbytes / 4
    assert [line.y.mean() for line in plots.plot.curves.lines] == pytest.approx(range(5))


def test_lazy_layers_are_read_in_the_background_and_once(viewer: Any, compare: Opened, qtbot: Any) -> None:
    reads = []

    def part(block: np.ndarray) -> np.ndarray:
        reads.append(block.shape)
        return block

    stack = np.stack([specimen((64, 64), seed) for seed in range(4)])
    lazy = da.from_array(stack, chunks=(1, 64, 64)).map_blocks(
        part, dtype=stack.dtype, meta=np.zeros((0, 0, 0))
    )
    dock = compare(
        viewer.add_image(stack, name="a"),
        viewer.add_image(lazy, name="b", multiscale=False, contrast_limits=(0, 1000)),
    )
    viewer.dims.set_point(0, 2)
    plots = plots_of(dock)
    plots.line_button.click()
    curves = drawn(plots, qtbot)
    assert curves.lines[1].y == pytest.approx(curves.lines[0].y, rel=1e-5)
    count = len(reads)
    line = plots.line.currentData()
    line.data = [np.array([[2.0, 10, 5], [2.0, 20, 60]])]
    plots.draw()
    assert len(plots.plot.curves.lines[0].x) == 57
    assert plots.plot.curves.lines[1].y == pytest.approx(plots.plot.curves.lines[0].y, rel=1e-5)
    assert len(reads) == count


@pytest.mark.parametrize("kind", ["histogram", "rings", "halves", "spectrum"])
def test_curves_of_two_images(viewer: Any, compare: Opened, qtbot: Any, kind: str) -> None:
    truth = specimen((128, 128))
    dock = compare(viewer.add_image(truth, name="truth"), viewer.add_image(noisy(truth), name="noisy"))
    plots = plots_of(dock, kind)
    curves = drawn(plots, qtbot)
    assert "noisy" in [line.name for line in curves.lines]
    if kind == "histogram":
        assert np.nansum(curves.lines[1].y) == pytest.approx(1)
    if kind == "rings":
        assert curves.lines[0].y[0] > 0.9 > 0.5 > curves.lines[0].y[-1]
    if kind == "spectrum":
        assert curves.lines[0].y[0] < 0.1 < 1 < curves.lines[0].y[-1]


def test_averaged_samples_and_calibration_of_a_result(viewer: Any, compare: Opened, qtbot: Any) -> None:
    truth = specimen((64, 64))
    draws = np.stack([truth + 10 * np.random.default_rng(n).normal(size=truth.shape) for n in range(8)])
    record = {"method": "restoration", "settings": {"samples": 8}, "model": {"name": "m"}}
    here = viewer.add_image(truth, name="truth")
    samples = viewer.add_image(draws, name="samples", axis_labels=("sample", "y", "x"))
    mean = viewer.add_image(
        draws.mean(0), name="mean", metadata={RECORD_KEY: {**record, "output": "restored"}}
    )
    deviation = viewer.add_image(
        draws.std(0, ddof=1), name="deviation", metadata={RECORD_KEY: {**record, "output": "deviation"}}
    )
    dock = compare(here, samples, mean, deviation)
    curves = drawn(plots_of(dock, "samples"), qtbot)
    gained = curves.lines[0].y - curves.lines[0].y[0]
    assert gained == pytest.approx(10 * np.log10(np.arange(1, 9)), abs=0.5)
    curves = drawn(plots_of(dock, "coverage"), qtbot)
    assert curves.lines[0].x.tolist() == [0.5, 0.68, 0.8, 0.9, 0.95]
    curves = drawn(plots_of(dock, "calibration"), qtbot)
    assert len(curves.lines[0].x) == 20
    dock.choice.choose(here, [deviation])
    plots_of(dock, "calibration")
    assert "is not among the compared layers" in dock.plots.message.text()
    dock.choice.choose(here, [mean])
    plots_of(dock, "samples")
    qtbot.waitUntil(lambda: "No compared layer has samples" in dock.plots.message.text(), timeout=PATIENCE)


def test_a_plot_is_saved_and_detached(
    viewer: Any, compare: Opened, qtbot: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    dock = compare(viewer.add_image(specimen(), name="a"), viewer.add_image(noisy(specimen()), name="b"))
    plots = plots_of(dock, "histogram")
    curves = drawn(plots, qtbot)
    for kind, save in plots.save_buttons.items():
        path = tmp_path / f"plot.{kind}"
        monkeypatch.setattr(
            "qtpy.QtWidgets.QFileDialog.getSaveFileName", lambda *_, path=path: (str(path), "")
        )
        save.click()
    picture = imageio.v3.imread(tmp_path / "plot.png")
    assert picture.shape[0] > 300
    assert len(np.unique(picture[..., :3].reshape(-1, 3), axis=0)) > 10
    text = (tmp_path / "plot.svg").read_text(encoding="utf-8")
    assert "<svg" in text
    assert text.count("<path") > 4
    lines = (tmp_path / "plot.csv").read_text(encoding="utf-8").splitlines()
    rows = list(csv.reader(line for line in lines if not line.startswith("#")))
    assert rows[0] == ["curve", curves.x_label, curves.y_label]
    assert len(rows) == 1 + 2 * len(curves.lines[0].x)
    plots.detach_button.click()
    window = plots.window_of_plot
    assert window.isVisible()
    assert window.isAncestorOf(plots.plot)
    window.close()
    assert plots.window_of_plot is None
    assert plots.isAncestorOf(plots.plot)


def test_what_is_drawn_has_the_colours_of_the_window(viewer: Any, compare: Opened, qtbot: Any) -> None:
    dock = compare(viewer.add_image(specimen(), name="a"), viewer.add_image(noisy(specimen()), name="b"))
    plots = plots_of(dock, "histogram")
    drawn(plots, qtbot)
    dark = plots.plot.figure.get_facecolor()
    viewer.theme = "light"
    assert sum(dark[:3]) < 1 < 2 < sum(plots.plot.figure.get_facecolor()[:3])


def test_without_a_line_or_a_second_layer_it_says_what_to_do(
    viewer: Any, compare: Opened, qtbot: Any
) -> None:
    one = viewer.add_image(specimen(), name="a")
    dock = compare(one, viewer.add_image(specimen(), name="b"))
    plots = plots_of(dock)
    assert "Draw a line" in plots.message.text()
    dock.choice.choose(one, [])
    assert "at least one more layer" in plots_of(dock).message.text()


def test_opening_the_dock_loads_no_matplotlib() -> None:
    import subprocess
    import sys

    script = (
        "import sys, napari_diffuscope.viewer.compare.plots, napari_diffuscope.viewer.compare.dock;"
        "sys.exit(any(name in sys.modules for name in ('matplotlib.figure', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=300).returncode == 0
