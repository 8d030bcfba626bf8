"""The dock Batch in a real viewer: files in, files out, the window free, the rest told."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QApplication

from napari_diffuscope.cli import main
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.tiff import write_image
from napari_diffuscope.viewer.batch.dock import BatchDock
from tests.fuzz.models import write_restoration

from .conftest import PATIENCE, click

pytestmark = pytest.mark.viewer


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Two stacks, and one that is damaged."""
    place = tmp_path / "raw"
    place.mkdir()
    for number, name in enumerate(("a", "c")):
        pixels = np.random.default_rng(number).poisson(40, (2, 24, 32)).astype(np.float32)
        write_image(
            place / f"{name}.tif", pixels, Image(pixels, "ZYX", scale=(0.5, 0.1, 0.1), units=("µm",) * 3)
        )
    (place / "b.tif").write_bytes(b"II*\0 nothing")
    return place


@pytest.fixture
def dock(viewer, tmp_path: Path):
    made = BatchDock(viewer)
    viewer.window.add_dock_widget(made, name="Batch")
    made.form.model.open(str(write_restoration(tmp_path / "model")))
    made.folder.line.setText(str(tmp_path / "out"))
    return made


def finished(qtbot, dock):
    with qtbot.waitSignal(dock.runner.ended, timeout=PATIENCE) as ended:
        click(qtbot, dock.bar.run_button)
    return ended.args[0]


def states(dock) -> list[str]:
    return [dock.table.item(row, 1).text() for row in range(dock.table.rowCount())]


def test_a_dropped_folder_is_worked_through_and_results_open(
    qtbot, viewer, dock, raw: Path, tmp_path: Path
) -> None:
    assert not dock.bar.run_button.isEnabled()
    drop(dock.files.list, raw)
    assert dock.bar.run_button.isEnabled()
    assert finished(qtbot, dock).state == "done"
    assert states(dock) == ["done", "failed", "done"]
    assert "b.tif" in dock.table.item(1, 1).toolTip()
    assert "3 images: 2 done, 1 failed" in dock.bar.status.text()
    assert len(viewer.layers) == 0, "nothing is opened unasked"
    dock.table.cellDoubleClicked.emit(0, 1)
    assert viewer.layers[0].scale.tolist() == pytest.approx([0.5, 0.1, 0.1])

    dock.table.cellDoubleClicked.emit(1, 1)
    assert len(viewer.layers) == 1
    before = (tmp_path / "out" / "a.tif").read_bytes()
    assert finished(qtbot, dock).state == "done"
    assert states(dock) == ["there already", "failed", "there already"]
    assert (tmp_path / "out" / "a.tif").read_bytes() == before


def test_the_copied_command_does_the_same(qtbot, dock, raw: Path, tmp_path: Path) -> None:
    dock.files.list.add([raw / "a.tif", raw / "c.tif"])
    dock.form.rows["mode"].value = "sample"
    dock.form.rows["seed"].value = 4
    dock.names["pattern"].value = "{name}_{method}.ome.zarr"
    assert finished(qtbot, dock).state == "done"
    click(qtbot, dock.copy_button)
    words = shlex.split(QApplication.clipboard().text())[1:]
    words[words.index(str(tmp_path / "out"))] = str(tmp_path / "again")
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert not ended.value.code
    for name in ("a_restore.ome.zarr", "c_restore.ome.zarr"):
        one, other = (open_image(tmp_path / place / name) for place in ("out", "again"))
        np.testing.assert_array_equal(one.data[:], other.data[:])
        assert one.scale == pytest.approx((0.5, 0.1, 0.1))


def test_cancel_and_go_on(qtbot, dock, raw: Path, tmp_path: Path) -> None:
    (raw / "b.tif").unlink()
    dock.files.list.add([raw])
    with qtbot.waitSignal(dock.runner.ended, timeout=PATIENCE) as ended:
        dock._row_done.connect(lambda row: dock.runner.cancel())
        click(qtbot, dock.bar.run_button)
    assert ended.args[0].state in ("cancelled", "done")
    assert (tmp_path / "out" / "a.tif").is_file()
    dock._row_done.disconnect()
    dock._row_done.connect(dock.table.show_row)
    assert finished(qtbot, dock).state == "done"
    assert states(dock)[0] == "there already"
    assert (tmp_path / "out" / "c.tif").is_file()


def test_shapes_ask_for_labels_and_bad_names_cost_nothing(qtbot, dock, raw: Path, tmp_path: Path) -> None:
    dock.files.list.add([raw])
    dock.names["pattern"].value = "{date}.tif"
    click(qtbot, dock.bar.run_button)
    assert "{name}" in dock.bar.status.text()
    assert not (tmp_path / "out").exists()
    dock.names["pattern"].value = None
    dock.method.setCurrentIndex(dock.method.findData("shape"))
    assert set(dock.form.others) == {"labels"}
    click(qtbot, dock.bar.run_button)
    assert "labels" in dock.bar.status.text()


def test_every_control_says_what_it_is_for(dock) -> None:
    for widget in (dock.method, dock.files.list, dock.folder.line, dock.again, dock.copy_button, dock.table):
        assert len(widget.toolTip()) > 10


def drop(widget, path: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    widget.dropEvent(QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, data, buttons, keys))


def test_what_is_missing_is_told_before_the_first_click(dock, raw: Path) -> None:
    assert "add images" in dock.bar.status.text()
    dock.files.list.add([raw])
    assert not dock.bar.status.text()
    dock.folder.line.clear()
    assert "choose a folder" in dock.bar.status.text()


def test_faults_of_images_stand_in_the_table_and_bury_nothing(
    qtbot, dock, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari.utils.notifications import notification_manager

    (raw / "c.tif").rename(raw / "c <b>.tif")
    (raw / "notes.txt").write_text("Tuesday")
    dock.files.list.add([raw])
    before = len(notification_manager.records)
    assert finished(qtbot, dock).state == "done"
    assert len(notification_manager.records) == before
    assert "notes.txt" in dock.bar.status.text()
    assert "c &lt;b&gt;" in dock.table.item(2, 0).toolTip()
    dock.table.cellDoubleClicked.emit(1, 0)
    assert "no result of b.tif" in dock.bar.status.text()
    (tmp_path / "out" / "a.tif").unlink()
    dock.table.cellDoubleClicked.emit(0, 0)
    assert "not there any more" in dock.bar.status.text()


def test_a_folder_is_a_whole_path_or_lies_at_home(
    qtbot, dock, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(raw)
    (raw / "b.tif").unlink()
    dock.files.list.add([raw / "a.tif"])
    dock.folder.line.setText("results")
    click(qtbot, dock.bar.run_button)
    assert "in which folder" in dock.bar.status.text()
    dock.folder.line.setText("~/results")
    assert finished(qtbot, dock).state == "done"
    assert (tmp_path / "results" / "a.tif").is_file()
    assert not (raw / "results").exists()


def test_one_scene_of_each_file_is_taken(qtbot, dock, tmp_path: Path) -> None:
    for number in (0, 1):
        with tifffile.TiffWriter(tmp_path / f"scan{number}.ome.tif", ome=True) as writer:
            for name, edge in (("overview", 24), ("cell", 40)):
                pixels = np.random.default_rng(number).poisson(40, (edge, 32)).astype(np.uint16)
                writer.write(pixels, metadata={"axes": "YX", "Name": name})
    dock.files.list.add([tmp_path / "scan0.ome.tif", tmp_path / "scan1.ome.tif"])
    dock.form.scene.setText("overview")
    assert "--scene overview" in dock.command()
    assert finished(qtbot, dock).state == "done"
    for number in (0, 1):
        assert open_image(tmp_path / "out" / f"scan{number}.tif").shape == (24, 32)


def test_what_was_chosen_for_another_mode_is_not_chosen(dock) -> None:
    dock.form.rows["mode"].value = "sample"
    dock.form.rows["steps"].value = 7
    assert dock.form.settings().steps == 7
    dock.form.rows["mode"].value = "estimate"
    assert dock.form.settings().steps is None
