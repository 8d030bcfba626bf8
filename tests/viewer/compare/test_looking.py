"""What the four ways put on the screen, and that the user's view comes back."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

from napari_diffuscope.viewer.compare.grid import LATER
from napari_diffuscope.viewer.layer_choice import DISPLAY_KEY

from ..conftest import PATIENCE, assert_no_traceback, click
from .conftest import place_on_canvas

WAYS = ("grid", "swipe", "blink", "difference")


def flat(value: float, *, size: int = 100, **keywords: Any) -> Image:
    """A grey square of one value between 0 and 1."""
    keywords = {"contrast_limits": (0, 1), "units": ("µm", "µm")} | keywords
    return Image(np.full((size, size), value, np.float32), **keywords)


def view_of(viewer: Any) -> dict[str, Any]:
    """All that a comparison might change, as the user sees it."""
    grid, camera, bar = viewer.canvas.grid, viewer.scene.camera, viewer.canvas.overlays.scale_bar
    return {
        "layers": [
            (
                layer.name,
                layer.visible,
                layer.opacity,
                str(layer.blending),
                tuple(getattr(layer, "contrast_limits", ())),
                layer.name_overlay.visible,
                len(layer.experimental_clipping_planes),
            )
            for layer in viewer.layers
        ],
        "grid": (grid.enabled, grid.shape, grid.stride, grid.spacing),
        "camera": (tuple(camera.center), camera.zoom, tuple(camera.angles)),
        "bar": (bar.visible, bar.gridded),
        "dims": (viewer.dims.ndisplay, tuple(viewer.dims.order), tuple(viewer.dims.point)),
        "keys": sorted(str(key) for key in viewer.keymap),
        "callbacks": len(viewer.mouse_move_callbacks),
    }


@pytest.fixture
def pair(viewer: Any) -> tuple[Any, Any]:
    """A dark and a bright square in the same place."""
    dark = viewer.add_layer(flat(0.2, name="dark"))
    bright = viewer.add_layer(flat(0.8, name="bright"))
    return dark, bright


def drag(qtbot: Any, divider: Any, by: int) -> None:
    """Move the divider with the mouse, which it does not lose on the way."""
    start = QPoint(divider.width() // 2, divider.height() // 3)
    qtbot.mousePress(divider, Qt.MouseButton.LeftButton, pos=start)
    end = start + (QPoint(by, 0) if divider.upright else QPoint(0, by))
    event = QMouseEvent(
        QEvent.Type.MouseMove,
        QPointF(end),
        QPointF(divider.mapToGlobal(end)),
        Qt.MouseButton.NoButton,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(divider, event)
    qtbot.mouseRelease(divider, Qt.MouseButton.LeftButton)


@pytest.mark.viewer
def test_each_layer_fills_its_cell_with_name_bar_and_one_cross(qtbot, viewer, compare, photograph) -> None:
    values = (0.9, 0.5, 0.2)
    layers = [viewer.add_layer(flat(value, name=f"grey {value}")) for value in reversed(values)][::-1]
    dock = compare(*layers)
    click(qtbot, dock.look.buttons["grid"])
    picture = photograph()
    rows, columns = viewer.canvas.grid.actual_shape(viewer.layers)
    height, width = picture.shape[:2]
    for number, value in enumerate(values):
        row, column = divmod(number, columns)
        middle = picture[int((row + 0.5) * height / rows), int((column + 0.5) * width / columns)]
        np.testing.assert_allclose(middle, 255 * value, atol=3)
    assert all(layer.name_overlay.visible for layer in layers)
    assert viewer.canvas.overlays.scale_bar.gridded
    assert viewer.canvas.overlays.scale_bar.visible


@pytest.mark.viewer
def test_the_cross_is_at_the_same_place_of_the_specimen_in_all_cells_with_the_values(
    qtbot, viewer, compare, photograph
) -> None:
    fine = np.zeros((200, 200), np.float32)
    fine[120:124, 60:64] = 0.75
    coarse = np.zeros((50, 50), np.float32)
    coarse[30, 15] = 0.25
    keywords = {"contrast_limits": (0, 1), "units": ("µm", "µm")}
    first = viewer.add_image(fine, name="fine", scale=(0.1, 0.1), **keywords)
    second = viewer.add_image(coarse, name="coarse", scale=(0.4, 0.4), translate=(0.15, 0.15), **keywords)
    dock = compare(first, second)
    click(qtbot, dock.look.buttons["grid"])
    photograph()
    canvas = dock.looking.stage.overlay.parentWidget()
    height, width = viewer.canvas.size
    rows, columns = viewer.canvas.grid.actual_shape(viewer.layers)
    cell = (0, 0, width / columns, height / rows)
    at = place_on_canvas(viewer, (12.15, 6.15), cell)
    qtbot.mouseMove(canvas, QPoint(at[1], at[0]))
    overlay = dock.looking.stage.overlay
    qtbot.waitUntil(lambda: [mark.text for mark in overlay.marks] == ["0.75", "0.25"], timeout=PATIENCE)
    marks = overlay.marks
    # The cross lies on the spot of its own cell; on the whole window, since Qt draws it over the canvas.
    window = canvas.window().grab().toImage()
    corner = canvas.mapTo(canvas.window(), QPoint(0, 0))
    spots = photograph()
    for mark in marks:
        colour = window.pixelColor(corner + QPoint(round(mark.x), round(mark.y)))
        assert (colour.red(), colour.blue()) == (pytest.approx(255, abs=40), pytest.approx(0, abs=60))
        left, top = int(mark.cell[0]), int(mark.cell[1])
        own = spots[top : top + int(mark.cell[3]), left : left + int(mark.cell[2]), 0].astype(int)
        own[:40] = own[-60:] = 0  # the name and the scale bar
        bright = np.argwhere(own > 50)
        assert bright.mean(0) == pytest.approx((mark.y - top, mark.x - left), abs=3)


@pytest.mark.viewer
@pytest.mark.parametrize("upright", [True, False])
def test_the_divider_has_one_layer_on_either_side_where_it_is_dragged(
    qtbot, viewer, compare, photograph, pair, upright
) -> None:
    dock = compare(*pair)
    click(qtbot, dock.look.buttons["swipe"])
    dock.look.divider.setCurrentIndex(0 if upright else 1)
    divider = dock.looking.stage.overlay.divider
    for by in (0, 60, -130):
        drag(qtbot, divider, by)
        picture = photograph()
        line = picture[picture.shape[0] // 2] if upright else picture[:, picture.shape[1] // 2]
        at = round(divider.fraction * len(line))
        np.testing.assert_allclose(line[at - 12 : at - 1], 255 * 0.2, atol=3)
        np.testing.assert_allclose(line[at + 1 : at + 12], 255 * 0.8, atol=3)
    assert divider.fraction == pytest.approx(0.5 - 70 / viewer.canvas.size[1 if upright else 0], abs=0.02)
    assert not np.isnan(picture).any()


@pytest.mark.viewer
def test_both_sides_lie_where_napari_draws_their_layers(qtbot, viewer, compare, photograph) -> None:
    """Turned, moved, of another resolution, multiscale: each half of the swipe is that half of the layer alone."""
    rng = np.random.default_rng(0)
    units = ("µm", "µm")
    first = viewer.add_image(
        rng.random((40, 60)).astype(np.float32),
        name="turned",
        scale=(0.5, 0.4),
        rotate=25,
        translate=(3, 8),
        units=units,
    )
    levels = [rng.random((128, 128)).astype(np.float32)]
    levels += [levels[0].reshape(64, 2, 64, 2).mean((1, 3))]
    second = viewer.add_image(
        levels, multiscale=True, name="levels", scale=(0.25, 0.25), translate=(-2, 1), units=units
    )
    dock = compare(first, second)
    alone = []
    for layer, other in ((first, second), (second, first)):
        layer.visible, other.visible = True, False
        alone.append(photograph())
    other.visible = True
    click(qtbot, dock.look.buttons["swipe"])
    picture = photograph()
    middle = picture.shape[1] // 2
    height, width = slice(40, -40), 120
    for whole, side in zip(alone, (slice(width, middle - 2), slice(middle + 2, -width)), strict=True):
        off = np.abs(picture[height, side].astype(int) - whole[height, side]).max(-1) > 6
        assert off.mean() < 0.02  # pixels on the border between two pixels of the layer may fall to either
        assert whole[height, side].std() > 20


@pytest.mark.viewer
def test_swipe_shows_colours_labels_and_nothing_where_there_is_nothing(
    qtbot, viewer, compare, photograph
) -> None:
    colours = np.zeros((100, 100, 3), np.uint8)
    colours[...] = (200, 100, 50)
    first = viewer.add_image(colours, rgb=True, name="colours", units=("µm", "µm"))
    labels = np.zeros((100, 100), int)
    labels[:, 60:90] = 3
    second = viewer.add_labels(labels, name="labels", opacity=1.0, units=("µm", "µm"))
    dock = compare(first, second)
    click(qtbot, dock.look.buttons["swipe"])
    picture = photograph()
    np.testing.assert_allclose(picture[place_on_canvas(viewer, (50, 20))], (200, 100, 50), atol=3)
    expected = np.asarray(second.colormap.map(3)).ravel()[:3] * 255
    np.testing.assert_allclose(picture[place_on_canvas(viewer, (50, 75))], expected, atol=4)
    np.testing.assert_array_equal(picture[place_on_canvas(viewer, (50, 95))], 0)


@pytest.mark.viewer
def test_blink_alternates_by_the_clock_and_by_hand_and_fades(
    qtbot, viewer, compare, photograph, pair
) -> None:
    pair[0].blending = "opaque"
    dock = compare(*pair)
    dock.look.pace.setCurrentIndex(2)
    click(qtbot, dock.look.buttons["blink"])
    seen = []
    for _ in range(3):
        picture = photograph()
        seen.append(float(picture[picture.shape[0] // 2, picture.shape[1] // 2, 0]))
        canvas = dock.looking.stage.overlay.parentWidget()
        qtbot.keyClick(canvas, Qt.Key.Key_N)
    assert seen == pytest.approx([51, 204, 51], abs=3)
    dock.looking.blink._at = 0.5
    dock.looking.blink.pace = "rock"
    dock.looking.blink._show()
    picture = photograph()
    assert picture[picture.shape[0] // 2, picture.shape[1] // 2, 0] == pytest.approx(127.5, abs=4)
    dock.look.rate.setValue(10)
    dock.look.pace.setCurrentIndex(0)
    shown = set()
    qtbot.waitUntil(lambda: shown.add(dock.looking.blink.shown) or shown == {0, 1}, timeout=PATIENCE)


@pytest.mark.viewer
def test_the_colour_of_the_difference_says_sign_and_size_at_a_known_place(
    qtbot, viewer, compare, photograph
) -> None:
    """A fine reference that is turned, and a coarse layer that lies over it: +40 in one corner, -40 in another."""
    units, turn = ("µm", "µm"), {"rotate": 30, "translate": (5, 20)}
    fine = np.full((80, 80), 100, np.float32)
    coarse = np.full((20, 20), 100, np.float32)
    coarse[3:6, 3:6] += 40
    coarse[14:17, 14:17] -= 40
    first = viewer.add_image(fine, name="truth", scale=(0.25, 0.25), units=units, **turn)
    radians = np.deg2rad(30)
    rotation = np.array([[np.cos(radians), -np.sin(radians)], [np.sin(radians), np.cos(radians)]])
    shift = rotation @ np.array([0.375, 0.375])
    second = viewer.add_image(
        coarse, name="coarse", scale=(1, 1), rotate=30, translate=np.array([5, 20]) + shift, units=units
    )
    dock = compare(first, second)
    click(qtbot, dock.look.buttons["difference"])
    dock.look.limit.setValue(40)
    picture = photograph()

    def colour(*index: int) -> np.ndarray:
        return picture[place_on_canvas(viewer, tuple(second.data_to_world(index)))].astype(int)

    above, below, equal = colour(4, 4), colour(15, 15), colour(10, 10)
    assert above[0] > above[2] + 80, "red where the layer lies above the reference"
    assert below[2] > below[0] + 80, "blue where it lies below"
    np.testing.assert_allclose(equal, 255, atol=3)
    (patch,) = [layer for layer in viewer.layers if DISPLAY_KEY in layer.metadata]
    assert patch.data.shape == (80, 80), "on the pixels of the finer one"
    values = np.asarray(patch.data)
    assert values[18, 18] == pytest.approx(40, abs=1e-3)
    assert values[62, 62] == pytest.approx(-40, abs=1e-3)
    assert "at the pixels of 'truth'" in dock.look.message.text()


@pytest.mark.viewer
def test_the_difference_fits_and_says_so_and_counts_in_percent_and_deviations(qtbot, viewer, compare) -> None:
    rng = np.random.default_rng(1)
    truth = 100 + 50 * rng.random((60, 60)).astype(np.float32)
    first = viewer.add_image(truth, name="truth")
    second = viewer.add_image((truth - 20) / 2, name="dimmed")
    third = viewer.add_image(np.full((60, 60), 5, np.float32), name="spread")
    dock = compare(first, second)
    click(qtbot, dock.look.buttons["difference"])
    patch = viewer.layers[-1]
    np.testing.assert_allclose(patch.data, (truth - 20) / 2 - truth, rtol=1e-5)
    dock.look.fit.setChecked(True)
    assert np.abs(patch.data).max() < 1e-3
    assert "2 × 'dimmed' + 20" in dock.look.message.text()
    dock.look.fit.setChecked(False)
    dock.look.quantity.setCurrentIndex(1)
    np.testing.assert_allclose(patch.data, 100 * ((truth - 20) / 2 - truth) / truth, rtol=1e-4)
    dock.look.deviation.choose(third)
    dock.look.quantity.setCurrentIndex(2)
    np.testing.assert_allclose(patch.data, np.abs((truth - 20) / 2 - truth) / 5, rtol=1e-4)
    assert tuple(patch.contrast_limits) == (0, 4)
    assert "100.0% of the pixels in view are off by more than 2 deviations" in dock.look.message.text()


@pytest.mark.viewer
def test_the_view_comes_back_exactly_however_it_ends(qtbot, viewer, compare) -> None:
    units = ("µm",) * 2
    points = viewer.add_points([[10, 10]], name="points", units=units)
    dark = viewer.add_layer(flat(0.2, name="dark", opacity=0.7, blending="additive"))
    hidden = viewer.add_layer(flat(0.5, name="hidden", visible=False, contrast_limits=(0.1, 0.6)))
    bright = viewer.add_layer(flat(0.8, name="bright", contrast_limits=(0, 3)))
    viewer.add_labels(np.ones((100, 100), int), name="labels", visible=False, units=units)
    viewer.canvas.grid.stride, viewer.canvas.grid.spacing = 2, 0.3
    for end in ("button", "dock", "error"):
        dock = compare(bright, dark, hidden)
        viewer.scene.camera.zoom, viewer.scene.camera.center = 7.5, (0.0, 40.0, 33.0)
        before = view_of(viewer)
        dock.look.shared.setChecked(True)
        for way in WAYS if end == "button" else ("grid", "swipe"):
            click(qtbot, dock.look.buttons[way])
            assert view_of(viewer) != before, way
            qtbot.wait(LATER + 50 if way == "grid" else 40)
        assert hidden.contrast_limits == bright.contrast_limits
        assert points.visible, "what is drawn upon the images stays"
        if end == "button":
            click(qtbot, dock.look.back_button)
        elif end == "error":
            with pytest.raises(ZeroDivisionError):
                dock.looking.do(lambda: 1 / 0)
        viewer.window.remove_dock_widget(dock)
        assert view_of(viewer) == before, end
    assert_no_traceback()


@pytest.mark.viewer
def test_a_fault_on_the_way_leaves_nothing_hidden(qtbot, viewer, compare, pair, monkeypatch) -> None:
    before = view_of(viewer)
    dock = compare(*pair)
    camera = view_of(viewer)["camera"]

    def fault(self: Any, *anything: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("napari_diffuscope.viewer.compare.swipe.Swipe._sample", fault)
    with pytest.raises(ZeroDivisionError):
        dock.looking.show("swipe")
    assert view_of(viewer) == before | {"camera": camera}
    assert not dock.look.buttons["swipe"].isChecked()


@pytest.mark.viewer
def test_keys_switch_while_comparing_and_napari_keeps_its_own(qtbot, viewer, compare, pair) -> None:
    dock = compare(*pair)
    canvas = dock.window().findChild(type(dock.looking.stage.overlay.parentWidget()))
    assert not viewer.keymap
    viewer.bind_key("J", lambda viewer: None)  # of another plugin
    dock.looking.show("grid")
    for key, way in (("H", "swipe"), ("K", "difference"), ("G", "grid"), ("J", "grid")):
        qtbot.keyClick(canvas, key)
        assert dock.looking.way == way
    assert "(G)" in dock.look.buttons["grid"].text()
    dock.looking.end()
    assert [str(key) for key in viewer.keymap] == ["J"]


@pytest.mark.viewer
def test_a_layer_that_is_deleted_while_it_is_compared(qtbot, viewer, compare, photograph, pair) -> None:
    third = viewer.add_layer(flat(0.5, name="third"))
    dock = compare(*pair, third)
    dock.looking.show("difference")
    dock.looking.show("grid")
    viewer.layers.remove(third)
    qtbot.waitUntil(lambda: dock.looking.way == "grid", timeout=PATIENCE)
    photograph()
    assert viewer.canvas.grid.actual_shape(viewer.layers) in {(1, 2), (2, 1)}
    viewer.layers.remove(pair[1])
    assert dock.looking.way == ""
    qtbot.waitUntil(lambda: "Choose at least one more layer" in dock.look.message.text(), timeout=PATIENCE)
    qtbot.waitUntil(lambda: pair[0].visible and not viewer.canvas.grid.enabled, timeout=PATIENCE)
    assert not dock.look.buttons["grid"].isEnabled()
    viewer.layers.clear()
    assert "Open the images" in dock.look.message.text()


@pytest.mark.viewer
def test_what_cannot_be_subtracted_is_said_and_the_way_before_stays(qtbot, viewer, compare, pair) -> None:
    labels = viewer.add_labels(np.ones((100, 100), int), name="labels", units=("µm", "µm"))
    dock = compare(pair[0], labels)
    dock.looking.show("swipe")
    dock.looking.show("difference")
    assert dock.looking.way == "swipe"
    assert "'labels' holds labels" in dock.look.message.text()
    dock.looking.end()
    dock.choice.choose(*(pair[0], [pair[1]]))
    pair[1].translate = (1000, 1000)
    dock.looking.show("difference")
    assert "so there is no difference" in dock.look.message.text()
    dock.looking.show("grid")
    assert "do not overlap" in dock.look.message.text()


@pytest.mark.viewer
def test_labels_against_labels_show_which_has_what(qtbot, viewer, compare) -> None:
    first, second = np.zeros((2, 40, 40), int)
    first[5:20], second[10:30] = 4, 9
    layers = [viewer.add_labels(each, name=name) for each, name in ((first, "hand"), (second, "net"))]
    dock = compare(*layers)
    dock.looking.show("difference")
    values = np.asarray(viewer.layers[-1].data)
    assert (values[7, 3], values[15, 3], values[25, 3], values[35, 3]) == (-1, 0, 1, 0)
    assert "Red: only in 'net'" in dock.look.message.text()


@pytest.mark.viewer
def test_in_3d_planes_cut_the_volumes_at_the_divider(qtbot, viewer, compare, photograph) -> None:
    keywords = {"contrast_limits": (0, 1), "units": ("µm",) * 3}
    first = viewer.add_image(np.full((20, 40, 40), 0.3, np.float32), name="dark", **keywords)
    second = viewer.add_image(
        np.full((40, 80, 80), 0.9, np.float32),
        name="bright",
        scale=(0.5,) * 3,
        translate=(-0.25,) * 3,
        **keywords,
    )
    dock = compare(first, second)
    viewer.dims.ndisplay = 3
    viewer.reset_view()
    before = view_of(viewer)
    click(qtbot, dock.look.buttons["swipe"])
    for angles in ((0, 0, 90), (10, -25, 80)):
        viewer.scene.camera.angles = angles
        for upright in (0, 1):
            dock.look.divider.setCurrentIndex(upright)
            picture = photograph()[..., 0].astype(int)
            height, width = picture.shape
            if upright == 0:
                sides = picture[height // 2, width // 2 - 20], picture[height // 2, width // 2 + 20]
            else:
                sides = picture[height // 2 - 20, width // 2], picture[height // 2 + 20, width // 2]
            assert sides == (pytest.approx(76, abs=8), pytest.approx(230, abs=8)), (angles, upright)
    dock.looking.show("difference")
    assert dock.looking.way == "difference"
    for way in ("grid", "blink"):
        dock.looking.show(way)
        assert dock.looking.way == way
    dock.looking.end()
    viewer.scene.camera.angles = before["camera"][2]
    assert view_of(viewer) == before


class Counted:
    """A volume on a disk that does not exist; counts the bytes that are asked of it."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape, self.dtype, self.ndim, self.read = shape, np.dtype(np.uint16), len(shape), 0

    def __getitem__(self, index: tuple[slice, ...]) -> np.ndarray:
        lengths = [len(range(length)[each]) for each, length in zip(index, self.shape, strict=True)]
        self.read += 2 * int(np.prod(lengths))
        return np.full(lengths, 7, np.uint16)


@pytest.mark.viewer
def test_of_images_larger_than_memory_only_what_is_in_view_is_read(
    qtbot, viewer, compare, photograph
) -> None:
    stores = [Counted((2048, 2048, 2048)) for _ in range(2)]  # 16 GiB each
    layers = [
        viewer.add_image(
            da.from_array(store, chunks=(1, 512, 512), meta=np.empty((0, 0, 0), np.uint16)),
            name=name,
            contrast_limits=(0, 10),
        )
        for store, name in zip(stores, ("first", "second"), strict=True)
    ]
    dock = compare(*layers)
    viewer.scene.camera.zoom = 2.0
    photograph()
    for way in ("swipe", "difference"):
        for store in stores:
            store.read = 0
        dock.looking.show(way)
        photograph()
        chunks = (
            9 * 512 * 512 * 2
        )  # the window shows about 400 pixels, of at most three chunks along each axis
        assert all(0 < store.read <= chunks for store in stores), way
        viewer.dims.set_current_step(0, 5 if way == "swipe" else 9)
        photograph()
        assert all(0 < store.read <= 3 * chunks for store in stores), way


@pytest.mark.viewer
def test_the_view_before_and_after_and_the_comparison_give_way_to_each_other(qtbot, viewer, compare) -> None:
    from napari_diffuscope.viewer.compare.before_after import BeforeAfter

    stacks = [viewer.add_image(np.full((4, 20, 20), value), name=f"stack {value}") for value in (1, 2)]
    dock = compare(*stacks)
    before, both = view_of(viewer), BeforeAfter(viewer)
    dock.looking.show("swipe")
    both.show(stacks[0], "ZYX", 10)
    assert dock.looking.way == ""
    assert all(layer.visible for layer in stacks)
    assert [viewer.dims.order[-2:], len(viewer.layers)] == [(0, 2), 2]
    dock.looking.show("difference")
    assert not both.shown
    assert not viewer.canvas.grid.enabled
    dock.looking.end()
    assert view_of(viewer) == before | {"dims": view_of(viewer)["dims"]}
    assert tuple(viewer.dims.order) == before["dims"][1]


@pytest.mark.viewer
def test_the_window_closes_over_a_comparison_that_blinks(qtbot, viewer, pair) -> None:
    dock = viewer.window.add_plugin_dock_widget("napari-diffuscope", "Compare")[1]
    dock.choice.choose(*(pair[0], [pair[1]]))
    dock.look.rate.setValue(10)
    click(qtbot, dock.look.buttons["blink"])
    viewer.close()
    qtbot.wait(300)
    assert_no_traceback()


@pytest.mark.viewer
def test_layers_that_come_meanwhile_stay_as_they_are(qtbot, viewer, compare, photograph, pair) -> None:
    """Another axis comes with one of them; the picture of the swipe takes it as well."""
    dock = compare(*pair)
    dock.looking.show("swipe")
    stack = viewer.add_image(
        np.ones((5, 100, 100), np.float32), name="stack", visible=False, units=("µm",) * 3
    )
    line = viewer.add_shapes([[[0, 0], [0, 50]]], shape_type="line", name="line", units=("µm",) * 2)
    viewer.scene.camera.zoom *= 1.1
    picture = photograph()
    middle = picture[picture.shape[0] // 2, :, 0].astype(int)
    assert middle[len(middle) // 2 - 20] == pytest.approx(51, abs=3)
    assert middle[len(middle) // 2 + 20] == pytest.approx(204, abs=3)
    for way in ("difference", "blink", "grid"):
        dock.looking.show(way)
        photograph()
    dock.looking.end()
    assert [layer.name for layer in viewer.layers] == ["dark", "bright", "stack", "line"]
    assert [layer.visible for layer in (*pair, stack, line)] == [True, True, False, True]
