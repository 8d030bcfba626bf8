"""Noise along lines made white, and back."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from napari_diffuscope.imaging.line_filter import REACH, LineFilter, filter_of


@pytest.mark.parametrize("axis", [0, 1])
def test_the_inverse_undoes_the_filter_but_for_the_first_pixels(axis: int) -> None:
    plane = np.random.default_rng(0).normal(500, 30, (200, 210)).astype(np.float32)
    line = filter_of((0.45, 0.2), axis)
    again = np.moveaxis(line.back(line.forward(plane)), axis, 1)
    np.testing.assert_allclose(again[:, REACH:], np.moveaxis(plane, axis, 1)[:, REACH:], rtol=1e-5)


def test_noise_of_an_amplifier_becomes_white() -> None:
    noise = lfilter([0.55], [1, -0.45], np.random.default_rng(0).standard_normal((300, 400)), axis=1)
    white = filter_of((0.45, 0.45**2), 1).forward(noise)[:, 8:]
    assert abs(np.corrcoef(white[:, 1:].ravel(), white[:, :-1].ravel())[0, 1]) < 0.02


def test_an_even_plane_stays_as_it_is() -> None:
    line = filter_of((0.6, 0.2), 1)
    even = np.full((4, 100), 7.0, np.float32)
    np.testing.assert_allclose(line.forward(even), even, rtol=1e-6)
    np.testing.assert_allclose(line.back(even), even, rtol=1e-6)


@pytest.mark.parametrize("region", [((3, 9), (0, 20)), ((0, 5), (100, 180)), ((2, 4), (40, 300))])
def test_a_part_is_taken_back_as_in_the_whole(region: tuple[tuple[int, int], tuple[int, int]]) -> None:
    plane = np.random.default_rng(0).normal(500, 30, (12, 300)).astype(np.float32)
    line = filter_of((0.45, 0.2), 1)
    (y0, y1), (x0, x1) = line.around(region, plane.shape)
    (top, bottom), (left, right) = region
    part = line.back(plane[y0:y1, x0:x1])[top - y0 : bottom - y0, left - x0 : right - x0]
    np.testing.assert_array_equal(part, line.back(plane)[top:bottom, left:right])


def test_it_survives_a_record() -> None:
    line = filter_of((0.45, 0.2), 0)
    assert LineFilter.from_dict(line.to_dict()) == line
