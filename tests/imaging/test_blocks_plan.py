"""Blocks of an output, and the part of the input that each needs."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.blocks import (
    BlockPlan,
    VolumeSpec,
    choose_layout,
    in_standard_order,
    spec_like,
    zoomed_axis,
    zoomed_length,
)
from napari_diffuscope.imaging.blocks.spec import choose_block
from napari_diffuscope.imaging.image import Image


@pytest.mark.parametrize(("shape", "block"), [((5, 33, 64), (2, 16, 32)), ((7,), (7,)), ((1, 9), (4, 4))])
def test_blocks_cover_the_output_exactly_once(shape, block):
    counts = np.zeros(shape, int)
    plan = BlockPlan(shape, block)
    for index, one in enumerate(plan):
        assert one.index == index
        assert np.ravel_multi_index(one.place, plan.grid) == index
        counts[one.region] += 1
    assert len(plan) == index + 1
    assert (counts == 1).all()
    with pytest.raises(IndexError):
        plan[len(plan)]


def positions(zoom: int, alignment: str, length: int) -> np.ndarray:
    """Where output voxels lie in the input, from the positions of a scale and a translate."""
    scale, start = zoomed_axis(1.0, 0.0, zoom, alignment)
    return start + scale * np.arange(length)


@pytest.mark.parametrize(
    ("zoom", "alignment", "halo", "stride"),
    list(product((1, 2, 3, 5), ("centre", "planes"), (0, 1, 4), (1, 4))),
)
def test_windows_hold_all_that_the_output_lies_in_or_between(zoom, alignment, halo, stride):
    size = 11
    length = zoomed_length(size, zoom, alignment)
    where = positions(zoom, alignment, length)
    for block in BlockPlan((length,), (7,), (size,), zoom, halo, stride, alignment):
        ((start, stop),), (part,), (inner,) = block.window, block.region, block.inner
        assert start % stride == stop % stride == 0
        # voxels have an extent with "centre"; with "planes" they are points between planes
        reach = 0.5 if alignment == "centre" else 0.0
        assert start - reach <= where[part].min() - halo
        assert where[part].max() + halo <= stop - 1 + reach
        if stride == 1:  # and no more than that
            assert where[part].min() - halo < start + 1
            assert stop - 2 < where[part].max() + halo
        (source,), ((before, after),) = block.source, block.padding
        assert (source.start - before, source.stop + after) == (start, stop)
        assert 0 <= source.start < source.stop <= size
        # the block's own part of a window made finer by the zoom
        fine = np.arange(start * zoom, stop * zoom)
        np.testing.assert_array_equal(fine[inner], np.arange(part.start, part.stop))


def test_measured_planes_stay_where_they_are():
    """Every f-th output plane is an input plane: same position in the world."""
    assert zoomed_length(9, 4, "planes") == 33
    assert zoomed_length(9, 4, "planes", beyond_last=True) == zoomed_length(9, 4, "centre") == 36
    scale, start = zoomed_axis(2.0, 10.0, 4, "planes")
    np.testing.assert_allclose(start + scale * 4 * np.arange(9), 10.0 + 2.0 * np.arange(9))


def test_divided_voxels_keep_the_borders_of_the_image():
    scale, start = zoomed_axis(2.0, 10.0, 4, "centre")
    length = zoomed_length(9, 4)
    assert start - scale / 2 == pytest.approx(10.0 - 2.0 / 2)
    assert start + scale * (length - 0.5) == pytest.approx(10.0 + 2.0 * 8.5)


def test_planes_beyond_the_last_are_padding():
    blocks = list(BlockPlan((12,), (6,), (3,), 4, alignment="planes"))
    assert [block.padding for block in blocks] == [((0, 0),), ((0, 1),)]


def test_one_number_per_axis():
    block = BlockPlan((40, 64), (20, 32), (10, 64), (4, 1), (1, 5), alignment=("planes", "centre"))[3]
    assert block.window == ((4, 12), (27, 69))
    assert block.padding == ((0, 2), (0, 5))
    assert block.inner == (slice(4, 24), slice(5, 37))


@pytest.mark.parametrize(
    "change",
    [{"zoom": 0}, {"zoom": (1, 2, 3)}, {"halo": -1}, {"block": (0, 4)}, {"alignment": "corner"}],
)
def test_plans_that_make_no_sense(change):
    with pytest.raises(DiffuscopeError, match="fit"):
        BlockPlan(**{"shape": (8, 8), "block": (4, 4), **change})


@pytest.mark.parametrize(
    ("shape", "axes", "dtype", "chunk", "shard"),
    [
        ((500, 2000, 2000), "ZYX", "float32", (64, 64, 64), (64, 256, 256)),
        ((2, 3, 500, 2000, 2000), "TCZYX", "uint16", (1, 1, 64, 64, 64), (1, 1, 64, 256, 512)),
        ((9, 4000, 4000), "TYX", "float32", (1, 256, 256), (1, 2048, 2048)),
        ((40, 100, 90), "ZYX", "uint8", (40, 64, 64), (40, 128, 128)),
        ((500, 60, 60), "ZYX", "float32", (64, 60, 60), (512, 60, 60)),
    ],
)
def test_layout(shape, axes, dtype, chunk, shard):
    layout = choose_layout(shape, axes, dtype)
    assert (layout.chunk, layout.shard) == (chunk, shard)
    assert all(whole % part == 0 for whole, part in zip(shard, chunk, strict=True))


def test_layout_follows_the_memory():
    layout = choose_layout((500, 2000, 2000), "ZYX", "float32", most_bytes=2**17)
    assert layout.chunk == layout.shard
    assert np.prod(layout.shard) * 4 <= 2**17


def test_blocks_are_made_of_whole_shards():
    assert choose_block((100, 500), (64, 256)) == (64, 256)
    assert choose_block((100, 500), (64, 256), (65, 10)) == (128, 256)
    assert choose_block((100, 500), (64, 256), (1000, 1000)) == (128, 512)
    with pytest.raises(DiffuscopeError, match="one edge per axis"):
        choose_block((100, 500), (64, 256), (64,))


def test_a_finer_output_covers_the_same_part_of_the_world():
    units = ("second", "micrometer", "micrometer", "micrometer")
    image = Image(
        np.zeros((2, 5, 8, 9), np.uint16),
        "TZYX",
        scale=(3.0, 2.0, 0.5, 0.5),
        units=units,
        translate=(0.0, 7.0, 1.0, 0.0),
    )
    spec = spec_like(image, zoom=(1, 4, 1, 1), alignment="planes")
    assert (spec.shape, spec.scale) == ((2, 17, 8, 9), (3.0, 0.5, 0.5, 0.5))
    assert (spec.translate, spec.units) == ((0.0, 7.0, 1.0, 0.0), units)
    spec = spec_like(image, zoom=(1, 4, 1, 1), dtype="uint16")
    assert (spec.shape, spec.dtype) == ((2, 20, 8, 9), "uint16")
    assert spec.translate == (0.0, 6.25, 1.0, 0.0)


def test_axes_in_the_order_of_files():
    data = np.arange(2 * 3 * 4 * 5).reshape(3, 2, 4, 5)
    image = in_standard_order(Image(data, "ZCYX", scale=(3, 1, 0.5, 0.5), translate=(9, 0, 0, 0)))
    assert (image.axes, image.scale, image.translate) == ("CZYX", (1, 3, 0.5, 0.5), (0, 9, 0, 0))
    np.testing.assert_array_equal(image.read_plane(4), data[1, 1])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"axes": "CTYX"}, "order"),
        ({"scale": (1, 1)}, "scale"),
        ({"scale": (1, 0, 1, 1)}, "pixel size"),
        ({"shape": (1, 0, 4, 4)}, "no pixels"),
        ({"dtype": "complex64"}, "complex64"),
        ({"translate": (0,)}, "translate"),
    ],
)
def test_images_that_cannot_be_described(change, words):
    with pytest.raises(DiffuscopeError, match=words):
        VolumeSpec(**{"shape": (1, 2, 4, 4), "axes": "TCYX", **change})
