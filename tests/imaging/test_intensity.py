"""Intensity maps follow the image: units, offsets, noise, outliers and missing pixels do not matter."""

from __future__ import annotations

import numpy as np
import pytest

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.intensity import (
    ChannelIntensity,
    IntensityMap,
    intensity_from_planes,
)
from napari_diffuscope.imaging.stack_intensity import measure_intensities


def cells(seed: int = 0, shape: tuple[int, int] = (96, 120)) -> np.ndarray:
    """Bright and dim blobs, float64, with noise."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape)
    image = rng.normal(10.0, 1.0, shape)
    for _ in range(30):
        cy, cx = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        image += rng.uniform(5, 50) * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 50)
    return image


def by_hand(plane: np.ndarray) -> tuple[float, float]:
    """Intensities that become -1 and 1, written out without the module."""
    height, width = plane.shape
    means = [
        np.float64(plane[y : y + 2, x : x + 2]).mean()
        for y in range(0, height - height % 2, 2)
        for x in range(0, width - width % 2, 2)
    ]
    low, high, top = np.percentile([mean for mean in means if np.isfinite(mean)], [1, 99.5, 99.95])
    return low, max(high, low + 0.25 * (top - low))


@pytest.mark.parametrize("shape", [(96, 120), (97, 121), (2, 60)])
def test_ends_of_the_range(shape):
    plane = cells(1, shape)
    low, high = by_hand(plane)
    found = intensity_from_planes([plane])
    np.testing.assert_allclose(found.forward(np.array([low, high])), [-1, 1], atol=1e-12)
    assert isinstance(found.offset, float)
    assert isinstance(found.scale, float)


def test_forward_and_back():
    plane = cells(2).astype(np.float32)
    found = intensity_from_planes([plane])
    assert found.forward(plane).dtype == np.float32
    np.testing.assert_allclose(found.inverse(found.forward(plane)), plane, rtol=1e-5)
    spread = found.inverse_spread(np.std(found.forward(plane), keepdims=True))
    np.testing.assert_allclose(spread, plane.std(), rtol=1e-5)


@pytest.mark.parametrize("gain", [1e-30, 0.013, 1.0, 4095.0, 1e30])
@pytest.mark.parametrize("offset", [0.0, -3.0, 800.0])
def test_units_do_not_matter(gain, offset):
    for seed in range(4):
        plane = cells(seed)
        moved = gain * (plane + offset)
        np.testing.assert_allclose(
            intensity_from_planes([moved]).forward(moved),
            intensity_from_planes([plane]).forward(plane),
            atol=1e-9,
        )


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint32, np.int64, np.float32, np.float16])
def test_pixel_types_do_not_matter(dtype):
    plane = np.round(cells(3))
    assert intensity_from_planes([plane.astype(dtype)]) == intensity_from_planes([plane])


def test_booleans_are_zero_and_one():
    mask = cells(3) > 20
    found = intensity_from_planes([mask])
    assert found == intensity_from_planes([mask.astype(float)])
    assert found.forward(np.array([0.0, 1.0])).tolist() == [-1.0, 1.0]


@pytest.mark.parametrize("top", [2**32 - 1, 2**63])
def test_large_integers_do_not_overflow(top):
    plane = (cells(4) / cells(4).max() * (top - 1)).astype(np.uint64)
    found = intensity_from_planes([plane])
    low, high = by_hand(plane.astype(np.float64))
    assert found.scale == pytest.approx((high - low) / 2, rel=1e-9)


def test_noise_widens_the_range_less_than_single_pixels_would():
    plane = np.random.default_rng(0).normal(100, 10, (256, 256))
    found = intensity_from_planes([plane])
    pixels = np.diff(np.percentile(plane, [1, 99.5]))[0] / 2
    assert found.scale == pytest.approx(pixels / 2, rel=0.05)


def test_hot_pixels_hardly_count():
    plane = cells(5, (400, 400))
    hot = plane.copy()
    hot[10::200, 11::100] = 65535.0
    clean, found = intensity_from_planes([plane]), intensity_from_planes([hot])
    assert found.offset == pytest.approx(clean.offset, rel=0.1)
    assert found.scale == pytest.approx(clean.scale, rel=0.1)


def test_sparse_structures_stay_near_the_range():
    plane = np.random.default_rng(0).normal(100, 1, (400, 400))
    plane[100:102, 100:220] += 1000  # 60 of 40,000 blocks: more than 0.05 %, less than 0.5 %
    found = intensity_from_planes([plane])
    # Without the guard the background's noise would fill the range, and the structures lie hundreds above it.
    assert found.forward(np.array(1100.0)) == pytest.approx(7.0, abs=0.1)
    assert found.forward(np.array(100.0)) == pytest.approx(-1.0, abs=0.05)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_few_structures_on_a_constant_are_not_nothing(sign):
    plane = np.full((400, 400), 100.0)
    plane[7, 7] += sign * 60000
    assert abs(intensity_from_planes([plane]).forward(plane)).max() <= 33


@pytest.mark.parametrize("value", [0.0, 0.1, 7.0, -1e30, 65535.0])
def test_constant_images_have_nothing_to_restore(value):
    assert intensity_from_planes([np.full((20, 31), value)]) == IntensityMap(value, 1.0)


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
def test_pixels_without_a_value_do_not_count(hole):
    plane = cells(6)
    gaps = plane.copy()
    gaps[:20] = hole
    assert intensity_from_planes([gaps]) == intensity_from_planes([plane[20:]])
    gaps = plane.copy()
    gaps[30, 30] = hole
    found, clean = intensity_from_planes([gaps]), intensity_from_planes([plane])
    assert found.scale == pytest.approx(clean.scale, rel=0.01)


def test_mixed_infinities_do_not_count():
    plane = cells(6)
    plane[30, 30], plane[30, 31], plane[31, 31] = np.inf, -np.inf, np.nan
    assert np.isfinite(intensity_from_planes([plane]).scale)


def test_a_chequered_mask_leaves_its_pixels():
    plane = cells(7)
    plane[::2, ::2] = np.nan
    found = intensity_from_planes([plane])
    low, high = np.nanpercentile(plane, [1, 99.5])
    np.testing.assert_allclose(found.forward(np.array([low, high])), [-1, 1], atol=1e-12)


def test_no_value_at_all():
    assert intensity_from_planes([np.full((8, 8), np.nan)]) == IntensityMap(0.0, 1.0)


def test_single_rows():
    row = np.arange(101.0)[None]
    np.testing.assert_allclose(
        intensity_from_planes([row]).forward(np.array([1.0, 99.5])), [-1, 1], atol=1e-12
    )


def test_large_planes_are_sampled_and_agree():
    plane = np.random.default_rng(0).normal(100, 10, (4096, 2048)).astype(np.float32)
    found, low_high = (
        intensity_from_planes([plane]),
        np.percentile(plane.reshape(2048, 2, 1024, 2).mean(axis=(1, 3)), [1, 99.5]),
    )
    np.testing.assert_allclose(found.forward(low_high), [-1, 1], atol=0.02)


def test_each_channel_has_its_own_map():
    data = np.stack([np.stack([cells(t), 100 * cells(t + 9)]) for t in range(3)])
    first, second = measure_intensities(Image.wrap(data, "TCYX"), robust=False)
    robust = measure_intensities(Image.wrap(data, "TCYX"))
    assert [one.map for one in robust] == [first.map, second.map]
    assert first == ChannelIntensity(0, intensity_from_planes(data[:, 0].astype(np.float32)), (0, 2, 4))
    assert second == ChannelIntensity(1, intensity_from_planes(data[:, 1].astype(np.float32)), (1, 3, 5))
    assert second.map.scale > 50 * first.map.scale


def test_planes_are_spread_over_the_channel_with_both_ends():
    class Watched:
        shape, dtype = (50, 2, 3, 8, 8), np.dtype(np.uint8)
        seen: tuple = ()

        def __getitem__(self, index):
            Watched.seen += (index[:3],)
            return np.zeros((8, 8), np.uint8)

    image = Image.wrap(Watched(), "TCZYX")
    found = measure_intensities(image, most_planes=16)
    assert [one.channel for one in found] == [0, 1]
    for one in found:
        places = [image.plane_index(flat) for flat in one.planes]
        assert len(set(places)) == 16
        assert {place[1] for place in places} == {one.channel}
        assert places[0] == (0, one.channel, 0)
        assert places[-1] == (49, one.channel, 2)
        steps = np.diff([t * 3 + z for t, _, z in places])
        assert steps.min() >= 9
        assert steps.max() <= 11
    assert Watched.seen == tuple(image.plane_index(flat) for one in found for flat in one.planes)


def test_one_plane_and_no_channel_axis():
    (found,) = measure_intensities(Image.wrap(cells(1)))
    assert (found.channel, found.planes) == (0, (0,))


@pytest.mark.parametrize(("offset", "scale"), [(0.0, 0.0), (0.0, -1.0), (np.nan, 1.0), (0.0, np.inf)])
def test_maps_that_cannot_be_undone(offset, scale):
    with pytest.raises(DiffuscopeError, match="intensity map"):
        IntensityMap(offset, scale)


def test_only_planes_are_measured():
    with pytest.raises(DiffuscopeError, match="planes"):
        intensity_from_planes([np.zeros((3, 4, 5))])
