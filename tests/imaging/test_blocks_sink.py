"""Outputs written by blocks: complete and true, or continued."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.blocks import (
    BlockPlan,
    Channel,
    VolumeSpec,
    discard,
    open_sink,
    partial,
    partial_path,
    read_zarr_record,
)
from napari_diffuscope.imaging.blocks.journal import Journal
from napari_diffuscope.imaging.blocks.ngff import halved, plan_levels
from napari_diffuscope.imaging.blocks.sink import converted
from napari_diffuscope.imaging.blocks.spec import choose_layout
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.imaging.tiff import blank, read_record

zarr = pytest.importorskip("zarr")

UNITS = ("pixel", "micrometer", "micrometer", "micrometer")
SPEC = VolumeSpec(
    (2, 20, 300, 40),
    "CZYX",
    dtype="uint16",
    scale=(1, 0.8, 0.2, 0.2),
    units=UNITS,
    translate=(0, 5, -3, 0.25),
    channels=(Channel("DNA", (0, 1000), color="0000FF"), Channel("actin", (10, 900), limits=(0, 65535))),
    name="cells",
    record={"method": "test", "seconds": 0},
)
DATA = np.random.default_rng(1).integers(0, 60000, SPEC.shape).astype(np.uint16)
SMALL = 2**16
"""Bytes of a shard: small, to have several."""


def fill(sink, data=DATA):
    for block in BlockPlan(sink.spec.shape, sink.block):
        if not sink.done(block):
            sink.write_block(block, data[block.region])


def written(path, spec=SPEC, data=DATA, most_bytes=SMALL):
    with open_sink(path, spec, {"seed": 0}, most_bytes=most_bytes) as sink:
        fill(sink, data)
        sink.finish()
    return path


def only(folder):
    return sorted(one.name for one in folder.iterdir())


@pytest.mark.parametrize("name", ["out.ome.zarr", "out.ome.tif"])
def test_what_is_written_is_read_back(tmp_path, name):
    image = open_image(written(tmp_path / name))
    assert only(tmp_path) == [name]
    assert (image.axes, image.scale, image.units) == ("CZYX", SPEC.scale, UNITS)
    assert (image.dtype, image.shape) == (np.uint16, SPEC.shape)
    np.testing.assert_array_equal(np.asarray(image.data[...]), DATA)
    if name.endswith(".zarr"):
        assert image.translate == SPEC.translate
        assert read_zarr_record(tmp_path / name) == SPEC.record
    else:
        assert read_record(tmp_path / name) == SPEC.record


@pytest.mark.parametrize("name", ["out.ome.zarr", "out.tif"])
@pytest.mark.parametrize(
    ("axes", "shape"), [("YX", (40, 300)), ("TYX", (3, 30, 40)), ("TCZYX", (2, 1, 3, 20, 30))]
)
def test_any_axes(tmp_path, name, axes, shape):
    data = np.random.default_rng(2).random(shape).astype(np.float32)
    spec = VolumeSpec(shape, axes)
    image = open_image(written(tmp_path / name, spec, data))
    assert image.axes == axes.replace("C", "")
    np.testing.assert_array_equal(np.asarray(image.data[...]), data.squeeze())


def test_metadata_of_ome_zarr(tmp_path):
    """As the specification of OME-Zarr 0.5 asks for, read with plain JSON."""
    spec = VolumeSpec(
        (2, 20, 300, 600),
        "TZYX",
        scale=(30, 0.8, 0.2, 0.2),
        units=("second", "micrometer", "micrometer", "micrometer"),
        translate=(0, 5, -3, 0.25),
    )
    path = written(tmp_path / "out.ome.zarr", spec, np.zeros(spec.shape, np.float32), most_bytes=2**22)
    group = json.loads((path / "zarr.json").read_text())
    assert (group["zarr_format"], group["node_type"]) == (3, "group")
    ome = group["attributes"]["ome"]
    assert ome["version"] == "0.5"
    (multiscale,) = ome["multiscales"]
    assert multiscale["axes"] == [
        {"name": "t", "type": "time", "unit": "second"},
        *({"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"),
    ]
    assert [one["path"] for one in multiscale["datasets"]] == ["0", "1", "2"]
    transforms = [one["coordinateTransformations"] for one in multiscale["datasets"]]
    assert [[one["type"] for one in pair] for pair in transforms] == [["scale", "translation"]] * 3
    np.testing.assert_allclose(
        [pair[0]["scale"] for pair in transforms],
        [[30, 0.8, 0.2, 0.2], [30, 0.8, 0.4, 0.4], [30, 0.8, 0.8, 0.8]],
    )
    np.testing.assert_allclose(
        [pair[1]["translation"] for pair in transforms],
        [[0, 5, -3, 0.25], [0, 5, -2.9, 0.35], [0, 5, -2.7, 0.55]],
    )
    for level, shape in enumerate([(2, 20, 300, 600), (2, 20, 150, 300), (2, 20, 75, 150)]):
        array = json.loads((path / str(level) / "zarr.json").read_text())
        assert tuple(array["shape"]) == shape
        assert array["dimension_names"] == ["t", "z", "y", "x"]
        assert array["codecs"][0]["name"] == "sharding_indexed"
    assert "omero" not in ome


def test_channels_and_units_unknown(tmp_path):
    path = written(tmp_path / "out.zarr")
    ome = json.loads((path / "zarr.json").read_text())["attributes"]["ome"]
    assert ome["omero"]["channels"][1] == {
        "label": "actin",
        "color": "FFFFFF",
        "active": True,
        "window": {"start": 10, "end": 900, "min": 0, "max": 65535},
    }
    assert ome["multiscales"][0]["axes"][0] == {"name": "c", "type": "channel"}
    assert ome["multiscales"][0]["name"] == "cells"


def test_the_pyramid_averages(tmp_path):
    """Against averages over whole arrays; 300 rows of 20 planes end in shards and pairs cut short."""
    path = written(tmp_path / "out.zarr")
    group = zarr.open_group(path, mode="r")
    # depth is coarser than twice the width: it is halved last
    expected = DATA.astype(float).reshape(2, 20, 150, 2, 20, 2).mean(axis=(3, 5))
    np.testing.assert_array_equal(group["1"][:], np.rint(expected))
    assert set(group.array_keys()) == {"0", "1"}


def test_voxels_become_isotropic():
    spec = VolumeSpec((40, 3000, 5000), "ZYX", scale=(1.5, 0.5, 0.5))
    levels = plan_levels(spec, choose_layout(spec.shape, spec.axes, "float32"), most_bytes=2**24)
    assert [level.factors for level in levels[:4]] == [(1, 1, 1), (1, 2, 2), (2, 4, 4), (4, 8, 8)]
    assert levels[-1].shape == (3, 94, 157)
    assert max(levels[-2].shape) > 256


def test_halving_odd_lengths():
    values = np.array([[1, 2, 4], [3, 6, 9]], np.float32)
    np.testing.assert_array_equal(halved(values, (1, 2), "mean"), [[1.5, 4], [4.5, 9]])
    np.testing.assert_array_equal(halved(values, (2, 2), "mean"), [[3, 6.5]])
    np.testing.assert_array_equal(halved(values.astype(np.uint8), (2, 2), "mean"), [[3, 6]])
    np.testing.assert_array_equal(halved(values, (2, 2), "nearest"), [[1, 4]])


def test_empty_parts_take_no_room(tmp_path):
    sparse = np.zeros(SPEC.shape, np.uint16)
    sparse[1, 3, 5, 7] = 1
    path = written(tmp_path / "out.zarr", data=sparse)
    np.testing.assert_array_equal(np.asarray(open_image(path).data[...]), sparse)
    assert len([file for file in (path / "0" / "c").rglob("*") if file.is_file()]) == 1


def test_labels_are_not_averaged(tmp_path):
    labels = np.arange(600 * 10).reshape(600, 10).astype(np.uint32)
    spec = VolumeSpec((600, 10), "YX", dtype="uint32", pyramid="nearest", translate=(3, 4))
    path = written(tmp_path / "out.zarr", spec, labels)
    group = zarr.open_group(path, mode="r")
    np.testing.assert_array_equal(group["1"][:], labels[::2, ::2])
    level = group.attrs["ome"]["multiscales"][0]["datasets"][1]["coordinateTransformations"]
    assert level[1]["translation"] == [3, 4]  # where the first voxel that was taken lies


@pytest.mark.parametrize("name", ["out.zarr", "out.tif"])
def test_an_interrupted_output_is_continued(tmp_path, name):
    path = tmp_path / name
    with open_sink(path, SPEC, {"seed": 0}, most_bytes=SMALL) as sink:
        plan = BlockPlan(SPEC.shape, sink.block)
        for block in list(plan)[:5]:
            sink.write_block(block, DATA[block.region])
        with pytest.raises(DiffuscopeError, match=f"{len(plan) - 5} of {len(plan)} blocks"):
            sink.finish()
    assert not path.exists()
    # other lengths are asked for, but those of the first run stay
    with open_sink(path, SPEC, {"seed": 0}, most_bytes=2 * SMALL, block=(2, 20, 300, 40)) as sink:
        assert (sink.block, sink.blocks_done) == (plan.block, 5)
        assert [sink.done(block) for block in plan] == [True] * 5 + [False] * (len(plan) - 5)
        fill(sink)
        sink.finish()
    np.testing.assert_array_equal(np.asarray(open_image(path).data[...]), DATA)
    assert only(tmp_path) == [name]


def test_another_identity_is_not_mixed_in(tmp_path):
    path = tmp_path / "out.zarr"
    open_sink(path, SPEC, {"seed": 0}).close()
    with pytest.raises(DiffuscopeError, match="start over"):
        open_sink(path, SPEC, {"seed": 1})
    with pytest.raises(DiffuscopeError, match="start over"):
        open_sink(path, VolumeSpec((2, 20, 300, 41), "CZYX"), {"seed": 0})
    with open_sink(path, SPEC, {"seed": 0}) as sink:
        sink.write_block(
            BlockPlan(SPEC.shape, sink.block)[0], DATA[BlockPlan(SPEC.shape, sink.block)[0].region]
        )
    with open_sink(path, SPEC, {"seed": 1}, overwrite=True) as sink:
        assert sink.blocks_done == 0
        fill(sink, DATA + 1)
        sink.finish()
    np.testing.assert_array_equal(np.asarray(open_image(path).data[...]), DATA + 1)


@pytest.mark.parametrize("name", ["out.zarr", "out.tif"])
def test_an_existing_output_is_only_replaced_at_the_end(tmp_path, name):
    path = written(tmp_path / name)
    with pytest.raises(DiffuscopeError, match="exists already"):
        open_sink(path, SPEC, {"seed": 0})
    assert only(tmp_path) == [name]
    with open_sink(path, SPEC, {"seed": 1}, overwrite=True) as sink:
        fill(sink, DATA // 2)
        np.testing.assert_array_equal(np.asarray(open_image(path).data[...]), DATA)
        sink.finish()
    np.testing.assert_array_equal(np.asarray(open_image(path).data[...]), DATA // 2)
    assert only(tmp_path) == [name]


def test_a_folder_that_is_no_image_is_not_replaced(tmp_path):
    path = tmp_path / "out.zarr"
    path.mkdir()
    (path / "thesis.txt").write_text("precious")
    with pytest.raises(DiffuscopeError, match="holds no Zarr"):
        open_sink(path, SPEC, {}, overwrite=True)
    assert only(tmp_path) == ["out.zarr"]


def test_an_output_that_appears_meanwhile_is_not_replaced(tmp_path):
    path = tmp_path / "out.tif"
    with open_sink(path, SPEC, {}) as sink:
        fill(sink)
        path.write_text("from elsewhere")
        with pytest.raises(DiffuscopeError, match="exists already"):
            sink.finish()
    assert path.read_text() == "from elsewhere"
    path.unlink()
    with open_sink(path, SPEC, {}) as sink:
        sink.finish()
    np.testing.assert_array_equal(np.asarray(open_image(path).data[...]), DATA)


def killed_at(patch, stop):
    """Let the ``stop``-th step of giving an output its name be one that is never done; returns the count."""
    steps = []

    def counting(real):
        def call(*arguments, **options):
            steps.append(real)
            if len(steps) == stop:
                raise KeyboardInterrupt
            return real(*arguments, **options)

        return call

    patch.setattr(Journal, "add", counting(Journal.add))
    patch.setattr(partial, "os", SimpleNamespace(replace=counting(os.replace)))
    patch.setattr(partial, "delete", counting(partial.delete))
    patch.setattr(partial, "sync_folder", counting(partial.sync_folder))
    patch.setattr("pathlib.Path.unlink", counting(pathlib.Path.unlink))
    patch.setattr("pathlib.Path.rmdir", counting(pathlib.Path.rmdir))
    return steps


@pytest.mark.parametrize("name", ["out.zarr", "out.tif"])
def test_killed_while_it_gets_its_name(tmp_path, monkeypatch, name):
    """Whichever step of replacing an output is not done, the next run completes it."""
    spec = VolumeSpec((10, 12), "YX", dtype="uint16")
    old, new = DATA[0, 0, :10, :12], DATA[1, 1, :10, :12]
    path = tmp_path / name

    def again():
        with open_sink(path, spec, {"seed": 1}, overwrite=True) as sink:
            fill(sink, new)
            sink.finish()

    for stop in range(1, 30):
        if not path.exists():
            written(path, spec, old)
        with monkeypatch.context() as patch, contextlib.ExitStack() as stack:
            sink = stack.enter_context(open_sink(path, spec, {"seed": 1}, overwrite=True))
            fill(sink, new)
            steps = killed_at(patch, stop)
            with contextlib.suppress(KeyboardInterrupt):
                sink.finish()
        if len(steps) < stop:
            break
        again()
        np.testing.assert_array_equal(np.asarray(open_image(path).data[...]), new)
        assert only(tmp_path) == [name]
        partial.delete(path)
    assert stop > 8


def test_two_writers_at_once(tmp_path):
    path = tmp_path / "out.zarr"
    with open_sink(path, SPEC, {}), pytest.raises(DiffuscopeError, match="another process"):
        open_sink(path, SPEC, {})
    open_sink(path, SPEC, {}).close()


def test_discard(tmp_path):
    path = tmp_path / "out.zarr"
    assert not discard(path)
    open_sink(path, SPEC, {}).close()
    assert only(tmp_path) == [partial_path(path).name]
    assert discard(path)
    assert only(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "spec", "words"),
    [
        ("out.png", SPEC, "ending|end the name"),
        ("nowhere/out.zarr", SPEC, "does not exist"),
        ("out.tif", VolumeSpec((4, 4), "YX", dtype="int64"), "int64"),
    ],
)
def test_outputs_that_cannot_be_made(tmp_path, name, spec, words):
    with pytest.raises(DiffuscopeError, match=words):
        open_sink(tmp_path / name, spec, {})
    assert only(tmp_path) == []


def test_no_room_for_a_tiff(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(DiffuscopeError, match=r"but only 1\.0 kB are free there"):
        open_sink(tmp_path / "out.tif", SPEC, {})
    assert only(tmp_path) == []


def test_large_tiffs_are_bigtiff(tmp_path, monkeypatch):
    monkeypatch.setattr(blank, "CLASSIC_LIMIT", 10_000)
    with tifffile.TiffFile(written(tmp_path / "out.tif")) as tif:
        assert tif.is_bigtiff
        np.testing.assert_array_equal(tif.asarray(), DATA)


def test_done_blocks_stay(tmp_path):
    with open_sink(tmp_path / "out.zarr", SPEC, {}, most_bytes=SMALL) as sink:
        block = BlockPlan(SPEC.shape, sink.block)[0]
        sink.write_block(block, DATA[block.region])
        with pytest.raises(ValueError, match="is done"):
            sink.write_block(block, DATA[block.region])


def test_a_torn_shard_is_written_anew(tmp_path):
    """As a writer without temporary names would leave it."""
    path = tmp_path / "out.zarr"
    open_sink(path, SPEC, {}, most_bytes=SMALL).close()
    torn = partial_path(path) / "image" / "0" / "c" / "1" / "0" / "0" / "0"
    torn.parent.mkdir(parents=True)
    torn.write_bytes(b"torn")
    torn.with_suffix(".0123.partial").write_bytes(b"and its temporary file")
    with open_sink(path, SPEC, {}, most_bytes=SMALL) as sink:
        fill(sink)
        sink.finish()
    np.testing.assert_array_equal(np.asarray(open_image(path).data[...]), DATA)
    assert not list(path.rglob("*.partial"))


def test_the_record_may_change_until_the_end(tmp_path):
    for name, read in (("out.zarr", read_zarr_record), ("out.tif", read_record)):
        with open_sink(tmp_path / name, SPEC, {}) as sink:
            fill(sink)
            sink.record = {"seconds": 3.5}
            sink.finish()
        assert read(tmp_path / name) == {"seconds": 3.5}


def test_blocks_of_another_plan_are_refused(tmp_path):
    with open_sink(tmp_path / "out.zarr", SPEC, {}, most_bytes=SMALL) as sink:
        with pytest.raises(ValueError, match="not of this sink"):
            sink.write_block(BlockPlan(SPEC.shape, (1, 1, 1, 1))[3], np.zeros((1, 1, 1, 1)))
        with pytest.raises(ValueError, match="values of"):
            sink.write_block(BlockPlan(SPEC.shape, sink.block)[0], np.zeros((1, 1, 1, 1)))


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([-3.2, 1.5, 2.5, 254.6, 300, np.nan, np.inf], "uint8", [0, 2, 2, 255, 255, 0, 255]),
        ([1e30, -1e30], "int64", [2**63 - 1024, -(2**63)]),
        ([70000, -5], "uint16", [65535, 0]),
        ([True, False], "uint8", [1, 0]),
        ([0.1, np.nan], "float32", [np.float32(0.1), np.nan]),
        ([1e300], "float32", [np.inf]),
    ],
)
def test_values_as_pixels(values, dtype, expected):
    found = converted(np.asarray(values), np.dtype(dtype))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, np.asarray(expected, dtype))


@pytest.mark.parametrize(
    "damage", [b'["block", 3', b'["block", 3]', b"\x00\x00\x00\n", b'{"block": 3}\n["block", 4]\n', b"[]\n"]
)
def test_a_torn_journal(tmp_path, damage):
    path = tmp_path / "journal"
    journal = Journal(path, {"identity": "a"})
    journal.add("block", 1)
    journal.close()
    with path.open("ab") as file:
        file.write(damage)
    journal = Journal(path, {"identity": "b"})
    assert journal.header == {"identity": "a"}
    assert [journal.has("block", index) for index in range(5)] == [False, True, False, False, False]
    journal.add("block", 2)
    journal.close()
    journal = Journal(path, {})
    assert journal.count("block") == 2
    journal.close()


def test_the_example_of_the_documentation(tmp_path, monkeypatch):
    text = (pathlib.Path(__file__).parents[2] / "docs" / "large-files.md").read_text(encoding="utf-8")
    example = text.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(example, names)
    found = open_image(tmp_path / "means.ome.zarr")
    assert (found.shape, found.scale) == ((80, 100, 120), (0.25, 0.2, 0.2))
    pixels = np.pad(np.asarray(names["image"].data, np.float32), ((1, 1), (0, 0), (0, 0)), mode="reflect")
    means = (pixels[:-2] + pixels[1:-1] + pixels[2:]) / 3
    np.testing.assert_allclose(np.asarray(found.data), means, rtol=1e-6)
