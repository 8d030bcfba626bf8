"""Which models can be chosen, what is said of them, and where their limits lie."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from napari.utils.notifications import notification_manager

from napari_diffuscope.viewer.widgets import ERROR_COLOUR
from napari_diffuscope.weights.catalogue import find_model

from .conftest import PATIENCE, click, noisy

pytestmark = pytest.mark.viewer


def entries(choice) -> list[str]:
    return [choice.box.itemText(index) for index in range(choice.box.count())]


def coloured(note) -> bool:
    return ERROR_COLOUR in note.styleSheet() and not note.isHidden()


@pytest.fixture
def one_of_mine(tmp_path, monkeypatch):
    """A folder for models of one's own, empty at first."""
    monkeypatch.setenv("DIFFUSCOPE_MODELS", str(tmp_path / "models"))
    (tmp_path / "models").mkdir()
    return tmp_path / "models" / "mine"


def test_files_that_are_no_model_are_refused_when_they_are_opened(
    qtbot, viewer, stack, open_dock, tmp_path
) -> None:
    torch.save({"a": torch.zeros(3)}, tmp_path / "bad.pt")
    (tmp_path / "notes.pt").write_text("these are my notes")
    (tmp_path / "empty.safetensors").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    half = shutil.copytree(find_model("restoration-fluorescence"), tmp_path / "half")
    (half / "weights.safetensors").unlink()
    dock = open_dock()
    model, before, chosen = dock.form.model, entries(dock.form.model), dock.form.model.model
    for name in ("bad.pt", "notes.pt", "empty.safetensors", "folder", "half"):
        dock.bar.say("")
        model.open(str(tmp_path / name))
        qtbot.waitUntil(lambda: not model.checking, timeout=PATIENCE)
        assert name in dock.bar.status.text()
        assert (entries(model), model.model) == (before, chosen)
    dock.bar.say("")
    model.open(str(find_model("superres-fluorescence")))
    assert "not for restoration" in dock.bar.status.text()


def test_what_was_opened_can_be_taken_out_of_the_list(viewer, stack, open_dock, tmp_path) -> None:
    copy = shutil.copytree(find_model("restoration-fluorescence"), tmp_path / "copy")
    model = open_dock().form.model
    before = entries(model)
    assert not model.remove_action.isEnabled(), "models of the catalogue stay"
    model.open(str(copy))
    assert model.model == str(copy)
    assert model.remove_action.isEnabled()
    model.remove_action.trigger()
    assert entries(model) == before
    assert copy.is_dir()
    model.remove()
    assert entries(model) == before


def test_look_again_reaches_open_docks(qtbot, viewer, stack, open_dock, one_of_mine) -> None:
    dock = open_dock()
    _, cards = viewer.window.add_plugin_dock_widget("napari-diffuscope", "Models")
    before = entries(dock.form.model)
    shutil.copytree(find_model("deblurring-fluorescence"), one_of_mine)
    chosen = dock.form.model.model
    click(qtbot, cards.buttons.refresh_button)
    assert len(entries(dock.form.model)) == len(before) + 1
    assert dock.form.model.model == chosen


def test_where_the_chosen_model_is_removed_the_usual_one_is_chosen_and_said(
    viewer, stack, open_dock, one_of_mine
) -> None:
    shutil.copytree(find_model("deblurring-fluorescence"), one_of_mine)
    model = open_dock().form.model
    model.choose(one_of_mine.name)
    assert model.model == one_of_mine.name
    shutil.rmtree(one_of_mine)
    model.refresh()
    assert model.model == "restoration-fluorescence"
    assert "is no longer there; Denoise fluorescence is chosen" in notification_manager.records[-1].message


def test_the_cards_hold_no_raw_tables(viewer) -> None:
    _, dock = viewer.window.add_plugin_dock_widget("napari-diffuscope", "Models")
    for name in dock.models.shown:
        dock.models.choose(name)
        assert "{" not in dock.cards.toPlainText()
    dock.models.choose("restoration-fluorescence")
    assert "deviation calibration, samples: 8" in dock.cards.toPlainText()


@pytest.mark.parametrize(
    ("size", "unit", "said"),
    [
        (0.1, "µm", ""),
        (100, "nm", ""),
        (1.2, "µm", "pixels of 1.2 µm; the model was made for 0.03 – 0.4 µm"),
        (0.002, "mm", "pixels of 2 µm"),
        (1, "pixel", "the pixel size of the image is unknown"),
    ],
)
def test_the_limit_of_a_model_is_one_line_coloured_where_the_image_lies_outside(
    viewer, open_dock, size, unit, said
) -> None:
    viewer.add_image(noisy(32, 32), scale=(size, size), units=(unit,) * 2)
    dock = open_dock()
    note = dock.form.model.limit_note
    assert not note.isHidden()
    assert "Trained on simulated noise alone." in note.text()
    assert coloured(note) == bool(said)
    assert said in note.text()


def test_a_cell_unlike_those_of_the_training_is_told_with_its_distance(
    qtbot, viewer, open_dock, tmp_path
) -> None:
    labels = np.zeros((120, 120), int)
    labels[20:100, 40:80] = 1  # a bright square with a dark frame
    pixels = np.where(labels > 0, 200, 10).astype(np.uint8)
    pixels[24:96, 44:76] = np.indices((72, 32)).sum(0) % 2 * 200
    viewer.add_image(pixels, name="tiles")
    viewer.add_labels(labels)
    dock = open_dock("Predict 3D shape")
    note = dock.form.model.limit_note
    assert not coloured(note)
    assert "Knows red blood cells alone" in note.text()
    dock.form.labels.choose(viewer.layers[-1])
    with qtbot.waitSignal(dock.runner.ended, timeout=PATIENCE):
        click(qtbot, dock.bar.run_button)
    (session,) = dock.sessions.values()
    distance = session.cells[1].distance
    assert distance > 2 * dock.form.model.card.cell_features.limit
    assert coloured(note)
    assert f"distance {distance:.1f}, while 95 % of those lie below" in note.text()
    heads = [
        dock.results.table.horizontalHeaderItem(i).text() for i in range(dock.results.table.columnCount())
    ]
    assert "distance from training" in heads
    assert session.record["cells"][0]["distance"] == distance
    dock.save_to(tmp_path / "shapes.ome.tif")
    qtbot.waitUntil(lambda: not dock._saving.busy, timeout=PATIENCE)
    (again,) = viewer.open(tmp_path / "shapes.ome.tif", plugin="napari-diffuscope")
    assert again._type_string == "labels"
    np.testing.assert_array_equal(again.data, session.layers["labels"].data)
    viewer.layers.selection.active = again
    assert dock.repeat_button.isEnabled()


def test_an_image_of_another_pixel_size_is_offered_to_be_resampled(qtbot, viewer, open_dock) -> None:
    layer = viewer.add_image(noisy(48, 48), name="coarse", scale=(1.2, 1.2), units=("µm",) * 2)
    dock = open_dock()
    note = dock.form.model.limit_note
    assert "turn on Resample under Advanced" in note.text()
    dock.form.rows["resample"].value = True
    assert "it is resampled for the model" in note.text()
    with qtbot.waitSignal(dock.runner.ended, timeout=PATIENCE) as ended:
        click(qtbot, dock.bar.run_button)
    assert ended.args[0].state == "done"
    result = viewer.layers[-1]
    assert result.data.shape == layer.data.shape
    np.testing.assert_allclose(result.extent.world, layer.extent.world)
    record = result.metadata["napari-diffuscope"]
    assert any("from pixels of 1.2 µm to 0.4 µm and back" in message for message in record["messages"])
