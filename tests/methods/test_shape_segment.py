"""The outline of the cell at a click."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.shape.segment import Outline, segment_around


def discs(*cells: tuple[float, float, float], shape=(200, 240), ring: float = 0.0, noise: float = 2.0):
    """Noisy discs ``(y, x, radius)`` of height 100 on a background of 20, and their masks."""
    y, x = np.indices(shape)
    masks = [np.hypot(y - cy, x - cx) <= radius for cy, cx, radius in cells]
    clean = np.zeros(shape)
    for mask, (cy, cx, radius) in zip(masks, cells, strict=True):
        clean[mask] = 100.0
        clean[np.hypot(y - cy, x - cx) <= ring * radius] = 10.0
    image = 20 + gaussian_filter(clean, 1.0) + np.random.default_rng(0).normal(0, noise, shape)
    return image.astype(np.float32), masks


def full(outline: Outline, shape) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[outline.slices] = outline.mask
    return mask


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize("radius", [6, 20, 45, 90])
def test_a_cell_of_any_size_is_outlined_at_its_edge(radius) -> None:
    image, (cell,) = discs((100, 120, radius))
    found = segment_around(image, (100 + radius // 3, 120))
    assert overlap(full(found, image.shape), cell) > 0.9
    assert found.mask.any(axis=0).all()
    assert found.mask.any(axis=1).all()


def test_a_dim_centre_belongs_to_the_cell_and_so_does_a_click_on_it() -> None:
    image, (cell,) = discs((100, 120, 25), ring=0.5)
    outline = segment_around(image, (100, 120))
    assert overlap(full(outline, image.shape), cell) > 0.9
    assert not outline.cut


def test_dark_cells_on_a_bright_background() -> None:
    image, (cell,) = discs((100, 120, 25))
    assert overlap(full(segment_around(-image, (100, 120), bright=False), image.shape), cell) > 0.9


def test_touching_cells_are_cut_apart_and_a_dumb_bell_is_not() -> None:
    image, (left, right) = discs((100, 100, 22), (100, 139, 22))
    outline = segment_around(image, (102, 104))
    assert outline.cut, "that there was more is told"
    assert not segment_around(image, (102, 104), apart=False).cut
    found = full(outline, image.shape)
    assert overlap(found, left & ~right) > 0.85
    assert not found[100, 145]
    assert overlap(full(segment_around(image, (102, 104), apart=False), image.shape), left | right) > 0.9
    image, (left, right) = discs((100, 100, 22), (100, 118, 22))
    assert overlap(full(segment_around(image, (102, 104)), image.shape), left | right) > 0.9


def test_other_cells_are_left_alone() -> None:
    image, (left, right) = discs((100, 100, 22), (100, 139, 22))
    first = full(segment_around(image, (100, 96)), image.shape)
    second = full(segment_around(image, (100, 145), taken=first), image.shape)
    assert not (first & second).any()
    assert overlap(second, right & ~left) > 0.85
    with pytest.raises(DiffuscopeError, match="outlined already"):
        segment_around(image, (100, 96), taken=first)


def test_a_dim_neighbour_of_a_bright_cell_is_found() -> None:
    image, (bright, dim) = discs((60, 60, 20), (120, 150, 20))
    image[bright] += 2000
    image[dim] += 30
    assert overlap(full(segment_around(image, (120, 150)), image.shape), dim) > 0.85


def test_more_sensitivity_never_makes_the_cell_smaller() -> None:
    image, _ = discs((100, 120, 25))
    image = gaussian_filter(image, 4)
    areas = [segment_around(image, (100, 120), sensitivity=s).mask.sum() for s in (0.1, 0.3, 0.5, 0.7, 0.9)]
    assert areas == sorted(areas)
    assert areas[-1] > 1.4 * areas[0]


def test_a_click_may_miss_a_little() -> None:
    image, (cell,) = discs((100, 120, 10))
    assert overlap(full(segment_around(image, (100, 133)), image.shape), cell) > 0.9
    with pytest.raises(DiffuscopeError, match="no cell at the click"):
        segment_around(image, (100, 200))


def test_noise_and_places_outside_are_no_cells() -> None:
    noise = np.random.default_rng(0).normal(100, 5, (128, 128))
    for image in (noise, np.full((64, 64), 3.0), np.full((64, 64), np.nan)):
        with pytest.raises(DiffuscopeError, match="no cell at the click"):
            segment_around(image, (30, 30))
    with pytest.raises(DiffuscopeError, match="outside the image"):
        segment_around(noise, (-1, 30))
    with pytest.raises(DiffuscopeError, match="sensitivity"):
        segment_around(noise, (30, 30), sensitivity=2)


def test_what_has_no_end_is_said() -> None:
    image, _ = discs((700, 700, 640), shape=(1400, 1400))
    with pytest.raises(DiffuscopeError, match="has no end"):
        segment_around(image, (700, 700))


def test_gaps_in_the_image_and_the_border_do_no_harm() -> None:
    image, (cell,) = discs((8, 120, 20))
    image[50:60, 100:140] = np.nan
    found = segment_around(image, (5, 120))
    assert found.box[0] == 0, "the cell is cut by the border, and says so by touching it"
    assert overlap(full(found, image.shape), cell) > 0.85


def test_real_cells_are_outlined_as_their_masks_say(shared_data) -> None:
    """A cluster of several cells (class A) is cut apart, rightly; all others are one cell."""
    folder = shared_data / "red_blood_cells"
    found = []
    for path in sorted((folder / "image").glob("[!A]_*.tif"))[::3]:
        image = np.pad(tifffile.imread(path).astype(np.float32), 40)
        mask = np.pad(tifffile.imread(folder / "mask" / path.name) > 127, 40)
        image += np.random.default_rng(0).normal(8, 3, image.shape)
        centre = [float(places.mean()) for places in np.nonzero(mask)]
        found.append(overlap(full(segment_around(image, (centre[0], centre[1])), image.shape), mask))
    assert np.median(found) > 0.9
    assert min(found) > 0.4
