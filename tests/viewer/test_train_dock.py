"""The dock Train in a real viewer: layers in, a model among the others, curves meanwhile, honest words at the end."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QPointF
from qtpy.QtGui import QEnterEvent
from qtpy.QtWidgets import QAbstractSpinBox, QApplication, QComboBox, QLineEdit, QPushButton
from safetensors.numpy import load_file

from napari_diffuscope.cli import main
from napari_diffuscope.networks.local_unet import LocalUNet, LocalUNetConfig
from napari_diffuscope.training.learnable import LEARNABLES, PAIRS
from napari_diffuscope.training.recipe import read_recipe
from napari_diffuscope.viewer.train.dock import TrainDock
from napari_diffuscope.weights.card import read_card
from tests.tiny import SMALL, tiny_card, write_local

from .conftest import PATIENCE, assert_no_traceback, click

pytestmark = [pytest.mark.viewer, pytest.mark.slow]

SPACE = {"scale": (0.1, 0.1), "units": ("µm", "µm")}


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's models: one that smooths, which is easy to better."""
    folder = tmp_path / "models"
    monkeypatch.setenv("DIFFUSCOPE_MODELS", str(folder))
    card = tiny_card("smoother", title="Smoother")
    torch.manual_seed(0)
    write_local(folder / "smoother", card, LocalUNet(LocalUNetConfig(**SMALL, wavelets=2)))
    return folder


@pytest.fixture
def dock(qtbot, viewer, models: Path):
    _, made = viewer.window.add_plugin_dock_widget("napari-diffuscope", "Train")
    made.form.start.setCurrentIndex(made.form.start.findData("smoother"))
    for name, value in {"until": "steps", "steps": 4, "patch": 32, "batch": 2}.items():
        made.form.rows[name].value = value
    yield made
    made.runner.cancel()
    qtbot.waitUntil(lambda: not made.runner.running, timeout=PATIENCE)
    assert_no_traceback()


def clean(number: int, *shape: int) -> np.ndarray:
    """Blobs without noise."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(np.random.default_rng(number).normal(size=shape or (48, 56)), 3)
    return (100 + 400 * np.clip(smooth / smooth.max(), 0, None)).astype(np.float32)


def open_clean(viewer, count: int = 3) -> list:
    return [viewer.add_image(clean(number), name=f"cells {number}", **SPACE) for number in range(count)]


def trained(qtbot, dock: TrainDock, press=None):
    with qtbot.waitSignal(dock.runner.ended, timeout=PATIENCE) as ended:
        (press or (lambda: click(qtbot, dock.bar.run_button)))()
    return ended.args[0]


def open_pair(viewer, dock) -> None:
    """Two stacks of the same fields."""
    low_high = stacks()
    dock.form.what_box.setCurrentIndex(dock.form.what_box.findData("pairs"))
    keywords = {"scale": (0.5, 0.1, 0.1), "units": ("µm",) * 3}
    low, high = (
        viewer.add_image(pixels, name=name, **keywords)
        for name, pixels in zip(("quick", "slow"), low_high, strict=True)
    )
    dock.form.material.low.choose(low)
    dock.form.material.high.choose(high)
    dock.form.start.setCurrentIndex(dock.form.start.findData("smoother"))


def stacks() -> tuple[np.ndarray, np.ndarray]:
    high = np.stack([clean(number) for number in range(5)])
    return high + np.random.default_rng(7).normal(0, 200, high.shape).astype(np.float32), high


def test_two_layers_become_a_model_that_the_saved_recipe_makes_again(
    qtbot, viewer, dock, models: Path, tmp_path: Path
) -> None:
    open_pair(viewer, dock)
    _, restore = viewer.window.add_plugin_dock_widget("napari-diffuscope", "Restore")
    outcome = trained(qtbot, dock)
    assert outcome.state == "done", outcome.error
    rows = dock.page.rows
    best = max(row["validation_gain_db"] for row in rows)
    assert f"results are {best:.2f} dB (PSNR) nearer to the clean images" in dock.page.state.text()
    assert f"Smoother came to {rows[0]['validation_gain_db']:.2f} dB" in dock.page.state.text()
    assert restore.form.model.box.findData("my-pairs") >= 0, "an open dock lists it at once"
    card = read_card(models / "my-pairs")
    assert (card.task, card.pixel_size, card.title) == ("restore", (0.1, 0.1), "my-pairs")
    assert dock.form.rows["name"].value == "my-pairs-2", "the next one gets a free name"

    assert [row["step"] for row in rows] == list(range(5)), "with what it began with"
    zero, before = dock.page.gain.levels
    assert (zero.value, before.value) == (0.0, rows[0]["validation_gain_db"])
    assert "noisy images" in zero.name
    assert not dock.page.pictures[1].pixmap().isNull()
    assert len(viewer.layers) == 2, "nothing is put into the user's viewer"
    for layer, values in zip(viewer.layers, stacks(), strict=True):
        np.testing.assert_array_equal(layer.data, values)

    dock.form.rows["name"].value = "again"
    dock.save_recipe(tmp_path / "again.toml")
    qtbot.waitUntil(lambda: "is written" in dock.bar.status.text(), timeout=PATIENCE)
    words = shlex.split(QApplication.clipboard().text())
    assert words[:3] == ["diffuscope", "train", str(tmp_path / "again.toml")]
    places = ["--run", str(tmp_path / "run"), "--out", str(tmp_path / "out"), "--workers", "0", "--quiet"]
    with pytest.raises(SystemExit) as ended:
        main([*words[1:], *places])
    assert not ended.value.code
    one, other = (
        load_file(place / "weights.safetensors") for place in (models / "my-pairs", tmp_path / "out")
    )
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_ticked_layers_are_learned_from_and_a_cancelled_training_goes_on(
    qtbot, viewer, dock, models: Path
) -> None:
    assert "open and tick images" in dock.bar.status.text()
    layers = open_clean(viewer)
    viewer.add_image(clean(9), name="not this one", **SPACE)
    dock.form.material.layers.tick(*layers)
    dock.form.rows["steps"].value = 6
    stop = dock._validated.connect(lambda seen: seen.row["step"] and dock.bar.cancel_button.click())
    gone = dock.runner.started.connect(lambda: viewer.layers.remove(layers[0]))
    assert trained(qtbot, dock).state == "cancelled"
    dock.runner.started.disconnect(gone)
    assert "Go on takes it up" in dock.bar.status.text()
    recipe = read_recipe(dock.run_folder / "recipe.toml")
    (source,) = recipe.data.images
    written = sorted(path.name for path in Path(source.path).iterdir())
    assert written == ["01_cells_0.ome.tif", "02_cells_1.ome.tif", "03_cells_2.ome.tif"]
    assert recipe.card.pixel_size == (0.1, 0.1)

    dock._validated.disconnect(stop)
    outcome = trained(qtbot, dock, lambda: click(qtbot, dock.go_on_button))
    assert outcome.state == "done", outcome.error
    steps = [row["step"] for row in dock.page.rows]
    assert steps == list(range(steps[-1] + 1)), "one curve"
    assert dock.page.gain.levels[1].name == "Smoother before this training"
    assert "no better than the noisy images as they are" in dock.page.state.text(), "of a network so small"
    assert [path.name for path in models.iterdir()] == ["smoother"]


def test_no_better_than_the_start_is_said_and_makes_no_model(
    qtbot, viewer, dock, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lame = replace(PAIRS, tuning=replace(PAIRS.tuning, learning_rate=1e-9))
    monkeypatch.setitem(LEARNABLES, "pairs", lame)
    open_pair(viewer, dock)
    dock.form.rows["steps"].value = 1
    before = (models / "smoother" / "weights.safetensors").read_bytes()
    assert trained(qtbot, dock).state == "done"
    assert "No better than Smoother" in dock.page.state.text()
    assert "no model was made" in dock.bar.status.text()
    assert [path.name for path in models.iterdir()] == ["smoother"]
    assert (models / "smoother" / "weights.safetensors").read_bytes() == before

    dock.form.rows["steps"].value, dock.form.rows["name"].value = 1000, "longer"
    click(qtbot, dock.bar.run_button)
    qtbot.waitUntil(lambda: len(dock.page.rows) > 1, timeout=PATIENCE)
    ended = qtbot.waitSignal(dock.runner.ended, timeout=PATIENCE)
    with ended:
        viewer.window.remove_dock_widget(dock)
    folder = models.with_name("trainings") / "longer"
    assert (
        f"stops with its dock. What was learned is kept in {folder}"
        in notification_manager.records[-1].message
    )
    assert (folder / "checkpoint.pt").is_file()


def only_one(viewer, dock) -> None:
    open_clean(viewer, 1)


def too_small(viewer, dock) -> None:
    open_clean(viewer, 2)
    viewer.add_image(clean(3)[:20, :20], name="crop")


def not_a_number(viewer, dock) -> None:
    open_clean(viewer, 3)[1].data[3, 4] = np.nan


def bad_name(viewer, dock) -> None:
    open_clean(viewer)
    dock.form.rows["name"].value = "a/b"


def taken_name(viewer, dock) -> None:
    open_clean(viewer)
    dock.form.rows["name"].value = "smoother"


def unlike_pair(viewer, dock) -> None:
    dock.form.what_box.setCurrentIndex(dock.form.what_box.findData("pairs"))
    dock.form.material.low.choose(viewer.add_image(clean(0), name="low"))
    dock.form.material.high.choose(viewer.add_image(clean(0)[:40], name="high"))


BAD = {
    only_one: "is a single image, of which nothing can be kept out",
    too_small: "is only 20 pixels wide",
    not_a_number: "'cells 1' has pixels that are no numbers",
    bad_name: "cannot be the name of a folder",
    taken_name: "There is a model 'smoother' already",
    unlike_pair: "'low' is 48 x 56 and 'high' 40 x 56",
}


def test_what_cannot_be_learned_from_costs_nothing(qtbot, viewer, dock, models: Path) -> None:
    for spoil, sentence in BAD.items():
        viewer.layers.clear()
        dock.form.rows["name"].value = "fresh"
        spoil(viewer, dock)
        click(qtbot, dock.bar.run_button)
        qtbot.waitUntil(lambda sentence=sentence: sentence in dock.bar.status.text(), timeout=PATIENCE)
        assert not dock.runner.running
        assert dock.pages.currentIndex() == 0, "where it can be mended"
        assert [path.name for path in models.iterdir()] == ["smoother"]
        assert not list(models.with_name("trainings").glob("*"))
    tells_what_layers_are(viewer, dock)
    assert_every_control_says_what_it_is_for(dock)


def tells_what_layers_are(viewer, dock) -> None:
    viewer.layers.clear()
    layers = open_clean(viewer)
    dock.form.what_box.setCurrentIndex(dock.form.what_box.findData("generate"))
    assert "learned from as one class" in dock.form.size_note.text()
    assert "Pixels of 0.1 µm" in dock.form.size_note.text()
    for layer in layers:
        layer.scale = (0.2, 0.2)
    middle = QPointF(9, 9)
    QApplication.sendEvent(dock.form, QEnterEvent(middle, middle, middle))
    assert "Pixels of 0.2 µm" in dock.form.size_note.text(), "as it is when Train is pressed"
    dock.form.material.source.setCurrentIndex(1)
    assert "one class" not in dock.form.size_note.text()


def assert_every_control_says_what_it_is_for(dock: TrainDock) -> None:
    for kind in (QComboBox, QAbstractSpinBox, QPushButton, QLineEdit):
        for control in dock.findChildren(kind):
            assert len(control.toolTip() or control.parent().toolTip()) > 10, control
