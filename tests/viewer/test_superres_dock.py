"""The dock for super-resolution in a real viewer, clicked, with a tiny untrained model."""

from __future__ import annotations

import shlex

import numpy as np
import pytest
import tifffile
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QCheckBox,
    QComboBox,
    QLineEdit,
    QProgressBar,
    QPushButton,
)
from typer.testing import CliRunner

from napari_diffuscope.cli.app import make_app
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.methods.superres.method import superresolve
from napari_diffuscope.methods.superres.settings import DEFAULT_SUPERRES_MODEL, SuperresSettings
from napari_diffuscope.viewer.widgets import choose
from tests.methods.superres_models import write_tiny

from .conftest import PATIENCE, click, made, noisy, run_to_the_end

pytestmark = pytest.mark.viewer
DOCK = "Super-resolve volume"
RECORD = "napari-diffuscope"
MODEL = DEFAULT_SUPERRES_MODEL


@pytest.fixture(autouse=True)
def model(tmp_path, monkeypatch):
    """A model of one's own, which comes before the starter of that name."""
    folder = tmp_path / "models"
    monkeypatch.setenv("DIFFUSCOPE_MODELS", str(folder))
    write_tiny(folder / MODEL)
    return folder


@pytest.fixture
def coarse(viewer):
    """Four planes 0.3 µm apart, with a bright voxel in the third."""
    pixels = noisy(4, 20, 24)
    pixels[2, 7, 9] = 3000
    return viewer.add_image(
        pixels,
        name="cells",
        scale=(0.3, 0.1, 0.1),
        translate=(3, 2, 1),
        units=("µm",) * 3,
        axis_labels=("z", "y", "x"),
        colormap="green",
        gamma=0.8,
    )


def sentence(dock) -> str:
    return dock.bar.status.text()


def test_one_click_makes_cubes_at_the_same_place(qtbot, viewer, coarse, open_dock) -> None:
    pixels = coarse.data.copy()
    dock = open_dock(DOCK)
    assert "4 planes become 10, 0.1 µm apart" in dock.form.result_note.text()
    assert run_to_the_end(qtbot, dock).state == "done"
    result = made(viewer, "cells super-resolved")
    assert result.data.shape == (10, 20, 24)
    np.testing.assert_allclose(result.scale, (0.1, 0.1, 0.1))
    assert result.scale[0] == coarse.scale[0] / 3
    for name in ("translate", "rotate", "shear", "units", "axis_labels", "gamma"):
        np.testing.assert_array_equal(getattr(result, name), getattr(coarse, name), err_msg=name)
    assert result.colormap.name == "green"
    assert tuple(result.contrast_limits) == tuple(coarse.contrast_limits)
    np.testing.assert_array_equal(coarse.data, pixels)
    np.testing.assert_array_equal(result.data[::3], pixels)
    landmark = np.unravel_index(np.argmax(result.data[::3]), pixels.shape)
    np.testing.assert_allclose(
        result.data_to_world((landmark[0] * 3, *landmark[1:])), coarse.data_to_world((2, 7, 9))
    )
    record = result.metadata[RECORD]
    assert record["settings"]["model"] == MODEL
    assert record["measured_planes"] == "bit-exact"
    assert "Finished 10 planes" in sentence(dock)
    direct = superresolve(pixels, z_step=0.3, pixel_size=0.1, model=MODEL)
    np.testing.assert_array_equal(result.data, direct.superresolved)


def test_channels_in_another_order_come_back_in_that_order(qtbot, viewer, open_dock) -> None:
    pixels = noisy(3, 2, 16, 16)
    pixels[:, 1] *= 5
    viewer.add_image(
        pixels, name="two", scale=(0.2, 1, 0.1, 0.1), units=("µm",) * 4, axis_labels=("z", "c", "y", "x")
    )
    dock = open_dock(DOCK)
    run_to_the_end(qtbot, dock)
    result = made(viewer, "two super-resolved")
    assert result.data.shape == (5, 2, 16, 16)
    assert result.scale[0] == 0.1
    np.testing.assert_array_equal(result.data[::2], pixels)


def test_slices_stream_in_and_cancel_leaves_nothing_unfinished(qtbot, viewer, coarse, open_dock) -> None:
    dock = open_dock(DOCK)
    dock.apply(SuperresSettings(model=MODEL, mode="mean", samples=900, batch=1))
    click(qtbot, dock.bar.run_button)
    array = dock._run.results.arrays["superresolved"]
    qtbot.waitUntil(lambda: 0 < np.isfinite(array).sum() < array.size, timeout=PATIENCE)
    assert [layer.name for layer in viewer.layers] == [
        "cells",
        "cells super-resolved (mean of 900, seed 0)",
        "cells uncertainty (900 samples, seed 0)",
    ]
    click(qtbot, dock.bar.cancel_button)
    qtbot.waitUntil(lambda: not dock.runner.running, timeout=PATIENCE)
    qtbot.waitUntil(lambda: list(viewer.layers) == [coarse], timeout=PATIENCE)
    assert "nothing was finished" in sentence(dock)
    assert dock.preview_button.isEnabled()


def test_a_preview_lies_in_its_row_and_the_view_comes_back(qtbot, viewer, coarse, open_dock) -> None:
    other = viewer.add_image(noisy(20, 24), name="other", visible=False)
    grid, camera = viewer.canvas.grid, viewer.scene.camera
    grid.stride, camera.zoom = 2, 33.0
    before = (grid.enabled, grid.shape, grid.stride, grid.spacing, camera.zoom, tuple(viewer.dims.order))
    centre = tuple(camera.center)
    dock = open_dock(DOCK)
    dock.form.input.layers.choose(coarse)
    with qtbot.waitSignal(dock.runner.ended, timeout=PATIENCE):
        click(qtbot, dock.preview_button)
    result = made(viewer, "cells XZ slice")
    assert result.data.shape == (10, 1, 24)
    row = result.metadata[RECORD]["row"]
    np.testing.assert_array_equal(result.data[::3, 0], coarse.data[:, row])
    np.testing.assert_allclose(result.data_to_world((3, 0, 5)), coarse.data_to_world((1, row, 5)))
    assert dock.compare_button.isChecked()
    assert grid.enabled
    assert [viewer.dims.axis_labels[axis] for axis in viewer.dims.displayed] == ["z", "x"]
    assert viewer.dims.point[0 + 1] == pytest.approx(coarse.data_to_world((0, row, 0))[1])
    assert coarse.visible
    assert not other.visible
    assert coarse.name_overlay.visible
    click(qtbot, dock.compare_button)
    assert before == (
        grid.enabled,
        grid.shape,
        grid.stride,
        grid.spacing,
        camera.zoom,
        tuple(viewer.dims.order),
    )
    assert tuple(camera.center) == pytest.approx(centre)
    assert not coarse.name_overlay.visible
    assert set(viewer.layers) == {coarse, other, result}


def test_closing_the_dock_returns_the_view_and_labels_are_no_stack(qtbot, viewer, open_dock, coarse) -> None:
    dock = open_dock(DOCK)
    click(qtbot, dock.compare_button)
    assert viewer.canvas.grid.enabled
    viewer.layers.remove(coarse)
    viewer.add_labels(np.ones((20, 24), int))
    assert "labels cannot be filled in" in dock.form.input.axes_note.text()
    assert not dock.bar.run_button.isEnabled()
    viewer.window.remove_dock_widget(dock)
    assert not viewer.canvas.grid.enabled
    assert tuple(viewer.dims.order) == (0, 1)


def test_sizes_that_are_missing_are_asked_for_and_given_to_the_image_on_demand(
    qtbot, viewer, open_dock, tmp_path
) -> None:
    layer = viewer.add_image(noisy(4, 20, 24), name="silent")
    dock = open_dock(DOCK)
    click(qtbot, dock.bar.run_button)
    assert "enter the z-step" in sentence(dock)
    click(qtbot, dock.preview_button)
    assert "enter the z-step" in sentence(dock)
    assert list(viewer.layers) == [layer]
    dock.form.z_step.setValue(0.5)
    assert "enter it" in dock.form.result_note.text()
    dock.form.pixel_size.setValue(0.25)
    run_to_the_end(qtbot, dock)
    result = made(viewer, "silent super-resolved")
    assert layer.scale.tolist() == [1, 1, 1], "the user's layer stays as it is"
    assert {str(unit) for unit in layer.units} == {"pixel"}
    np.testing.assert_allclose(result.extent.world, layer.extent.world, atol=0.26)
    (path,) = result.save(str(tmp_path / "silent.ome.tif"), plugin="napari-diffuscope")
    assert (open_image(path).scale, open_image(path).units) == ((0.25,) * 3, ("micrometer",) * 3)
    assert (
        "pixels of 0.25 µm, 0.5 µm from plane to plane, as typed"
        in dock.form.input.sizes.remark.text().lower()
    )
    click(qtbot, dock.form.input.sizes.button)
    assert layer.scale.tolist() == [0.5, 0.25, 0.25]
    assert result.scale.tolist() == [0.25, 0.25, 0.25]
    assert {str(unit) for unit in (*layer.units, *result.units)} == {"micrometer"}
    assert dock.form.z_step.typed is None, "the image knows its sizes now"
    assert dock.form.input.sizes.isHidden()


def test_what_cannot_be_filled_in_is_said_in_a_sentence_and_nothing_starts(qtbot, viewer, open_dock) -> None:
    sizes = {"scale": (0.3, 0.1, 0.1), "units": ("µm",) * 3}
    cases = {
        "no z axis": {"data": noisy(20, 24)},
        "one plane": {"data": noisy(1, 20, 24), **sizes},
        "nothing to fill in": {"data": noisy(4, 20, 24), "scale": (0.05, 0.1, 0.1), "units": ("µm",) * 3},
        "looks like a colour image": {"data": noisy(8, 20, 3), "rgb": False, **sizes},
        "not square": {"data": noisy(4, 20, 24), "scale": (0.3, 0.1, 0.2), "units": ("µm",) * 3},
        "more than 10 times": {"data": noisy(4, 20, 24), "scale": (3, 0.1, 0.1), "units": ("µm",) * 3},
    }
    layers = {text: viewer.add_image(**keywords) for text, keywords in cases.items()}
    dock = open_dock(DOCK)
    for text, layer in layers.items():
        dock.form.input.layers.choose(layer)
        assert text in dock.form.result_note.text()
        click(qtbot, dock.bar.run_button)
        assert text in sentence(dock)
    pyramid = viewer.add_image([noisy(4, 20, 24), noisy(4, 10, 12)], multiscale=True, name="p", **sizes)
    dock.form.input.layers.choose(pyramid)
    assert "full resolution" in dock.form.input.axes_note.text()
    assert not dock.runner.running
    assert len(viewer.layers) == len(cases) + 1


def test_without_a_model_the_dock_says_how_to_get_one(
    qtbot, viewer, coarse, open_dock, model, monkeypatch, tmp_path
) -> None:
    monkeypatch.setenv("DIFFUSCOPE_MODELS", str(tmp_path / "none"))
    monkeypatch.setattr("napari_diffuscope.weights.folders.STARTERS", tmp_path / "none")
    dock = open_dock(DOCK)
    assert "No model for super-resolution is installed" in dock.form.model.card_note.text()
    click(qtbot, dock.bar.run_button)
    assert "No model for super-resolution is installed" in sentence(dock)
    dock.form.model._open(str(model / MODEL))
    assert run_to_the_end(qtbot, dock).state == "done"


def test_the_copied_command_gives_the_same_numbers(qtbot, viewer, open_dock, tmp_path, monkeypatch) -> None:
    """Sizes that only the layer knows are part of it."""
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("my cells.tif", noisy(3, 20, 24), imagej=True, metadata={"axes": "ZYX"})
    (layer,) = viewer.open("my cells.tif", plugin="napari")
    layer.scale, layer.units = (0.4, 0.1, 0.1), ("µm",) * 3
    dock = open_dock(DOCK)
    dock.apply(SuperresSettings(model=MODEL, mode="sample", steps=2, seed=5))
    click(qtbot, dock.copy_button)
    words = shlex.split(QApplication.clipboard().text())
    run_to_the_end(qtbot, dock)
    result = made(viewer, "my cells super-resolved")
    outcome = CliRunner().invoke(make_app(), words[1:])
    assert outcome.exit_code == 0, outcome.output
    image = open_image(words[3])
    assert image.scale[0] == pytest.approx(0.1)
    found = np.stack([image.read_plane(flat) for flat in range(image.plane_count)])
    np.testing.assert_array_equal(found, result.data)
    viewer.layers.selection.active = result
    click(qtbot, dock.copy_button)
    assert shlex.split(QApplication.clipboard().text()) == words


def test_the_form_gives_back_its_settings_and_explains_itself(qtbot, viewer, coarse, open_dock) -> None:
    dock = open_dock(DOCK)
    for settings in (
        SuperresSettings(model=MODEL),
        SuperresSettings(model=MODEL, mode="mean", samples=3, zoom=2.5, z_step=0.4, pixel_size=0.2, steps=7),
        SuperresSettings(
            model=MODEL,
            mode="sample",
            target_step=0.15,
            seed=2**40,
            consensus=False,
            reimpose=False,
            blur=0.5,
        ),
        SuperresSettings(model=MODEL, solver="ddim", pixels="input", batch=3, device="cpu"),
    ):
        dock.apply(settings)
        assert dock.settings() == settings
    choose(dock.form.target, "zoom")
    dock.form.zoom.setValue(2.5)
    assert "no whole number" in dock.form.result_note.text()
    for kind in (QComboBox, QAbstractSpinBox, QLineEdit, QPushButton, QCheckBox, QProgressBar):
        for control in dock.findChildren(kind):
            inside = control.parent()
            explained = control.toolTip() or (inside.toolTip() if inside is not None else "")
            assert explained or control.objectName().startswith("qt_"), f"{control} has no tooltip"


def test_over_a_layer_without_sizes_the_result_lies_in_place_and_the_file_gives_them(
    qtbot, viewer, open_dock, tmp_path
) -> None:
    path = tmp_path / "silent.tif"
    tifffile.imwrite(
        path,
        noisy(4, 20, 24),
        imagej=True,
        resolution=(10, 10),
        metadata={"axes": "ZYX", "spacing": 0.3, "unit": "um"},
    )
    (layer,) = viewer.open(path, plugin="napari")
    layer.scale, layer.units = (1, 1, 1), ("pixel",) * 3
    dock = open_dock(DOCK)
    assert "4 planes become 10, 0.1 µm apart" in dock.form.result_note.text()
    run_to_the_end(qtbot, dock)
    result = made(viewer, "silent super-resolved")
    assert layer.scale.tolist() == [1, 1, 1]
    np.testing.assert_allclose(result.scale, (1 / 3, 1, 1))
    np.testing.assert_array_equal(result.data[::3], layer.data)
    dock.save_to(tmp_path / "result.ome.zarr")
    qtbot.waitUntil(lambda: not dock._saving.busy, timeout=PATIENCE)
    stored = open_image(tmp_path / "result.ome.zarr")
    assert stored.scale == pytest.approx((0.1, 0.1, 0.1))
    assert set(stored.units) == {"micrometer"}
