"""Tiles: every pixel once, and every pixel in the neighbourhood that it has in the whole image."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.ndimage import correlate

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.tiles import core_of, cut, reflect_index, tile_boxes, tile_count, window_shape

PLANS = [
    {"tile": tile, "halo": halo, "stride": stride}
    for tile, halo, stride in product((None, 1, 8, 17, 64), (0, 5, 40), (1, 4, 16))
]
SHAPES = [(1, 1), (1, 37), (30, 45), (64, 64)]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize(("before", "after"), [(0, 0), (1, 0), (3, 2), (20, 31)])
def test_mirror_is_that_of_numpy(size, before, after):
    expected = np.pad(np.arange(size), (before, after), mode="reflect")
    np.testing.assert_array_equal(reflect_index(-before, size + after, size), expected)


def test_mirror_of_a_window_far_outside():
    line = np.pad(np.arange(5), 100, mode="reflect")
    np.testing.assert_array_equal(reflect_index(60, 80, 5), line[160:180])
    np.testing.assert_array_equal(reflect_index(-80, -60, 5), line[20:40])


@pytest.mark.parametrize("plan", PLANS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_tiles_cover_each_pixel_once_in_aligned_windows_of_one_shape(shape, plan):
    tiles = tile_boxes(shape, **plan)
    stride, halo = plan["stride"], plan["halo"]
    count = np.zeros(shape, int)
    for tile in tiles:
        count[tile.core] += 1
        for core, (start, stop), inner in zip(tile.core, tile.window, tile.inner, strict=True):
            assert start % stride == 0
            assert (stop - start) % stride == 0
            assert core.start - start >= halo
            assert stop - core.stop >= halo
            assert (inner.start, inner.stop) == (core.start - start, core.stop - start)
    assert (count == 1).all()
    assert {tile.window_shape for tile in tiles} == {window_shape(shape, **plan)}
    assert len(tiles) == tile_count(shape, **plan)
    if plan["tile"] is not None:
        longest = -(-plan["tile"] // stride) * stride
        assert max(part.stop - part.start for tile in tiles for part in tile.core) <= longest


def test_a_small_image_gets_a_small_window():
    (tile,) = tile_boxes((30, 100), tile=512, halo=10, stride=8)
    assert tile.window_shape == (32 + 2 * 16, 104 + 2 * 16)


def test_tiles_are_equally_large_rather_than_one_a_strip():
    tiles = tile_boxes((520, 512), tile=512, halo=0, stride=4)
    assert [tuple(part.stop - part.start for part in tile.core) for tile in tiles] == [
        (260, 512),
        (260, 512),
    ]


@pytest.mark.parametrize("shape", [*SHAPES, (3, 4, 5)], ids=str)
@pytest.mark.parametrize("halo", [0, 3, 50])
def test_cut_is_the_padded_image(shape, halo):
    image = np.random.default_rng(0).random((2, *shape))
    stride = 4
    far = halo + 12
    padded = np.pad(image, [(0, 0)] + [(far, far)] * len(shape), mode="reflect")
    for tile in tile_boxes(shape, tile=8, halo=halo, stride=stride):
        expected = padded[(..., *(slice(start + far, stop + far) for start, stop in tile.window))]
        np.testing.assert_array_equal(cut(image, tile), expected)
        np.testing.assert_array_equal(core_of(cut(image, tile), tile), image[(..., *tile.core)])


def test_inner_windows_are_views():
    image = np.zeros((100, 100))
    inner = [
        t for t in tile_boxes((100, 100), tile=20, halo=4) if t.window[0][0] >= 4 and t.window[0][1] <= 96
    ]
    assert any(np.shares_memory(cut(image, tile), image) for tile in inner)


def test_torch_tensors_are_cut_alike():
    torch = pytest.importorskip("torch")
    image = np.random.default_rng(0).random((2, 3, 30, 41)).astype(np.float32)
    for tile in tile_boxes((30, 41), tile=16, halo=6, stride=8):
        found = cut(torch.from_numpy(image), tile)
        assert isinstance(found, torch.Tensor)
        np.testing.assert_array_equal(found.numpy(), cut(image, tile))
        np.testing.assert_array_equal(core_of(found, tile).numpy(), image[(..., *tile.core)])


def strided_local(window: np.ndarray, stride: int) -> np.ndarray:
    """Something like a network: sums over blocks aligned with the stride, spread by a filter of radius 1."""
    blocks = window
    for axis in range(window.ndim):
        lengths = (*blocks.shape[:axis], blocks.shape[axis] // stride, stride, *blocks.shape[axis + 1 :])
        blocks = blocks.reshape(lengths).sum(axis=axis + 1)
    coarse = correlate(blocks, np.arange(1, 1 + 3**window.ndim).reshape((3,) * window.ndim))
    for axis in range(window.ndim):
        coarse = coarse.repeat(stride, axis=axis)
    return coarse + 7 * window


@pytest.mark.parametrize("shape", [(61, 50), (9, 100), (20, 13, 17)], ids=str)
@pytest.mark.parametrize("centre_first", [False, True])
def test_results_do_not_depend_on_tiles_or_regions(shape, centre_first):
    stride, halo = 4, 8
    image = np.random.default_rng(1).integers(0, 1000, shape)

    def computed(tile, region=None):
        out = np.full(shape, -1)
        for one in tile_boxes(
            shape, tile=tile, halo=halo, stride=stride, region=region, centre_first=centre_first
        ):
            out[one.core] = core_of(strided_local(cut(image, one), stride), one)
        return out

    whole = computed(None)
    for tile in (1, 8, 10, 33, 500):
        np.testing.assert_array_equal(computed(tile), whole)
    region = tuple((length // 3, length - 1) for length in shape)
    inside = tuple(slice(*bounds) for bounds in region)
    for tile in (None, 8, 500):
        part = computed(tile, region)
        np.testing.assert_array_equal(part[inside], whole[inside])
        assert (part == -1).sum() == image.size - image[inside].size


def test_core_in_an_array_of_the_region():
    region = ((3, 30), (5, 20))
    image = np.random.default_rng(0).random((40, 40))
    out = np.zeros((27, 15))
    for tile in tile_boxes(image.shape, tile=10, halo=3, stride=4, region=region):
        out[tile.core_from((3, 5))] = core_of(cut(image, tile), tile)
    np.testing.assert_array_equal(out, image[3:30, 5:20])


def test_centre_first():
    tiles = tile_boxes((90, 90), tile=10, halo=0, centre_first=True)
    assert tiles[0].core == (slice(40, 50), slice(40, 50))
    distances = [abs(t.core[0].start - 40) ** 2 + abs(t.core[1].start - 40) ** 2 for t in tiles]
    assert distances == sorted(distances)
    assert set(map(str, tiles)) == set(map(str, tile_boxes((90, 90), tile=10, halo=0)))


def test_sizes_per_axis():
    tiles = tile_boxes((20, 60, 60), tile=(8, 32, 32), halo=(2, 8, 8), stride=(1, 8, 8))
    assert {tile.window_shape for tile in tiles} == {(7 + 4, 32 + 16, 32 + 16)}


@pytest.mark.parametrize("region", [((0, 0), (0, 5)), ((0, 11), (0, 5)), ((-1, 4), (0, 5)), ((0, 5),)])
def test_regions_outside(region):
    with pytest.raises(DiffuscopeError, match="region"):
        tile_boxes((10, 10), tile=4, halo=0, region=region)


@pytest.mark.parametrize("sizes", [{"tile": 0}, {"halo": -1}, {"stride": 0}, {"tile": (4, 4, 4)}], ids=str)
def test_sizes_that_make_no_sense(sizes):
    with pytest.raises(DiffuscopeError, match=next(iter(sizes))):
        tile_boxes((10, 10), **{"tile": 4, "halo": 0, **sizes})


def test_nothing_cannot_be_mirrored():
    with pytest.raises(DiffuscopeError, match="without pixels"):
        reflect_index(0, 3, 0)
