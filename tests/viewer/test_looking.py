"""*Restore where I look*, in a real viewer: only what is seen is computed, in the background, and little is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest

from napari_diffuscope import restore
from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.viewer.looked_at import EDGE, LookedAt, Square, squares_in

from .conftest import PATIENCE, click, made, noisy, run_to_the_end

RECORD = "napari-diffuscope"


@pytest.fixture
def dock(open_dock: Any, tiny_model: Path) -> Any:
    """The Restore dock, with a small model once there is an image."""
    opened = open_dock()

    def ready() -> Any:
        opened.apply(RestoreSettings(str(tiny_model)))
        return opened

    yield ready
    opened._stop_looking()


def looked(qtbot: Any, dock: Any, layer: Any, index: Any) -> np.ndarray:
    """Pixels of a layer that is computed where one looks, when they are all there."""
    qtbot.waitUntil(lambda: bool(np.isfinite(layer.data[index]).all()), timeout=PATIENCE)
    qtbot.waitUntil(lambda: dock.looking is None or not dock.looking.runner.running, timeout=PATIENCE)
    return np.asarray(layer.data[index])


@pytest.mark.viewer
def test_what_is_looked_at_is_what_the_whole_run_gives(qtbot, viewer, dock, tiny_model) -> None:
    pixels = noisy(6, 64, 64)
    lazy = da.from_array(pixels, chunks=(1, 64, 64))
    cells = viewer.add_image(lazy, name="cells", scale=(0.5, 0.1, 0.1), contrast_limits=(0, 500))
    opened = dock()
    click(qtbot, opened.look_button)
    layer = made(viewer, "cells restored where I look")
    assert np.isnan(layer.data[0]).all(), "at first the image below is seen"
    viewer.dims.set_current_step(0, 2)
    expected = restore(pixels, axes="ZYX", model=str(tiny_model)).restored
    assert np.array_equal(looked(qtbot, opened, layer, 2), expected[2])
    assert np.isnan(layer.data[5]).all(), "nobody looked there"
    viewer.dims.set_current_step(0, 5)
    assert np.array_equal(looked(qtbot, opened, layer, 5), expected[5])
    np.testing.assert_array_equal(layer._slice.image.raw[32, 32], expected[5, 32, 32])
    np.testing.assert_array_equal(layer.scale, cells.scale)
    record = layer.metadata[RECORD]
    assert record["settings"]["model"] == str(tiny_model)
    assert any("where somebody looked" in said for said in record["messages"])
    with pytest.raises(Exception, match="computed where you look"):
        opened.save_to(Path("out.tif"))
    click(qtbot, opened.look_button)
    assert opened.looking is None
    assert layer in viewer.layers
    assert np.array_equal(layer.data[5], expected[5]), "what is known stays"


@pytest.mark.viewer
def test_of_a_large_plane_what_is_in_view_is_computed_and_a_run_takes_over(qtbot, viewer, dock) -> None:
    viewer.add_image(noisy(2 * EDGE, 2 * EDGE), name="field")
    opened = dock()
    viewer.scene.camera.center = (0, 40, 40)
    viewer.scene.camera.zoom = 20
    click(qtbot, opened.look_button)
    layer = made(viewer, "field restored where I look")
    corner = looked(qtbot, opened, layer, np.s_[:EDGE, :EDGE])
    assert np.isnan(layer.data[EDGE:]).all()
    assert np.isnan(layer.data[:, EDGE:]).all()
    opened.form.region.setCurrentIndex(opened.form.region.findData("visible"))
    assert run_to_the_end(qtbot, opened).state == "done"
    assert opened.looking is None, "a run has the computer for itself"
    result = made(viewer, "field restored")
    top, left = (int(first) for first in result.translate[-2:])
    height, width = (
        min(length, EDGE - first) for length, first in zip(result.data.shape, (top, left), strict=True)
    )
    assert np.array_equal(result.data[:height, :width], corner[top : top + height, left : left + width])


@pytest.mark.viewer
def test_it_ends_with_its_layer_and_says_what_cannot_be_done(qtbot, viewer, stack, dock) -> None:
    opened = dock()
    click(qtbot, opened.look_button)
    looking = opened.looking
    viewer.layers.remove(looking.layer)
    assert opened.looking is None
    assert not opened.look_button.isChecked()
    qtbot.waitUntil(lambda: not looking.runner.running, timeout=PATIENCE)
    viewer.add_image(np.zeros((32, 32, 3), np.uint8), name="colours", rgb=True)
    opened.form.input.layers.choose(viewer.layers["colours"])
    click(qtbot, opened.look_button)
    assert opened.looking is None
    assert "colour image" in opened.bar.status.text()


def test_what_is_kept_is_bounded_and_the_last_that_was_seen_stays() -> None:
    array, square = LookedAt((4, 2 * EDGE, EDGE + 100), 3 * EDGE * EDGE * 4), Square((1,), 1, 0)
    for plane in range(4):
        array.put(Square((plane,), 1, 0), np.full((EDGE, EDGE), plane, np.float32))
        assert (array[1, -1, 0] == 1) or plane < 1  # seen again and again
    assert array.kept_bytes <= 3 * EDGE * EDGE * 4
    assert square in array
    assert Square((0,), 1, 0) not in array
    array.put(Square((3,), 0, 1), np.arange(EDGE * 100, dtype=np.float32).reshape(EDGE, 100))
    part = array[2:, 3 : 2 * EDGE : 7, EDGE - 2 : EDGE + 9 : 2]
    assert part.shape == (2, 146, 6)
    assert np.isnan(part[0, :, 1:]).all()
    assert part[1, 0, 1] == 3 * 100
    assert part[1, 1, 2] == 10 * 100 + 2
    assert np.isnan(part[1, -1, 1:]).all()
    assert part[1, -1, 0] == 3
    assert np.isnan(array[np.s_[:]]).any()


def test_more_than_fits_is_not_put_together() -> None:
    array = LookedAt((10**6, 10**4, 10**4), 1000)
    whole = array[...]
    assert whole.shape == array.shape
    assert np.isnan(whole[5, 3, 2])


def test_squares_come_from_the_middle_of_the_view() -> None:
    squares = list(squares_in((7,), (0, 3 * EDGE, EDGE // 2, 2 * EDGE)))
    assert squares[0].row == 1
    assert {square.column for square in squares} == {0, 1}
    assert len(squares) == 6
    assert squares[-1].row in (0, 2)
