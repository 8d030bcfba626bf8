"""OME-TIFF files written plane by plane: complete and true, or not there."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.tiff import TiffSink, blank, read_image, read_record, write_image

LAYOUTS = [
    ("YX", (5, 7)),
    ("YX", (1, 1)),
    ("YX", (6, 1)),
    ("YX", (1, 6)),
    ("CYX", (3, 5, 6)),
    ("ZYX", (4, 5, 3)),
    ("TZYX", (2, 3, 5, 4)),
    ("ZCYX", (2, 3, 5, 6)),
    ("CTYX", (2, 3, 5, 6)),
    ("TCZYX", (2, 3, 4, 5, 6)),
]


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape, dtype=np.float32)


@pytest.mark.parametrize("name", ["a.tif", "a.tiff", "a.ome.tif", "a.OME.TIFF"])
@pytest.mark.parametrize(("axes", "shape"), LAYOUTS)
def test_round_trip(tmp_path, axes, shape, name):
    data = numbers(*shape)
    sizes = {"T": (1.5, "second"), "C": (1.0, "pixel"), "Z": (500.0, "nanometer"), "Y": (0.1, "micrometer"),
             "X": (1 / 3, "micrometer")}  # fmt: skip
    scale, units = zip(*(sizes[letter] for letter in axes), strict=True)
    record = {"seed": 3, "text": "a <b> & 'µ' \"c\" {d}\n", "list": [1.5, None, True]}
    planes = list(np.ndindex(shape[:-2]))
    with TiffSink(tmp_path / name, shape=shape, axes=axes, scale=scale, units=units, record=record) as file:
        for place in reversed(planes):
            file[place] = data[place]
    image = read_image(tmp_path / name)
    assert (image.axes, image.scale, image.units, image.dtype) == (axes, scale, units, np.float32)
    assert image.name in ("a", "a.OME")
    np.testing.assert_array_equal(np.asarray(image.data), data)
    assert read_record(tmp_path / name) == record
    assert os.listdir(tmp_path) == [name]


def test_other_readers_find_sizes_and_axes(tmp_path):
    options = {"shape": (2, 3, 5, 6), "axes": "TCYX", "scale": (250.0, 1, 0.2, 0.1), "record": {"a": 1}}
    units = ("ms", "pixel", "um", "micrometer")
    with TiffSink(tmp_path / "a.tif", **options, units=units, description="From <tests>.") as file:
        file[...] = numbers(2, 3, 5, 6)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.is_ome
        assert (tif.series[0].axes, tif.series[0].shape) == ("TCYX", (2, 3, 5, 6))
        found = tifffile.xml2dict(tif.ome_metadata)["OME"]["Image"]
    assert found["Description"] == "From <tests>."
    expected = {
        **{"SizeX": 6, "SizeY": 5, "SizeC": 3, "SizeT": 2, "SizeZ": 1, "Type": "float"},
        **{"PhysicalSizeX": 0.1, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.2, "PhysicalSizeYUnit": "µm"},
        **{"TimeIncrement": 250, "TimeIncrementUnit": "ms"},
    }
    assert {key: found["Pixels"][key] for key in expected} == expected
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), numbers(2, 3, 5, 6))


def test_unknown_sizes_are_left_out_and_odd_ones_kept(tmp_path):
    write_image(tmp_path / "a.tif", numbers(5, 6), Image.wrap(numbers(5, 6)))
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert "PhysicalSize" not in tif.ome_metadata
    odd = Image.wrap(numbers(5, 6), scale=(2.0, 3.0), units=("furlong", "pixel"))
    write_image(tmp_path / "b.tif", odd.data, odd)
    found = read_image(tmp_path / "b.tif")
    assert (found.scale, found.units) == ((2.0, 3.0), ("pixel", "pixel"))


@pytest.mark.parametrize(
    ("axes", "shape", "stored"),
    [
        ("NYX", (3, 4, 5), "TYX"),
        ("NZYX", (3, 2, 4, 5), "TZYX"),
        ("NTYX", (3, 2, 4, 5), "CTYX"),
        ("NTCYX", (3, 2, 2, 4, 5), "ZTCYX"),
    ],
)
def test_samples_take_a_free_axis(tmp_path, axes, shape, stored):
    data = numbers(*shape)
    with TiffSink(tmp_path / "a.tif", shape=shape, axes=axes) as file:
        file[...] = data
    image = read_image(tmp_path / "a.tif")
    assert image.axes == stored
    np.testing.assert_array_equal(np.asarray(image.data), data)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert f"Axis {stored[0]} counts samples." in tif.ome_metadata


def test_any_index_is_written_like_numpy(tmp_path):
    data, rng = numbers(2, 3, 8, 9), np.random.default_rng(1)
    indices = [
        (0,),
        (1, 2),
        (-1, slice(None), slice(2, 5)),
        (0, 1, slice(2, 5), slice(3, 7)),
        (slice(None), 1, 3, slice(None, None, 4)),
        (..., 4),
        (1, 1, 7, 8),
        (0, slice(1, 1)),
    ]
    with TiffSink(tmp_path / "a.tif", shape=data.shape, axes="TZYX") as file:
        file[...] = data
        for index in indices:
            values = rng.random(data[index].shape, dtype=np.float32)
            data[index] = values
            file[index] = values
        file[0, 0] = data[0, 0] = 7.0
        with pytest.raises(ValueError, match="broadcast"):
            file[0, 0] = np.zeros((3, 3))
        with pytest.raises(IndexError):
            file[2] = 0
    np.testing.assert_array_equal(np.asarray(read_image(tmp_path / "a.tif").data), data)


def test_what_was_never_written_is_nan(tmp_path):
    with TiffSink(tmp_path / "a.tif", shape=(4, 5, 6), axes="TYX") as file:
        file[1] = 1.0
        file[2, 1:3, 2:4] = 2.0
    found = np.asarray(read_image(tmp_path / "a.tif").data)
    expected = np.full((4, 5, 6), np.nan, np.float32)
    expected[1], expected[2, 1:3, 2:4] = 1, 2
    np.testing.assert_array_equal(found, expected)


def test_the_record_may_come_last(tmp_path):
    with TiffSink(tmp_path / "a.tif", shape=(4, 5, 6), axes="TYX", record={"state": "begun"}) as file:
        file[...] = 0
        file.record = {"state": "done", "values": list(range(5000))}
    assert read_record(tmp_path / "a.tif") == {"state": "done", "values": list(range(5000))}
    assert not np.asarray(read_image(tmp_path / "a.tif").data).any()


def test_files_without_a_record(tmp_path):
    tifffile.imwrite(tmp_path / "plain.tif", np.zeros((4, 5), np.uint8))
    with TiffSink(tmp_path / "ome.tif", shape=(4, 5), axes="YX") as file:
        file[...] = 0
    assert read_record(tmp_path / "plain.tif") is None
    assert read_record(tmp_path / "ome.tif") is None


def test_a_damaged_record_is_said_to_be(tmp_path):
    with TiffSink(tmp_path / "a.tif", shape=(4, 5), axes="YX", record={"key": "value"}) as file:
        file[...] = 0
    text = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(text.replace(b'{"key"', b'["key"'))
    with pytest.raises(DiffuscopeError, match="damaged"):
        read_record(tmp_path / "a.tif")


def test_the_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "a.tif"
    path.write_text("what was there before")
    file = TiffSink(path, shape=(2, 4, 5), axes="TYX")
    file[0] = 1
    assert path.read_text() == "what was there before"
    file[1] = 2
    file.close()
    file.close()
    file.abort()
    assert read_image(path).shape == (2, 4, 5)
    assert os.listdir(tmp_path) == ["a.tif"]
    with pytest.raises(ValueError, match="closed"):
        file[0] = 3
    np.testing.assert_array_equal(read_image(path).read_plane(0), 1)


def test_nothing_is_left_of_a_cancelled_file(tmp_path):
    (tmp_path / "a.tif").write_text("what was there before")
    file = TiffSink(tmp_path / "a.tif", shape=(2, 4, 5), axes="TYX")
    file[0] = 1
    with pytest.raises(KeyboardInterrupt), file:
        raise KeyboardInterrupt
    file.abort()
    file.close()
    assert os.listdir(tmp_path) == ["a.tif"]
    assert (tmp_path / "a.tif").read_text() == "what was there before"


def test_a_disk_that_is_known_to_be_too_small(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**9))
    with pytest.raises(DiffuscopeError, match=r"needs 4\.0 GB, but only 1\.0 GB"):
        TiffSink(tmp_path / "a.tif", shape=(1000, 1000, 1000), axes="TYX")
    assert os.listdir(tmp_path) == []


class Full:
    """A file on a disk that is full from now on."""

    def __init__(self, file) -> None:
        self._file = file

    def __getattr__(self, name):
        return getattr(self._file, name)

    def write(self, _):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("moment", ["plane", "close"])
def test_a_disk_that_fills_up(tmp_path, moment):
    file = TiffSink(tmp_path / "a.tif", shape=(2, 4, 5), axes="TYX")
    file[0] = 1
    file._file = Full(file._file)
    with pytest.raises(DiffuscopeError, match="the disk is full"):
        file.close() if moment == "close" else file.__setitem__(1, 2)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX file size limits")
def test_a_real_limit_on_the_file(tmp_path):
    code = f"""
import resource
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.tiff import TiffSink
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with TiffSink({str(tmp_path / "a.tif")!r}, shape=(100, 64, 64), axes="TYX") as file:
        file[...] = 1
except DiffuscopeError as error:
    print(error)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "could not be written" in found.stdout
    assert os.listdir(tmp_path) == []


def test_folders_that_cannot_be_written(tmp_path):
    with pytest.raises(DiffuscopeError, match="does not exist"):
        TiffSink(tmp_path / "absent" / "a.tif", shape=(4, 5), axes="YX")
    (tmp_path / "b.tif").mkdir()
    with pytest.raises(DiffuscopeError, match="is a folder"):
        TiffSink(tmp_path / "b.tif", shape=(4, 5), axes="YX")
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o500)
    if os.access(locked, os.W_OK):
        pytest.skip("this user may write everywhere")
    with pytest.raises(DiffuscopeError, match="could not be written"):
        TiffSink(locked / "a.tif", shape=(4, 5), axes="YX")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"axes": "TYX"}, "has 2"),
        ({"axes": "YZ"}, "lack X"),
        ({"axes": "XY"}, "end in YX"),
        ({"shape": (2, 2, 2, 2, 4, 5), "axes": "NTCZYX"}, "no room for samples"),
        ({"dtype": np.int64}, "int64"),
        ({"dtype": complex}, "complex128"),
        ({"shape": (0, 5)}, "no pixels"),
        ({"scale": (1.0,)}, "one per axis"),
        ({"path": "a.png"}, "in .tif"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_in_one_sentence(tmp_path, options, sentence):
    chosen = {"path": "a.tif", "shape": (4, 5), "axes": "YX", **options}
    with pytest.raises(DiffuscopeError, match=sentence) as caught:
        TiffSink(tmp_path / chosen.pop("path"), **chosen)
    assert str(caught.value).replace(str(tmp_path), "").count(". ") == 0
    assert os.listdir(tmp_path) == []


def test_large_files_are_bigtiff(tmp_path, monkeypatch):
    monkeypatch.setattr(blank, "CLASSIC_LIMIT", 10_000)
    for count, big in ((2, False), (20, True)):
        with TiffSink(tmp_path / "a.tif", shape=(count, 10, 10), axes="TYX", record={}) as file:
            file[...] = 3
        with tifffile.TiffFile(tmp_path / "a.tif") as tif:
            assert tif.is_bigtiff is big
        assert (np.asarray(read_image(tmp_path / "a.tif").data) == 3).all()


def test_five_gigabytes_are_addressed(tmp_path):
    if shutil.disk_usage(tmp_path).free < 6e9:
        pytest.skip("needs 6 GB of free disk, of which it uses little")
    file = TiffSink(tmp_path / "a.tif", shape=(80, 4096, 4096), axes="TYX")
    file[79, 4095] = np.arange(4096)
    file._written[:] = True  # the rest stays a hole in the file
    file.close()
    image = read_image(tmp_path / "a.tif")
    assert (tmp_path / "a.tif").stat().st_size > 5e9
    np.testing.assert_array_equal(image.data[79, 4095], np.arange(4096))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.uint32, np.float32, np.float64])
def test_pixel_types_are_kept(tmp_path, dtype):
    data = np.arange(60).reshape(3, 4, 5).astype(dtype)
    write_image(tmp_path / "a.tif", data, Image.wrap(data))
    found = read_image(tmp_path / "a.tif")
    assert found.dtype == dtype
    np.testing.assert_array_equal(np.asarray(found.data), data)


@pytest.mark.parametrize(("dtype", "stored"), [(bool, np.uint8), (np.float16, np.float32)])
def test_pixel_types_that_ome_lacks(tmp_path, dtype, stored):
    data = np.eye(4, 5).astype(dtype)
    write_image(tmp_path / "a.tif", data, Image.wrap(data))
    found = read_image(tmp_path / "a.tif")
    assert found.dtype == stored
    np.testing.assert_array_equal(np.asarray(found.data), data)


def test_writing_like_an_image(tmp_path):
    like = Image.wrap(numbers(3, 4, 5), "ZYX", scale=(0.5, 0.1, 0.1), units=("um",) * 3)
    write_image(tmp_path / "a.tif", numbers(3, 2, 2), like, record={"a": 1}, description="Cropped.")
    found = read_image(tmp_path / "a.tif")
    assert (found.axes, found.shape, found.scale) == ("ZYX", (3, 2, 2), like.scale)
    assert read_record(tmp_path / "a.tif") == {"a": 1}
    write_image(tmp_path / "b.tif", numbers(6, 3, 4, 5), like)
    found = read_image(tmp_path / "b.tif")
    assert (found.axes, found.scale) == ("TZYX", (1.0, *like.scale))
    with pytest.raises(DiffuscopeError, match="dimensions"):
        write_image(tmp_path / "c.tif", numbers(4, 5), like)


def test_records_are_plain_json(tmp_path):
    record = json.loads('{"\\u00b5": "\\u2713 \\ud83d\\udd2c", "control": "\\u0001"}')
    with TiffSink(tmp_path / "a.tif", shape=(4, 5), axes="YX", record=record) as file:
        file[...] = 0
    assert read_record(tmp_path / "a.tif") == record
