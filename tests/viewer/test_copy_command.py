"""The copied command line gives the numbers of the window, bit for bit."""

from __future__ import annotations

import shlex

import numpy as np
import pytest
import tifffile
from qtpy.QtWidgets import QApplication
from typer.testing import CliRunner

from napari_diffuscope.cli.app import make_app
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.viewer.widgets import choose

from .conftest import click, made, noisy, run_to_the_end

pytestmark = pytest.mark.viewer


@pytest.fixture
def opened(viewer, tmp_path, monkeypatch):
    """A stack that napari opened from a file, as a user does."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "my cells.tif"
    tifffile.imwrite(path, noisy(3, 48, 64), imagej=True, metadata={"axes": "ZYX"})
    (layer,) = viewer.open(path, plugin="napari")
    return layer


def copied(qtbot, dock) -> list[str]:
    click(qtbot, dock.copy_button)
    words = shlex.split(QApplication.clipboard().text())
    assert words[:2] == ["diffuscope", "restore"]
    return words[1:]


def run_command(words: list[str]) -> np.ndarray:
    outcome = CliRunner().invoke(make_app(), words)
    assert outcome.exit_code == 0, outcome.output
    image = open_image(words[2])
    return np.stack([image.read_plane(flat) for flat in range(image.plane_count)])


def test_for_the_whole_stack(qtbot, viewer, opened, open_dock) -> None:
    dock = open_dock()
    run_to_the_end(qtbot, dock)
    words = copied(qtbot, dock)
    assert words[1].endswith("my cells.tif")
    np.testing.assert_array_equal(run_command(words), made(viewer, "my cells restored").data)


def test_for_a_sample_of_the_visible_area_from_the_result(qtbot, viewer, opened, open_dock) -> None:
    dock = open_dock()
    dock.apply(RestoreSettings(mode="sample", steps=3, seed=11))
    viewer.dims.set_current_step(0, 1)
    viewer.scene.camera.zoom *= 2
    choose(dock.form.region, "visible")
    run_to_the_end(qtbot, dock)
    result = made(viewer, "my cells restored")
    viewer.layers.selection.active = result
    viewer.reset_view()  # the command is that of the result, not of what is in view now
    words = copied(qtbot, dock)
    assert "--crop" in words
    np.testing.assert_array_equal(run_command(words), result.data)


def test_axes_chosen_by_hand_are_part_of_it(qtbot, viewer, opened, open_dock) -> None:
    dock = open_dock()
    assert dock.form.input.axes.text() == "ZYX"
    dock.form.input.axes.clear()
    qtbot.keyClicks(dock.form.input.axes, "CYX")
    words = copied(qtbot, dock)
    assert words[words.index("--axes") + 1] == "CYX"
    run_to_the_end(qtbot, dock)
    np.testing.assert_array_equal(run_command(words), made(viewer, "my cells restored").data)


def test_for_a_colour_image_channel_by_channel(qtbot, viewer, open_dock, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("photo.tif", (noisy(40, 48, 3) / 3).astype(np.uint8), photometric="rgb")
    (layer,) = viewer.open("photo.tif", plugin="napari")
    assert layer.rgb
    dock = open_dock()
    choose(dock.form.input.rgb, "channels")
    run_to_the_end(qtbot, dock)
    words = copied(qtbot, dock)
    colours = [made(viewer, f"photo restored (estimate) {name}").data for name in ("red", "green", "blue")]
    np.testing.assert_array_equal(run_command(words), np.stack(colours))


def test_an_image_that_is_in_no_file_gets_a_placeholder_and_a_hint(qtbot, viewer, stack, open_dock) -> None:
    dock = open_dock()
    assert copied(qtbot, dock)[1] == "INPUT.tif"
    assert "save the layer first" in dock.bar.status.text()


def test_a_layer_whose_pixels_were_changed_is_no_longer_its_file(qtbot, viewer, opened, open_dock) -> None:
    dock = open_dock()
    opened.data = opened.data + 1
    assert copied(qtbot, dock)[1] == "INPUT.tif"


@pytest.mark.parametrize("axes", ["TCYX", "CZYX", "CTYX"])
def test_axes_typed_by_hand_come_back_with_repeat_and_in_commands_and_files(
    qtbot, viewer, open_dock, tmp_path, monkeypatch, axes
) -> None:
    """A layer that says nothing of itself: what was typed counts for the result, its file and its settings."""
    monkeypatch.chdir(tmp_path)
    pixels = noisy(2, 2, 40, 48)
    pixels[:, 1] *= 7
    layer = viewer.add_image(pixels, name="array")
    dock = open_dock()
    assert dock.form.input.axes.text() == "TZYX"
    dock.form.input.axes.clear()
    qtbot.keyClicks(dock.form.input.axes, axes)
    assert copied(qtbot, dock)[3:5] == ["--axes", axes]
    run_to_the_end(qtbot, dock)
    result = made(viewer, "array restored")
    assert "".join(result.axis_labels).upper() == axes
    assert result.metadata["napari-diffuscope"]["axes"] == axes
    (path,) = result.save(str(tmp_path / "result.ome.tif"), plugin="napari-diffuscope")
    stored = open_image(path)
    assert (set(stored.axes), stored.shape) == (set(axes), pixels.shape)
    (path,) = layer.save(str(tmp_path / "array.tif"), plugin="napari-diffuscope")
    viewer.layers.selection.active = result
    words = copied(qtbot, dock)
    assert words[1] == "INPUT.tif"
    words[1] = path
    np.testing.assert_array_equal(run_command(words), np.asarray(result.data).reshape(-1, 40, 48))
    dock.form.input.axes.clear()
    qtbot.keyClicks(dock.form.input.axes, "TZYX")
    click(qtbot, dock.repeat_button)
    assert dock.form.input.axes.text() == axes
    assert "These are the settings of 'array restored (estimate)'" in dock.bar.status.text()
    before = np.array(result.data)
    run_to_the_end(qtbot, dock)
    np.testing.assert_array_equal(viewer.layers[-1].data, before)


def test_repeat_refuses_an_image_that_cannot_be_read_as_the_input_was(qtbot, viewer, open_dock) -> None:
    layer = viewer.add_image(noisy(2, 40, 48), name="array")
    dock = open_dock()
    run_to_the_end(qtbot, dock)
    result = made(viewer, "array restored")
    layer.data = noisy(2, 2, 40, 48)
    viewer.layers.selection.active = result
    click(qtbot, dock.repeat_button)
    assert "has 4 dimensions and was read as ZYX" in dock.bar.status.text()


def test_the_command_of_a_result_names_the_axes_that_its_file_does_not(
    qtbot, viewer, opened, open_dock
) -> None:
    dock = open_dock()
    dock.form.input.axes.clear()
    qtbot.keyClicks(dock.form.input.axes, "CYX")
    run_to_the_end(qtbot, dock)
    result = made(viewer, "my cells restored")
    viewer.layers.selection.active = result
    dock.form.input.axes.clear()
    qtbot.keyClicks(dock.form.input.axes, "ZYX")
    words = copied(qtbot, dock)
    assert words[words.index("--axes") + 1] == "CYX"
    np.testing.assert_array_equal(run_command(words), result.data)


def test_the_command_of_a_small_image_of_a_batch_does_not_ask_to_adapt(
    qtbot, viewer, opened, open_dock, tmp_path
) -> None:
    tifffile.imwrite("other.tif", noisy(1, 40, 48)[0])
    call = ["restore", str(opened.source.path), "other.tif", "results", "--adapt"]
    done = CliRunner().invoke(make_app(), call)
    assert done.exit_code == 0, done.output
    [path] = (tmp_path / "results").glob("my cells*")
    (layer,) = viewer.open(path, plugin="napari-diffuscope")
    dock = open_dock()
    viewer.layers.selection.active = layer
    words = copied(qtbot, dock)
    assert "--adapt" not in words
    np.testing.assert_array_equal(run_command(words), layer.data)
