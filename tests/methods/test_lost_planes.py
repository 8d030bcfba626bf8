"""Planes that a camera or a file has lost, in volumes that are made finer."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_diffuscope import superresolve
from napari_diffuscope.imaging.lost import lost_planes
from napari_diffuscope.methods.superres.error_bars import DISTANCE, distance_measures

LOST = 6


@pytest.fixture(scope="module")
def smooth() -> np.ndarray:
    """A stack ``(12, 64, 64)`` of uint8 whose planes are like their neighbours."""
    field = gaussian_filter(np.random.default_rng(0).normal(size=(12, 64, 64)), (1.2, 2.4, 2.4))
    return np.asarray((field - field.min()) / np.ptp(field) * 180 + 20).astype(np.uint8)


def finer(stack: np.ndarray, **more: object) -> np.ndarray:
    return np.asarray(superresolve(stack, model="superres-em", zoom=3, device="cpu", **more).superresolved)


@pytest.mark.parametrize("value", [0, 255])
def test_a_lost_plane_does_not_reach_the_planes_in_between(smooth: np.ndarray, value: int) -> None:
    stack = smooth.copy()
    stack[LOST] = value
    result = superresolve(stack, model="superres-em", zoom=3, device="cpu")
    assert result.record["defects"]["planes_with_own_range"] == [LOST]
    assert any(f"plane {LOST}" in said for said in result.record["messages"])
    expected, made = finer(smooth), np.asarray(result.superresolved)
    kept = 3 * LOST
    assert np.array_equal(made[kept], stack[LOST])  # as measured
    beside = [kept - 2, kept - 1, kept + 1, kept + 2]
    assert np.abs(made[beside] - expected[beside]).mean() < 0.25 * expected.std()
    bridged = finer(stack, defects="bridge")
    assert np.abs(bridged[kept] - expected[kept]).mean() < 0.25 * expected.std()
    ignored = finer(stack, defects="ignore")
    assert np.abs(ignored[beside] - expected[beside]).mean() > 0.5 * expected.std()


def test_empty_planes_at_an_end_and_between_different_things_are_measured(smooth: np.ndarray) -> None:
    stack = smooth.copy()
    stack[:3] = 20
    ends = superresolve(stack, model="superres-em", zoom=2, device="cpu")
    assert ends.record["defects"]["planes_with_own_range"] == []
    apart = smooth.copy()
    apart[LOST] = 20
    apart[LOST + 1 :] = np.rot90(smooth[LOST + 1 :], axes=(1, 2))
    between = superresolve(apart, model="superres-em", zoom=2, device="cpu")
    assert between.record["defects"]["planes_with_own_range"] == []


def test_a_lost_plane_is_found_among_noisy_ones(smooth: np.ndarray) -> None:
    """Few photons per pixel: single pixels of neighbouring planes hardly correlate."""
    wide = np.repeat(np.repeat(smooth, 4, 1), 4, 2) / 20
    noisy = np.random.default_rng(1).poisson(wide)
    assert np.corrcoef(noisy[LOST - 1].ravel(), noisy[LOST + 1].ravel())[0, 1] < 0.2
    noisy[LOST] = 0
    assert lost_planes(list(noisy)) == [LOST]


@pytest.mark.parametrize(
    ("place", "lost", "expected"),
    [
        (0.0, (), 0.0),
        (2.0, (), 1.0),
        (9.0, (), 0.0),
        (8.0, (2,), 2.0),  # plane 2 lies at 8; planes 1 and 3 are 4 away
        (10.5, (2,), math.log2(1.5)),
        (6.0, (2,), 1.0),
        (2.0, (0,), 1.0),
    ],
)
def test_the_distance_counts_from_planes_that_tell_something(
    place: float, lost: tuple[int, ...], expected: float
) -> None:
    assert distance_measures(place, 4, lambda plane: plane in lost)[DISTANCE] == pytest.approx(expected)


def test_error_bars_are_wider_beside_a_lost_plane(smooth: np.ndarray) -> None:
    how = {"model": "superres-em", "mode": "mean", "samples": 2, "steps": 2, "zoom": 4, "device": "cpu"}
    stack = smooth.copy()
    stack[LOST] = 0
    matched = superresolve(stack, **how)
    plain = superresolve(stack, **how, error_bars="factor")
    beside = [4 * LOST + 1, 4 * 2 + 1]  # of the lost plane, and of one that is there
    lost, there = (np.median(matched.deviation[at] / plain.deviation[at]) for at in beside)
    assert lost > 1.1 * there
