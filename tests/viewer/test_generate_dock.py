"""The dock Generate in a real viewer."""

from __future__ import annotations

import json
import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from napari_diffuscope import generate
from napari_diffuscope.cli import main
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.viewer.model_choice import CATALOGUE
from tests.methods.generators import carry_real, carry_training, write_generator

from .conftest import PATIENCE, click, run_to_the_end

pytestmark = pytest.mark.viewer


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the user's models, with a generator."""
    monkeypatch.setenv("DIFFUSCOPE_MODELS", str(tmp_path / "models"))
    write_generator(tmp_path / "models" / "tiny-generator", title="Tiny generator")
    CATALOGUE.changed.emit()
    return tmp_path / "models"


@pytest.fixture
def dock(models: Path, open_dock: Any) -> Any:
    made = open_dock("Generate")
    made.form.model.choose("tiny-generator")
    made.form.rows["number"].value, made.form.rows["size"].value = 3, 64
    return made


def test_without_a_layer_images_stream_into_one_stack(qtbot, viewer, dock) -> None:
    assert not viewer.layers
    assert run_to_the_end(qtbot, dock).state == "done"
    [layer] = viewer.layers
    np.testing.assert_array_equal(layer.data, generate(model="tiny-generator", number=3, size=64).generated)
    assert layer.scale.tolist() == [1.0, 0.02, 0.02]
    assert str(layer.units[-1]) == "micrometer"
    assert layer.contrast_limits[1] > layer.contrast_limits[0]
    assert dock.gallery.isVisibleTo(dock)
    assert dock.gallery.list.count() == 3


def test_classes_of_the_model_are_offered_and_used(qtbot, viewer, dock) -> None:
    box = dock.form.structure
    assert [box.itemText(i) for i in range(box.count())] == ["any", "microtubules", "mitochondria"]
    box.setCurrentText("microtubules:1,mitochondria:3")
    assert run_to_the_end(qtbot, dock).state == "done"
    expected = generate(model="tiny-generator", number=3, size=64, class_="microtubules:1,mitochondria:3")
    np.testing.assert_array_equal(viewer.layers[0].data, expected.generated)
    box.setCurrentText("nuclei")
    click(qtbot, dock.bar.run_button)
    assert "knows no class 'nuclei'" in dock.bar.status.text()
    assert len(viewer.layers) == 1


def test_copy_command_and_repeat(qtbot, viewer, dock, tmp_path: Path, monkeypatch) -> None:
    dock.form.structure.setCurrentText("mitochondria")
    dock.form.rows["seed"].value = 7
    assert run_to_the_end(qtbot, dock).state == "done"
    assert dock.bar.status.text().startswith("Finished 3 images")
    result = viewer.layers[0]
    click(qtbot, dock.copy_button)
    words = shlex.split(QApplication.clipboard().text())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(words[1:])
    np.testing.assert_array_equal(open_image(tmp_path / "OUTPUT.tif").data[:], result.data)
    dock.form.structure.setCurrentText("any")
    dock.form.rows["seed"].value = 0
    viewer.layers.selection.active = result
    click(qtbot, dock.repeat_button)
    assert (dock.form.settings().seed, dock.form.settings().class_) == (7, "mitochondria")


def test_like_the_plane_in_view_and_filling_a_mask(qtbot, viewer, dock, tmp_path: Path) -> None:
    pixels = generate(model="tiny-generator", number=2, size=80, seed=5).generated
    stack = viewer.add_image(pixels, name="given", scale=(1, 0.02, 0.02), units=("pixel", "µm", "µm"))
    mask = viewer.add_labels(np.zeros((80, 80), np.uint8), name="hole")
    mask.data[10:40, 20:50] = 1
    assert not dock.form.strength.isVisibleTo(dock)
    dock.form.like.choose(stack)
    assert dock.form.strength.isVisibleTo(dock)
    viewer.dims.set_point(0, 1)
    dock.form.strength.setValue(1.0)
    dock.form.mask.choose(mask)
    assert run_to_the_end(qtbot, dock).state == "done"
    result = viewer.layers[-1]
    assert result.data.shape == (3, 80, 80)
    for image in result.data:
        np.testing.assert_array_equal(image[mask.data == 0], pixels[1][mask.data == 0])
    click(qtbot, dock.copy_button)
    assert "--like LIKE.tif --mask MASK.tif" in QApplication.clipboard().text()
    np.testing.assert_array_equal(stack.data, pixels)

    dock.form.like.choose(None)
    viewer.layers.selection.active = result
    click(qtbot, dock.repeat_button)
    assert dock.form.like.layer == stack
    assert dock.form.mask.layer == mask


def test_cancel_keeps_what_is_finished(qtbot, viewer, dock, tmp_path: Path) -> None:
    dock.form.rows["number"].value, dock.form.rows["steps"].value = 200, 20
    click(qtbot, dock.bar.run_button)
    results = dock._run.results
    qtbot.waitUntil(lambda: len(results.finished["generated"]) > 1, timeout=PATIENCE)
    with qtbot.waitSignal(dock.runner.ended, timeout=PATIENCE) as ended:
        click(qtbot, dock.bar.cancel_button)
    assert ended.args[0].state == "cancelled"
    count = int(np.isfinite(viewer.layers[0].data).all((1, 2)).sum())
    assert 1 < count < 200
    assert dock.gallery.list.count() == count
    dock.save_kept(tmp_path / "kept")
    qtbot.waitUntil(lambda: (tmp_path / "kept" / "manifest.json").exists(), timeout=PATIENCE)
    assert len(list((tmp_path / "kept").glob("*.ome.tif"))) == count


def press(layer: Any, letter: str) -> None:
    """What a key does while a layer is selected."""
    [action] = [action for key, action in layer.keymap.items() if str(key) == letter]
    action(layer)


def test_images_are_kept_or_discarded_by_a_key_and_saved_with_a_manifest(
    qtbot, viewer, dock, tmp_path: Path
) -> None:
    assert run_to_the_end(qtbot, dock).state == "done"
    layer = viewer.layers[0]
    viewer.dims.set_point(0, 1)
    assert dock.gallery.current == 1
    press(layer, "X")
    assert dock.gallery.kept == {0: True, 1: False, 2: True}
    viewer.dims.set_point(0, 2)
    press(layer, "X")
    press(layer, "K")
    dock.gallery.list.setCurrentRow(0)
    assert round(viewer.dims.point[0]) == 0
    dock.save_kept(tmp_path / "kept")
    qtbot.waitUntil(lambda: (tmp_path / "kept" / "manifest.json").exists(), timeout=PATIENCE)
    manifest = json.loads((tmp_path / "kept" / "manifest.json").read_text())
    assert [(each["number"], each["kept"]) for each in manifest["images"]] == [
        (0, True),
        (1, False),
        (2, True),
    ]
    assert (manifest["seed"], len(manifest["model"]["sha256"])) == (0, 64)
    saved = open_image(tmp_path / "kept" / "generated_00002.ome.tif")
    np.testing.assert_array_equal(saved.data[:], layer.data[2])
    assert saved.scale == (0.02, 0.02)
    qtbot.waitUntil(lambda: dock.bar.status.text().startswith("Saved 2 of 3"), timeout=PATIENCE)
    dock.bar.guarded(lambda: dock.save_kept(tmp_path / "kept"))
    qtbot.waitUntil(lambda: "is not empty" in dock.bar.status.text(), timeout=PATIENCE)


@dataclass(frozen=True)
class Score:
    score: float
    percentile: float
    flagged: bool
    name: str
    patch: Any


def test_keys_over_the_images_of_an_earlier_run_mark_none_of_the_last(qtbot, viewer, dock) -> None:
    dock.form.rows["number"].value, dock.form.rows["steps"].value = 2, 1
    assert run_to_the_end(qtbot, dock).state == "done"
    assert run_to_the_end(qtbot, dock).state == "done"
    earlier, last = viewer.layers
    press(earlier, "X")
    assert dock.gallery.kept == {0: True, 1: True}
    assert "later run" in dock.bar.status.text()
    press(last, "X")
    assert list(dock.gallery.kept.values()).count(False) == 1


def test_the_gallery_sorts_by_how_much_images_are_like_the_training(qtbot, viewer, dock) -> None:
    assert run_to_the_end(qtbot, dock).state == "done"
    gallery, planes = dock.gallery, viewer.layers[0].data
    gallery.begin()
    for number, (score, flagged) in enumerate([(-1.0, False), (0.95, True), (0.5, False)]):
        one = Score(score, max(100 * score, 0), flagged, "field 3", planes[0])
        gallery.add(number, planes[number], (0.0, 20.0), one)
    gallery.order.setCurrentIndex(1)
    assert [gallery.list.item(row).text() for row in range(3)] == ["1 · 0.95 !", "2 · 0.50", "0 · empty"]
    gallery.list.setCurrentRow(0)
    assert "correlation 0.95, more than 95 % of real images" in gallery.words.text()
    assert "It may be a copy" in gallery.words.text()
    assert gallery.nearest.isVisibleTo(dock)
    gallery.list.setCurrentRow(2)
    assert gallery.words.text().startswith("All but empty")


def test_what_the_model_does_not_know_is_not_offered(qtbot, viewer, dock, models: Path) -> None:
    write_generator(models / "plain", classes=(), density=None)
    CATALOGUE.changed.emit()
    assert dock.form.structure.isVisibleTo(dock)
    dock.form.advanced.expand()
    assert dock.form.rows["density"].widget.native.isVisibleTo(dock)
    dock.form.model.choose("plain")
    for field in (dock.form.structure, *(dock.form.rows[n].widget.native for n in ("density", "guidance"))):
        assert not field.isVisibleTo(dock)
    assert run_to_the_end(qtbot, dock).state == "done"


def test_the_window_stays_awake_and_shows_the_first_image_at_once(qtbot, viewer, dock) -> None:
    import torch  # noqa: F401, as after the first run of a session

    dock.form.rows["number"].value, dock.form.rows["size"].value = 8, 128
    work: list[float] = []  # of the window's own thread, whatever else the machine does
    began, first = time.process_time(), False
    click(qtbot, dock.bar.run_button)
    results = dock._run.results.arrays["generated"]
    while dock.runner.running:
        before = time.thread_time()
        QApplication.processEvents()
        work.append(time.thread_time() - before)
        first = first or bool(np.isfinite(results).any())
        time.sleep(0.002)
    assert first, "an image is shown before all are made"
    assert max(work) < 0.5 * (time.process_time() - began), "it never waits for what is computed"


def test_pairs_are_previewed_live_and_leave_out_what_was_discarded(
    qtbot, viewer, dock, tmp_path: Path
) -> None:
    dock.form.rows["size"].value = 96
    assert run_to_the_end(qtbot, dock).state == "done"
    layer, before = viewer.layers[0], np.array(viewer.layers[0].data)
    dock.gallery.mark(1, False)
    click(qtbot, dock.gallery.pairs_button)
    [pairs] = [w for w in QApplication.allWidgets() if type(w).__name__ == "PairsDock" and w.parent()]
    assert pairs.layer.layer == layer
    pairs.live.setChecked(True)
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=PATIENCE)
    preview = viewer.layers[1]
    assert preview.scale.tolist() == [0.02, 0.02]
    bright = preview.data
    pairs.rows["photons"].value = 5.0
    qtbot.waitUntil(
        lambda: preview.data is not bright and preview.data.max() < bright.max(), timeout=PATIENCE
    )
    pairs.save_pairs(tmp_path / "pairs")
    qtbot.waitUntil(lambda: pairs.status.text().startswith("Wrote 2 pairs"), timeout=PATIENCE)
    assert len(list((tmp_path / "pairs" / "low").iterdir())) == 2
    saved = open_image(sorted((tmp_path / "pairs" / "high").iterdir())[1])
    np.testing.assert_array_equal(saved.data[:], before[2])
    click(qtbot, pairs.copy_button)
    assert QApplication.clipboard().text() == "diffuscope pairs IMAGES.tif --out PAIRS --photons 5.0"
    pairs.live.setChecked(False)
    assert list(viewer.layers) == [layer]
    np.testing.assert_array_equal(layer.data, before)


def test_pairs_of_a_real_layer(qtbot, viewer, open_dock_of_pairs, tmp_path: Path) -> None:
    real = viewer.add_image(np.random.default_rng(0).random((64, 64)), name="field")
    pairs = open_dock_of_pairs
    assert pairs.layer.layer == real
    pairs.save_pairs(tmp_path / "p")
    qtbot.waitUntil(lambda: "does not say its pixel size" in pairs.status.text(), timeout=PATIENCE)
    real.scale, real.units = (0.05, 0.05), ("µm", "µm")
    pairs.save_pairs(tmp_path / "p")
    qtbot.waitUntil(lambda: pairs.status.text().startswith("Wrote 1 pairs"), timeout=PATIENCE)
    assert (tmp_path / "p" / "low" / "field.tif").is_file()
    pairs.live.setChecked(True)
    viewer.window.remove_dock_widget(pairs)
    viewer.add_image(np.zeros((3, 64, 64)), name="later")
    viewer.dims.set_point(0, 1)
    qtbot.wait(300)
    assert "low-quality twin" not in [layer.name for layer in viewer.layers]


@pytest.fixture
def open_dock_of_pairs(viewer: Any) -> Any:
    _, made = viewer.window.add_plugin_dock_widget("napari-diffuscope", "Training pairs")
    return made


def test_copies_are_flagged_beside_what_they_copy(qtbot, viewer, models: Path, dock, tmp_path: Path) -> None:
    made = generate(model="tiny-generator", number=12, size=64).generated
    carry_training(models / "tiny-generator", [made[1]], list(made[3:]))
    assert run_to_the_end(qtbot, dock).state == "done"
    texts = [dock.gallery.list.item(row).text() for row in range(3)]
    assert texts[1].endswith(" !")
    assert not texts[0].endswith("!")
    dock.gallery.list.setCurrentRow(1)
    assert "It may be a copy" in dock.gallery.words.text()
    assert dock.gallery.nearest.pixmap().width() > 50
    dock.save_kept(tmp_path / "kept")
    qtbot.waitUntil(lambda: (tmp_path / "kept" / "manifest.json").exists(), timeout=PATIENCE)
    manifest = json.loads((tmp_path / "kept" / "manifest.json").read_text())
    assert [each["score"]["flagged"] for each in manifest["images"][:2]] == [False, True]


def test_the_dock_sums_up_what_the_card_says(qtbot, viewer, models: Path, dock, tmp_path: Path) -> None:
    made = generate(model="tiny-generator", number=20, size=64, seed=9).generated
    carry_training(models / "tiny-generator", [made[1]], list(made[3:]))
    carry_real(models / "tiny-generator", made[:10], made[10:])
    dock.form.rows["number"].value = 8
    assert run_to_the_end(qtbot, dock).state == "done"
    assert dock.gallery.summary.isVisibleTo(dock)
    assert "Distance from real images" in dock.gallery.summary.text()
    dock.save_kept(tmp_path / "kept")
    qtbot.waitUntil(lambda: (tmp_path / "kept" / "manifest.json").exists(), timeout=PATIENCE)
    card = json.loads((tmp_path / "kept" / "manifest.json").read_text())["card"]
    assert card["copies"]["compared"] == 8
    assert " ".join(card["words"]) == dock.gallery.summary.text()
    dock.form.rows["number"].value = 2
    click(qtbot, dock.bar.run_button)
    assert not dock.gallery.summary.text()
