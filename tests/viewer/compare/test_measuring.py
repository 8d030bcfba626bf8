"""Numbers and report of real layers in a real window."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image
from qtpy.QtWidgets import QApplication
from scipy import ndimage

import napari_diffuscope
from napari_diffuscope.measure.squirrel import squirrel
from napari_diffuscope.methods.records import RECORD_KEY

from ..conftest import PATIENCE

Opened = Callable[..., Any]


def specimen(shape: tuple[int, ...] = (80, 90), seed: int = 0) -> np.ndarray:
    return (1000 * ndimage.gaussian_filter(np.random.default_rng(seed).random(shape), 2)).astype(np.float32)


def noisy(image: np.ndarray) -> np.ndarray:
    return (image + 5 * np.random.default_rng(9).normal(size=image.shape)).astype(np.float32)


def measured(dock: Any, qtbot: Any, group: str = "All") -> Any:
    """Press Measure, and wait for the table."""
    page = dock.numbers
    page.measures.setCurrentIndex(page.measures.findText(group))
    page.table = None
    page.bar.run_button.click()
    qtbot.waitUntil(lambda: page.table is not None, timeout=PATIENCE)
    return page.table


ERRORS = "Errors against the reference"


def test_the_window_gives_the_numbers_of_python(viewer: Any, compare: Opened, qtbot: Any) -> None:
    truth = specimen()
    layers = [viewer.add_image(truth, name="truth"), viewer.add_image(noisy(truth), name="noisy")]
    dock = compare(*layers)
    table = measured(dock, qtbot)
    expected = napari_diffuscope.compare(truth, noisy(truth), names=("truth", "noisy"))
    assert table.cells == expected.cells
    view = dock.numbers.view
    names = [view.verticalHeaderItem(row).text() for row in range(view.rowCount())]
    item = view.item(names.index("PSNR (dB)"), 1)
    assert item.text() == f"{expected['noisy']['psnr']:.4g}"
    assert "data range" in view.verticalHeaderItem(names.index("PSNR (dB)")).toolTip()
    assert "This is the reference" in view.item(names.index("PSNR (dB)"), 0).toolTip()


def test_layers_of_other_pixels_places_and_rotations_lie_where_the_window_shows_them(
    viewer: Any, compare: Opened, qtbot: Any
) -> None:
    fine = specimen((120, 120))
    coarse = fine.reshape(60, 2, 60, 2).mean((1, 3))
    units = {"units": ("µm", "µm")}
    reference = viewer.add_image(coarse, name="coarse", scale=(0.2, 0.2), translate=(5.05, 7.05), **units)
    same = viewer.add_image(
        da.from_array(fine, chunks=32),
        name="fine",
        scale=(100, 100),
        translate=(5000, 7000),
        units=("nm", "nm"),
    )
    turned = np.rot90(coarse).copy()  # shown as the reference by a quarter turn back
    quarter = viewer.add_image(
        turned, name="turned", scale=(0.2, 0.2), rotate=-90, translate=(5.05, 7.05 + 59 * 0.2), **units
    )
    dock = compare(reference, same, quarter)
    table = measured(dock, qtbot, ERRORS)
    assert table["fine"]["rmse"] < 1e-3 * np.ptp(coarse)
    assert "2 × 2 points" in table.columns[0].basis
    assert table["turned"]["rmse"] < 1e-3 * np.ptp(coarse)


def test_the_current_plane_or_all_planes(viewer: Any, compare: Opened, qtbot: Any) -> None:
    stack = np.stack([specimen(seed=seed) for seed in range(3)])
    other = stack.copy()
    other[1] += 7
    dock = compare(viewer.add_image(stack, name="a"), viewer.add_image(other, name="b"))
    viewer.dims.set_point(0, 2)
    assert measured(dock, qtbot, ERRORS)["b"]["mae"] == pytest.approx(0, abs=1e-4)
    viewer.dims.set_point(0, 1)
    assert measured(dock, qtbot, ERRORS)["b"]["mae"] == pytest.approx(7, rel=1e-3)
    dock.numbers.extent.setCurrentIndex(1)
    assert measured(dock, qtbot, ERRORS)["b"]["mae"] == pytest.approx(7 / 3, rel=1e-3)


@pytest.mark.parametrize("kind", ["rectangle", "ellipse", "labels"])
def test_only_inside_of_a_shape_or_under_labels(viewer: Any, compare: Opened, qtbot: Any, kind: str) -> None:
    truth = specimen()
    wrong = truth.copy()
    wrong[:, :20] += 50
    scale = {"scale": (0.5, 0.5)}
    layers = [viewer.add_image(truth, name="a", **scale), viewer.add_image(wrong, name="b", **scale)]
    if kind == "labels":
        mask = np.zeros((80, 90), dtype=int)
        mask[10:60, 30:70] = 3
        part = viewer.add_labels(mask, **scale)
    else:
        corners = np.array([[5, 15], [5, 35], [30, 35], [30, 15]])  # in world coordinates
        part = viewer.add_shapes([corners], shape_type=kind)
    dock = compare(*layers)
    assert measured(dock, qtbot, ERRORS)["b"]["mae"] > 5
    dock.numbers.part.setCurrentIndex(dock.numbers.part.findText(part.name))
    table = measured(dock, qtbot, ERRORS)
    assert table["b"]["mae"] == pytest.approx(0, abs=1e-4)
    assert (table["b"]["ms_ssim"] is None) == (kind == "ellipse")


def test_labels_are_measured_by_overlap_and_not_with_images(viewer: Any, compare: Opened, qtbot: Any) -> None:
    labels = np.zeros((60, 60), dtype=int)
    labels[10:30, 10:30] = 1
    moved = np.roll(labels, 10, axis=1)
    one, other = viewer.add_labels(labels, name="one"), viewer.add_labels(moved, name="other")
    image = viewer.add_image(specimen((60, 60)), name="image")
    dock = compare(one, other)
    assert measured(dock, qtbot)["other"]["iou"] == pytest.approx(1 / 3)
    dock.choice.choose(one, [image])
    dock.numbers.bar.run_button.click()
    assert "labels with labels" in dock.numbers.bar.status.text()


def test_results_are_not_split_until_asked_for_twice(viewer: Any, compare: Opened, qtbot: Any) -> None:
    raw = viewer.add_image(noisy(specimen((128, 128))), name="raw")
    record = {"method": "restoration", "input": {"name": "raw"}, "model": {"name": "m"}}
    result = viewer.add_image(specimen((128, 128)), name="result", metadata={RECORD_KEY: record})
    dock = compare(raw, result)
    table = measured(dock, qtbot, "Resolution and noise")
    assert "made by a model" in table.cell("result", "frc_split").why
    assert "share its noise" in table.cell("result", "frc").why
    dock.numbers.of_results.setChecked(True)
    table = measured(dock, qtbot, "Resolution and noise")
    assert "model" not in table.cell("result", "frc_split").why


def test_what_cannot_be_measured_is_said_and_old_numbers_are_known_as_old(
    viewer: Any, compare: Opened, qtbot: Any
) -> None:
    near = viewer.add_image(specimen(), name="near")
    far = viewer.add_image(specimen(), name="far", translate=(5000, 0))
    other = viewer.add_image(noisy(specimen()), name="other")
    dock = compare(near, far)
    dock.numbers.bar.run_button.click()
    qtbot.waitUntil(lambda: "do not overlap" in dock.numbers.bar.status.text(), timeout=PATIENCE)
    dock.choice.choose(near, [other])
    measured(dock, qtbot, ERRORS)
    other.data = specimen(seed=5)
    assert "measure again" in dock.numbers.message.text()
    dock.choice.choose(near, [])
    assert not dock.numbers.bar.run_button.isEnabled()


def test_a_long_measurement_can_be_cancelled(viewer: Any, compare: Opened, qtbot: Any) -> None:
    stack = np.stack([specimen()] * 60)
    dock = compare(viewer.add_image(stack, name="a"), viewer.add_image(noisy(stack), name="b"))
    dock.numbers.extent.setCurrentIndex(1)
    dock.numbers.bar.run_button.click()
    dock.numbers.bar.cancel_button.click()
    qtbot.waitUntil(lambda: not dock.numbers.runner.running, timeout=PATIENCE)
    assert dock.numbers.table is None
    assert "Cancelled" in dock.numbers.bar.status.text()


def test_the_table_is_copied_and_saved(
    viewer: Any, compare: Opened, qtbot: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    truth = specimen()
    dock = compare(viewer.add_image(truth, name="truth"), viewer.add_image(noisy(truth), name="noisy"))
    table = measured(dock, qtbot, ERRORS)
    dock.numbers.copy_button.click()
    rows = list(csv.reader(QApplication.clipboard().text().splitlines(), delimiter="\t"))
    assert float(rows[2][rows[0].index("PSNR (dB)")]) == table["noisy"]["psnr"]
    for kind, text in (("csv", table.to_csv()), ("md", table.to_markdown())):
        path = tmp_path / f"numbers.{kind}"
        monkeypatch.setattr(
            "qtpy.QtWidgets.QFileDialog.getSaveFileName", lambda *_, path=path: (str(path), "")
        )
        (dock.numbers.csv_button if kind == "csv" else dock.numbers.markdown_button).click()
        assert path.read_text(encoding="utf-8") == text
    missing = tmp_path / "absent" / "numbers.csv"
    monkeypatch.setattr("qtpy.QtWidgets.QFileDialog.getSaveFileName", lambda *_: (str(missing), ""))
    dock.numbers.csv_button.click()
    assert "absent" in dock.numbers.message.text()


def test_the_report_is_written_from_the_window(
    viewer: Any, compare: Opened, qtbot: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    truth = specimen()
    dock = compare(viewer.add_image(truth, name="truth"), viewer.add_image(noisy(truth), name="noisy"))
    path = tmp_path / "page.html"
    monkeypatch.setattr("qtpy.QtWidgets.QFileDialog.getSaveFileName", lambda *_: (str(path), ""))
    dock.report.bar.run_button.click()
    qtbot.waitUntil(lambda: dock.report.written == path, timeout=PATIENCE)
    text = path.read_text(encoding="utf-8")
    assert "noisy against truth" in text
    assert dock.report.open_button.isEnabled()
    assert [layer.name for layer in viewer.layers] == ["truth", "noisy"]


def test_colours_are_measured_by_their_luminance(viewer: Any, compare: Opened, qtbot: Any) -> None:
    grey = np.round(specimen() / 1000 * 255).astype(np.uint8)
    rgb = np.stack([grey] * 3, axis=-1)
    dock = compare(viewer.add_image(grey, name="grey"), viewer.add_layer(Image(rgb, rgb=True, name="rgb")))
    assert measured(dock, qtbot, ERRORS)["rgb"]["mae"] < 0.01


def test_the_error_map_of_squirrel_lies_on_the_plane_of_the_reference(
    viewer: Any, compare: Opened, qtbot: Any
) -> None:
    truth = np.stack([specimen((40, 44), seed) for seed in range(3)])
    fine = np.stack([ndimage.zoom(plane, 2, order=1) for plane in truth])
    fine[1, 20:24, 30:34] += 500
    wide, narrow = (2.0, 0.4, 0.4), (2.0, 0.2, 0.2)
    reference = viewer.add_image(truth, name="wide", scale=wide, translate=(1, 2, 3), units=("µm",) * 3)
    other = viewer.add_image(fine, name="sharp", scale=narrow, translate=(1, 1.9, 2.9), units=("µm",) * 3)
    dock = compare(reference, other)
    viewer.dims.set_point(0, 3.0)
    dock.numbers.map_button.click()
    qtbot.waitUntil(lambda: "sharp error map (SQUIRREL)" in viewer.layers, timeout=PATIENCE)
    layer = viewer.layers["sharp error map (SQUIRREL)"]
    expected = squirrel(truth[1], fine[1], convention="nanoj").error_map
    np.testing.assert_allclose(layer.data[0], expected, rtol=1e-5, atol=1e-4)
    assert layer.scale.tolist() == reference.scale.tolist()
    np.testing.assert_allclose(layer.data_to_world((0, 0, 0)), reference.data_to_world((1, 0, 0)))
    worst = np.unravel_index(np.argmax(layer.data[0]), expected.shape)
    assert np.abs(np.array(worst) - (11, 16)).max() <= 2
