"""Blocks of an output, and how they lie in its file."""

from __future__ import annotations

import numpy as np
import pytest

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.blocks import (
    BlockPlan,
    VolumeSpec,
    choose_layout,
    in_standard_order,
    open_sink,
)
from napari_diffuscope.imaging.blocks.spec import choose_block
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.imaging.image import Image


@pytest.mark.parametrize(("shape", "block"), [((5, 33, 64), (2, 16, 32)), ((7,), (7,)), ((1, 9), (4, 4))])
def test_blocks_cover_the_output_exactly_once(shape, block):
    counts = np.zeros(shape, int)
    plan = BlockPlan(shape, block)
    for index, one in enumerate(plan):
        assert one.index == index
        counts[one.region] += 1
    assert len(plan) == index + 1
    assert (counts == 1).all()
    with pytest.raises(IndexError):
        plan[len(plan)]


@pytest.mark.parametrize(
    "change",
    [{"block": (0, 4)}, {"block": (4, 4, 4)}, {"shape": (8, 0)}],
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


def test_axes_in_the_order_of_files():
    data = np.arange(2 * 3 * 4 * 5).reshape(3, 2, 4, 5)
    image = in_standard_order(Image(data, "ZCYX", scale=(3, 1, 0.5, 0.5), translate=(9, 0, 0, 0)))
    assert (image.axes, image.scale, image.translate) == ("CZYX", (1, 3, 0.5, 0.5), (0, 9, 0, 0))
    np.testing.assert_array_equal(image.read_plane(4), data[1, 1])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"axes": "YXCT"}, "end in YX"),
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


@pytest.mark.parametrize("axes", ["ZCYX", "TZCYX", "CTYX"])
def test_axes_in_another_order_are_reordered_in_ome_zarr(axes, tmp_path):
    """Blocks come in the order of the image, the file has that of its format, and what is done stays done."""
    shape = (3, 2, 4, 20, 30)[5 - len(axes) :]
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    spec = VolumeSpec(shape, axes, scale=tuple(range(1, len(axes) + 1)))
    block = (1,) * (len(axes) - 2) + shape[-2:]
    for done in (3, None):  # stopped after three blocks, and gone on with
        with open_sink(tmp_path / "a.ome.zarr", spec, {}, block=block, planes=True) as sink:
            plan = BlockPlan(shape, sink.block)
            for part in list(plan)[:done]:
                if not sink.done(part):
                    sink.write_block(part, values[part.region])
            assert all(sink.done(part) for part in list(plan)[:done])
            if done is None:
                for _ in sink.finishing():
                    pass
    image = open_image(tmp_path / "a.ome.zarr")
    order = [axes.index(letter) for letter in image.axes]
    np.testing.assert_array_equal(np.asarray(image.data[...]), values.transpose(order))
    assert image.scale == tuple(spec.scale[axis] for axis in order)


def test_samples_have_no_place_in_ome_zarr(tmp_path):
    with pytest.raises(DiffuscopeError, match="no axis that counts samples"):
        open_sink(tmp_path / "a.ome.zarr", VolumeSpec((2, 8, 8), "NYX"), {})
    assert not list(tmp_path.iterdir())
