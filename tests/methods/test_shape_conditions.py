"""What a shape network is told of a cell."""

from __future__ import annotations

import numpy as np
import pytest

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.shape.conditions import (
    CHANNELS,
    image_in_mask,
    published_conditions,
    shape_conditions,
)
from napari_diffuscope.methods.shape.model import eight_bit

Y, X = np.mgrid[:64, :64]
DISC = np.hypot(Y - 32, X - 32) < 20


def test_grey_values_are_stretched_by_the_cell_alone() -> None:
    """Background, neighbours, gain and offset of the camera change nothing."""
    image = np.random.default_rng(0).random((64, 64))
    found = image_in_mask(image, DISC)
    other = np.where(DISC, 300 + 40 * image, 60000)
    assert np.allclose(found, image_in_mask(other, DISC), atol=1e-6)
    assert found[DISC].min() == 0
    assert found[DISC].max() == 1
    assert not found[~DISC].any()
    assert abs(np.median(found[DISC]) - 0.5) < 0.05


def test_a_hot_pixel_hardly_counts() -> None:
    """One pixel of a thousand times the brightness does not turn the others black."""
    image = np.random.default_rng(0).random((64, 64))
    hot = image.copy()
    hot[32, 32] = 1000
    assert np.abs(image_in_mask(image, DISC) - image_in_mask(hot, DISC))[DISC].mean() < 0.01


def test_cells_without_contrast_and_missing_pixels() -> None:
    """One grey value, or none that is finite, is the middle."""
    assert set(np.unique(image_in_mask(np.full((64, 64), 7), DISC))) == {0.0, 0.5}
    assert set(np.unique(image_in_mask(np.full((64, 64), np.nan), DISC))) == {0.0, 0.5}
    image = np.random.default_rng(0).random((64, 64))
    image[30, 30] = np.nan
    assert image_in_mask(image, DISC)[30, 30] == pytest.approx(0.5, abs=1e-6)


def test_the_condition_says_outline_image_height_and_distance() -> None:
    """Every channel at voxels where its value is known."""
    found = shape_conditions(image_in_mask(X + 100.0, DISC), DISC)
    assert found.shape == (4, 64, 64, 64)
    assert found.dtype == np.float32
    mask, image, height, distance = (found[CHANNELS.index(name)] for name in CHANNELS)
    assert mask[5, 32, 32] == 1
    assert mask[5, 0, 0] == -1
    assert image[5, 32, 12 + 1] == -1
    assert image[5, 32, 51] == 1
    assert image[5, 0, 0] == 0
    assert not height[32].any()
    assert height[0, 3, 4] == -1
    assert height[48, 0, 0] == 0.5
    assert distance[7, 32, 32] == pytest.approx(19.5 / 32, abs=0.5 / 32)
    assert distance[7, 0, 32] == pytest.approx(-12.5 / 32, abs=0.5 / 32)
    for channel in (mask, image, distance):
        assert np.ptp(channel, axis=0).max() == 0


def test_a_mask_that_fills_the_window() -> None:
    """Nothing beyond the window is cell."""
    found = shape_conditions(np.zeros((64, 64)), np.ones((64, 64), bool))
    assert found[3, 0, 0, 0] == pytest.approx(0.5 / 32)
    assert np.isfinite(found).all()


def test_published_condition_is_the_outline_and_the_image_in_it() -> None:
    """As DISPR's data loader: mask / 255, and image / 255 times it, 64 times along the first axis."""
    image = np.random.default_rng(0).random((64, 64)).astype(np.float32)
    found = published_conditions(image, DISC)
    assert found.shape == (2, 64, 64, 64)
    assert np.array_equal(found[0, 9], DISC)
    assert np.array_equal(found[1, 50], np.where(DISC, image, 0))


def test_wrong_input_is_refused() -> None:
    """Empty masks and other sizes, in one sentence each."""
    with pytest.raises(DiffuscopeError, match="mask of a cell is empty"):
        image_in_mask(np.zeros((64, 64)), np.zeros((64, 64), bool))
    with pytest.raises(DiffuscopeError, match="they must agree"):
        image_in_mask(np.zeros((64, 64)), DISC[1:])
    with pytest.raises(DiffuscopeError, match="64 x 64"):
        shape_conditions(np.zeros((32, 32)), DISC)
    with pytest.raises(DiffuscopeError, match="64 x 64"):
        shape_conditions(np.zeros((31, 31)), np.ones((31, 31), bool))


def test_grey_values_of_any_size_come_into_the_range_of_the_published_model() -> None:
    whole = np.array([[-3e38, 0.0], [1.5e38, 3e38]])
    assert eight_bit(whole) == pytest.approx(np.array([[0, 0.5], [0.75, 1]]))
    beyond = eight_bit(np.array([[0.0, 1.0], [2.0, 1e300]]))
    assert [beyond[0, 0], beyond[0, 1], beyond[1, 0]] == pytest.approx([0, 0.5, 1])
    assert eight_bit(np.full((2, 2), 1e300)).shape == (2, 2)
