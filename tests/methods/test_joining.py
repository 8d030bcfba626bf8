"""A plane joined with its neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import correlate1d, gaussian_filter

from napari_diffuscope.measure.quality import psnr
from napari_diffuscope.methods.restore import joining
from napari_diffuscope.methods.restore.joining import MARGIN, MOST_UNLIKE, joined, unlike
from napari_diffuscope.methods.restore.plane_noise import bands_of, noise_of_planes, smoothed


def scene(seed: int, edge: int = 128) -> np.ndarray:
    """Blobs in grey values."""
    spots = np.random.default_rng(seed).uniform(size=(edge, edge)) > 0.99
    return 100 + 4000 * gaussian_filter(spots.astype(float), 3)


def seen(light: np.ndarray, seed: int) -> np.ndarray:
    """With noise of photons and of a camera."""
    rng = np.random.default_rng(seed)
    return (rng.poisson(light) + rng.normal(0, 4, light.shape)).astype(np.float32)


def three(*lights: np.ndarray) -> list[np.ndarray]:
    return [seen(light, seed) for seed, light in enumerate(lights)]


def test_still_planes_gain_much_and_one_neighbour_gains_less() -> None:
    light = scene(0)
    before, plane, after = three(light, light, light)
    noise = noise_of_planes([before, plane, after])
    alone, one, both = (
        psnr(light, each)
        for each in (plane, joined(plane, before, None, noise), joined(plane, before, after, noise))
    )
    assert alone + 1.5 < one < both - 0.3
    np.testing.assert_array_equal(joined(plane, None, None, noise), plane)


def test_what_moved_away_stays_where_it_is() -> None:
    light = scene(0)
    moved = np.roll(light, 12, 1)
    before, plane, after = three(moved, light, np.roll(light, -12, 1))
    result = joined(plane, before, after, noise_of_planes([before, plane, after]))
    mean = (before + plane + after) / 3
    assert psnr(light, result) > psnr(light, plane) - 0.1 > psnr(light, mean) + 3


def test_neighbours_of_another_place_are_told_by_their_coarse_structure() -> None:
    light = scene(0)
    plane, same, near, other = three(light, light, np.roll(light, 1, 0), scene(1))
    noise = noise_of_planes([plane, same, near, other])
    assert unlike(plane, same, noise) < 0.1
    assert unlike(plane, near, noise) < MOST_UNLIKE / 2
    assert unlike(plane, other, noise) > 1.5 * MOST_UNLIKE
    empty = three(np.full((128, 128), 100.0), np.full((128, 128), 100.0))
    assert unlike(*empty, noise) == 0.0, "nothing is to be seen in them that could differ"


def test_a_region_with_its_margin_becomes_what_it_becomes_in_the_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    light = scene(2, 400)[:, :150]
    planes = three(np.roll(light, 2, 0), light, light)
    noise = noise_of_planes(planes)
    whole = joined(planes[1], planes[0], planes[2], noise)
    assert MARGIN < 180
    parts = [plane[190 - MARGIN : 215 + MARGIN] for plane in planes]
    np.testing.assert_array_equal(joined(parts[1], parts[0], parts[2], noise)[MARGIN:-MARGIN], whole[190:215])
    monkeypatch.setattr(joining, "TILE", 160)
    np.testing.assert_array_equal(joined(planes[1], planes[0], planes[2], noise), whole)


def test_noise_that_pixels_share_is_told_in_each_band() -> None:
    rng = np.random.default_rng(3)
    white = rng.normal(0, 10, (4, 256, 256))
    shared = correlate1d(white, [0.5, 1.0, 0.5], axis=2) + 500
    noise = noise_of_planes(list(shared.astype(np.float32)))
    assert noise is not None
    assert noise.along_y == ()
    assert 0.5 < noise.along_x[0] < 0.8  # 2/3
    inner = np.stack([bands_of(plane)[:, 40:-40, 40:-40] for plane in shared[:2]])
    variances = inner[:, :-1].var((0, 2, 3))
    told = (noise.model.variance(np.float64(500)) * noise.powers)[:-1]
    np.testing.assert_allclose(told, variances, rtol=0.35)
    means = shared.reshape(4, 32, 8, 32, 8).mean((2, 4)).var()
    assert noise.model.variance(np.float64(500)) * noise.of_means(8) == pytest.approx(means, rel=0.35)


def test_a_fixed_pattern_hides_no_change() -> None:
    rng = np.random.default_rng(4)
    pattern = rng.normal(0, 12, (128, 128))
    spot = np.zeros((128, 128))
    spot[60:65, 60:65] = 12
    planes = [(500 + pattern + rng.normal(0, 4, pattern.shape)).astype(np.float32) for _ in range(3)]
    alone = noise_of_planes(planes)
    told = noise_of_planes(planes, [planes[1], planes[2], None])
    assert alone is not None
    assert told is not None
    signal = np.array([500.0])
    assert told.variance(signal) == pytest.approx(12**2 + 4**2, rel=0.2)
    assert told.differing(signal) == pytest.approx(4**2, rel=0.3)
    changed = (planes[1] + spot).astype(np.float32)
    hidden, kept = (
        float(np.mean((joined(changed, *beside, noise) - joined(planes[1], *beside, noise))[spot > 0]))
        for noise, beside in ((each, (planes[0], planes[2])) for each in (alone, told))
    )
    assert hidden < 6 < 10 < kept, "a spot of as much as the pattern is of three deviations of the noise"


def test_structure_that_passes_for_noise_is_told_by_a_neighbour() -> None:
    light = 10_000 + 3000 * gaussian_filter(np.random.default_rng(5).standard_normal((128, 128)), 1.0)
    plane, beside = three(light, light)
    alone, told = noise_of_planes([plane, beside]), noise_of_planes([plane, beside], [beside, None])
    assert alone is not None
    assert told is not None
    assert alone.along_x[0] > 0.5, "all of this looks like noise that pixels share"
    differences = np.var(bands_of(plane) - bands_of(beside), (1, 2)) / 2
    expected = alone.powers * alone.variance(light).mean()
    assert expected[2] > 3 * differences[2]
    measured = told.differing_powers * told.differing(light).mean()
    np.testing.assert_allclose(measured[:4], differences[:4], rtol=0.3)


def test_chance_of_squares_is_what_it_is_in_noise() -> None:
    rng = np.random.default_rng(8)
    white = rng.normal(0, 10, (2, 256, 256))
    noise = noise_of_planes([plane.astype(np.float32) for plane in white])
    assert noise is not None
    bands = bands_of(white[0])
    for band, times in ((0, 3), (1, 3), (2, 4)):
        squares = bands[band] ** 2 / bands[band].var()
        inner = smoothed(squares, (times,))[0][40:-40, 40:-40]
        assert noise.chances[band, times] == pytest.approx(inner.std(), rel=0.25)


def test_planes_of_one_value_or_too_small_ones_are_borne() -> None:
    assert noise_of_planes([np.zeros((20, 64), np.float32)]) is None
    flat = np.full((64, 64), 7, np.float32)
    noise = noise_of_planes([flat, flat])
    np.testing.assert_array_equal(joined(flat, flat, None, noise), flat)
    assert unlike(flat, flat, noise) == 0.0
    bright = joined(flat, flat + 1, None, noise)
    np.testing.assert_allclose(bright, flat, rtol=1e-5)
