"""Layers in and out: every way an image can lie in the world is kept."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr
from napari.layers import Image as ImageLayer

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.viewer.contrast import steady_limits
from napari_diffuscope.viewer.layers import (
    guess_axes,
    image_from_layer,
    output_keywords,
    view_for_layer,
)


@dataclass(frozen=True)
class Output:
    axes: str
    origin: tuple[float, ...]


def slanted(ndim: int) -> dict[str, object]:
    """Every transform that napari knows, at once."""
    rng = np.random.default_rng(ndim)
    affine = np.eye(ndim + 1)
    affine[:ndim] += rng.normal(0, 0.2, (ndim, ndim + 1))
    return {
        "scale": np.linspace(2.0, 0.5, ndim),
        "translate": np.arange(10.0, 10.0 + ndim),
        "rotate": 20.0 if ndim == 2 else (20.0, 30.0, 40.0),
        "shear": np.linspace(0.1, 0.3, ndim * (ndim - 1) // 2),
        "affine": affine,
    }


@pytest.mark.parametrize(
    ("axes", "output"),
    [
        ("YX", Output("YX", (3, 4))),
        ("ZYX", Output("ZYX", (0, 0, 0))),
        ("ZYX", Output("ZYX", (2, 3, 5))),
        ("ZYX", Output("NZYX", (0, 2, 3, 5))),
        ("TYX", Output("TCYX", (2, 0, 3, 5))),  # colours taken as channels
        ("YXZ", Output("ZYX", (2, 3, 5))),  # planes read in another order than the layer shows them
    ],
)
@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing:UserWarning")  # napari shows such layers askew
def test_a_result_voxel_lies_where_its_input_voxel_lies(axes: str, output: Output) -> None:
    layer = ImageLayer(np.zeros((8,) * len(axes)), **slanted(len(axes)))
    keywords = output_keywords(layer, output, axes=axes)
    array = np.zeros((2,) * len(output.axes), np.float32)
    result = ImageLayer(view_for_layer(array, output.axes, axes), **keywords)
    corner = np.array([output.origin[output.axes.index(letter)] for letter in axes])
    new = result.ndim - layer.ndim
    for offset in itertools.product((0, 3), repeat=layer.ndim):
        there = result.data_to_world((0,) * new + offset)[new:]
        np.testing.assert_allclose(there, layer.data_to_world(corner + offset), atol=1e-9)


def test_units_and_labels_are_kept_and_new_axes_named() -> None:
    layer = ImageLayer(
        np.zeros((4, 8, 8)), scale=(2, 0.5, 0.5), units=("s", "µm", "µm"), axis_labels=("t", "y", "x")
    )
    keywords = output_keywords(layer, Output("NTYX", (0, 0, 0, 0)), axes="TYX")
    result = ImageLayer(np.zeros((3, 4, 8, 8)), **keywords)
    assert result.axis_labels == ("sample", "t", "y", "x")
    assert [str(unit) for unit in result.units] == ["pixel", "second", "micrometer", "micrometer"]
    assert result.scale.tolist() == [1, 2, 0.5, 0.5]


@pytest.mark.parametrize("kind", ["numpy", "dask", "zarr", "multiscale"])
def test_pixels_of_every_kind_of_layer(kind: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 999, (3, 16, 20)).astype(np.uint16)
    data = {
        "numpy": lambda: pixels,
        "dask": lambda: da.from_array(pixels, chunks=(1, 16, 20)),
        "zarr": lambda: zarr.array(pixels),
        "multiscale": lambda: [pixels, pixels[:, ::2, ::2]],
    }[kind]()
    layer = ImageLayer(
        data,
        scale=(1.0, 0.2, 0.2),
        units=("µm",) * 3,
        multiscale=kind == "multiscale",
        contrast_limits=(0, 999),
    )
    image = image_from_layer(layer, axes="ZYX")
    assert image.shape == (3, 16, 20)
    assert image.scale == (1.0, 0.2, 0.2)
    assert image.units == ("micrometer",) * 3
    np.testing.assert_array_equal(image.read_plane(1), pixels[1])


def test_colours_become_luminance_or_channels() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (2, 16, 20, 3)).astype(np.uint8)
    layer = ImageLayer(pixels, rgb=True, scale=(1, 0.2, 0.2))
    grey = image_from_layer(layer, axes="TYX", rgb="luminance")
    assert (grey.axes, grey.shape, grey.scale) == ("TYX", (2, 16, 20), (1, 0.2, 0.2))
    np.testing.assert_allclose(grey.read_plane(1), pixels[1] @ [0.2126, 0.7152, 0.0722], rtol=1e-5)
    colours = image_from_layer(layer, axes="TYX", rgb="channels")
    assert sorted(colours.axes) == sorted("TCYX")
    red = colours.plane_index(0)
    assert red == (0, 0)
    np.testing.assert_array_equal(colours.read_plane(0), pixels[0, ..., 0])


@pytest.mark.parametrize(
    ("labels", "axes"),
    [(("z", "y", "x"), "ZYX"), (("time", "row", "column"), "TYX"), (("C", "Y", "X"), "CYX"), (None, "ZYX")],
)
def test_axes_are_guessed_from_labels(labels: tuple[str, ...] | None, axes: str) -> None:
    assert guess_axes(ImageLayer(np.zeros((3, 8, 8)), axis_labels=labels)) == axes


def test_axes_are_guessed_from_the_file(tmp_path: object) -> None:
    path = f"{tmp_path}/movie.tif"
    pixels = np.zeros((4, 2, 16, 16), np.uint16)
    tifffile.imwrite(path, pixels, imagej=True, metadata={"axes": "TCYX"})
    layer = ImageLayer(pixels, metadata={"napari-diffuscope-source": path})
    assert guess_axes(layer) == "TCYX"
    assert guess_axes(ImageLayer(pixels[:3], metadata={"napari-diffuscope-source": path})) == "TZYX"


def test_wrong_axes_are_said_in_a_sentence() -> None:
    layer = ImageLayer(np.zeros((3, 8, 8)), name="cells")
    with pytest.raises(DiffuscopeError, match="twice"):
        image_from_layer(layer, axes="ZZX")
    with pytest.raises(DiffuscopeError, match="dimensions"):
        image_from_layer(layer, axes="YX")


def test_contrast_limits_leave_out_the_extremes_and_the_unknown() -> None:
    plane = np.random.default_rng(0).random((100, 100)).astype(np.float32)
    plane[0, 0], plane[:50] = 1e6, np.nan
    low, high = steady_limits(plane)
    assert 0 <= low < 0.01
    assert 0.99 < high <= 1
    assert steady_limits(plane, from_zero=True)[0] == 0
    assert steady_limits(np.full((4, 4), np.nan)) is None
    low, high = steady_limits(np.full((4, 4), 7.0))
    assert low < high
