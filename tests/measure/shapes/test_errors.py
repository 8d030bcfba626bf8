"""Errors of shapes: counted by hand, and with other tools."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from skimage.filters import gaussian

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.shapes.errors import rough_voxels, shape_errors, surface_voxels

from .bodies import ball, ellipsoid, places


def cube(edge: int, size: int = 24, shift: int = 0) -> np.ndarray:
    body = np.zeros((size, size, size), dtype=bool)
    side = slice(6 + shift, 6 + shift + edge)
    body[side, 6 : 6 + edge, 6 : 6 + edge] = True
    return body


def surface_by_hand(body: np.ndarray) -> int:
    count = 0
    for place in np.argwhere(body):
        around = body[tuple(slice(max(0, p - 1), p + 2) for p in place)]
        count += not around.all()
    return count


def test_equal_shapes_have_no_errors() -> None:
    body = ellipsoid((9, 6, 4), places(24))
    assert shape_errors(body, body) == {
        "iou": 1.0,
        "volume_error": 0.0,
        "surface_error": 0.0,
        "roughness_error": 0.0,
    }


def test_cubes_counted_by_hand() -> None:
    found = shape_errors(cube(10, shift=2), cube(8))
    both = 6 * 8 * 8
    assert found["iou"] == pytest.approx(both / (1000 + 512 - both))
    assert found["volume_error"] == pytest.approx((1000 - 512) / 512)
    # the voxels of a cube but those of the next smaller one
    assert surface_voxels(cube(10)) == 10**3 - 8**3
    assert found["surface_error"] == pytest.approx(((10**3 - 8**3) - (8**3 - 6**3)) / (8**3 - 6**3))


def test_errors_are_relative_to_the_truth() -> None:
    large, small = cube(10), cube(8)
    one, other = shape_errors(large, small), shape_errors(small, large)
    assert one["iou"] == other["iou"]
    assert one["volume_error"] == pytest.approx(488 / 512)
    assert other["volume_error"] == pytest.approx(488 / 1000)


def test_surface_voxels_have_background_among_26_neighbours() -> None:
    rng = np.random.default_rng(0)
    body = rng.random((9, 9, 9)) < 0.9
    assert surface_voxels(body) == surface_by_hand(body)
    touching = np.zeros((6, 6, 6), dtype=bool)
    touching[:3] = True  # three faces lie at the border, which is no background
    assert surface_voxels(touching) == surface_by_hand(touching) == 36


def test_rough_voxels_are_those_that_smoothing_changes() -> None:
    body = cube(10)
    assert rough_voxels(body) == ((gaussian(body.astype(float), 2, mode="reflect") > 0.5) != body).sum()
    speck = np.zeros((24, 24, 24), dtype=bool)
    speck[12, 12, 12] = True
    assert rough_voxels(speck) == 1
    plate = np.zeros((24, 24, 24), dtype=bool)
    plate[12] = True
    assert rough_voxels(plate) == 24 * 24
    half = np.zeros((24, 24, 24), dtype=bool)
    half[:12] = True
    assert rough_voxels(half) == 0


def test_roughness_error_compares_the_numbers() -> None:
    truth, guess = ball(9, places(24)), cube(10)
    expected = abs(rough_voxels(guess) - rough_voxels(truth)) / rough_voxels(truth)
    assert shape_errors(guess, truth)["roughness_error"] == pytest.approx(expected)
    half = np.zeros((24, 24, 24), dtype=bool)
    half[:12] = True
    assert math.isinf(shape_errors(truth, half)["roughness_error"])


def test_an_empty_prediction_is_all_wrong_and_an_empty_truth_is_refused() -> None:
    empty, body = np.zeros((24, 24, 24), dtype=bool), cube(8)
    assert list(shape_errors(empty, body).values()) == [0.0, 1.0, 1.0, 1.0]
    with pytest.raises(DiffuscopeError, match="true shape has no voxels"):
        shape_errors(body, empty)
    with pytest.raises(DiffuscopeError, match="same shape"):
        shape_errors(body[:12], body)


def test_shifts_along_any_axis_count_alike() -> None:
    body = ball(8, places(28))
    shifted = [np.roll(body, 2, axis) for axis in range(3)]
    ious = [shape_errors(other, body)["iou"] for other in shifted]
    for one, other in itertools.pairwise(ious):
        assert one == pytest.approx(other, rel=0.02)
    assert all(shape_errors(other, body)["volume_error"] == 0 for other in shifted)
