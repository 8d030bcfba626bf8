"""Parts of images, reading no more than is needed."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.blocks import (
    BlockPlan,
    BlockReader,
    PlaneCache,
    PlaneReader,
    describe_input,
    read_block,
)
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.imaging.image import Image

DATA = np.random.default_rng(0).integers(0, 60000, (2, 7, 40, 50)).astype(np.uint16)
REGION = (slice(1, 2), slice(2, 6), slice(10, 31), slice(5, 50))


def saved(path, kind):
    if kind == "zarr":
        zarr = pytest.importorskip("zarr")
        names = ("c", "z", "y", "x")
        array = zarr.create_array(
            path / "a.zarr", shape=DATA.shape, dtype="uint16", chunks=(1, 4, 16, 16), dimension_names=names
        )
        array[:] = DATA
        return path / "a.zarr"
    options = {"compressed": {"compression": "zlib"}, "tiled": {"tile": (16, 16)}, "contiguous": {}}[kind]
    tifffile.imwrite(path / "a.ome.tif", DATA, metadata={"axes": "CZYX"}, byteorder=">", **options)
    return path / "a.ome.tif"


@pytest.mark.parametrize("kind", ["zarr", "compressed", "tiled", "contiguous"])
def test_files(tmp_path, kind):
    image = open_image(saved(tmp_path, kind))
    found = read_block(image, REGION)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, DATA[REGION])


def test_arrays():
    dask = pytest.importorskip("dask.array")
    for array in (DATA, dask.from_array(DATA, chunks=(1, 2, 13, 50))):
        image = Image(array, "CZYX")
        found = read_block(image, REGION)
        np.testing.assert_array_equal(found, DATA[REGION])
        found[:] = 0  # the caller's own
        np.testing.assert_array_equal(read_block(image, REGION), DATA[REGION])


def test_views():
    turned = Image.wrap(DATA.transpose(3, 0, 2, 1), "XCYZ")
    assert turned.axes == "CZYX"
    np.testing.assert_array_equal(read_block(turned, REGION), DATA[REGION])
    colours = np.stack([DATA] * 3, axis=-1)
    grey = Image.wrap(colours, "CZYXS")
    np.testing.assert_allclose(read_block(grey, REGION), DATA[REGION], rtol=1e-6)


def test_a_part_of_an_uncompressed_plane_costs_no_whole_plane(tmp_path, monkeypatch):
    image = open_image(saved(tmp_path, "contiguous"))
    read = []
    real = tifffile.FileHandle.read
    monkeypatch.setattr(
        tifffile.FileHandle, "read", lambda self, size=-1: (read.append(size), real(self, size))[1]
    )
    np.testing.assert_array_equal(
        read_block(image, (slice(0, 1), slice(3, 5), slice(8, 12), slice(0, 7))), DATA[0:1, 3:5, 8:12, :7]
    )
    assert sum(read) == 2 * 4 * 50 * 2


@pytest.mark.parametrize("index", [np.s_[1, 2], np.s_[0, 1:5:2, 3], np.s_[..., 4:9:3, 7], np.s_[:, :, 5:5]])
def test_odd_indices_of_uncompressed_files(tmp_path, index):
    image = open_image(saved(tmp_path, "contiguous"))
    np.testing.assert_array_equal(image.data[index], DATA[index])


@pytest.mark.parametrize(
    "region",
    [REGION[:3], (slice(0, 3), *REGION[1:]), (slice(1, 1), *REGION[1:]), (slice(0, 2, 2), *REGION[1:])],
)
def test_regions_outside(region):
    with pytest.raises(DiffuscopeError, match="inside"):
        read_block(Image(DATA, "CZYX"), region)


def test_windows_are_mirrored_at_the_border():
    """Against numpy's own padding of the whole image, by more than the image is long."""
    small = DATA[0, :3, :9, :10]
    halo = np.array((5, 4, 12))
    read = BlockReader(Image(small, "ZYX"))
    padded = np.pad(small, [(30, 30)] * 3, mode="reflect").astype(np.float32)
    for block in BlockPlan(small.shape, (2, 4, 5)):
        starts, stops = np.array([(part.start, part.stop) for part in block.region]).T
        window = read(list(zip(starts - halo, stops + halo, strict=True)))
        expected = padded[tuple(map(slice, starts - halo + 30, stops + halo + 30))]
        np.testing.assert_array_equal(window, expected)


def window_of(block):
    return [(part.start, part.stop) for part in block.region]


def counted(tmp_path, cache_bytes, monkeypatch):
    image, decoded, pixels = open_image(saved(tmp_path, "compressed")), [], Image.pixels
    read = BlockReader(image, cache_bytes=cache_bytes)
    monkeypatch.setattr(Image, "pixels", lambda self, index: (decoded.append(1), pixels(self, index))[1])
    for block in BlockPlan(DATA.shape, (1, 7, 20, 10)):
        np.testing.assert_array_equal(read(window_of(block)), DATA[block.region])
    return len(decoded)


def test_planes_are_decoded_once(tmp_path, monkeypatch):
    plane = 40 * 50 * 2
    assert counted(tmp_path, 7 * plane, monkeypatch) == 14
    # too small for the planes of one block: most of those that fit are still used again
    assert counted(tmp_path, 5 * plane, monkeypatch) == 2 * (5 + 10 * 2)
    assert counted(tmp_path, 0, monkeypatch) == 2 * 7 * 10


@pytest.mark.parametrize(("chunks", "reads"), [((1, 1, 40, 50), 14), ((1, 7, 20, 10), 0)])
def test_planes_that_are_chunks_are_computed_once(chunks, reads):
    dask = pytest.importorskip("dask.array")
    computed = []
    counting = dask.from_array(DATA, chunks=chunks).map_blocks(
        lambda chunk: (computed.append(1), chunk)[1], dtype=DATA.dtype, meta=DATA[:0]
    )
    turned = Image.wrap(counting.transpose(0, 2, 3, 1), "CYXZ")
    read = BlockReader(turned)
    for block in BlockPlan(DATA.shape, (1, 7, 20, 10)):
        np.testing.assert_array_equal(read(window_of(block)), DATA[block.region])
    assert len(computed) == (reads or 20)


def test_the_cache_is_bounded(tmp_path):
    image = open_image(saved(tmp_path, "compressed"))
    cache = PlaneCache(image, 3 * 40 * 50 * 2)
    read_block(image, tuple(slice(0, size) for size in DATA.shape), cache=cache)
    assert sum(plane.nbytes for plane in cache._planes.values()) <= 3 * 40 * 50 * 2


def test_inputs_are_told_apart(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, DATA)
    first = describe_input(open_image(path, axes="CZYX"))
    assert describe_input(open_image(path, axes="CZYX")) == first
    np.save(path, DATA[:, :6])
    assert describe_input(open_image(path, axes="CZYX")) != first
    other = DATA.copy()
    other[0, 0, 0, 0] += 1
    arrays = [describe_input(Image(array, "CZYX")) for array in (DATA, DATA.copy(), other)]
    assert arrays[0] == arrays[1] != arrays[2]


def test_planes_of_deep_chunks_are_decoded_together():
    pixels, reads = np.arange(2 * 20 * 6 * 5, dtype=np.uint16).reshape(2, 20, 6, 5), []

    class Chunked:
        shape, dtype, chunks = pixels.shape, pixels.dtype, (1, 8, 6, 5)

        def __getitem__(self, index):
            reads.append(index)
            return pixels[index]

    image, plane = Image(Chunked(), "TZYX"), 6 * 5 * 2
    for most, count in ((100 * plane, 6), (4 * plane, 10), (plane, 40)):
        reader = PlaneReader(image, most_bytes=most)
        reads.clear()
        for flat in range(40):
            found = reader(flat)
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found, pixels.reshape(40, 6, 5)[flat])
            found[:] = -1  # the caller's own
        assert len(reads) == count
    reader = PlaneReader(image, most_bytes=100 * plane)
    reads.clear()
    for flat in (8, 7, 9, 6, 10, 5, 11, 4):  # outwards, over the border of two chunks
        reader(flat)
    assert len(reads) == 2
