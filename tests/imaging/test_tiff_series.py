"""Files that hold several images: what belongs together is read together, and nothing is left out unsaid."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import tifffile

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.blocks.reading import read_block
from napari_diffuscope.imaging.files import image_of, list_series, open_image, open_labels
from napari_diffuscope.imaging.tiff import read_image


def planes(*shape: int, first: int = 0) -> np.ndarray:
    return (first + np.arange(np.prod(shape)).reshape(shape)).astype(np.uint16)


def pixels(image) -> np.ndarray:
    return np.asarray(image.data)


@pytest.mark.parametrize("metadata", [None, {}], ids=["plain", "tifffile"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_planes_appended_one_by_one_are_a_stack(tmp_path, metadata, compression):
    data = planes(4, 20, 30)
    for plane in data:
        tifffile.imwrite(tmp_path / "a.tif", plane, append=True, metadata=metadata, compression=compression)
    image = open_image(tmp_path / "a.tif")
    assert image.axes == "ZYX"
    np.testing.assert_array_equal(pixels(image), data)
    assert any("4 images of one size" in note for note in image.notes) is (metadata is not None)
    (only,) = list_series(tmp_path / "a.tif")
    assert (only.axes, only.shape) == ("ZYX", (4, 20, 30))


def test_volumes_appended_one_by_one_are_a_time_series(tmp_path):
    data = planes(3, 4, 20, 30)
    for volume in data:
        tifffile.imwrite(
            tmp_path / "a.tif", volume, append=True, photometric="minisblack", metadata={"axes": "ZYX"}
        )
    image = open_image(tmp_path / "a.tif")
    assert image.axes == "TZYX"
    np.testing.assert_array_equal(pixels(image), data)


@pytest.mark.parametrize("reduced", [False, True])
def test_a_thumbnail_before_the_image_is_not_taken_for_it(tmp_path, reduced):
    data = planes(3, 64, 80)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(planes(8, 10), metadata=None, subfiletype=int(reduced))
        for plane in data:
            writer.write(plane, metadata=None)
    image = open_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(pixels(image), data)
    assert len(image.notes) == (0 if reduced else 1)  # a smaller copy of the image is no other image
    assert (image.series, image.axes) == (1, "ZYX")
    thumbnail = open_image(tmp_path / "a.tif", series=0)
    np.testing.assert_array_equal(pixels(thumbnail), planes(8, 10))
    assert thumbnail.notes == ()


def _two_images(path) -> tuple[np.ndarray, np.ndarray]:
    first, second = planes(20, 30), planes(3, 40, 50)
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(first, metadata={"axes": "YX", "Name": "overview", "PhysicalSizeX": 1.5})
        writer.write(second, photometric="minisblack",
                     metadata={"axes": "ZYX", "Name": "cell", "PhysicalSizeX": 0.25})  # fmt: skip
    return first, second


def test_the_largest_of_several_images_is_read_and_the_others_are_named(tmp_path):
    first, second = _two_images(tmp_path / "a.ome.tif")
    image = open_image(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(pixels(image), second)
    assert image.scale[-1] == 0.25
    (note,) = image.notes
    assert "2 images" in note
    assert "'overview'" in note
    assert len(note) <= 300
    other = image_of(tmp_path / "a.ome.tif", series=0)
    np.testing.assert_array_equal(pixels(other), first)
    assert (other.scale[-1], other.notes, other.series) == (1.5, (), 0)
    listed = list_series(tmp_path / "a.ome.tif")
    assert [(one.name, one.axes, one.shape, one.nbytes) for one in listed] == [
        ("overview", "YX", (20, 30), 1200),
        ("cell", "ZYX", (3, 40, 50), 12000),
    ]


@pytest.mark.parametrize("series", [2, -1, 10**9])
def test_images_that_are_not_there(tmp_path, series):
    _two_images(tmp_path / "a.ome.tif")
    with pytest.raises(DiffuscopeError, match="2 images"):
        open_image(tmp_path / "a.ome.tif", series=series)


def test_a_series_is_chosen_of_files_alone(tmp_path):
    np.save(tmp_path / "a.npy", planes(4, 5))
    with pytest.raises(DiffuscopeError, match="holds one image"):
        open_image(tmp_path / "a.npy", series=1)
    with pytest.raises(DiffuscopeError, match="series"):
        image_of(planes(4, 5), series=0)
    (only,) = list_series(tmp_path / "a.npy")
    assert (only.number, only.axes, only.shape) == (0, "YX", (4, 5))


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_pages_that_no_description_counts_are_not_lost(tmp_path, compression):
    """An ImageJ stack with a page of another size behind it."""
    data = planes(5, 20, 30)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        about = "ImageJ=1.53c\nimages=5\nslices=5\n"
        writer.write(
            data, photometric="minisblack", metadata=None, description=about, compression=compression
        )
        writer.write(planes(40, 50), metadata=None, compression=compression)
    image = open_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(pixels(image), data)
    assert any("2 images" in note for note in image.notes)
    np.testing.assert_array_equal(pixels(open_image(tmp_path / "a.tif", series=1)), planes(40, 50))


def _ome(
    path, present: list[tuple[int, int]], *, times: int, depth: int, compression: str | None = None
) -> np.ndarray:
    """An OME-TIFF with some planes of a larger acquisition; returns all planes that it should have had."""
    data = planes(times, depth, 20, 30)
    blocks = "".join(f'<TiffData IFD="{ifd}" FirstT="{t}" FirstZ="{z}" PlaneCount="1"/>'
                     for ifd, (t, z) in enumerate(present))  # fmt: skip
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels ID="Pixels:0" '
        f'DimensionOrder="XYZCT" Type="uint16" SizeX="30" SizeY="20" SizeZ="{depth}" SizeC="1" SizeT="{times}" '
        f'PhysicalSizeX="0.5"><Channel ID="Channel:0" SamplesPerPixel="1"/>{blocks}</Pixels></Image></OME>'
    )
    with tifffile.TiffWriter(path) as writer:
        for number, (t, z) in enumerate(present):
            writer.write(
                data[t, z], metadata=None, description=None if number else xml, compression=compression
            )
    return data


def test_an_acquisition_that_was_stopped_gives_what_is_there(tmp_path):
    data = _ome(tmp_path / "a.ome.tif", [(0, 0), (0, 1), (0, 2)], times=1, depth=9)
    image = open_image(tmp_path / "a.ome.tif")
    assert (image.axes, image.dtype, image.scale[-1]) == ("ZYX", np.uint16, 0.5)
    np.testing.assert_array_equal(pixels(image), data[0, :3])
    (note,) = image.notes
    assert "Z 9" in note
    assert "Z 3" in note
    assert list_series(tmp_path / "a.ome.tif")[0].shape == (3, 20, 30)


def test_planes_missing_in_the_middle_have_no_value(tmp_path):
    present = [(0, 0), (0, 1), (0, 2), (1, 0)]
    data = _ome(tmp_path / "a.ome.tif", present, times=5, depth=3)
    image = open_image(tmp_path / "a.ome.tif")
    assert (image.axes, image.shape) == ("TZYX", (2, 3, 20, 30))
    for t, z in np.ndindex(2, 3):
        plane = image.read_plane(t * 3 + z)
        if (t, z) in present:
            np.testing.assert_array_equal(plane, data[t, z])
        else:
            assert np.isnan(plane).all()
    assert any("2 planes" in note for note in image.notes)


@pytest.mark.parametrize("compression", ["zstd", "lzw", "packbits", "zlib", "lzma", "webp"])
def test_compressions(tmp_path, compression):
    data = planes(20, 30) if compression != "webp" else planes(20, 30, 3).astype(np.uint8)
    arguments = {"compressionargs": {"lossless": True}} if compression == "webp" else {}
    tifffile.imwrite(tmp_path / "a.tif", data, compression=compression, **arguments)
    image = read_image(tmp_path / "a.tif", rgb="channels")
    np.testing.assert_array_equal(pixels(image), np.moveaxis(data, -1, 0) if data.ndim == 3 else data)


@pytest.mark.parametrize(
    ("options", "most"),
    [
        ({"bigtiff": True, "compression": "lzw", "predictor": True}, 0),
        ({"bigtiff": True, "byteorder": ">", "compression": "zstd"}, 0),
        ({"compression": "jpeg2000", "compressionargs": {"reversible": True, "level": 0}}, 0),
        ({"compression": "jpeg", "compressionargs": {"level": 95}}, 12),
    ],
)
def test_tiles_of_large_and_compressed_files(tmp_path, options, most):
    data = (np.indices((3, 90, 70)).sum(0) % 200).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", data, tile=(32, 48), photometric="minisblack", **options)
    image = open_image(tmp_path / "a.tif")
    assert np.abs(pixels(image).astype(int) - data).max() <= most
    part = read_block(image, [slice(1, 2), slice(30, 70), slice(40, 60)])
    assert np.abs(part - data[1:2, 30:70, 40:60]).max() <= most


def test_a_compression_without_its_package_names_it(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", planes(20, 30), compression="lzw")

    def missing(*_: object) -> None:
        raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

    image = open_image(tmp_path / "a.tif")
    monkeypatch.setattr(tifffile.TiffPage, "asarray", missing)
    with pytest.raises(DiffuscopeError, match="run: pip install imagecodecs"):
        pixels(image)


def test_twelve_bits(tmp_path):
    from imagecodecs import packints_encode

    data = planes(20, 30) % 4096
    raw = packints_encode(data, 12)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(
            iter([raw]), shape=data.shape, dtype=data.dtype, bitspersample=12, rowsperstrip=20, metadata=None
        )
    np.testing.assert_array_equal(pixels(read_image(tmp_path / "a.tif")), data)


@pytest.mark.parametrize("name", ["scan", "scan.czi", "scan.stk", "scan.001", "scan.png"])
def test_files_are_known_by_what_is_in_them(tmp_path, name):
    tifffile.imwrite(tmp_path / "a.tif", planes(20, 30))
    (tmp_path / "a.tif").rename(tmp_path / name)
    np.testing.assert_array_equal(pixels(open_image(tmp_path / name)), planes(20, 30))


def test_labels_keep_their_numbers_whatever_colours_they_are_shown_in(tmp_path):
    import imageio.v3

    labels = (planes(20, 30) % 5).astype(np.uint8)
    colours = np.random.default_rng(0).integers(0, 2**16, (3, 256)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", labels, photometric="palette", colormap=colours)
    np.testing.assert_array_equal(pixels(open_labels(tmp_path / "a.tif")), labels)
    from PIL import Image as Picture

    picture = Picture.fromarray(labels, mode=None).convert("P")
    picture.putpalette((colours.T >> 8).astype(np.uint8).tobytes())
    picture.save(tmp_path / "a.png")
    assert imageio.v3.imread(tmp_path / "a.png").ndim == 3
    np.testing.assert_array_equal(pixels(open_labels(tmp_path / "a.png")), labels)


def test_the_log_of_the_tiff_library_stays_silent(tmp_path, capfd):
    """It writes to stderr where nobody has set up logging, as on the command line."""
    _ome(tmp_path / "a.ome.tif", [(0, 0), (0, 1)], times=1, depth=9)
    logger = logging.getLogger("tifffile")
    handler = logging.StreamHandler()
    logger.addHandler(handler)
    try:
        open_image(tmp_path / "a.ome.tif").read_plane(0)
        assert capfd.readouterr().err == ""
        logger.warning("of somebody else")
        assert "of somebody else" in capfd.readouterr().err
    finally:
        logger.removeHandler(handler)
