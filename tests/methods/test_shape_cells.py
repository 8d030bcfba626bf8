"""Which cells a shape can be predicted for, and where the model's window lies around them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from napari_diffuscope import DiffuscopeError, Image, ShapeSettings
from napari_diffuscope.methods.shape.cells import WindowChecks, find_cells
from napari_diffuscope.methods.shape.source import labelled_plane
from napari_diffuscope.methods.shape.window import CELL_EXTENT, ShapeWindow
from tests.methods.shape_models import disc, three_cells


def plane_with(mask: np.ndarray, label: int = 5) -> np.ndarray:
    return np.where(mask, label, 0).astype(np.uint16)


def complaint(mask: np.ndarray) -> tuple[str | None, bool]:
    (cell,) = find_cells(plane_with(mask))
    return cell.complaint, cell.refused


def test_every_label_is_a_cell_with_its_box_and_mask() -> None:
    _, labels = three_cells()
    cells = find_cells(labels)
    assert [cell.label for cell in cells] == [1, 4, 7]
    for cell in cells:
        y0, y1, x0, x1 = cell.box
        assert np.array_equal(cell.mask, labels[y0:y1, x0:x1] == cell.label)
        assert cell.mask.sum() == (labels == cell.label).sum()
    assert [cell.refused for cell in cells] == [False, True, False]


def test_labels_may_be_large_and_chosen() -> None:
    """A label of two thousand million takes no more memory than 1, and needs no zero beside it."""
    labels = plane_with(disc((50, 50), (25, 25), 10)).astype(np.int64) * 400_000_000
    assert [cell.label for cell in find_cells(labels)] == [2_000_000_000]
    _, three = three_cells()
    assert [cell.label for cell in find_cells(three, only=[7])] == [7]
    with pytest.raises(DiffuscopeError, match="no label 3"):
        find_cells(three, only=[3, 7])
    full = np.full((20, 30), 2)
    full[:, 15:] = 9
    assert [cell.label for cell in find_cells(full)] == [2, 9]


def test_truth_values_become_cells_piece_by_piece() -> None:
    mask = disc((50, 80), (25, 20), 9) | disc((50, 80), (25, 60), 9)
    assert [cell.label for cell in find_cells(mask)] == [1, 2]
    assert find_cells(np.zeros((5, 5), bool)) == ()


RING = disc((60, 60), (30, 30), 20) & ~disc((60, 60), (30, 30), 14)
PAIR = disc((60, 90), (30, 25), 12) | disc((60, 90), (30, 65), 10)
CROSS = np.zeros((60, 60), bool)
CROSS[28:32, 5:55] = CROSS[5:55, 28:32] = True


@pytest.mark.parametrize(
    ("mask", "words", "refused"),
    [
        (disc((60, 60), (30, 30), 15), None, False),
        (disc((60, 60), (5, 30), 9), "touches the border", True),
        (disc((60, 60), (30, 30), 3), "tiny", True),
        (disc((60, 60), (30, 30), 35), "huge", True),
        (RING, "hollow", True),
        (PAIR, "2 pieces", True),
        (CROSS, "convex hull", False),
        (disc((60, 60), (30, 30), 15) & ~disc((60, 60), (30, 30), 5), None, False),
        (disc((60, 60), (30, 30), 15) | disc((60, 60), (50, 50), 2), None, False),
    ],
)
def test_each_cell_gets_one_sentence(mask: np.ndarray, words: str | None, refused: bool) -> None:
    said, no = complaint(mask)
    assert no == refused
    if words is None:
        assert said is None
    else:
        assert said is not None
        assert words in said
        assert said.startswith("Cell 5")
        assert said.endswith(".")


def test_a_cell_far_larger_than_the_others_is_several() -> None:
    labels = np.zeros((200, 200), np.int32)
    for number, place in enumerate([(20, 20), (20, 60), (20, 100), (20, 140)], start=1):
        labels[disc((200, 200), place, 8)] = number
    labels[disc((200, 200), (120, 100), 60)] = 9
    said = {cell.label: cell.complaint for cell in find_cells(labels)}
    assert "several cells" in str(said[9])
    assert said[1] is None


def test_checks_can_be_changed() -> None:
    labels = plane_with(disc((60, 60), (5, 30), 9))
    assert not find_cells(labels, window_checks=WindowChecks(border=False))[0].refused


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.zeros((2, 20, 20), int), "one plane"),
        (np.full((20, 20), 0.5), "no whole numbers"),
        (np.full((20, 20), -1), "numbers from 0"),
        (np.full((20, 20), np.nan), "no whole numbers"),
    ],
)
def test_labels_that_are_none_are_refused(labels: np.ndarray, words: str) -> None:
    with pytest.raises(DiffuscopeError, match=words):
        find_cells(labels)


def test_whole_numbers_stored_as_real_ones_are_labels() -> None:
    assert [cell.label for cell in find_cells(plane_with(disc((40, 40), (20, 20), 9)).astype(float))] == [5]


@pytest.mark.parametrize("radius", [7, 25, 70])
def test_a_cell_fills_its_share_of_the_window_and_lies_in_its_middle(radius: int) -> None:
    shape = (300, 320)
    (cell,) = find_cells(plane_with(disc(shape, (140.5, 170.5), radius)))
    window = ShapeWindow.around(cell, pixel_size=0.1, extent=0.75)
    mask = window.mask(cell)
    assert mask.shape == (64, 64)
    rows, _columns = np.nonzero(mask)
    assert np.ptp(rows) + 1 == pytest.approx(48, abs=1)
    assert ndimage.center_of_mass(mask) == pytest.approx((31.5, 31.5), abs=0.3)
    # the area in µm² is that of the pixels
    assert mask.sum() * window.voxel_size**2 == pytest.approx(cell.mask.sum() * 0.01, rel=0.03)


def test_voxels_lie_where_the_pixels_lie() -> None:
    """An image that tells the place: what a voxel shows is its own place, by origin and voxel size."""
    y, x = np.mgrid[:120, :150].astype(np.float32)
    (cell,) = find_cells(plane_with(disc((120, 150), (60, 90), 23)))
    window = ShapeWindow.around(cell, pixel_size=0.25)
    z0, y0, x0 = window.origin
    places = np.arange(64) * window.voxel_size
    np.testing.assert_allclose(window.image(y * 0.25)[:, 5], y0 + places, atol=1e-3)
    np.testing.assert_allclose(window.image(x * 0.25)[7], x0 + places, atol=1e-3)
    assert z0 + 32 * window.voxel_size == pytest.approx(0)


def test_large_cells_are_averaged_not_skipped_over() -> None:
    """Noise of single pixels is averaged where a voxel is many pixels wide."""
    (cell,) = find_cells(plane_with(disc((700, 700), (350, 350), 250)))
    noise = np.random.default_rng(0).normal(0, 1, (700, 700)).astype(np.float32)
    window = ShapeWindow.around(cell)
    assert window.step == pytest.approx(499 / 50)
    # the mean over step² independent pixels; the Gaussian is a little narrower or wider than the box
    assert window.image(noise).std() == pytest.approx(1 / window.step, rel=0.35)


def test_the_window_may_overhang_the_plane_and_pixels_may_be_missing() -> None:
    (cell,) = find_cells(plane_with(disc((30, 34), (15, 17), 14)))
    image = np.full((30, 34), 7.0, np.float32)
    image[3, 3] = np.nan
    seen = ShapeWindow.around(cell, extent=0.5).image(image)
    assert np.allclose(seen, 7)


def test_a_plane_can_be_the_window_itself() -> None:
    image = np.random.default_rng(0).random((64, 64)).astype(np.float32)
    mask = disc((64, 64), (30, 33), 20)
    (cell,) = find_cells(plane_with(mask))
    window = ShapeWindow.of_plane(image.shape, pixel_size=0.2)
    assert np.array_equal(window.image(image), image)
    assert np.array_equal(window.mask(cell), mask)
    assert (window.voxel_size, window.origin) == (0.2, (-6.4, 0.0, 0.0))
    with pytest.raises(DiffuscopeError, match="cannot be the window itself"):
        ShapeWindow.of_plane((64, 65))


def test_the_share_of_the_window_is_checked() -> None:
    (cell,) = find_cells(plane_with(disc((40, 40), (20, 20), 9)))
    with pytest.raises(DiffuscopeError, match="cell_extent"):
        ShapeWindow.around(cell, extent=1.5)


def test_the_share_for_silent_cards_is_that_of_the_published_cells(shared_data: Path) -> None:
    import tifffile

    files = sorted((shared_data / "red_blood_cells" / "mask").glob("*.tif"))
    extents = [max(np.ptp(rows) + 1 for rows in np.nonzero(tifffile.imread(file) > 127)) for file in files]
    assert np.median(extents) / 64 == CELL_EXTENT


MICROMETRES = ("micrometer", "micrometer")


def image_of(shape: tuple[int, ...], axes: str, **kwargs: Any) -> Image:
    return Image(np.arange(np.prod(shape)).reshape(shape).astype(np.uint16), axes, **kwargs)


def test_the_named_plane_and_its_labels_are_taken() -> None:
    """Labels may lack the axes along which they do not change."""
    image = image_of((3, 2, 8, 9), "TCYX", scale=(1, 1, 0.2, 0.2), units=("second", "pixel", *MICROMETRES))
    labels = image_of((3, 8, 9), "TYX")
    given = labelled_plane(image, labels, ShapeSettings(plane=5))
    assert np.array_equal(given.plane, image.data[2, 1])
    assert np.array_equal(given.labels, labels.data[2])
    assert given.plane.dtype == np.uint16
    assert given.pixel_size == pytest.approx(0.2)
    one = labelled_plane(image, image_of((8, 9), "YX"), ShapeSettings(plane=3, pixel_size=0.5))
    assert one.pixel_size == 0.5
    assert labelled_plane(image_of((8, 9), "YX"), image_of((8, 9), "YX"), ShapeSettings()).pixel_size is None


@pytest.mark.parametrize(
    ("image", "labels", "choices", "words"),
    [
        (image_of((3, 8, 9), "TYX"), image_of((8, 9), "YX"), {}, "3 planes"),
        (image_of((3, 8, 9), "TYX"), image_of((8, 9), "YX"), {"plane": 3}, "does not exist"),
        (image_of((8, 9), "YX"), image_of((9, 8), "YX"), {}, "must agree"),
        (image_of((3, 8, 9), "TYX"), image_of((2, 8, 9), "TYX"), {"plane": 0}, "do not fit"),
        (
            image_of((8, 9), "YX", scale=(0.2, 0.3), units=MICROMETRES),
            image_of((8, 9), "YX"),
            {},
            "not square",
        ),
    ],
)
def test_what_does_not_fit_is_said(image: Image, labels: Image, choices: dict[str, Any], words: str) -> None:
    with pytest.raises(DiffuscopeError, match=words):
        labelled_plane(image, labels, ShapeSettings(**choices))
