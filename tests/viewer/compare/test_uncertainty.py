"""Masks of where a model is unsure, and differences of what is odd."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

from napari_diffuscope.methods.records import RECORD_KEY
from napari_diffuscope.viewer.compare.mask import masked
from napari_diffuscope.viewer.widgets import choose

from ..conftest import PATIENCE, click


@pytest.mark.viewer
def test_the_mask_marks_what_exceeds_the_slider_and_stays(qtbot, viewer, compare) -> None:
    place = {"scale": (0.2, 0.1), "translate": (3, 4), "rotate": 10, "units": ("µm", "µm")}
    spread = np.linspace(0, 10, 2500, dtype=np.float32).reshape(50, 50)
    spread[0, 0] = np.nan
    first = viewer.add_image(np.full((50, 50), 3, np.float32), name="restored", **place)
    second = viewer.add_image(np.ones((50, 50), np.float32), name="truth", **place)
    deviation = viewer.add_image(
        spread, name="uncertainty", metadata={RECORD_KEY: {"output": "deviation"}}, **place
    )
    dock = compare(second, first)
    viewer.window.resize(1000, 900)  # a button that is scrolled out of sight cannot be clicked
    assert dock.look.deviation.layer == deviation, "the newest deviation is found"
    click(qtbot, dock.look.buttons["difference"])
    choose(dock.look.quantity, "deviations")
    dock.look.uncertainty.expand()
    qtbot.waitUntil(lambda: not dock.look.mask.button.visibleRegion().isEmpty(), timeout=PATIENCE)
    dock.look.mask.threshold.setValue(6)
    click(qtbot, dock.look.mask.button)
    (mask,) = [layer for layer in viewer.layers if layer.name == "uncertainty > 6"]
    np.testing.assert_array_equal(mask.data, spread > 6)
    np.testing.assert_allclose(mask.data_to_world((7, 9)), deviation.data_to_world((7, 9)))
    dock.look.mask.threshold.setValue(2)
    choose(dock.look.mask.side, True)
    assert mask.name == "uncertainty ≤ 2"
    np.testing.assert_array_equal(mask.data, spread <= 2)
    click(qtbot, dock.look.back_button)
    assert mask in viewer.layers
    assert mask.visible
    assert deviation.visible


def test_masks_of_large_deviations_are_lazy() -> None:
    lazy = masked(da.ones((4, 100, 100), chunks=(1, 50, 50)) * np.arange(4)[:, None, None], 1.5, sure=False)
    assert isinstance(lazy, da.Array)
    assert np.asarray(lazy[:, 3, 3]).tolist() == [0, 0, 1, 1]


@pytest.mark.viewer
def test_differences_of_colours_of_nothing_and_of_constants(qtbot, viewer, compare) -> None:
    colours = np.zeros((30, 30, 3), np.uint8)
    colours[...] = (100, 200, 50)
    grey = np.full((30, 30), 100, np.float32)
    grey[:5] = np.nan
    first = viewer.add_image(colours, rgb=True, name="colours")
    second = viewer.add_image(grey, name="grey")
    dock = compare(first, second)
    click(qtbot, dock.look.buttons["difference"])
    values = np.asarray(viewer.layers[-1].data)
    assert np.isnan(values[:5]).all()
    np.testing.assert_allclose(values[5:], 100 - (21.26 + 143.04 + 3.61), rtol=1e-4)
    assert "Colours count as their luminance" in dock.look.message.text()
    dock.look.fit.setChecked(True)
    assert "1 × 'grey' + 0" in dock.look.message.text(), "a constant has no line"
    choose(dock.look.quantity, "deviations")
    assert "Choose the layer that holds the deviation" in dock.look.message.text()
    assert dock.look.quantity.currentData() == "absolute"
    assert dock.looking.way == "difference"


@pytest.mark.viewer
def test_axes_of_other_units_and_planes_that_a_layer_has_not(qtbot, viewer, compare) -> None:
    """A stack in µm against one plane in nm, seen from the side and from above."""
    stack = np.random.default_rng(0).random((6, 20, 30)).astype(np.float32)
    first = viewer.add_image(stack, name="stack", scale=(0.5, 0.1, 0.1), units=("µm",) * 3)
    second = viewer.add_image(stack[2] + 1, name="plane", scale=(100, 100), units=("nm",) * 2)
    dock = compare(first, second)
    viewer.dims.set_current_step(0, 2)
    click(qtbot, dock.look.buttons["difference"])
    patch = viewer.layers[-1]
    np.testing.assert_allclose(np.squeeze(patch.data), 1, atol=1e-6)
    assert np.squeeze(patch.data).shape == (20, 30)
    viewer.dims.set_current_step(0, 3)
    qtbot.waitUntil(lambda: np.ptp(np.asarray(patch.data)) > 0.5, timeout=PATIENCE)
    np.testing.assert_allclose(np.squeeze(patch.data), stack[2] + 1 - stack[3], atol=1e-6)
    viewer.dims.order = (1, 0, 2)
    viewer.reset_view()
    row = int(viewer.dims.current_step[1])
    qtbot.waitUntil(lambda: np.squeeze(np.asarray(patch.data)).shape == (6, 30), timeout=PATIENCE)
    expected = (stack[2, row] + 1)[None] - stack[:, row]
    np.testing.assert_allclose(np.squeeze(patch.data), expected, atol=1e-6)
