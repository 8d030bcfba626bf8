"""The dock for shapes in a real viewer, clicked, with a model that makes a known object of every outline."""

from __future__ import annotations

import csv
import shlex

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QLineEdit,
    QProgressBar,
    QPushButton,
)
from typer.testing import CliRunner

from napari_diffuscope.cli.app import make_app
from napari_diffuscope.methods.shape.method import predict_shapes
from napari_diffuscope.methods.shape.settings import ShapeSettings
from napari_diffuscope.viewer.widgets import choose
from tests.methods.shape_models import SIDE, lathed_model, three_cells, write_tiny

from .conftest import PATIENCE, click, run_to_the_end

pytestmark = pytest.mark.viewer
DOCK = "Predict 3D shape"
RECORD = "napari-diffuscope"
MODEL = "tiny-shapes"
SPACE = {"scale": (0.2, 0.2), "translate": (3, 2), "units": ("µm",) * 2, "axis_labels": ("y", "x")}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The only model for shapes: its card; what it answers is the `known` object, unless a test wants its network."""
    folder = tmp_path / "models"
    monkeypatch.setenv("DIFFUSCOPE_MODELS", str(folder))
    write_tiny(folder / MODEL)
    return folder


@pytest.fixture(autouse=True)
def known(monkeypatch):
    """A model whose object is as high as the outline is wide."""
    model = lathed_model(SIDE)
    monkeypatch.setattr("napari_diffuscope.methods.ready.load_model", lambda *args, **kwargs: model)
    return model


@pytest.fixture
def cells(viewer):
    """Cells 1 and 7 are whole, 4 touches the border."""
    return viewer.add_image(three_cells()[0], name="cells", colormap="green", **SPACE)


@pytest.fixture
def labels(viewer, cells):
    return viewer.add_labels(three_cells()[1], name="outlined", **SPACE)


def sentence(dock) -> str:
    return dock.bar.status.text()


def settled(qtbot, dock) -> None:
    """Wait until nothing is under way."""
    qtbot.waitUntil(
        lambda: not dock.background.busy and not dock.runner.running and not dock.chooser.rest.isActive(),
        timeout=PATIENCE,
    )


def click_canvas(qtbot, viewer, world, modifier=Qt.KeyboardModifier.NoModifier) -> None:
    """Click with the mouse at a place of the world."""
    canvas = viewer.__wrapped__.window._qt_viewer.canvas.native
    camera, size = viewer.scene.camera, np.array(viewer.canvas.size)
    y, x = size / 2 + (np.asarray(world)[-2:] - np.asarray(camera.center)[-2:]) * camera.zoom
    place = QPoint(round(float(x)), round(float(y)))
    qtbot.mouseMove(canvas, place)
    QApplication.processEvents()
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, modifier, place)
    QApplication.processEvents()


def place_in_world(layer, label) -> np.ndarray:
    """Centre of a label in world coordinates."""
    return np.asarray(layer.data_to_world(np.mean(np.nonzero(np.asarray(layer.data) == label), axis=1)))


def test_a_click_outlines_a_cell_and_shows_its_shape_in_place(qtbot, viewer, cells, open_dock) -> None:
    pixels = cells.data.copy()
    dock = open_dock(DOCK)
    click(qtbot, dock.buttons.click_button)
    assert dock.buttons.click_button.isChecked()
    click_canvas(qtbot, viewer, cells.data_to_world((41, 54)))
    qtbot.waitUntil(lambda: "cells outlines" in viewer.layers, timeout=PATIENCE)
    outlines = viewer.layers["cells outlines"]
    assert outlines.contour > 0
    true = three_cells()[1] == 7
    assert ((outlines.data == 1) & true).sum() / ((outlines.data == 1) | true).sum() > 0.9
    settled(qtbot, dock)
    shapes = viewer.layers["cells shapes"]
    assert shapes.ndim == 3
    np.testing.assert_allclose(place_in_world(shapes, 1)[-2:], cells.data_to_world((40, 55)), atol=0.15)
    assert place_in_world(shapes, 1)[0] == pytest.approx(0, abs=0.15), "its middle lies in the image plane"
    assert viewer.dims.point[0] == pytest.approx(0, abs=0.05), "and that is what is shown"
    assert [str(unit) for unit in shapes.units] == ["micrometer"] * 3
    assert shapes.scale[0] == pytest.approx(abs(shapes.scale[1]))
    direct = predict_shapes(pixels, outlines.data, pixel_size=0.2, model=MODEL).cells[0]
    assert shapes.features["volume"].tolist() == [direct.features["volume"]]
    voxels = float((shapes.data == 1).sum()) * float(np.prod(shapes.scale))
    assert voxels == pytest.approx(direct.features["volume"], rel=0.1)
    assert shapes.metadata[RECORD]["cells"][0]["label"] == 1
    assert "agrees with the outline" in sentence(dock)
    assert viewer.layers.selection.active.name == "cells clicks", "the next click goes there as well"
    click(qtbot, dock.buttons.click_button)
    assert viewer.layers.selection.active == cells
    np.testing.assert_array_equal(cells.data, pixels)


def test_alt_click_needs_no_tool_and_a_second_cell_joins_the_first(qtbot, viewer, cells, open_dock) -> None:
    dock = open_dock(DOCK)
    click_canvas(qtbot, viewer, cells.data_to_world((40, 55)))
    assert [layer.name for layer in viewer.layers] == ["cells"], "a plain click moves the image"
    alt = Qt.KeyboardModifier.AltModifier
    click_canvas(qtbot, viewer, cells.data_to_world((40, 55)), alt)
    click_canvas(qtbot, viewer, cells.data_to_world((20, 20)), alt)
    settled(qtbot, dock)
    assert viewer.layers["cells shapes"].features["index"].tolist() == [1, 2]
    assert [layer.name for layer in viewer.layers].count("cells shapes") == 1
    click_canvas(qtbot, viewer, cells.data_to_world((55, 10)), alt)
    settled(qtbot, dock)
    assert "no cell at the click" in sentence(dock)
    click_canvas(qtbot, viewer, cells.data_to_world((20, 20)), alt)
    settled(qtbot, dock)
    assert "Cell 2 in" in sentence(dock), "an outlined cell is not outlined again"
    assert dock.results.table.rowCount() == 2


def test_the_sensitivity_and_the_brush_correct_the_outline(qtbot, viewer, cells, open_dock) -> None:
    dock = open_dock(DOCK)
    dock.form.at_once.setChecked(False)
    dock.click(dock.form.plane(), (40.0, 55.0))
    settled(qtbot, dock)
    outlines = viewer.layers["cells outlines"]
    assert "cells shapes" not in viewer.layers
    assert "Predict again" in sentence(dock)
    areas = [int((outlines.data == 1).sum())]
    dock.form.sensitivity.slider.setValue(95)
    settled(qtbot, dock)
    areas.append(int((outlines.data == 1).sum()))
    assert areas[1] > areas[0]
    assert outlines.data.max() == 1
    click(qtbot, dock.buttons.again_button)
    settled(qtbot, dock)
    before = viewer.layers["cells shapes"].features["volume"][0]
    outlines.mode = "paint"
    outlines.brush_size = 9
    for y in range(28, 53, 3):
        for x in range(43, 49, 3):
            outlines.paint((y, x), 0)
    click(qtbot, dock.buttons.again_button)
    settled(qtbot, dock)
    assert viewer.layers["cells shapes"].features["volume"][0] < 0.9 * before
    dock.form.at_once.setChecked(True)
    volume = viewer.layers["cells shapes"].features["volume"][0]
    dock.form.sensitivity.slider.setValue(30)
    settled(qtbot, dock)
    assert viewer.layers["cells shapes"].features["volume"][0] != volume, "predicted anew once it rests"


def test_all_cells_of_a_labels_layer_and_what_is_refused(qtbot, viewer, cells, labels, open_dock) -> None:
    before = labels.data.copy()
    dock = open_dock(DOCK)
    click(qtbot, dock.bar.run_button)
    assert "click on some" in sentence(dock)
    dock.form.labels.choose(labels)
    assert not dock.form.sensitivity.isVisible()
    assert run_to_the_end(qtbot, dock).state == "done"
    shapes = viewer.layers["cells shapes"]
    assert shapes.features["index"].tolist() == [1, 7]
    for label in (1, 7):
        np.testing.assert_allclose(
            place_in_world(shapes, label)[-2:], place_in_world(labels, label), atol=0.15
        )
    assert "Finished 2 cells" in sentence(dock)
    assert "Cell 4 was left out" in sentence(dock)
    texts = [dock.results.table.item(row, 1).text() for row in range(3)]
    assert [bool(text) for text in texts] == [False, True, False]
    assert "touches the border" in texts[1]
    dock.click(dock.form.plane(), (2.0, 60.0))
    settled(qtbot, dock)
    assert "touches the border" in sentence(dock)
    dock.click(dock.form.plane(), (58.0, 2.0))
    settled(qtbot, dock)
    assert "no label of 'outlined' at the click" in sentence(dock)
    dock.form.control("anyway").setChecked(True)
    run_to_the_end(qtbot, dock)
    assert viewer.layers["cells shapes"].features["index"].tolist() == [1, 4, 7]
    np.testing.assert_array_equal(labels.data, before)


def test_the_table_sorts_and_goes_to_the_cell(qtbot, viewer, cells, labels, open_dock) -> None:
    dock = open_dock(DOCK)
    dock.form.labels.choose(labels)
    run_to_the_end(qtbot, dock)
    click(qtbot, dock.hide_button)
    assert not cells.visible
    click(qtbot, dock.hide_button)
    assert cells.visible
    heads = [
        dock.results.table.horizontalHeaderItem(i).text() for i in range(dock.results.table.columnCount())
    ]
    volume = heads.index("volume (µm³)")
    dock.results.table.sortItems(volume, Qt.SortOrder.DescendingOrder)
    order = [dock.results.table.item(row, 0).text() for row in range(3)]
    assert order.index("7") < order.index("1"), "the larger cell first"
    row = order.index("7")
    viewer.scene.camera.center = (0, 0, 0)
    rectangle = dock.results.table.visualItemRect(dock.results.table.item(row, 0))
    qtbot.mouseClick(dock.results.table.viewport(), Qt.MouseButton.LeftButton, pos=rectangle.center())
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], place_in_world(labels, 7), atol=0.2)
    assert viewer.layers["cells shapes"].selected_label == 7
    refused = order.index("4")
    rectangle = dock.results.table.visualItemRect(dock.results.table.item(refused, 0))
    qtbot.mouseClick(dock.results.table.viewport(), Qt.MouseButton.LeftButton, pos=rectangle.center())
    assert "touches the border" in sentence(dock)


def test_files_are_those_of_the_copied_command(qtbot, viewer, open_dock, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    image, numbers = three_cells()
    tifffile.imwrite("my cells.tif", image)
    tifffile.imwrite("outlined.tif", numbers.astype(np.uint16))
    (layer,) = viewer.open("my cells.tif", plugin="napari")
    (labels,) = viewer.open("outlined.tif", plugin="napari", layer_type="labels")
    layer.scale = labels.scale = (0.25, 0.25)
    layer.units = labels.units = ("µm", "µm")
    dock = open_dock(DOCK)
    dock.form.labels.choose(labels)
    dock.apply(ShapeSettings(model=MODEL, mode="ensemble", samples=2, steps=2, seed=5))
    click(qtbot, dock.copy_button)
    words = shlex.split(QApplication.clipboard().text())
    assert "--pixel-size" in words, "only the layer knows it"
    run_to_the_end(qtbot, dock)
    assert "spread of the model, not an error bar" in dock.results.spread_note.text()
    assert dock.results.spread_note.isVisibleTo(dock)
    viewer.layers.selection.active = viewer.layers["my cells shapes"]
    click(qtbot, dock.copy_button)
    assert shlex.split(QApplication.clipboard().text()) == words
    outcome = CliRunner().invoke(make_app(), words[1:])
    assert outcome.exit_code == 0, outcome.output
    written = tmp_path / "my cells_shapes"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **k: (str(tmp_path / "own.csv"), ""))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *a, **k: str(tmp_path / "own"))
    click(qtbot, dock.results.csv_button)
    settled(qtbot, dock)
    click(qtbot, dock.results.volumes_button)
    settled(qtbot, dock)
    dock.results.meshes_button.menu().actions()[0].trigger()
    settled(qtbot, dock)
    assert "Wrote the surfaces of 2 cells" in sentence(dock)
    rows = [
        list(csv.DictReader(path.read_text().splitlines()))
        for path in (tmp_path / "own.csv", written / "features.csv")
    ]
    assert rows[0] == rows[1]
    assert {row["label"]: bool(row["complaint"]) for row in rows[0]} == {"1": False, "4": True, "7": False}
    assert float(rows[0][0]["volume_sd"]) >= 0
    for label in ("1", "7"):
        own, other = tmp_path / "own" / f"{label}.tif", written / f"{label}.tif"
        np.testing.assert_array_equal(tifffile.imread(own), tifffile.imread(other))
        assert (tmp_path / "own" / f"{label}.stl").stat().st_size > 84


def test_cancel_keeps_what_is_finished_and_deleting_the_layer_cancels(
    qtbot, viewer, cells, labels, open_dock
) -> None:
    dock = open_dock(DOCK)
    dock.form.labels.choose(labels)
    run_to_the_end(qtbot, dock)
    shapes = viewer.layers["cells shapes"]
    before = shapes.data.copy()
    dock.apply(ShapeSettings(model=MODEL, mode="ensemble", samples=1000, steps=500, batch=1))
    click(qtbot, dock.bar.run_button)
    qtbot.waitUntil(lambda: not np.array_equal(before, shapes.data), timeout=PATIENCE)
    click(qtbot, dock.bar.cancel_button)
    settled(qtbot, dock)
    assert "Cancelled; kept 0 of 3 cells" in sentence(dock)
    np.testing.assert_array_equal(shapes.data, before, "unfinished shapes give way to those before")
    click(qtbot, dock.bar.run_button)
    qtbot.waitUntil(lambda: not np.array_equal(before, shapes.data), timeout=PATIENCE)
    viewer.layers.remove(shapes)
    settled(qtbot, dock)
    assert "were deleted" in sentence(dock)
    assert list(viewer.layers) == [cells, labels]
    assert dock.results.table.rowCount() == 0


def test_of_a_time_lapse_with_channels_the_shown_plane_is_used_and_named(qtbot, viewer, open_dock) -> None:
    image, numbers = three_cells()
    stack = np.zeros((3, 2, *image.shape), np.uint16)
    stack[1, 1] = image
    layer = viewer.add_image(
        stack,
        name="movie",
        scale=(5, 1, 0.2, 0.2),
        units=("s", "pixel", "µm", "µm"),
        axis_labels=tuple("tcyx"),
    )
    tracked = viewer.add_labels(np.stack([numbers * 0, numbers, numbers * 0])[:, None], name="tracked")
    tracked.scale = (5, 1, 0.2, 0.2)
    dock = open_dock(DOCK)
    dock.form.input.layers.choose(layer)
    viewer.dims.set_point(0, 5.0)
    viewer.dims.set_point(1, 1.0)
    assert "time 1, channel 1" in dock.form.plane_note.text()
    dock.form.labels.choose(tracked)
    run_to_the_end(qtbot, dock)
    shapes = viewer.layers["movie (time 1, channel 1) shapes"]
    assert shapes.data.shape[1:3] == (1, 1)
    world = place_in_world(shapes, 7)
    np.testing.assert_allclose(world, (0, 5, 1, 40 * 0.2, 55 * 0.2), atol=0.15)
    assert shapes.metadata[RECORD]["settings"]["plane"] == 3
    assert viewer.dims.point[1:3] == (5.0, 1.0), "the sliders stay"
    dock.form.labels.choose(None)
    dock.click(dock.form.plane(), (20.0, 20.0))
    settled(qtbot, dock)
    heads = [
        dock.results.table.horizontalHeaderItem(i).text() for i in range(dock.results.table.columnCount())
    ]
    column, rows = heads.index("outlined in"), range(dock.results.table.rowCount())
    assert len({dock.results.table.item(row, column).text() for row in rows}) == 2
    outlines = viewer.layers["movie (time 1, channel 1) outlines"]
    np.testing.assert_allclose(place_in_world(outlines, 1), (5, 1, 20 * 0.2, 20 * 0.2), atol=0.15)
    click(qtbot, dock.buttons.dimensions_button)
    assert [viewer.dims.axis_labels[axis] for axis in viewer.dims.displayed] == ["z", "y", "x"]
    assert viewer.dims.point[1:3] == (5.0, 1.0)
    click(qtbot, dock.buttons.dimensions_button)
    assert [viewer.dims.axis_labels[axis] for axis in viewer.dims.displayed] == ["y", "x"]


def test_in_a_stack_the_shape_lies_at_the_depth_of_its_plane(qtbot, viewer, open_dock) -> None:
    image, numbers = three_cells()
    stack = np.stack([image * 0, image * 0, image, image * 0])
    layer = viewer.add_image(
        stack,
        name="stack",
        scale=(500, 0.2, 0.2),
        translate=(1000, 0, 0),
        units=("nm", "µm", "µm"),
        axis_labels=tuple("zyx"),
    )
    flat = viewer.add_labels(numbers, name="flat", scale=(0.2, 0.2))
    dock = open_dock(DOCK)
    dock.form.input.layers.choose(layer)
    viewer.dims.set_point(0, 2000)
    assert "z 2" in dock.form.plane_note.text()
    dock.form.labels.choose(flat)
    run_to_the_end(qtbot, dock)
    shapes = viewer.layers["stack (z 2) shapes"]
    assert shapes.ndim == 3
    np.testing.assert_allclose(place_in_world(shapes, 7) / (1000, 1, 1), (2, 8, 11), atol=0.15)
    assert shapes.scale[0] == pytest.approx(1000 * shapes.scale[1])


def test_shapes_of_a_turned_layer_are_turned_with_it(qtbot, viewer, open_dock) -> None:
    image, numbers = three_cells()
    keywords = {"scale": (0.2, 0.2), "rotate": 30.0, "translate": (5, -3), "units": ("µm",) * 2}
    layer = viewer.add_image(image, name="turned", **keywords)
    labels = viewer.add_labels(numbers, name="outlined", **keywords)
    dock = open_dock(DOCK)
    dock.form.input.layers.choose(layer)
    dock.form.labels.choose(labels)
    run_to_the_end(qtbot, dock)
    world = place_in_world(viewer.layers["turned shapes"], 7)
    np.testing.assert_allclose(world[1:], layer.data_to_world((40, 55)), atol=0.15)


def test_surfaces_probability_and_3d_and_the_way_back(qtbot, viewer, cells, labels, open_dock) -> None:
    dock = open_dock(DOCK)
    click(qtbot, dock.buttons.dimensions_button)
    assert viewer.dims.ndisplay == 2
    dock.form.labels.choose(labels)
    run_to_the_end(qtbot, dock)
    choose(dock.form.kind, "surface")
    qtbot.waitUntil(lambda: "cells surfaces" in viewer.layers, timeout=PATIENCE)
    surfaces = viewer.layers["cells surfaces"]
    assert not viewer.layers["cells shapes"].visible
    world = np.array([surfaces.data_to_world(vertex) for vertex in surfaces.vertices])
    low, high = world.min(axis=0), world.max(axis=0)
    np.testing.assert_allclose(high[1:], cells.data_to_world((52, 67)), atol=0.3)
    assert low[0] == pytest.approx(-high[0], abs=0.3)
    choose(dock.form.kind, "probability")
    qtbot.waitUntil(lambda: "cells probability" in viewer.layers, timeout=PATIENCE)
    field = viewer.layers["cells probability"]
    assert 0.9 < field.data.max() <= 1.0
    assert field.data[np.asarray(viewer.layers["cells shapes"].data) == 7].min() >= 0.45
    labels.visible = False
    centre, order = tuple(viewer.scene.camera.center), tuple(viewer.dims.order)
    click(qtbot, dock.buttons.dimensions_button)
    assert viewer.dims.ndisplay == 3
    assert not cells.visible, "a thin copy stands for it"
    thin = viewer.layers["cells plane"]
    np.testing.assert_array_equal(thin.data[0], cells.data)
    np.testing.assert_allclose(thin.data_to_world((0, 40, 55))[1:], cells.data_to_world((40, 55)))
    click_canvas(qtbot, viewer, cells.data_to_world((40, 55)), Qt.KeyboardModifier.AltModifier)
    assert "switch to 2D" in sentence(dock)
    click(qtbot, dock.buttons.dimensions_button)
    assert (cells.visible, labels.visible) == (True, False)
    assert "cells plane" not in viewer.layers
    assert tuple(viewer.dims.order) == order
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], centre[-2:])
    click(qtbot, dock.buttons.dimensions_button)
    viewer.dims.ndisplay = 2
    assert cells.visible, "napari's own button leads back as well"
    click(qtbot, dock.buttons.dimensions_button)
    viewer.window.remove_dock_widget(dock)
    assert cells.visible


def test_points_of_the_user_and_clicks_while_it_runs(qtbot, viewer, cells, open_dock) -> None:
    dock = open_dock(DOCK)
    assert not dock.buttons.points_button.isVisible()
    points = viewer.add_points([(20, 20), (40, 55), (41, 56)], name="mine", **SPACE)
    click(qtbot, dock.buttons.points_button)
    settled(qtbot, dock)
    assert viewer.layers["cells shapes"].features["index"].tolist() == [1, 2], (
        "two points in one cell are one cell"
    )
    assert len(points.data) == 3
    dock.form.apply(ShapeSettings(model=MODEL, mode="ensemble", samples=6, steps=4, batch=1))
    plane = dock.form.plane()
    dock.click(plane, (20.0, 20.0))
    qtbot.waitUntil(lambda: dock.runner.running, timeout=PATIENCE)
    dock.click(plane, (40.0, 55.0))
    assert "Cell 2 waits" in sentence(dock)
    settled(qtbot, dock)
    made = viewer.layers["cells shapes"].metadata[RECORD]["cells"]
    assert [cell["settings"]["samples"] for cell in made if cell["settings"]["mode"] == "ensemble"] == [6, 6]


def test_what_cannot_be_done_is_said_in_a_sentence(
    qtbot, viewer, open_dock, folder, monkeypatch, tmp_path
) -> None:
    dock = open_dock(DOCK)
    assert "no image of cells" in dock.form.input.axes_note.text()
    assert not dock.bar.run_button.isEnabled()
    image, numbers = three_cells()
    oblong = viewer.add_image(image, name="oblong", scale=(0.2, 0.3))
    assert "not square" in dock.form.input.axes_note.text()
    click(qtbot, dock.buttons.click_button)
    assert "not square" in sentence(dock)
    assert not dock.buttons.click_button.isChecked()
    viewer.layers.remove(oblong)
    cells = viewer.add_image(image, name="cells")
    small = viewer.add_labels(numbers[:20], name="small")
    dock.form.labels.choose(small)
    click(qtbot, dock.bar.run_button)
    assert "choose labels of this image" in sentence(dock)
    moved = viewer.add_labels(numbers, name="moved", translate=(30, 0))
    dock.form.labels.choose(moved)
    click(qtbot, dock.bar.run_button)
    assert "does not lie over" in sentence(dock)
    moved.translate = (0, 0)
    run_to_the_end(qtbot, dock)
    assert viewer.layers["cells shapes"].features["volume"][0] > 1000, "in pixels, where no size is known"
    assert "volume (px³)" in [
        dock.results.table.horizontalHeaderItem(i).text() for i in range(dock.results.table.columnCount())
    ]
    assert cells in viewer.layers


def test_without_a_model_the_dock_says_how_to_get_one(
    qtbot, viewer, cells, labels, open_dock, folder, monkeypatch, tmp_path
) -> None:
    monkeypatch.setenv("DIFFUSCOPE_MODELS", str(tmp_path / "none"))
    monkeypatch.setattr("napari_diffuscope.weights.folders.STARTERS", tmp_path / "none")
    dock = open_dock(DOCK)
    assert "No model for shapes is installed" in dock.form.model.card_note.text()
    dock.form.labels.choose(labels)
    click(qtbot, dock.bar.run_button)
    assert "No model for shapes is installed" in sentence(dock)
    dock.form.model._open(str(folder / MODEL))
    assert run_to_the_end(qtbot, dock).state == "done"


def test_settings_of_a_result_fill_the_form_which_explains_itself(
    qtbot, viewer, cells, labels, open_dock
) -> None:
    dock = open_dock(DOCK)
    dock.form.labels.choose(labels)
    for settings in (
        ShapeSettings(model=MODEL),
        ShapeSettings(model=MODEL, mode="ensemble", samples=3, steps=7, seed=2**40, solver="ddim"),
        ShapeSettings(model=MODEL, mode="sample", threshold="otsu", largest=False, match_mask=True),
        ShapeSettings(model=MODEL, anyway=True, window="plane", pixel_size=0.5, batch=3, device="cpu"),
    ):
        dock.apply(settings)
        assert dock.settings() == settings
    wanted = ShapeSettings(model=MODEL, mode="ensemble", samples=2, steps=2, seed=9)
    dock.apply(wanted)
    run_to_the_end(qtbot, dock)
    dock.apply(ShapeSettings(model=MODEL))
    viewer.layers.selection.active = viewer.layers["cells shapes"]
    click(qtbot, dock.repeat_button)
    assert dock.settings() == wanted
    for kind in (QComboBox, QAbstractSpinBox, QLineEdit, QPushButton, QCheckBox, QProgressBar):
        for control in dock.findChildren(kind):
            inside = control.parent()
            explained = control.toolTip() or (inside.toolTip() if inside is not None else "")
            assert explained or control.objectName().startswith("qt_"), f"{control} has no tooltip"


def test_a_network_of_its_own_and_a_closed_dock(qtbot, viewer, cells, labels, open_dock, monkeypatch) -> None:
    from napari_diffuscope.weights.model import load_model

    monkeypatch.setattr("napari_diffuscope.methods.ready.load_model", load_model)
    dock = open_dock(DOCK)
    dock.form.labels.choose(labels)
    dock.apply(ShapeSettings(model=MODEL, mode="sample", steps=2, seed=3))
    run_to_the_end(qtbot, dock)
    direct = predict_shapes(
        cells.data, labels.data, pixel_size=0.2, model=MODEL, mode="sample", steps=2, seed=3
    )
    assert viewer.layers["cells shapes"].features["volume"].tolist() == [
        cell.features["volume"] for cell in direct.cells
    ]
    before = len(viewer.mouse_drag_callbacks)
    viewer.window.remove_dock_widget(dock)
    assert len(viewer.mouse_drag_callbacks) == before - 1
    viewer.layers.remove(labels)
    viewer.dims.ndisplay = 3
    assert cells in viewer.layers
