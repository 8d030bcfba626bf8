"""Images know their axes, read one plane at a time, and refuse what they cannot use in one sentence."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.image import Image

HEAVY = ("torch", "zarr", "dask", "napari", "qtpy", "psutil", "tifffile")


class Counting:
    """An array that counts the pixels read from it, and cannot be read in full by accident."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.read = array, 0
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, index):
        block = self.array[index]
        self.read += block.size
        return block

    def __array__(self, *_, **__):
        raise AssertionError("the whole array was read")


class MultiScale:
    """What napari hands over for a multiscale layer: a sequence of levels with ``shapes``."""

    def __init__(self, levels) -> None:
        self.levels = levels
        self.shapes = tuple(level.shape for level in levels)
        self.shape, self.dtype = levels[0].shape, levels[0].dtype

    def __len__(self) -> int:
        return len(self.levels)

    def __getitem__(self, index):
        return self.levels[index]


def stack(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((4, 5), "YX"), ((2, 4, 5), "ZYX"), ((3, 2, 4, 5), "TZYX"), ((2, 1, 3, 4, 5), "TCZYX")],
)
def test_default_axes_and_scale(shape, axes):
    image = Image.wrap(stack(*shape))
    assert image.axes == axes
    assert image.scale == (1.0,) * len(shape)
    assert image.units == ("pixel",) * len(shape)
    assert image.leading_shape == shape[:-2]
    assert image.plane_shape == shape[-2:]
    assert image.plane_count == np.prod(shape[:-2], dtype=int)


def test_planes_are_counted_in_c_order_and_are_float32():
    data = stack(2, 3, 4, 5)
    image = Image.wrap(data, "TCYX")
    for flat in range(6):
        plane = image.read_plane(flat)
        assert plane.dtype == np.float32
        assert plane.flags.c_contiguous
        np.testing.assert_array_equal(plane, data.reshape(6, 4, 5)[flat])
        assert image.plane_index(flat) == (flat // 3, flat % 3)
        assert image.channel_of(flat) == flat % 3
    assert image.channel_count == 3


def test_changing_a_plane_leaves_the_image_alone():
    data = np.zeros((4, 5), np.float32)
    Image.wrap(data).read_plane(0)[:] = 7
    assert not data.any()


@pytest.mark.parametrize("flat", [-1, 6])
def test_planes_that_do_not_exist(flat):
    with pytest.raises(DiffuscopeError, match="from 0 to 5"):
        Image.wrap(stack(6, 4, 5)).read_plane(flat)


@pytest.mark.parametrize(
    ("axes", "becomes"),
    [
        ("XYZ", "ZYX"),
        ("YXC", "CYX"),
        ("CZYX", "CZYX"),
        ("ZCXY", "ZCYX"),
        ("YTXC", "TCYX"),
        ("XY", "YX"),
        ("tzcyx", "TZCYX"),
    ],
)
def test_any_order_of_axes(axes, becomes):
    lengths = dict(zip("TCZYX", (2, 3, 4, 5, 6), strict=True))
    data = stack(*(lengths[letter] for letter in axes.upper()))
    scale = [lengths[letter] / 10 for letter in axes.upper()]
    units = [f"unit {letter}" for letter in axes.upper()]
    image = Image.wrap(data, axes, scale=scale, units=units)
    assert image.axes == becomes
    assert image.shape == tuple(lengths[letter] for letter in becomes)
    assert image.scale == tuple(lengths[letter] / 10 for letter in becomes)
    assert image.units == tuple(f"unit {letter}" for letter in becomes)
    expected = np.einsum(f"{axes.lower()}->{becomes.lower()}", data)
    np.testing.assert_array_equal(np.asarray(image.data), expected)
    last = image.plane_count - 1
    np.testing.assert_array_equal(image.read_plane(last), expected.reshape(-1, 5, 6)[last])


@pytest.mark.parametrize("axes", ["TZYX", "XYTZ", "YTXZ"])
def test_a_plane_reads_only_its_pixels(axes):
    data = Counting(stack(6, 7, 8, 9))
    image = Image.wrap(data, axes)
    assert data.read == 0
    image.read_plane(3)
    assert data.read == np.prod(image.plane_shape)


@pytest.mark.parametrize(("rgb", "samples"), [("luminance", 4), ("channels", 1)])
def test_colour_reads_only_its_pixels(rgb, samples):
    data = Counting(stack(6, 7, 8, 4))
    image = Image.wrap(data, "TYXS", rgb=rgb)
    image.read_plane(2)
    assert data.read == 7 * 8 * samples


def test_dask_computes_only_the_chunk_of_the_plane():
    da = pytest.importorskip("dask.array")
    touched = []

    def block(block_info=None):
        place = block_info[None]["chunk-location"]
        touched.append(place)
        return np.full((1, 1, 64, 64), place[0] + place[1], np.uint16)

    data = da.map_blocks(block, chunks=((1,) * 8, (1,) * 4, (64,), (64,)), dtype=np.uint16)
    plane = Image.wrap(data, "TZYX").read_plane(4 * 5 + 3)
    assert set(touched) == {(5, 3, 0, 0)}
    assert (plane == 8).all()


def test_dask_stack_larger_than_memory():
    da = pytest.importorskip("dask.array")
    huge = da.ones((4096, 4096, 8, 4096), chunks=(4096, 4096, 1, 1), dtype=np.uint16)  # 1 TiB
    assert (Image.wrap(huge, "XYZT").read_plane(9_999) == 1).all()


def test_zarr_reads_only_the_chunk_of_the_plane(tmp_path):
    zarr = pytest.importorskip("zarr")
    array = zarr.create_array(tmp_path / "a.zarr", shape=(3, 8, 9), chunks=(1, 8, 9), dtype="uint16")
    array[:] = stack(3, 8, 9)
    broken = tmp_path / "a.zarr" / "c" / "0" / "0" / "0"
    broken.write_bytes(b"broken")
    image = Image.wrap(zarr.open_array(tmp_path / "a.zarr", mode="r"))
    np.testing.assert_array_equal(image.read_plane(2), stack(3, 8, 9)[2])
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever zarr says; the broken chunk is now needed
        image.read_plane(0)


@pytest.mark.parametrize("pack", [list, tuple, MultiScale])
def test_multiscale_takes_the_largest_level(pack):
    levels = [stack(2, 16, 16), stack(2, 8, 8), stack(2, 4, 4)]
    image = Image.wrap(pack(levels))
    assert image.shape == (2, 16, 16)
    assert image.data is levels[0]


def test_a_list_of_planes_is_no_pyramid():
    with pytest.raises(DiffuscopeError, match=r"numpy\.stack"):
        Image.wrap([stack(4, 4), stack(4, 4)])


def test_nested_lists_of_numbers():
    np.testing.assert_array_equal(Image.wrap([[1, 2], [3, 4]]).read_plane(0), [[1, 2], [3, 4]])


def test_luminance_is_rec_709_without_alpha():
    data = np.zeros((2, 2, 4), np.uint8)
    data[0, 0, 0] = data[0, 1, 1] = data[1, 0, 2] = data[1, 1, 3] = 200
    image = Image.wrap(data, "YXS")
    assert (image.axes, image.shape) == ("YX", (2, 2))
    np.testing.assert_allclose(image.read_plane(0), [[42.52, 143.04], [14.44, 0.0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("axes", "becomes"), [("YXS", "CYX"), ("SYX", "CYX"), ("TYXS", "TCYX"), ("ZYXS", "CZYX")]
)
@pytest.mark.parametrize("colours", [3, 4])
def test_colours_as_channels(axes, becomes, colours):
    lengths = {"T": 2, "Z": 2, "Y": 5, "X": 6, "S": colours}
    data = stack(*(lengths[letter] for letter in axes))
    image = Image.wrap(data, axes, rgb="channels")
    expected = np.einsum(f"{axes.lower()}->{becomes.lower().replace('c', 's')}", data)
    expected = np.take(expected, range(3), axis=becomes.index("C"))
    assert image.axes == becomes
    assert image.channel_count == 3
    np.testing.assert_array_equal(np.asarray(image.data), expected)


def test_scale_of_a_colour_image_may_leave_the_colour_axis_out():
    data = np.zeros((3, 4, 5, 3), np.uint8)
    for scale in ((2.0, 0.5, 0.25), (2.0, 0.5, 0.25, 1.0)):
        image = Image.wrap(data, "ZYXS", scale=scale, units=("um",) * 3, rgb="channels")
        assert (image.axes, image.scale) == ("CZYX", (1.0, 2.0, 0.5, 0.25))
        assert image.units == ("pixel", "um", "um", "um")


def test_flipped_layers_have_a_positive_pixel_size():
    assert Image.wrap(stack(4, 5), scale=(-0.2, 0.2)).scale == (0.2, 0.2)


def test_wrapping_an_image_again_keeps_what_it_knows():
    image = Image.wrap(stack(3, 4, 5), "CYX", scale=(1, 2, 3), units=("pixel", "um", "um"))
    assert Image.wrap(image) is image
    changed = Image.wrap(image, scale=(1, 5, 5))
    assert (changed.axes, changed.scale, changed.units) == ("CYX", (1, 5, 5), image.units)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.uint32, np.float16, ">f4", np.float64])
def test_pixel_types(dtype):
    data = (np.arange(12).reshape(3, 4) % 2).astype(dtype)
    plane = Image.wrap(data).read_plane(0)
    assert plane.dtype == np.float32
    assert plane.dtype.isnative
    np.testing.assert_array_equal(plane, np.arange(12).reshape(3, 4) % 2)


@pytest.mark.parametrize(
    ("data", "options", "sentence"),
    [
        (np.zeros((0, 4)), {}, "no pixels"),
        (np.zeros((0, 4)), {"axes": "YX"}, "no pixels"),
        (np.zeros(4), {}, "two dimensions"),
        (np.float64(3), {}, "two dimensions"),
        (np.zeros((1,) * 6), {}, "2 to 5 dimensions"),
        (np.zeros((4, 4), complex), {}, "complex128"),
        (np.zeros((4, 4), object), {}, "object"),
        (np.zeros((4, 4), "U3"), {}, "cannot be used"),
        (np.zeros((3, 4, 4)), {"axes": "QYX"}, "'Q'"),
        (np.zeros((3, 4, 4)), {"axes": "YX"}, "has 3"),
        (np.zeros((3, 4)), {"axes": "ZYX"}, "has 2"),
        (np.zeros((3, 4, 4)), {"axes": "YYX"}, "twice"),
        (np.zeros((3, 4, 4)), {"axes": "TZX"}, "lack Y"),
        (np.zeros((3, 4, 4)), {"axes": "TCZ"}, "lack Y and X"),
        (np.zeros((4, 4)), {"scale": (1.0,)}, "scale"),
        (np.zeros((4, 4)), {"scale": (0.0, 1.0)}, "positive"),
        (np.zeros((4, 4)), {"scale": (np.nan, 1.0)}, "positive"),
        (np.zeros((4, 4)), {"units": ("um",) * 3}, "units"),
        (np.zeros((4, 4, 2)), {"axes": "YXS"}, "length 2"),
        (np.zeros((4, 4, 3)), {"axes": "YXS", "rgb": "hue"}, "'hue'"),
        (np.zeros((2, 4, 4, 3)), {"axes": "CYXS", "rgb": "channels"}, "luminance"),
        ([], {}, "two dimensions"),
        (MultiScale.__new__(MultiScale), {}, "no levels"),
        ([[1, 2], [3]], {}, "equally long rows"),
    ],
)
def test_refusals_are_one_sentence(data, options, sentence):
    if isinstance(data, MultiScale):
        data.levels, data.shapes = [], ()
    with pytest.raises(DiffuscopeError, match=sentence) as caught:
        Image.wrap(data, **options)
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
    assert ". " not in text


def test_an_image_itself_wants_planes_last():
    with pytest.raises(DiffuscopeError, match="end in YX"):
        Image(stack(4, 5, 3), "YXC")


def test_images_need_no_heavy_library():
    modules = ", ".join(
        f"napari_diffuscope.imaging.{name}" for name in ("image", "intensity", "tiles", "memory")
    )
    code = f"import sys, {modules}; print([name for name in {HEAVY} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_position_of_the_first_pixel():
    data = np.zeros((4, 5, 3))
    assert Image.wrap(data, "YXC").translate == (0.0, 0.0, 0.0)
    image = Image.wrap(data, "YXC", translate=(1, 2, 0))
    assert (image.axes, image.translate) == ("CYX", (0.0, 1.0, 2.0))
    assert Image.wrap(image, scale=(1, 0.5, 0.5)).translate == image.translate
    assert Image.wrap(data, "YXS", translate=(1, -2)).translate == (1.0, -2.0)
    with pytest.raises(DiffuscopeError, match="translate"):
        Image(data, "CYX", translate=(1.0,))
