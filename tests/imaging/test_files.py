"""One way in: every kind of file becomes an image with what the file knows."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.imaging.formats import SUFFIXES

zarr = pytest.importorskip("zarr")


def stack(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)


def multiscale(path, data, metadata, *, zarr_format: int, levels: int = 2) -> None:
    """An OME-Zarr image as its specification says, written by hand."""
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    for level in range(levels):
        step = 2**level
        small = data[..., ::step, ::step]
        group.create_array(str(level), shape=small.shape, dtype=small.dtype)[:] = small
    entry = {"multiscales": [metadata]}
    group.attrs.update(entry if zarr_format == 2 else {"ome": {"version": "0.5", **entry}})


def axes_of(letters: str) -> list[dict[str, str]]:
    kinds = {"t": ("time", "second"), "c": ("channel", None)}
    found = []
    for letter in letters:
        kind, unit = kinds.get(letter, ("space", "micrometer"))
        found.append({"name": letter, "type": kind, **({"unit": unit} if unit else {})})
    return found


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_ome_zarr(tmp_path, zarr_format):
    data = stack(2, 3, 4, 16, 20)
    metadata = {
        "axes": axes_of("tczyx"),
        "datasets": [
            {"path": str(level), "coordinateTransformations": [
                {"type": "scale", "scale": [1.0, 1.0, 0.5, 0.1 * 2**level, 0.2 * 2**level]},
                {"type": "translation", "translation": [0.0] * 5}]}
            for level in range(2)
        ],
        "coordinateTransformations": [{"type": "scale", "scale": [30.0, 1.0, 1.0, 1.0, 1.0]}],
    }  # fmt: skip
    multiscale(tmp_path / "a.ome.zarr", data, metadata, zarr_format=zarr_format)
    image = open_image(tmp_path / "a.ome.zarr")
    assert (image.axes, image.shape, image.name) == ("TCZYX", data.shape, "a")
    assert image.scale == (30.0, 1.0, 0.5, 0.1, 0.2)
    assert image.units == ("second", "pixel", "micrometer", "micrometer", "micrometer")
    assert image.source == str(tmp_path / "a.ome.zarr")
    np.testing.assert_array_equal(image.read_plane(13), data.reshape(24, 16, 20)[13])


def test_positions_of_ome_zarr(tmp_path):
    """The image's own transformations come after those of the level."""
    metadata = {
        "axes": axes_of("czyx"),
        "datasets": [{"path": "0", "coordinateTransformations": [
            {"type": "scale", "scale": [1, 2, 3, 4]}, {"type": "translation", "translation": [0, 1, 2, 3]}]}],
        "coordinateTransformations": [
            {"type": "scale", "scale": [1, 10, 10, 10]}, {"type": "translation", "translation": [0, 5, 0, 7]}],
    }  # fmt: skip
    multiscale(tmp_path / "a.zarr", stack(1, 3, 8, 8), metadata, zarr_format=2, levels=1)
    image = open_image(tmp_path / "a.zarr")
    assert (image.axes, image.scale, image.translate) == ("ZYX", (20, 30, 40), (15, 20, 37))


def test_ome_zarr_axes_of_length_one_are_left_out(tmp_path):
    data = stack(1, 3, 1, 16, 20)
    scale = {"type": "scale", "scale": [9.0, 1.0, 8.0, 0.1, 0.2]}
    metadata = {"axes": axes_of("tczyx"), "datasets": [{"path": "0", "coordinateTransformations": [scale]}]}
    multiscale(tmp_path / "a.zarr", data, metadata, zarr_format=3, levels=1)
    image = open_image(tmp_path / "a.zarr")
    assert (image.axes, image.shape, image.scale) == ("CYX", (3, 16, 20), (1.0, 0.1, 0.2))
    np.testing.assert_array_equal(np.asarray(image.data), data[0, :, 0])
    assert open_image(tmp_path / "a.zarr", axes="TYX").axes == "TYX"
    assert open_image(tmp_path / "a.zarr", axes="CTZYX").axes == "CTZYX"


def test_old_ome_zarr_without_axes(tmp_path):
    multiscale(
        tmp_path / "a.zarr", stack(2, 3, 4, 8, 8), {"datasets": [{"path": "0"}]}, zarr_format=2, levels=1
    )
    assert open_image(tmp_path / "a.zarr").axes == "TCZYX"


def test_images_inside_a_converted_file(tmp_path):
    zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2).attrs["bioformats2raw.layout"] = 3
    metadata = {"axes": axes_of("zyx"), "datasets": [{"path": "0"}]}
    multiscale(tmp_path / "a.zarr" / "0", stack(4, 8, 8), metadata, zarr_format=2, levels=1)
    image = open_image(tmp_path / "a.zarr")
    assert (image.axes, image.shape, image.units) == ("ZYX", (4, 8, 8), ("micrometer",) * 3)


def test_plain_zarr(tmp_path):
    array = zarr.create_array(tmp_path / "a.zarr", shape=(3, 8, 9), chunks=(1, 8, 9), dtype="uint16")
    array[:] = stack(3, 8, 9)
    image = open_image(tmp_path / "a.zarr")
    assert (image.axes, image.units) == ("ZYX", ("pixel",) * 3)
    assert open_image(tmp_path / "a.zarr", axes="TYX").axes == "TYX"
    np.testing.assert_array_equal(image.read_plane(2), stack(3, 8, 9)[2])


@pytest.mark.parametrize(("names", "axes"), [(("c", "y", "x"), "CYX"), (("angle", "y", "x"), "ZYX")])
def test_plain_zarr_with_named_dimensions(tmp_path, names, axes):
    array = zarr.create_array(tmp_path / "a.zarr", shape=(3, 8, 9), dtype="uint16", dimension_names=names)
    array[:] = stack(3, 8, 9)
    assert open_image(tmp_path / "a.zarr").axes == axes


def test_groups_that_are_no_image(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("only", shape=(8, 9), dtype="uint8")
    assert open_image(tmp_path / "a.zarr").shape == (8, 9)
    group.create_array("second", shape=(8, 9), dtype="uint8")
    with pytest.raises(DiffuscopeError, match="group of 2"):
        open_image(tmp_path / "a.zarr")
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(DiffuscopeError, match="Zarr"):
        open_image(tmp_path / "empty.zarr")


def test_tiff(tmp_path):
    tifffile.imwrite(tmp_path / "a.TIF", stack(3, 8, 9), imagej=True, metadata={"axes": "TYX"})
    assert open_image(tmp_path / "a.TIF").axes == "TYX"


def test_npy_is_read_part_by_part(tmp_path):
    np.save(tmp_path / "a.npy", stack(3, 8, 9))
    image = open_image(tmp_path / "a.npy", axes="CYX")
    assert not isinstance(image.data, np.ndarray)
    np.testing.assert_array_equal(image.read_plane(1), stack(3, 8, 9)[1])


def test_pictures(tmp_path):
    imageio = pytest.importorskip("imageio.v3")
    grey = stack(8, 9).astype(np.uint8)
    colour = np.stack([grey, 2 * grey, 3 * grey], axis=-1)
    imageio.imwrite(tmp_path / "grey.png", grey)
    imageio.imwrite(tmp_path / "colour.png", colour)
    imageio.imwrite(tmp_path / "alpha.png", np.stack([grey, grey * 0 + 255], axis=-1))
    imageio.imwrite(tmp_path / "colour.jpg", np.full((8, 9, 3), 100, np.uint8))
    for name in ("grey.png", "alpha.png"):
        np.testing.assert_array_equal(open_image(tmp_path / name).read_plane(0), grey)
    np.testing.assert_allclose(
        open_image(tmp_path / "colour.png").read_plane(0), colour @ [0.2126, 0.7152, 0.0722], rtol=1e-6
    )
    channels = open_image(tmp_path / "colour.png", rgb="channels")
    np.testing.assert_array_equal(np.asarray(channels.data), np.moveaxis(colour, -1, 0))
    assert open_image(tmp_path / "colour.jpg").read_plane(0) == pytest.approx(100, abs=1)


@pytest.mark.parametrize("name", ["a.tif", "a.zarr", "a.npy", "a.png"])
def test_missing_files(tmp_path, name):
    with pytest.raises(DiffuscopeError, match="There is no"):
        open_image(tmp_path / name)


@pytest.mark.parametrize("name", ["a.tif", "a.zarr", "a.npy", "a.png", "a.jpg"])
def test_damaged_files(tmp_path, name):
    (tmp_path / name).write_bytes(b"nothing of the kind")
    with pytest.raises(DiffuscopeError, match="cannot be read"):
        open_image(tmp_path / name)


def test_arrays_of_objects_are_not_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[1, None]], dtype=object), allow_pickle=True)
    with pytest.raises(DiffuscopeError, match="NumPy"):
        open_image(tmp_path / "a.npy")


@pytest.mark.parametrize("name", ["a.oib", "a", "a.tif.gz"])
def test_kinds_that_are_not_read(tmp_path, name):
    (tmp_path / name).write_bytes(b"something else")
    with pytest.raises(DiffuscopeError, match="no kind") as caught:
        open_image(tmp_path / name)
    assert all(suffix in str(caught.value) for suffix in SUFFIXES)
