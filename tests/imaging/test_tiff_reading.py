"""TIFF files of many origins keep their axes, pixel sizes and values, and are read page by page."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pytest
import tifffile

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.tiff import read_image, read_record
from napari_diffuscope.imaging.tiff.pages import TiffPages


def stack(*shape: int, dtype=np.uint16) -> np.ndarray:
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def pixels(image) -> np.ndarray:
    return np.asarray(image.data)


@pytest.mark.parametrize(("axes", "shape"), [("YX", (5, 6)), ("ZYX", (4, 5, 6)), ("TYX", (4, 5, 6)),
                                             ("CYX", (3, 5, 6)), ("TZCYX", (2, 3, 2, 5, 6))])  # fmt: skip
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_imagej_hyperstacks(tmp_path, axes, shape, dtype):
    data = stack(*shape, dtype=dtype)
    metadata = {"axes": axes, "spacing": 0.4, "unit": "um", "finterval": 2.5}
    tifffile.imwrite(tmp_path / "a.tif", data, imagej=True, resolution=(1 / 0.1, 1 / 0.2), metadata=metadata)
    image = read_image(tmp_path / "a.tif")
    expected = {"T": (2.5, "second"), "C": (1.0, "pixel"), "Z": (0.4, "micrometer"), "Y": (0.2, "micrometer"),
                "X": (0.1, "micrometer")}  # fmt: skip
    assert image.axes == axes
    assert image.scale == pytest.approx([expected[letter][0] for letter in axes], rel=1e-6)
    assert image.units == tuple(expected[letter][1] for letter in axes)
    assert image.dtype == dtype
    np.testing.assert_array_equal(pixels(image), data)


@pytest.mark.parametrize("unit", ["\\u00B5m", "micron", "um", "µm"])
def test_imagej_spellings_of_micrometre(tmp_path, unit):
    description = f"ImageJ=1.53c\nimages=3\nslices=3\nunit={unit}\nspacing=0.3\nloop=false\n"
    tifffile.imwrite(
        tmp_path / "a.tif",
        stack(3, 5, 6),
        photometric="minisblack",
        description=description.encode("latin-1"),
        metadata=None,
        resolution=(4, 4),
        resolutionunit=1,
    )
    image = read_image(tmp_path / "a.tif")
    assert image.scale == pytest.approx((0.3, 0.25, 0.25))
    assert image.units == ("micrometer",) * 3


def test_imagej_without_a_unit_has_no_size(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", stack(5, 6), imagej=True, resolution=(72, 72))
    image = read_image(tmp_path / "a.tif")
    assert (image.scale, image.units) == ((1.0, 1.0), ("pixel", "pixel"))


OME_UNITS = [("µm", "micrometer"), ("nm", "nanometer"), ("mm", "millimeter"), (None, "micrometer")]


@pytest.mark.parametrize(("unit", "name"), OME_UNITS)
def test_ome_tiff_sizes(tmp_path, unit, name):
    metadata = {"axes": "TCZYX", "PhysicalSizeX": 0.11, "PhysicalSizeY": 0.12, "PhysicalSizeZ": 0.5,
                "TimeIncrement": 30.0, "TimeIncrementUnit": "ms"}  # fmt: skip
    if unit:
        metadata |= {f"PhysicalSize{letter}Unit": unit for letter in "XYZ"}
    data = stack(2, 3, 4, 5, 6)
    tifffile.imwrite(tmp_path / "a.ome.tif", data, metadata=metadata)
    image = read_image(tmp_path / "a.ome.tif")
    assert (image.axes, image.name) == ("TCZYX", "a")
    assert image.scale == (30.0, 1.0, 0.5, 0.12, 0.11)
    assert image.units == ("millisecond", "pixel", name, name, name)
    np.testing.assert_array_equal(pixels(image), data)


@pytest.mark.parametrize("wrong", ["0", "NaN", "INF", "-0.25", "wide"])
def test_sizes_that_are_none(tmp_path, wrong):
    metadata = {"axes": "YX", "PhysicalSizeX": wrong, "PhysicalSizeY": 0.25}
    tifffile.imwrite(tmp_path / "a.ome.tif", stack(5, 6), metadata=metadata)
    image = read_image(tmp_path / "a.ome.tif")
    assert image.scale == ((0.25, 0.25) if wrong == "-0.25" else (0.25, 1.0))
    assert image.units == ("micrometer", "micrometer" if wrong == "-0.25" else "pixel")


STORAGE = {
    "contiguous": {},
    "compressed": {"compression": "zlib", "predictor": True},
    "strips": {"compression": "zlib", "rowsperstrip": 2},
    "tiled": {"tile": (16, 16)},
    "big endian": {"byteorder": ">"},
    "BigTIFF": {"bigtiff": True},
    "one page each": {"contiguous": False},
}


@pytest.mark.parametrize("storage", STORAGE)
@pytest.mark.parametrize("ome", [True, False])
def test_storage_does_not_matter(tmp_path, storage, ome):
    data = stack(2, 3, 20, 30)
    metadata = {"axes": "TZYX"} if ome else None
    tifffile.imwrite(
        tmp_path / "a.tif", data, ome=ome, metadata=metadata, photometric="minisblack", **STORAGE[storage]
    )
    image = read_image(tmp_path / "a.tif", axes=None if ome else "ZYX")
    assert image.axes == ("TZYX" if ome else "ZYX")
    np.testing.assert_array_equal(pixels(image), data if ome else data.reshape(6, 20, 30))
    np.testing.assert_array_equal(image.read_plane(4), data.reshape(6, 20, 30)[4])


@pytest.mark.parametrize("storage", ["contiguous", "compressed"])
def test_indexing_pages_is_indexing_the_array(tmp_path, storage):
    data = stack(2, 3, 4, 20, 30)
    tifffile.imwrite(tmp_path / "a.tif", data, ome=True, metadata={"axes": "TCZYX"}, **STORAGE[storage])
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        pages = TiffPages(tmp_path / "a.tif", tif, tif.series[0])
    data = data.reshape(pages.shape)  # with colour samples of length 1
    choices = [(1, slice(None), slice(1, 2), slice(0, 0))] * 3 + [
        (slice(3, 9), 5),
        (slice(None, None, 7), -1),
    ]
    for index in product(*choices):
        np.testing.assert_array_equal(pages[index], data[index])


def test_multi_page_files_without_metadata_are_stacks(tmp_path):
    data = stack(4, 5, 6)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for plane in data:
            writer.write(plane, metadata=None, contiguous=False)
    image = read_image(tmp_path / "a.tif")
    assert image.axes == "ZYX"
    np.testing.assert_array_equal(pixels(image), data)
    assert read_image(tmp_path / "a.tif", axes="TYX").axes == "TYX"
    assert read_image(tmp_path / "a.tif", axes="CYX").channel_count == 4


def test_tifffile_default_files(tmp_path):
    for shape, axes in {(5, 6): "YX", (4, 5, 6): "ZYX", (3, 4, 5, 6): "TZYX", (1, 4, 1, 5, 6): "ZYX"}.items():
        tifffile.imwrite(tmp_path / "a.tif", stack(*shape), photometric="minisblack")
        image = read_image(tmp_path / "a.tif")
        assert image.axes == axes
        np.testing.assert_array_equal(pixels(image), stack(*shape).reshape(image.shape))


def test_axes_given_by_the_user_take_their_sizes_along(tmp_path):
    metadata = {"axes": "ZYX", "PhysicalSizeX": 0.1, "PhysicalSizeY": 0.1, "PhysicalSizeZ": 0.5}
    tifffile.imwrite(tmp_path / "a.ome.tif", stack(4, 5, 6), metadata=metadata)
    image = read_image(tmp_path / "a.ome.tif", axes="TYX")
    assert (image.axes, image.scale) == ("TYX", (1.0, 0.1, 0.1))
    assert image.units == ("pixel", "micrometer", "micrometer")
    with pytest.raises(DiffuscopeError, match="has 3"):
        read_image(tmp_path / "a.ome.tif", axes="YX")


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_colour(tmp_path, planar):
    data = stack(5, 6, 3, dtype=np.uint8)
    stored = data if planar == "contig" else np.moveaxis(data, -1, 0)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", planarconfig=planar)
    grey = read_image(tmp_path / "a.tif")
    assert grey.axes == "YX"
    np.testing.assert_allclose(grey.read_plane(0), data @ [0.2126, 0.7152, 0.0722], rtol=1e-6)
    colours = read_image(tmp_path / "a.tif", rgb="channels")
    assert colours.axes == "CYX"
    np.testing.assert_array_equal(pixels(colours), np.moveaxis(data, -1, 0))


def test_samples_that_are_no_colours_are_channels(tmp_path):
    data = stack(5, 6, 2)
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="minisblack", planarconfig="contig")
    image = read_image(tmp_path / "a.tif")
    assert image.axes == "CYX"
    np.testing.assert_array_equal(pixels(image), np.moveaxis(data, -1, 0))


def test_several_images_in_one_file(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as writer:
        writer.write(stack(4, 5), metadata={"axes": "YX", "PhysicalSizeX": 1.5})
        writer.write(stack(3, 8, 9), photometric="minisblack", metadata={"axes": "ZYX", "PhysicalSizeX": 2.5})
    assert read_image(tmp_path / "a.ome.tif", series=0).scale == (1.0, 1.5)
    second = read_image(tmp_path / "a.ome.tif", series=1)
    assert (second.axes, second.scale) == ("ZYX", (1.0, 1.0, 2.5))
    np.testing.assert_array_equal(pixels(second), stack(3, 8, 9))
    with pytest.raises(DiffuscopeError, match="holds 2 images"):
        read_image(tmp_path / "a.ome.tif", series=2)


def bytes_read() -> int:
    """Bytes that this process has read from files and pipes so far."""
    with open("/proc/self/io") as file:
        return int(file.readline().split()[1])


@pytest.mark.skipif(not os.path.exists("/proc/self/io"), reason="only Linux counts the bytes read")
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_plane_reads_its_own_bytes_alone(tmp_path, compression):
    data = np.random.default_rng(0).integers(0, 65535, (500, 64, 64)).astype(np.uint16)  # 4 MB
    tifffile.imwrite(tmp_path / "a.tif", data, ome=True, metadata={"axes": "TYX"}, compression=compression)
    image = read_image(tmp_path / "a.tif")
    image.read_plane(0)  # loads the decoder
    before = bytes_read()
    np.testing.assert_array_equal(image.read_plane(321), data[321])
    assert 0.9 * data[321].nbytes < bytes_read() - before < 8 * data[321].nbytes


@pytest.mark.skipif(not os.path.exists("/proc/self/io"), reason="only Linux counts the bytes read")
def test_opening_reads_no_pixels(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", np.zeros((50, 256, 256), np.uint16), ome=True, metadata={"axes": "TYX"}
    )
    read_image(tmp_path / "a.tif")
    before = bytes_read()
    read_image(tmp_path / "a.tif")
    assert bytes_read() - before < 500_000 < 50 * 256 * 256 * 2


def test_files_are_closed_between_readings_and_can_be_replaced(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stack(3, 5, 6), ome=True, metadata={"axes": "ZYX"})
    image = read_image(path)
    image.read_plane(0)
    if os.path.isdir("/proc/self/fd"):
        opened = [os.readlink(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")
                  if os.path.exists(f"/proc/self/fd/{number}")]  # fmt: skip
        assert str(path) not in opened
    path.unlink()
    with pytest.raises(DiffuscopeError, match="no file"):
        image.read_plane(1)


def test_threads_may_read_at_once(tmp_path):
    data = stack(40, 50, 60)
    tifffile.imwrite(tmp_path / "a.tif", data, ome=True, metadata={"axes": "TYX"}, compression="zlib")
    image = read_image(tmp_path / "a.tif")
    with ThreadPoolExecutor(4) as pool:
        for plane, expected in zip(pool.map(image.read_plane, range(40)), data, strict=True):
            np.testing.assert_array_equal(plane, expected)


def test_ome_tiff_over_several_files(tmp_path):
    uuids = [f"urn:uuid:00000000-0000-0000-0000-00000000000{z}" for z in range(2)]
    blocks = "".join(
        f'<TiffData IFD="0" FirstZ="{z}" PlaneCount="1">'
        f'<UUID FileName="z{z}.ome.tif">{uuids[z]}</UUID></TiffData>'
        for z in range(2)
    )
    for z in range(2):
        xml = (
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{uuids[z]}">'
            '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" '
            'SizeX="6" SizeY="5" SizeZ="2" SizeC="1" SizeT="1" PhysicalSizeZ="0.7">'
            f'<Channel ID="Channel:0" SamplesPerPixel="1"/>{blocks}</Pixels></Image></OME>'
        )
        tifffile.imwrite(tmp_path / f"z{z}.ome.tif", stack(2, 5, 6)[z], description=xml, metadata=None)
    image = read_image(tmp_path / "z0.ome.tif")
    assert (image.axes, image.scale[0]) == ("ZYX", 0.7)
    np.testing.assert_array_equal(pixels(image), stack(2, 5, 6))
    (tmp_path / "z1.ome.tif").unlink()
    with pytest.raises(DiffuscopeError, match="no file"):
        image.read_plane(1)
    again = read_image(tmp_path / "z0.ome.tif")
    np.testing.assert_array_equal(again.read_plane(0), stack(2, 5, 6)[0])
    assert (again.axes, again.plane_count) == ("YX", 1)
    assert any("'z1.ome.tif'" in note for note in again.notes)


def one_sentence(text: str) -> bool:
    return text.endswith(".") and "\n" not in text and ". " not in text


@pytest.mark.parametrize("read", [read_image, read_record])
def test_files_that_are_no_tiff(tmp_path, read):
    (tmp_path / "text.tif").write_text("no image at all")
    (tmp_path / "empty.tif").touch()
    for name, words in {
        "absent.tif": "no file",
        "text.tif": "TIFF",
        "empty.tif": "TIFF",
        ".": "folder",
    }.items():
        with pytest.raises(DiffuscopeError, match=words) as caught:
            read(tmp_path / name)
        assert one_sentence(str(caught.value).replace(str(tmp_path), ""))


def pixels_or_complaint(path) -> tuple | str:
    try:
        image = read_image(path)
        return image.scale, pixels(image)
    except DiffuscopeError as error:
        return str(error)


@pytest.mark.parametrize("storage", ["contiguous", "compressed", "one page each", "tiled"])
@pytest.mark.parametrize("ome", [True, False])
@pytest.mark.parametrize("shape", [(4, 16, 16), (16, 16)], ids=str)
def test_truncated_files_are_refused_and_never_shown_in_part(tmp_path, storage, ome, shape):
    data = np.random.default_rng(0).integers(1, 255, shape).astype(np.uint8)
    metadata = {"axes": "ZYX"[-len(shape) :], "PhysicalSizeX": 0.25} if ome else None
    tifffile.imwrite(
        tmp_path / "a.tif", data, ome=ome, metadata=metadata, photometric="minisblack", **STORAGE[storage]
    )
    whole = (tmp_path / "a.tif").read_bytes()
    refused = 0
    for length in (*range(0, len(whole) - 40, 37), *range(len(whole) - 40, len(whole))):
        (tmp_path / "cut.tif").write_bytes(whole[:length])
        found = pixels_or_complaint(tmp_path / "cut.tif")
        if isinstance(found, str):
            assert one_sentence(found.replace(str(tmp_path), ""))
            refused += 1
        else:  # what was cut off was padding
            assert found[0][-1] == (0.25 if ome else 1.0)
            np.testing.assert_array_equal(found[1], data)
    assert refused > 5


def test_real_files(shared_data):
    folder = shared_data / "fluorescence_images"
    beads = read_image(folder / "Bead_Image1_crop.tif")
    assert (beads.axes, beads.shape, beads.units) == ("ZYX", (41, 150, 150), ("micrometer",) * 3)
    assert beads.scale == pytest.approx((0.125, 1 / 44.460534, 1 / 44.460534))
    np.testing.assert_array_equal(pixels(beads), tifffile.imread(folder / "Bead_Image1_crop.tif"))
    hela = read_image(folder / "hela-cells.tif")  # 16-bit composite: channels, though stored like colours
    assert (hela.axes, hela.shape) == ("CYX", (3, 512, 672))
    assert hela.scale == pytest.approx((1.0, 1 / 19.420064, 1 / 19.420064))
    assert hela.units == ("pixel", "micrometer", "micrometer")
    np.testing.assert_array_equal(hela.read_plane(2), tifffile.imread(folder / "hela-cells.tif")[..., 2])
    cells = read_image(folder / "cancer_cell_migration_crop.tif", axes="TYX")
    assert (cells.axes, cells.shape, cells.units) == ("TYX", (48, 130, 130), ("pixel",) * 3)
    for path in sorted(folder.glob("*.tif")):
        image = read_image(path)
        assert image.read_plane(image.plane_count - 1).shape == image.plane_shape
