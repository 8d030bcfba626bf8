"""The dock of a method of a few lines, in a real viewer."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from napari_diffuscope.cli import main
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.methods.effort import Effort
from napari_diffuscope.methods.registry import METHODS
from napari_diffuscope.viewer.method_dock import method_dock
from tests.methods.toys import BRIGHTEN, STRIPES, brighten

from .conftest import PATIENCE, click, made, run_to_the_end

pytestmark = pytest.mark.viewer


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    for method in (BRIGHTEN, STRIPES):
        METHODS.add(method)
    yield
    for method in (BRIGHTEN, STRIPES):
        METHODS.remove(method.name)


@pytest.fixture
def dock(viewer):
    """The dock of a toy."""

    def opened(method):
        made = method_dock(method)(viewer)
        viewer.window.add_dock_widget(made, name=method.title)
        return made

    return opened


def test_run_copy_command_and_repeat(qtbot, viewer, dock, tmp_path: Path, monkeypatch) -> None:
    pixels = np.arange(3 * 64 * 64, dtype=np.float32).reshape(3, 64, 64)
    layer = viewer.add_image(pixels, name="cells", scale=(0.5, 0.1, 0.1), units=("µm",) * 3)
    toy = dock(BRIGHTEN)
    toy.form.rows["gain"].value, toy.form.rows["way"].value = 3.0, "inverted"
    assert toy.form.rows["gain"].widget.native.toolTip() == "How many times brighter."
    assert run_to_the_end(qtbot, toy).state == "done"
    result = viewer.layers["cells bright"]
    np.testing.assert_array_equal(result.data, pixels * -3)
    assert result.scale.tolist() == layer.scale.tolist()
    assert result.metadata["napari-diffuscope"]["settings"]["way"] == "inverted"

    viewer.layers.selection.active = result
    click(qtbot, toy.copy_button)
    words = shlex.split(QApplication.clipboard().text())
    source = tmp_path / "INPUT.tif"
    layer.save(str(source), plugin="napari-diffuscope")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(words[1:])
    np.testing.assert_array_equal(open_image(tmp_path / words[3]).data[:], result.data)

    offset = toy.form.rows["offset"]
    assert (offset.value, offset.widget.native.text()) == (None, "automatic")
    offset.value = 3
    assert (toy.form.settings().offset, offset.widget.native.text()) == (3, "3")
    offset.value = None
    toy.form.rows["gain"].value, toy.form.rows["way"].value = 1.0, "plain"
    click(qtbot, toy.repeat_button)
    assert (toy.form.settings().gain, toy.form.settings().way) == (3.0, "inverted")


def slowly(work):
    """The job of the toy, slow enough to be cancelled before it ends."""
    for update in brighten(work):
        time.sleep(0.02)
        yield update


def test_cancel_keeps_what_is_finished(qtbot, viewer, dock) -> None:
    viewer.add_image(np.ones((400, 16, 16), np.float32), name="long")
    toy = dock(replace(BRIGHTEN, job=slowly))
    click(qtbot, toy.bar.run_button)
    results = toy._run.results
    qtbot.waitUntil(lambda: results.has_finished("bright"), timeout=PATIENCE)
    with qtbot.waitSignal(toy.runner.ended, timeout=PATIENCE) as ended:
        click(qtbot, toy.bar.cancel_button)
    assert ended.args[0].state == "cancelled"
    data = made(viewer, "long bright").data
    assert 0 < np.isfinite(data).sum() < data.size


def test_a_method_without_an_image_makes_a_layer(qtbot, viewer, dock) -> None:
    toy = dock(STRIPES)
    toy.form.rows["size"].value = 32
    assert run_to_the_end(qtbot, toy).state == "done"
    layer = viewer.layers["stripes"]
    assert layer.data.shape == (3, 32, 32)
    assert layer.contrast_limits[1] > layer.contrast_limits[0]
    assert toy.copy_button.isEnabled()
    click(qtbot, toy.copy_button)
    assert QApplication.clipboard().text() == "diffuscope stripes OUTPUT.tif --size 32"
    toy.form.rows["size"].value = 64
    viewer.layers.selection.active = layer
    click(qtbot, toy.repeat_button)
    assert toy.form.settings().size == 32


def test_a_method_that_knows_its_work_says_how_long_it_takes(qtbot, viewer, dock) -> None:
    viewer.add_image(np.ones((60, 16, 16), np.float32), name="stack")

    def effort(inputs, settings, card):
        planes = inputs["image"].plane_count
        return Effort(planes, "plane", 1, 2 if settings.twice else 1, 16.0 * 16.0)

    def first_planes(inputs, settings, card):
        return {"image": replace(inputs["image"], data=inputs["image"].data[:9])}, settings

    toy = dock(replace(BRIGHTEN, job=slowly, effort=effort, trial=first_planes))
    qtbot.waitUntil(lambda: "60 planes" in toy.forecast.label.text(), timeout=PATIENCE)
    assert toy.forecast.measure_button.isVisibleTo(toy)
    with qtbot.waitSignal(toy.runner.ended, timeout=PATIENCE):
        click(qtbot, toy.forecast.measure_button)
    assert not toy.forecast.measure_button.isVisibleTo(toy)
    assert "about" in toy.forecast.label.text()
    assert [layer.name for layer in viewer.layers] == ["stack"], "nobody sees the trial"
    toy.form.rows["twice"].value = True
    qtbot.waitUntil(lambda: "2 steps" in toy.forecast.label.text(), timeout=PATIENCE)
