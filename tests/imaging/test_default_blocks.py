"""Blocks of volumes: as large in a small stack as in a large one, so that memory is."""

from __future__ import annotations

from math import prod

import pytest

from napari_diffuscope.imaging.blocks import VolumeSpec
from napari_diffuscope.imaging.blocks.spec import BLOCK_VOXELS, choose_block, choose_layout, default_block


@pytest.mark.parametrize("edge", [256, 512, 2048, 5000])
def test_a_block_does_not_grow_with_the_stack(edge: int) -> None:
    blocks = set()
    for planes in (255, 511, 767, 1023, 3071, 20_000):
        spec = VolumeSpec((planes, edge, edge), "ZYX")
        in_file = choose_block(
            spec.shape, choose_layout(spec.shape, "ZYX", "float32").shard, default_block(spec)
        )
        assert in_file == default_block(spec), "a file rounds it up to whole shards"
        blocks.add(in_file)
    assert len(blocks) == 1
    assert prod(blocks.pop()) == BLOCK_VOXELS


def test_a_small_volume_is_one_block_and_times_are_apart() -> None:
    assert default_block(VolumeSpec((3, 61, 200, 210), "TZYX")) == (1, 61, 200, 210)
    assert default_block(VolumeSpec((200, 60), "YX")) == (200, 60)
