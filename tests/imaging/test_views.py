"""Views index like the arrays that they stand for."""

from __future__ import annotations

import numpy as np
import pytest

from napari_diffuscope.imaging.views import AxisView, LuminanceView, full_index

DATA = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)

INDICES = [
    (),
    (1,),
    (-1, ..., 0),
    (..., slice(1, 3)),
    (slice(None), 2, slice(0, None, 2)),
    (slice(-2, None), slice(5, 2), ...),
    (np.int64(1), 0, 1, -2),
]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2)])
@pytest.mark.parametrize("index", INDICES, ids=str)
def test_reordered_axes(order, index):
    np.testing.assert_array_equal(AxisView(DATA, order)[index], DATA.transpose(order)[index])


def test_fixed_and_shortened_axes():
    view = AxisView(DATA, (3, 1), fixed={0: 1, 2: 3}, lengths={3: 2})
    expected = DATA[1, :, 3, :2].T
    assert view.shape == expected.shape
    np.testing.assert_array_equal(np.asarray(view), expected)
    np.testing.assert_array_equal(view[-1], expected[-1])
    with pytest.raises(IndexError):
        view[2]


def test_every_axis_is_named_once():
    with pytest.raises(ValueError, match="once"):
        AxisView(DATA, (0, 1, 2))


@pytest.mark.parametrize("index", INDICES[:-1], ids=str)
def test_luminance(index):
    colour = np.random.default_rng(0).random((4, 5, 6, 3))
    expected = colour @ [0.2126, 0.7152, 0.0722]
    np.testing.assert_allclose(LuminanceView(colour)[index], expected[index], rtol=1e-6)


@pytest.mark.parametrize("index", [(0, 0, 0), 7, -3, slice(None, None, -1), 1.5])
def test_indices_that_are_refused(index):
    with pytest.raises((IndexError, TypeError)):
        full_index(index, (2, 3))
