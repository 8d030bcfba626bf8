"""What somebody sees who opens the window for the first time."""

from __future__ import annotations

import numpy as np
import pytest
from napari.utils._proxies import PublicOnlyProxy
from napari.utils.notifications import notification_manager
from qtpy.QtWidgets import QDockWidget

from napari_diffuscope.imaging.views import AxisView, is_masked
from napari_diffuscope.jobs import Update
from napari_diffuscope.methods.restore.method import restore
from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.viewer.widgets import choose

from .conftest import PATIENCE, click, made, noisy, run_to_the_end

pytestmark = pytest.mark.viewer
RECORD = "napari-diffuscope"


def quick(dock, tiny_model, **choices) -> None:
    """Settings of a model that answers at once."""
    dock.apply(RestoreSettings(model=str(tiny_model), **choices))


@pytest.mark.parametrize("name", ["Restore", "Super-resolve volume", "Predict 3D shape"])
def test_a_dock_opened_before_the_data_takes_the_layer_that_is_active(viewer, open_dock, name) -> None:
    dock = open_dock(name)
    first, second = (viewer.add_image(noisy(3, 32, 32), name=each) for each in ("clean", "noisy"))
    assert viewer.layers.selection.active == second
    assert dock.form.layer == second
    viewer.layers.selection.active = first
    assert dock.form.layer == first
    dock.form.input.layers.setCurrentIndex(1)  # the user chooses
    viewer.add_image(noisy(3, 32, 32), name="third")
    assert dock.form.layer == second
    viewer.layers.remove(second)
    assert dock.form.layer.name == "third", "what was chosen is gone: it follows again"


def test_a_dock_that_worked_on_a_layer_stays_with_it(qtbot, viewer, stack, open_dock, tiny_model) -> None:
    dock = open_dock()
    other = open_dock("Super-resolve volume")
    quick(dock, tiny_model)
    run_to_the_end(qtbot, dock)
    assert viewer.layers.selection.active == made(viewer, "cells restored")
    assert dock.form.layer == stack
    assert other.form.layer == stack, "results are not followed: they are chosen"


def test_results_share_the_contrast_of_their_image_until_it_is_stretched(
    qtbot, viewer, open_dock, tiny_model
) -> None:
    pixels = noisy(96, 96)
    pixels[:48, :48] = np.random.default_rng(1).poisson(20, (48, 48))  # an empty corner
    layer = viewer.add_image(pixels, name="cells", contrast_limits=(0, 700))
    dock = open_dock()
    quick(dock, tiny_model, crop=(0, 48, 0, 48))
    run_to_the_end(qtbot, dock)
    result = made(viewer, "cells restored")
    assert tuple(result.contrast_limits) == (0, 700)
    assert tuple(result.contrast_limits_range) == tuple(layer.contrast_limits_range)
    click(qtbot, dock.stretch_button)
    low, high = result.contrast_limits
    assert 0 < low < high < 300
    np.testing.assert_allclose((low, high), np.percentile(result.data, (0.1, 99.9)), rtol=1e-4)
    assert tuple(layer.contrast_limits) == (0, 700), "the image stays as it is"
    click(qtbot, dock.stretch_button)
    assert tuple(result.contrast_limits) == (0, 700)


def test_names_tell_mode_seed_and_what_was_chosen_for_the_estimate(
    qtbot, viewer, stack, open_dock, tiny_model
) -> None:
    dock = open_dock()
    for choices in (
        {},
        {"mode": "sample", "seed": 7},
        {"mode": "sharpened", "strength": 0.25},
        {"mode": "samples", "samples": 2},
        {"neighbours": "z", "mirrored": True},
    ):
        quick(dock, tiny_model, steps=1 if choices else None, planes=(0,), **choices)
        run_to_the_end(qtbot, dock)
    assert [layer.name for layer in viewer.layers][1:] == [
        "cells restored (estimate)",
        "cells restored (sample, seed 7)",
        "cells restored (sharpened 0.25, seed 0)",
        "cells restored (2 samples, seed 0)",
        "cells restored (estimate, neighbours z, mirrored)",
    ]


def test_the_work_and_the_time_stand_above_run(qtbot, viewer, stack, open_dock, tiny_model) -> None:
    dock = open_dock()
    quick(dock, tiny_model, mode="mean", samples=2, steps=4)
    said = dock.forecast.label
    qtbot.waitUntil(
        lambda: "3 planes × 2 samples × 4 steps = 24 evaluations" in said.text(), timeout=PATIENCE
    )
    quick(dock, tiny_model)
    dock.form.advanced.expand(animate=False)
    dock.form.control("mirrored").click()
    qtbot.waitUntil(lambda: "3 planes × 4 mirror images = 12 evaluations" in said.text(), timeout=PATIENCE)
    quick(dock, tiny_model, mode="mean", samples=2, steps=4)
    assert "not known" in said.text()
    with qtbot.waitSignal(dock.runner.ended, timeout=PATIENCE):
        click(qtbot, dock.forecast.measure_button)
    assert [layer.name for layer in viewer.layers] == ["cells"], "a trial leaves nothing"
    assert "about" in said.text()
    dock.form.control("samples").setValue(6)
    qtbot.waitUntil(lambda: "6 samples × 4 steps = 72 evaluations: about" in said.text(), timeout=PATIENCE)
    run_to_the_end(qtbot, dock)
    again = open_dock("Restore")
    quick(again, tiny_model, mode="sample", steps=3)
    qtbot.waitUntil(
        lambda: "3 planes × 3 steps = 9 evaluations: about" in again.forecast.label.text(), timeout=PATIENCE
    )


def test_the_visible_area_stays_the_same_after_all_samples(
    qtbot, viewer, stack, open_dock, tiny_model
) -> None:
    dock = open_dock()
    viewer.scene.camera.zoom *= 4
    quick(dock, tiny_model, mode="samples", samples=2, steps=1)
    choose(dock.form.region, "visible")
    before, zoom, centre = dock.settings().crop, viewer.scene.camera.zoom, tuple(viewer.scene.camera.center)
    run_to_the_end(qtbot, dock)
    assert viewer.dims.ndim == 4, "a slider for the samples has come"
    assert viewer.scene.camera.zoom == pytest.approx(zoom)
    np.testing.assert_allclose(viewer.scene.camera.center, centre)
    assert dock.settings().crop == before != (0, 64, 0, 64)
    assert "Finished 2 samples of 1 plane" in dock.bar.status.text()


def test_after_cancel_it_is_said_which_planes_are_blank(qtbot, viewer, open_dock, tiny_model) -> None:
    viewer.add_image(noisy(40, 96, 96), name="long")
    dock = open_dock()
    viewer.dims.set_current_step(0, 0)
    quick(dock, tiny_model, mode="mean", samples=6, steps=6)
    click(qtbot, dock.bar.run_button)
    results = dock._run.results
    qtbot.waitUntil(lambda: results.has_finished("deviation"), timeout=PATIENCE)
    with qtbot.waitSignal(dock.runner.ended, timeout=PATIENCE):
        click(qtbot, dock.bar.cancel_button)
    result = made(viewer, "long restored")
    blank = np.flatnonzero(np.isnan(made(viewer, "long uncertainty").data).any(axis=(1, 2)))
    words = f"Unfinished, and blank: z {blank[0]}–{blank[-1]}."
    assert words in dock.bar.status.text()
    assert words in result.metadata[RECORD]["messages"]
    assert result.name == f"long restored (mean of 6, seed 0) – {40 - len(blank)} of 40 planes"


def test_the_channels_that_napari_split_are_worked_in_one_run(qtbot, viewer, open_dock, tiny_model) -> None:
    channels = np.stack([noisy(2, 40, 40, seed=seed) for seed in range(3)])
    layers = viewer.add_image(channels, channel_axis=0, name=["actin", "mito", "nuclei"])
    viewer.add_image(noisy(2, 40, 40, seed=9), name="another")
    dock = open_dock()
    dock.form.input.layers.choose(layers[1])
    assert dock.form.input.together == list(layers)
    quick(dock, tiny_model)
    qtbot.waitUntil(
        lambda: "3 layers × 2 planes = 6 evaluations" in dock.forecast.label.text(), timeout=PATIENCE
    )
    assert run_to_the_end(qtbot, dock).state == "done"
    for layer, pixels in zip(layers, channels, strict=True):
        result = made(viewer, f"{layer.name} restored")
        np.testing.assert_array_equal(
            result.data, restore(pixels, axes="ZYX", model=str(tiny_model)).restored
        )
        assert str(result.blending) == str(layer.blending)
        assert result.colormap.name == layer.colormap.name
        assert result.metadata[RECORD]["input"]["name"] == layer.name
    assert "Finished 3 layers" in dock.bar.status.text()
    assert [str(layer.blending) for layer in layers][1:] == ["additive"] * 2
    assert "added up" not in dock.bar.status.text(), "the first result covers the images"
    click(qtbot, dock.hide_button)
    assert not any(layer.visible for layer in layers)
    click(qtbot, dock.hide_button)
    assert all(layer.visible for layer in layers)
    dock.form.input.together_button.check(layers[0], False)
    assert dock.form.input.together == list(layers[1:])
    run_to_the_end(qtbot, dock)
    assert "added up" in dock.bar.status.text()


def test_two_docks_become_tabs_of_one_area(qtbot, viewer, stack, open_dock) -> None:
    window = viewer.__wrapped__.window._qt_window
    window.resize(1200, 800)
    docks = [open_dock(name) for name in ("Restore", "Super-resolve volume", "Predict 3D shape")]
    first, *others = (_qt_dock(dock) for dock in docks)
    qtbot.waitUntil(lambda: len(window.tabifiedDockWidgets(first)) == 2, timeout=PATIENCE)
    assert set(window.tabifiedDockWidgets(first)) == set(others)
    assert [dock.windowTitle() for dock in (first, *others)] == ["Restore", "Super-resolve", "3D shape"]
    assert docks[-1].width() >= 300, "no slit"


def _qt_dock(widget) -> QDockWidget:
    while not isinstance(widget, QDockWidget):
        widget = widget.parentWidget()
    return widget


def test_folded_controls_are_no_stops_of_the_tab_key(viewer, stack, open_dock) -> None:
    form = open_dock().form
    assert not form.control("tile").isEnabled()
    form.advanced.expand(animate=False)
    assert form.control("tile").isEnabled()


def test_parts_of_an_image_are_called_what_they_are(viewer, open_dock) -> None:
    viewer.add_image(noisy(48, 48), name="flat")
    dock = open_dock()
    region = dock.form.region
    assert [region.itemText(i) for i in range(region.count())] == ["Whole image", "Visible area"]
    photo = viewer.add_image((noisy(48, 48, 3) / 3).astype(np.uint8), rgb=True, name="photo")
    choose(dock.form.input.rgb, "channels")
    assert dock.form.layer == photo
    assert region.itemText(0) == "Whole image", "three colours are no stack"
    viewer.add_image(noisy(4, 48, 48), name="stack")
    assert region.itemText(0) == "Whole stack, current slice first"
    assert region.itemText(1) == "This slice only"


def test_a_warning_pops_up_once(qtbot, viewer, stack, open_dock) -> None:
    dock = open_dock()

    def job():
        yield Update(1, 2, "The pixel size is unknown.", warning=True)

    def popups() -> int:
        return sum("The pixel size is unknown." in record.message for record in notification_manager.records)

    before = popups()
    for _ in range(3):
        with qtbot.waitSignal(dock.runner.ended, timeout=PATIENCE):
            dock.runner.start(job)
    assert popups() == before + 1
    dock.form.input.layers.choose(viewer.add_image(noisy(32, 32), name="other"))
    with qtbot.waitSignal(dock.runner.ended, timeout=PATIENCE):
        dock.runner.start(job)
    assert popups() == before + 2, "of another image it is told anew"


def test_the_button_of_layers_is_not_cut(viewer, open_dock) -> None:
    viewer.add_image(noisy(3, 32, 32), name="hela-cells", channel_axis=0)
    button = open_dock().form.input.together_button
    assert button.text().startswith("3 layers")
    assert button.fontMetrics().horizontalAdvance(button.text()) < 235, "a dock of its usual width shows it"


def test_views_behind_the_proxy_of_napari_cause_no_warning() -> None:
    view = AxisView(noisy(32, 32), (0, 1))
    assert not is_masked(PublicOnlyProxy(view))  # a warning is an error
