"""What the numbers of TIFF files mean, and how large their pixels are, where files say it in unusual places."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.tiff import read_image

RNG = np.random.default_rng(0)
VALUES = RNG.integers(0, 256, (3, 20, 30)).astype(np.uint8)
COLOURS = (RNG.integers(0, 256, (3, 256)) * 257).astype(np.uint16)
RAMP = np.zeros((3, 256), np.uint16)
RAMP[1] = np.arange(256) * 257


def pixels(image) -> np.ndarray:
    return np.asarray(image.data)


def test_a_table_of_colours_gives_colours(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", VALUES, photometric="palette", colormap=COLOURS, metadata=None)
    expected = (COLOURS // 257).astype(np.uint8)[:, VALUES]
    image = read_image(tmp_path / "a.tif", rgb="channels")
    assert (image.axes, image.dtype) == ("CZYX", np.uint8)
    np.testing.assert_array_equal(pixels(image), expected)
    assert any("table" in note for note in image.notes)
    grey = read_image(tmp_path / "a.tif")
    assert grey.axes == "ZYX"
    weights = np.array([0.2126, 0.7152, 0.0722])
    np.testing.assert_allclose(grey.read_plane(1), np.tensordot(weights, expected[:, 1], 1), rtol=1e-5)


def test_a_table_that_only_says_how_to_show_intensities_changes_nothing(tmp_path):
    tifffile.imwrite(tmp_path / "green.tif", VALUES, photometric="palette", colormap=RAMP, metadata=None)
    tifffile.imwrite(tmp_path / "fire.tif", VALUES, photometric="palette", colormap=COLOURS, metadata=None,
                     description="ImageJ=1.53c\nimages=3\nslices=3\n")  # fmt: skip
    for name, notes in (("green.tif", 0), ("fire.tif", 1)):
        image = read_image(tmp_path / name)
        np.testing.assert_array_equal(pixels(image), VALUES)
        assert len(image.notes) == notes


@pytest.mark.parametrize(("dtype", "largest"), [(np.uint8, 255), (np.uint16, 65535), (np.int16, -1)])
def test_white_as_zero_is_turned_round(tmp_path, dtype, largest):
    data = VALUES.astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="miniswhite")
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(pixels(image), largest - data.astype(int))
    assert image.dtype == dtype
    assert any("white" in note for note in image.notes)
    np.testing.assert_array_equal(pixels(read_image(tmp_path / "a.tif", as_stored=True)), data)


def test_white_as_zero_in_one_bit(tmp_path):
    data = VALUES[0] > 99
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="miniswhite")
    np.testing.assert_array_equal(pixels(read_image(tmp_path / "a.tif")), ~data)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("dask", [False, True])
def test_masked_pixels_have_no_value(dtype, dask):
    mask = RNG.random(VALUES.shape) < 0.2
    data = np.ma.masked_array(VALUES.astype(dtype), mask)
    if dask:
        import dask.array as da

        data = da.from_array(data, chunks=(1, 20, 30))
    image = Image.wrap(data, name="scan")
    for number, plane in enumerate(VALUES):
        read = image.read_plane(number)
        np.testing.assert_array_equal(np.isnan(read), mask[number])
        np.testing.assert_array_equal(read[~mask[number]], plane[~mask[number]])
    assert any("Masked" in note for note in image.notes)


def test_arrays_whose_mask_hides_nothing_keep_their_type():
    image = Image.wrap(np.ma.masked_array(VALUES))
    assert (image.dtype, image.notes) == (np.uint8, ())


@pytest.mark.parametrize(("per_unit", "unit", "micrometres"), [
    (100_000, "CENTIMETER", 0.1), (254_000, "INCH", 0.1), (12_345, "CENTIMETER", 0.81), (1_000, "CENTIMETER", 10),
])  # fmt: skip
@pytest.mark.parametrize("metadata", [None, {}])
def test_a_plausible_resolution_is_the_pixel_size_and_that_is_said(
    tmp_path, per_unit, unit, micrometres, metadata
):
    tifffile.imwrite(tmp_path / "a.tif", VALUES, photometric="minisblack", metadata=metadata,
                     resolution=(per_unit, per_unit), resolutionunit=unit)  # fmt: skip
    image = read_image(tmp_path / "a.tif")
    assert image.scale[-2:] == pytest.approx((micrometres, micrometres), rel=1e-3)
    assert image.units[-2:] == ("micrometer", "micrometer")
    assert any("resolution" in note for note in image.notes)


@pytest.mark.parametrize(("per_unit", "unit"), [
    (72, "INCH"), (96, "INCH"), (300, "INCH"), (600, "INCH"), (1200, "INCH"), (2400, "INCH"), (4800, "INCH"),
    (72 / 2.54, "CENTIMETER"), (96 / 2.54, "CENTIMETER"), (300 / 2.54, "CENTIMETER"), (4800 / 2.54, "CENTIMETER"),
    (1, "INCH"), (1, "CENTIMETER"), (1e9, "CENTIMETER"), (100_000, "NONE"), (0, "CENTIMETER"),
])  # fmt: skip
@pytest.mark.parametrize("about", ["", "ImageJ=1.53c\nunit=inch\n"])
def test_the_resolution_of_a_screen_or_printer_is_no_pixel_size(tmp_path, per_unit, unit, about):
    if about and unit != "INCH":
        unit, per_unit = "NONE", 72
    tifffile.imwrite(tmp_path / "a.tif", VALUES[0], metadata=None, description=about or None,
                     resolution=(per_unit, per_unit), resolutionunit=unit)  # fmt: skip
    image = read_image(tmp_path / "a.tif")
    assert image.units == ("pixel", "pixel")
    assert image.notes == ()


def test_a_size_in_the_description_goes_before_the_tags(tmp_path):
    tifffile.imwrite(tmp_path / "a.ome.tif", VALUES[0], resolution=(1e5, 1e5), resolutionunit="CENTIMETER",
                     metadata={"axes": "YX", "PhysicalSizeX": 0.3, "PhysicalSizeY": 0.3})  # fmt: skip
    image = read_image(tmp_path / "a.ome.tif")
    assert image.scale == (0.3, 0.3)
    assert image.notes == ()
