"""Zarr folders as they come: images inside others, axes by their names, damage, pipes and absurd chunks."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.codecs import GzipCodec

from napari_diffuscope import DiffuscopeError, Image
from napari_diffuscope.imaging.files import open_image

PIXELS = np.arange(3 * 8 * 8, dtype=np.uint16).reshape(3, 8, 8)
SPACE = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]


def ome(path: Path, axes: list[dict[str, str]], scale: list[float], pixels: np.ndarray = PIXELS) -> Path:
    """An OME-Zarr image."""
    image = {
        "axes": axes,
        "datasets": [
            {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}]},
        ],
    }
    group = zarr.open_group(path, mode="w", attributes={"ome": {"version": "0.5", "multiscales": [image]}})
    group.create_array("0", shape=pixels.shape, dtype=pixels.dtype, chunks=(1, 8, 8))[:] = pixels
    return path


def plain(path: Path, **options: Any) -> Path:
    array = zarr.create_array(path, shape=PIXELS.shape, dtype=PIXELS.dtype, chunks=(1, 8, 8), **options)
    array[:] = PIXELS
    return path


def sentence(action: Callable[[], object], name: str) -> str:
    """What an action ends in, within ten seconds."""
    caught: list[BaseException] = []

    def act() -> None:
        try:
            action()
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive(), "it hangs"
    assert [type(error) for error in caught] == [DiffuscopeError], caught
    text = str(caught[0])
    assert name in text
    assert len(text) <= 300
    assert text.endswith(".")
    return text


def all_of(image: Image) -> np.ndarray:
    return np.stack([image.read_plane(flat) for flat in range(image.plane_count)])


def test_images_inside_of_others_open_by_their_path(tmp_path: Path) -> None:
    plate = zarr.open_group(tmp_path / "plate.zarr", mode="w")
    plate.attrs["ome"] = {"version": "0.5", "plate": {"wells": [{"path": "A/1"}, {"path": "B/2"}]}}
    plate.create_group("A/1").attrs["ome"] = {"well": {"images": [{"path": "0"}]}}
    plate.create_group("B/2")
    ome(tmp_path / "plate.zarr" / "A" / "1" / "0", SPACE, [0.5, 0.1, 0.1])
    image = open_image(tmp_path / "plate.zarr" / "A" / "1" / "0")
    np.testing.assert_array_equal(all_of(image), PIXELS)
    assert (image.axes, image.scale, image.name) == ("ZYX", (0.5, 0.1, 0.1), "plate A 1 0")
    assert "plate.zarr/A/1/0'" in sentence(lambda: open_image(tmp_path / "plate.zarr"), "plate.zarr")
    assert not open_image(tmp_path / "plate.zarr" / "A" / "1").notes
    ome(tmp_path / "plate.zarr" / "A" / "1" / "1", SPACE, [0.5, 0.1, 0.1])
    (note,) = open_image(tmp_path / "plate.zarr" / "A" / "1").notes
    assert "holds 2 images; series 0" in note

    group = zarr.open_group(tmp_path / "group.zarr", mode="w")
    for name in ("raw", "mask"):
        group.create_array(name, shape=(8, 8), dtype="u1")[:] = 7
    np.testing.assert_array_equal(open_image(tmp_path / "group.zarr" / "raw").read_plane(0), 7)
    assert "choose one inside it" in sentence(lambda: open_image(tmp_path / "group.zarr"), "group.zarr")
    plain(tmp_path / "without ending")
    np.testing.assert_array_equal(all_of(open_image(tmp_path / "without ending")), PIXELS)


@pytest.mark.parametrize(
    ("names", "axes"),
    [
        (["time", "y", "x"], "TYX"),
        (["Frames", "row", "col"], "TYX"),
        (["channel", "height", "width"], "CYX"),
        (["depth", "Y", "X"], "ZYX"),
        (["y", "x", "time"], "TYX"),
        (["position", "y", "x"], "ZYX"),  # without a meaning here: the first free letter
        (["dim_0", "dim_1", "dim_2"], "ZYX"),
    ],
)
def test_names_of_axes_are_read_as_what_they_are(tmp_path: Path, names: list[str], axes: str) -> None:
    plain(tmp_path / "a.zarr", dimension_names=names)
    assert open_image(tmp_path / "a.zarr").axes == axes
    array = zarr.create_array(tmp_path / "b.zarr", shape=PIXELS.shape, dtype="u2", zarr_format=2)
    array.attrs["_ARRAY_DIMENSIONS"] = names
    assert open_image(tmp_path / "b.zarr").axes == axes


def test_kinds_of_axes_go_before_their_names(tmp_path: Path) -> None:
    space = [{"name": name, "type": "space"} for name in ("dorsal", "lateral")]
    for kind, letter in (("time", "T"), ("channel", "C")):
        path = ome(tmp_path / f"{kind}.zarr", [{"name": "q", "type": kind}, *space], [2.0, 0.1, 0.2])
        image = open_image(path)
        assert (image.axes, image.scale) == (letter + "YX", (2.0, 0.1, 0.2))


@pytest.mark.parametrize("scale", [[0.1, 0.1], [], [0.1] * 4, [float("nan")] * 3, [0, 1, 1]])
def test_a_wrong_scale_is_told(tmp_path: Path, scale: list[float]) -> None:
    path = ome(tmp_path / "short.ome.zarr", SPACE, scale)
    assert "scale" in sentence(lambda: open_image(path), "short.ome.zarr")


@pytest.mark.parametrize("damage", [b"", b"\0", b"rubbish" * 30], ids=["empty", "byte", "rubbish"])
@pytest.mark.parametrize("codec", ["auto", GzipCodec(), None], ids=["zstd", "gzip", "none"])
def test_damaged_chunks_are_told(tmp_path: Path, damage: bytes, codec: Any) -> None:
    path = plain(tmp_path / "bad.zarr", compressors=codec)
    chunk = path / "c" / "1" / "0" / "0"
    chunk.write_bytes(damage)
    image = open_image(path)
    np.testing.assert_array_equal(image.read_plane(0), PIXELS[0])
    sentence(lambda: image.read_plane(1), "bad.zarr")
    array = Image.wrap(zarr.open_array(path), name="bad.zarr")  # an array that a caller opened
    sentence(lambda: array.read_plane(1), "bad.zarr")


def test_pipes_devices_and_circles_among_the_files_are_refused(tmp_path: Path) -> None:
    path = plain(tmp_path / "odd.zarr")
    for flat, make in enumerate((os.mkfifo, lambda p: p.symlink_to("/dev/zero"), lambda p: p.symlink_to(p))):
        chunk = path / "c" / str(flat) / "0" / "0"
        chunk.unlink()
        make(chunk)
    image = open_image(path)
    assert "pipe" in sentence(lambda: image.read_plane(0), "odd.zarr")
    assert "device" in sentence(lambda: image.read_plane(1), "odd.zarr")
    sentence(lambda: image.read_plane(2), "odd.zarr")
    (path / "zarr.json").unlink()
    os.mkfifo(path / "zarr.json")
    sentence(lambda: open_image(path), "odd.zarr")


@pytest.mark.parametrize(
    "change",
    [
        {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [0, 8, 8]}}},
        {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [10**6, 10**6, 8]}}},
        {"shape": [10**30, 8, 8]},
        {"shape": [-3, 8, 8]},
        {"shape": []},
        {"data_type": "complex64"},
        {"codecs": []},
        {"codecs": [{"name": "rot13"}]},
        {"fill_value": "word"},
        {"dimension_names": 3},
    ],
    ids=lambda change: str(change)[:60],
)
def test_absurd_arrays_end_in_a_sentence(tmp_path: Path, change: dict[str, Any]) -> None:
    path = plain(tmp_path / "absurd.zarr")
    file = path / "zarr.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    sentence(lambda: open_image(path).read_plane(0), "absurd.zarr")


def test_a_plane_larger_than_memory_is_refused_at_once(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "wide.zarr", shape=(10**6, 10**6), dtype="f4", chunks=(64, 64))
    assert "memory" in sentence(lambda: open_image(tmp_path / "wide.zarr").read_plane(0), "wide.zarr")


@pytest.mark.parametrize(
    "address", ["https://uk1s3.embassy.ebi.ac.uk/idr/zarr/6001240.zarr", "s3://bucket/a.zarr"]
)
def test_addresses_are_called_addresses(address: str) -> None:
    for given in (address, Path(address)):
        assert address in sentence(lambda given=given: open_image(given), address)  # type: ignore[misc]
