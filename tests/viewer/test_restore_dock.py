"""The Restore dock in a real viewer, clicked."""

from __future__ import annotations

import json
import shutil

import dask.array as da
import numpy as np
import pytest
import tifffile
from napari.utils.notifications import notification_manager
from qtpy.QtWidgets import QAbstractSpinBox, QComboBox, QLineEdit, QProgressBar, QPushButton, QSlider

from napari_diffuscope.methods.restore import adapting, learning
from napari_diffuscope.methods.restore.method import restore
from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.viewer.widgets import choose
from napari_diffuscope.weights.card import CARD_FILE

from .conftest import PATIENCE, assert_no_traceback, click, made, noisy, run_to_the_end

pytestmark = pytest.mark.viewer
RECORD = "napari-diffuscope"


def test_one_click_restores_and_keeps_what_the_layer_says(qtbot, viewer, stack, open_dock) -> None:
    before = stack.as_layer_data_tuple()
    pixels = stack.data.copy()
    dock = open_dock()
    assert run_to_the_end(qtbot, dock).state == "done"
    result = made(viewer, "cells restored")
    assert np.isfinite(result.data).all()
    assert result.data.dtype == np.float32
    for name in ("scale", "translate", "rotate", "shear", "units", "axis_labels", "gamma"):
        np.testing.assert_array_equal(getattr(result, name), getattr(stack, name), err_msg=name)
    assert result.colormap.name == "green"
    np.testing.assert_array_equal(stack.data, pixels)
    after = stack.as_layer_data_tuple()
    assert {key: str(value) for key, value in after[1].items()} == {k: str(v) for k, v in before[1].items()}
    assert "Finished 3 planes" in dock.bar.status.text()
    np.testing.assert_array_equal(result.data, restore(pixels, axes="ZYX").restored)


def test_what_a_reader_noted_is_told_once_and_stays_in_the_record(qtbot, viewer, stack, open_dock) -> None:
    note = "'scan.tif' holds 3 images; the largest is read."
    stack.metadata = {"napari-diffuscope-notes": [note], "napari-diffuscope-series": 1}
    dock, warned = open_dock(), []
    dock.runner.warned.connect(warned.append)
    assert run_to_the_end(qtbot, dock).state == "done"
    assert warned == [note]
    record = made(viewer, "cells restored").metadata[RECORD]
    assert record["messages"] == [note]
    assert record["input"]["series"] == 1


def test_the_uncertainty_is_seen_above_the_mean_and_lets_it_be_seen(qtbot, viewer, stack, open_dock) -> None:
    dock = open_dock()
    dock.apply(RestoreSettings(mode="mean", samples=2, steps=3))
    run_to_the_end(qtbot, dock)
    names = [layer.name for layer in viewer.layers]
    assert names == [
        "cells",
        "cells restored (mean of 2, seed 0)",
        "cells uncertainty (2 samples, seed 0)",
    ]
    uncertainty = made(viewer, "cells uncertainty")
    alpha = uncertainty.colormap.map(np.array([0.0, 1.0]))[:, 3]
    assert alpha[0] < 0.01 < 0.9 < alpha[1], "where it is certain, the mean shows through"
    assert uncertainty.contrast_limits[0] == 0
    assert (uncertainty.data >= 0).all()
    record = uncertainty.metadata[RECORD]
    assert record["settings"]["samples"] == 2
    assert record["input"]["name"] == "cells"


def test_all_samples_come_on_a_slider_of_their_own(qtbot, viewer, stack, open_dock) -> None:
    dock = open_dock()
    dock.apply(RestoreSettings(mode="samples", samples=2, steps=2))
    run_to_the_end(qtbot, dock)
    result = made(viewer, "cells restored")
    assert result.data.shape == (2, 3, 64, 64)
    assert result.axis_labels == ("sample", "z", "y", "x")
    assert result.scale.tolist() == [1, 0.5, 0.1, 0.1]
    assert not np.array_equal(result.data[0], result.data[1])


def test_the_current_slice_comes_first_and_contrast_is_steady(qtbot, viewer, stack, open_dock) -> None:
    dock = open_dock()
    viewer.dims.set_current_step(0, 2)
    dock.apply(RestoreSettings(mode="mean", samples=6, steps=4))
    click(qtbot, dock.bar.run_button)
    results = dock._run.results
    qtbot.waitUntil(lambda: results.has_finished("restored"), timeout=PATIENCE)
    assert results.finished["restored"] == {(2,)}
    assert (2,) in results.finished["deviation"] or len(results.finished["deviation"]) == 0
    layer = made(viewer, "cells restored")
    limits = tuple(stack.contrast_limits)
    assert tuple(layer.contrast_limits) == limits
    qtbot.waitUntil(lambda: not dock.runner.running, timeout=PATIENCE)
    assert tuple(layer.contrast_limits) == limits
    assert layer.contrast_limits_range[0] <= limits[0] < limits[1] <= layer.contrast_limits_range[1]


def test_the_first_preview_appears_after_one_evaluation(qtbot, viewer, stack, open_dock) -> None:
    dock = open_dock()
    seen = []
    dock.apply(RestoreSettings(mode="sample", steps=50))
    dock.runner.progressed.connect(lambda p: seen.append((p.done, bool(np.isfinite(layer.data).any()))))
    click(qtbot, dock.bar.run_button)
    layer = made(viewer, "cells restored")
    qtbot.waitUntil(lambda: any(done > 0 for done, _ in seen), timeout=PATIENCE)
    assert next(shown for done, shown in seen if done > 0)
    click(qtbot, dock.bar.cancel_button)
    qtbot.waitUntil(lambda: not dock.runner.running, timeout=PATIENCE)


def test_cancel_keeps_what_is_finished(qtbot, viewer, open_dock) -> None:
    layer = viewer.add_image(noisy(30, 64, 64), name="long")
    dock = open_dock()
    dock.apply(RestoreSettings(mode="mean", samples=4, steps=4))
    click(qtbot, dock.bar.run_button)
    results = dock._run.results
    qtbot.waitUntil(lambda: results.has_finished("deviation"), timeout=PATIENCE)
    with qtbot.waitSignal(dock.runner.ended, timeout=PATIENCE):
        click(qtbot, dock.bar.cancel_button)
    done = made(viewer, "long restored").metadata[RECORD]["planes_done"]
    assert 1 <= len(done) < 30
    for name in ("long restored", "long uncertainty"):
        data = made(viewer, name).data
        finite = np.isfinite(data).reshape(30, -1)
        assert (finite.all(axis=1) == finite.any(axis=1)).all(), "no half-finished plane is left"
        assert set(done) <= set(np.flatnonzero(finite.all(axis=1)))
    assert f"kept {len(done)} of 30 planes" in dock.bar.status.text()
    assert layer in viewer.layers
    assert dock.bar.run_button.isEnabled()
    assert not dock.bar.cancel_button.isEnabled()


def test_cancel_before_anything_is_finished_leaves_no_layer(qtbot, viewer, stack, open_dock) -> None:
    dock = open_dock()
    dock.apply(RestoreSettings(mode="mean", samples=900))
    click(qtbot, dock.bar.run_button)
    assert len(viewer.layers) == 3
    click(qtbot, dock.bar.cancel_button)
    qtbot.waitUntil(lambda: not dock.runner.running, timeout=PATIENCE)
    qtbot.waitUntil(lambda: list(viewer.layers) == [stack], timeout=PATIENCE)
    assert "nothing was finished" in dock.bar.status.text()


def test_what_a_restless_user_does_during_a_run(qtbot, viewer, stack, open_dock) -> None:
    """Sliders, names, 3D, contrast, another run, another image, and the input deleted."""
    dock = open_dock()
    dock.apply(RestoreSettings(mode="mean", samples=12, steps=3))
    click(qtbot, dock.bar.run_button)
    assert not dock.bar.run_button.isEnabled()
    click(qtbot, dock.bar.run_button)  # greyed out: nothing happens
    result = made(viewer, "cells restored")
    for step in (0, 2, 1):
        viewer.dims.set_current_step(0, step)
        qtbot.wait(30)
    result.name = "mine"
    result.contrast_limits = (120, 130)
    viewer.dims.ndisplay = 3
    qtbot.wait(300)
    viewer.dims.ndisplay = 2
    viewer.add_image(noisy(32, 32), name="other")
    viewer.layers.remove(stack)
    assert dock.form.layer.name != "cells"
    qtbot.waitUntil(lambda: not dock.runner.running, timeout=PATIENCE)
    assert np.isfinite(result.data).all()
    assert tuple(result.contrast_limits) == (120, 130), "limits that the user chose stay"
    assert "Finished 3 planes" in dock.bar.status.text()


def test_deleting_the_results_cancels_the_run_and_says_so(qtbot, viewer, stack, open_dock) -> None:
    dock = open_dock()
    dock.apply(RestoreSettings(mode="mean", samples=900))
    click(qtbot, dock.bar.run_button)
    viewer.layers.remove(made(viewer, "cells uncertainty"))
    assert dock.runner.running
    with qtbot.waitSignal(dock.runner.ended, timeout=PATIENCE) as ended:
        viewer.layers.remove(made(viewer, "cells restored"))
    assert ended.args[0].state == "cancelled"
    assert "deleted" in dock.bar.status.text()
    assert list(viewer.layers) == [stack]


def test_closing_the_dock_during_a_run_ends_it(qtbot, viewer, stack, open_dock) -> None:
    dock = open_dock()
    dock.apply(RestoreSettings(mode="mean", samples=900))
    click(qtbot, dock.bar.run_button)
    qtbot.wait(100)
    viewer.window.remove_dock_widget(dock)
    qtbot.waitUntil(lambda: list(viewer.layers) == [stack], timeout=PATIENCE)
    viewer.add_image(noisy(32, 32))  # the closed dock no longer listens


def test_one_slice_and_the_visible_area(qtbot, viewer, stack, open_dock) -> None:
    dock = open_dock()
    viewer.dims.set_current_step(0, 1)
    choose(dock.form.region, "slice")
    run_to_the_end(qtbot, dock)
    plane = made(viewer, "cells restored")
    assert plane.data.shape == (1, 64, 64)
    np.testing.assert_allclose(plane.data_to_world((0, 0, 0)), stack.data_to_world((1, 0, 0)))

    viewer.scene.camera.zoom *= 4
    choose(dock.form.region, "visible")
    y0, y1, x0, x1 = dock.settings().crop
    assert 0 < y0 < y1 < 64
    run_to_the_end(qtbot, dock)
    area = made(viewer, "cells restored")
    assert area.data.shape == (1, y1 - y0, x1 - x0)
    np.testing.assert_allclose(area.data_to_world((0, 0, 0)), stack.data_to_world((1, y0, x0)))
    np.testing.assert_allclose(area.data[0], plane.data[0, y0:y1, x0:x1], rtol=1e-5)


def test_colour_is_asked_for_colour_images_alone(qtbot, viewer, stack, open_dock) -> None:
    dock = open_dock()
    assert not dock.form.input.rgb.isVisibleTo(dock.form)
    rgb = viewer.add_image((noisy(48, 48, 3) / 2).astype(np.uint8), rgb=True, name="photo", scale=(0.2, 0.2))
    dock.form.input.layers.choose(rgb)
    assert dock.form.input.rgb.isVisibleTo(dock.form)
    run_to_the_end(qtbot, dock)
    assert made(viewer, "photo restored").data.shape == (48, 48)
    choose(dock.form.input.rgb, "channels")
    run_to_the_end(qtbot, dock)
    colours = [made(viewer, f"photo restored (estimate) {name}") for name in ("red", "green", "blue")]
    assert [layer.colormap.name for layer in colours] == ["red", "green", "blue"]
    assert [layer.data.shape for layer in colours] == [(48, 48)] * 3
    assert [tuple(layer.contrast_limits) for layer in colours] == [(0, 255)] * 3, "as the photo is shown"
    assert [str(layer.blending) for layer in colours] == ["translucent", "additive", "additive"]
    both = restore(rgb.data, axes="YXS", rgb="channels").restored
    np.testing.assert_array_equal(np.stack([layer.data for layer in colours]), both)


def test_wrong_axes_are_said_where_they_are_typed_and_when_run(qtbot, viewer, stack, open_dock) -> None:
    dock = open_dock()
    assert dock.form.input.axes.text() == "ZYX"
    dock.form.input.axes.clear()
    qtbot.keyClicks(dock.form.input.axes, "ZZX")
    assert "twice" in dock.form.input.axes_note.text()
    click(qtbot, dock.bar.run_button)
    assert "twice" in dock.bar.status.text()
    assert "twice" in notification_manager.records[-1].message
    assert not hasattr(notification_manager.records[-1], "exception")
    assert list(viewer.layers) == [stack]


def test_an_error_of_the_run_is_a_sentence_and_leaves_no_layer(qtbot, viewer, stack, open_dock) -> None:
    dock = open_dock()
    dock.form.device.addItem("cuda:9", "cuda:9")
    choose(dock.form.device, "cuda:9")
    outcome = run_to_the_end(qtbot, dock)
    assert outcome.state == "failed"
    assert "cuda:9" in dock.bar.status.text()
    assert_no_traceback()
    assert list(viewer.layers) == [stack]


@pytest.mark.parametrize(
    "settings",
    [
        RestoreSettings(),
        RestoreSettings(mode="sharpened", strength=0.333, steps=7, seed=2**40),
        RestoreSettings(mode="samples", samples=1, device="cpu", tile=256, batch=2),
        RestoreSettings(mode="mean", samples=5, planes=(0, 2), crop=(1, 40, 2, 50)),
    ],
)
def test_the_form_gives_back_the_settings_it_was_given(viewer, stack, open_dock, settings) -> None:
    dock = open_dock()
    dock.apply(settings)
    assert dock.settings() == settings


def test_repeat_fills_the_form_and_gives_the_same_numbers(qtbot, viewer, stack, open_dock) -> None:
    dock = open_dock()
    assert not dock.repeat_button.isEnabled()
    dock.apply(RestoreSettings(mode="sample", steps=3, seed=7))
    viewer.dims.set_current_step(0, 1)
    choose(dock.form.region, "slice")
    run_to_the_end(qtbot, dock)
    first = made(viewer, "cells restored")
    other = viewer.add_image(noisy(32, 32), name="other")
    dock.form.input.layers.choose(other)
    dock.apply(RestoreSettings())
    viewer.dims.set_current_step(0, 0)
    viewer.layers.selection.active = first
    assert dock.repeat_button.isEnabled()
    click(qtbot, dock.repeat_button)
    assert dock.form.layer == stack
    assert dock.settings() == RestoreSettings.from_dict(first.metadata[RECORD]["settings"])
    run_to_the_end(qtbot, dock)
    np.testing.assert_array_equal(made(viewer, "cells restored").data, first.data)


def test_the_list_of_images_keeps_up_with_the_viewer(viewer, stack, open_dock) -> None:
    dock = open_dock()
    choice = dock.form.input.layers
    viewer.add_labels(np.zeros((8, 8), int))
    second = viewer.add_image(noisy(32, 32), name="second")
    assert [choice.itemText(i) for i in range(choice.count())] == ["cells", "second"]
    assert dock.form.layer == second, "it follows the active layer until the user chooses"
    choice.choose(stack)
    viewer.layers.selection.active = second
    assert dock.form.layer == stack, "what the user chose stays"
    second.name = "renamed"
    assert choice.itemText(1) == "renamed"
    viewer.layers.remove(stack)
    assert dock.form.layer == second
    assert dock.form.input.axes.text() == "YX"
    viewer.layers.remove(second)
    assert dock.form.layer is None
    assert not dock.bar.run_button.isEnabled()


def test_what_does_not_apply_is_not_shown(viewer, stack, open_dock) -> None:
    form = open_dock().form
    controls = {
        "samples": form.control("samples"),
        "strength": form.control("strength"),
        "steps": form.control("steps"),
        "seed": form.control("seed"),
    }
    shown = {}
    for mode in ("estimate", "sample", "mean", "sharpened"):
        choose(form.control("mode"), mode)
        shown[mode] = {name for name, control in controls.items() if control.isVisibleTo(form)}
    assert shown == {
        "estimate": set(),
        "sample": {"steps", "seed"},
        "mean": {"samples", "steps", "seed"},
        "sharpened": {"strength", "steps", "seed"},
    }


def test_adapting_is_a_box_for_the_best_estimate_and_small_planes_are_refused_in_a_sentence(
    qtbot, viewer, stack, open_dock
) -> None:
    dock = open_dock()
    box = dock.form.control("adapt")
    assert not box.isHidden()
    assert not dock.form.settings().adapt
    box.click()
    assert dock.form.settings().adapt
    assert run_to_the_end(qtbot, dock).state == "failed"
    assert "Adapting needs planes of at least 128 x 128 pixels" in dock.bar.status.text()
    dock.apply(RestoreSettings(mode="sample"))
    assert box.isHidden()


def test_neighbours_are_offered_along_the_axes_that_the_image_has(qtbot, viewer, stack, open_dock) -> None:
    dock = open_dock()
    box, row = dock.form.control("neighbours"), dock.form.rows["neighbours"]
    assert "slices above and below" in box.toolTip()
    assert [box.itemText(n) for n in range(box.count())] == ["None, each plane alone", "Above and below (z)"]
    adapt = dock.form.control("adapt")
    adapt.click()
    row.value = "z"
    assert not adapt.isEnabled()
    assert not adapt.isChecked()
    assert "Not together with Neighbours" in adapt.toolTip()
    assert run_to_the_end(qtbot, dock).state == "done"
    result = made(viewer, "cells restored")
    assert result.metadata[RECORD]["settings"]["neighbours"] == "z"
    np.testing.assert_array_equal(result.data, restore(stack.data, axes="ZYX", neighbours="z").restored)
    dock.apply(RestoreSettings(neighbours="t"))
    click(qtbot, dock.bar.run_button)
    assert "No neighbours along t" in str(notification_manager.records[-1].message)
    assert [layer.name for layer in viewer.layers if layer.name.startswith("cells restored")] == [result.name]
    row.value = "none"
    assert adapt.isEnabled()
    assert adapt.isChecked() is False, "the settings that were applied meanwhile say so"
    adapt.click()
    row.value = "z"
    row.value = "none"
    assert adapt.isChecked(), "what was chosen comes back"
    dock.apply(RestoreSettings(mode="sample"))
    assert not box.isVisibleTo(dock)
    dock.apply(RestoreSettings())
    assert box.isVisibleTo(dock)
    dock.form.input.layers.choose(viewer.add_image(stack.data[0], name="one plane", units=("µm",) * 2))
    assert not box.isVisibleTo(dock), "a single plane has no neighbours"


def test_repeat_does_not_learn_again_unless_the_image_is_another(
    qtbot, viewer, open_dock, tiny_model, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(adapting, "LEAST_GAIN", -np.inf)
    monkeypatch.setattr(learning, "STEPS", 2)
    times, learn = [], adapting.learned
    monkeypatch.setattr(adapting, "learned", lambda *given: times.append(1) or learn(*given))
    tifffile.imwrite(tmp_path / "noisy.tif", noisy(130, 140))
    (image,) = viewer.open(str(tmp_path / "noisy.tif"), plugin="napari")
    dock = open_dock()
    dock.apply(RestoreSettings(model=str(tiny_model), adapt=True, device="cpu"))
    qtbot.waitUntil(lambda: "after learning from the image" in dock.forecast.label.text(), timeout=PATIENCE)
    assert run_to_the_end(qtbot, dock).state == "done"
    first = viewer.layers[-1]
    viewer.layers.selection.active = first
    click(qtbot, dock.repeat_button)
    assert run_to_the_end(qtbot, dock).state == "done"
    assert len(times) == 1
    np.testing.assert_array_equal(viewer.layers[-1].data, first.data)
    image.data = 2 * noisy(130, 140, seed=1)
    assert run_to_the_end(qtbot, dock).state == "done"
    assert len(times) == 2


def test_every_control_explains_itself(viewer, stack, open_dock) -> None:
    dock = open_dock()
    kinds = (QComboBox, QAbstractSpinBox, QLineEdit, QPushButton, QSlider, QProgressBar)
    for kind in kinds:
        for control in dock.findChildren(kind):
            inside = control.parent()
            explained = control.toolTip() or (inside.toolTip() if inside is not None else "")
            assert explained or control.objectName().startswith("qt_"), f"{control} has no tooltip"


def test_a_folder_that_is_no_model_is_refused_in_a_sentence(
    qtbot, tmp_path, viewer, stack, open_dock
) -> None:
    dock = open_dock()
    chosen = dock.form.model.model
    dock.form.model._open(str(tmp_path))
    assert "not a model folder" in dock.bar.status.text()
    assert dock.form.model.model == chosen


def test_a_model_folder_from_anywhere_can_be_used(qtbot, tmp_path, viewer, stack, open_dock) -> None:
    import shutil

    from napari_diffuscope.weights.catalogue import find_model

    copy = shutil.copytree(find_model("restoration-fluorescence"), tmp_path / "mine")
    dock = open_dock()
    dock.form.model._open(str(copy))
    assert dock.settings().model == str(copy)
    assert run_to_the_end(qtbot, dock).state == "done"


def test_two_docks_run_at_the_same_time(qtbot, viewer, stack, open_dock) -> None:
    from napari_diffuscope.viewer.restore.dock import RestoreDock

    first, second = open_dock(), RestoreDock(viewer)
    viewer.window.add_dock_widget(second, name="another")
    other = viewer.add_image(noisy(2, 48, 48), name="other")
    first.form.input.layers.choose(stack)
    second.form.input.layers.choose(other)
    with qtbot.waitSignals([first.runner.ended, second.runner.ended], timeout=PATIENCE):
        click(qtbot, first.bar.run_button)
        click(qtbot, second.bar.run_button)
    for name in ("cells restored", "other restored"):
        assert np.isfinite(made(viewer, name).data).all()


def test_a_pyramid_read_lazily_is_restored_in_full(qtbot, viewer, open_dock) -> None:
    pixels = noisy(2, 64, 64)
    levels = [
        da.from_array(pixels, chunks=(1, 64, 64)),
        da.from_array(pixels[:, ::2, ::2], chunks=(1, 32, 32)),
    ]
    viewer.add_image(levels, multiscale=True, name="pyramid", scale=(1, 0.2, 0.2), contrast_limits=(0, 600))
    run_to_the_end(qtbot, open_dock())
    result = made(viewer, "pyramid restored")
    assert not result.multiscale
    assert result.scale.tolist() == [1, 0.2, 0.2]
    np.testing.assert_array_equal(result.data, restore(pixels, axes="ZYX").restored)


def test_a_result_too_large_for_the_memory_goes_to_a_file(
    qtbot, viewer, stack, open_dock, monkeypatch
) -> None:
    monkeypatch.setattr("napari_diffuscope.viewer.results.MEMORY_SHARE", 0.0)
    monkeypatch.setattr("napari_diffuscope.viewer.results.BLANK_AT_ONCE", 0)
    run_to_the_end(qtbot, open_dock())
    result = made(viewer, "cells restored")
    assert isinstance(result.data, np.memmap)
    np.testing.assert_array_equal(result.data, restore(stack.data, axes="ZYX").restored)


def test_a_model_that_only_estimates_offers_no_samples(
    viewer, stack, open_dock, tiny_model, tmp_path, monkeypatch
) -> None:
    folder = tmp_path / "models"
    shutil.copytree(tiny_model, folder / "regressor")
    card = json.loads((folder / "regressor" / CARD_FILE).read_text(encoding="utf-8"))
    card["diffusion"]["estimate_only"] = True
    (folder / "regressor" / CARD_FILE).write_text(json.dumps({**card, "name": "regressor"}), encoding="utf-8")
    monkeypatch.setenv("DIFFUSCOPE_MODELS", str(folder))
    form = open_dock().form

    def modes() -> list[str]:
        return [form.control("mode").itemData(index) for index in range(form.control("mode").count())]

    assert {"estimate", "mean", "sharpened"} <= set(modes())
    form.apply(RestoreSettings(model="regressor"))
    assert modes() == ["estimate"]
