"""NumPy files: parts of large ones, and files that change or break."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_diffuscope import DiffuscopeError
from napari_diffuscope.imaging.blocks import read_block
from napari_diffuscope.imaging.files import open_image

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["u1", ">u2", "<f4", "<f8", "bool"])
@pytest.mark.parametrize("shape", [(5, 7), (3, 5, 7), (2, 3, 5, 7)])
def test_every_part_is_what_numpy_reads(
    tmp_path: Path, order: str, dtype: str, shape: tuple[int, ...]
) -> None:
    pixels = np.asarray(RNG.integers(0, 200, shape).astype(dtype), order=order)  # type: ignore[call-overload]
    np.save(tmp_path / "a.npy", pixels)
    data = open_image(tmp_path / "a.npy").data
    assert data.dtype == np.dtype(dtype).newbyteorder("=")
    n = len(shape) - 2
    for index in [
        (..., slice(None), slice(None)),
        (*[1] * n, slice(1, 4), slice(2, 3)),
        (*[slice(0, 2)] * n, slice(None, None, 2), slice(1, None, 3)),
        (*[-1] * n, 2, slice(None)),
        (*[0] * n, 4, 6),
        (slice(2, 2), ...),
    ]:
        np.testing.assert_array_equal(np.asarray(data[index]), pixels[index])


def test_a_part_of_a_large_file_reads_little(tmp_path: Path) -> None:
    path = tmp_path / "sparse.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f4", "fortran_order": False, "shape": (200_000, 200_000)}
        )
        start = file.tell()
        file.seek(start + 4 * 200_000 * 100_000)
        file.write(np.arange(200_000, dtype="<f4").tobytes())
        file.truncate(start + 4 * 200_000**2)
    image = open_image(path)
    part = read_block(image, (slice(99_999, 100_002), slice(500, 504)))
    np.testing.assert_array_equal(part, [[0] * 4, [500, 501, 502, 503], [0] * 4])
    with pytest.raises(DiffuscopeError, match=r"sparse\.npy.*memory"):
        image.read_plane(0)


def test_a_file_that_is_cut_while_it_is_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "cut.npy"
    np.save(path, np.zeros((4, 512, 512)))
    script = (
        "import os, sys; from napari_diffuscope.imaging.files import open_image\n"
        "image = open_image(sys.argv[1]); os.truncate(sys.argv[1], 200)\n"
        "image.read_plane(3)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, "the process was ended by a signal"
    assert "DiffuscopeError" in done.stderr.splitlines()[-1]
    assert "cut.npy" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("damage", ["head", "short", "object", "pipe", "huge"])
def test_damaged_files_are_told(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "bad.npy"
    np.save(path, np.zeros((4, 4)))
    match damage:
        case "head":
            path.write_bytes(b"\x93NUMPY\x09\x00" + path.read_bytes()[8:])
        case "short":
            os.truncate(path, 150)
        case "object":
            np.save(path, np.array([[{}, 1], [2, 3]], dtype=object), allow_pickle=True)
        case "pipe":
            path.unlink()
            os.mkfifo(path)
        case "huge":
            path.write_bytes(path.read_bytes().replace(b"(4, 4), }", b"(9999999999, 99999999999), }")[:200])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DiffuscopeError, match=r"bad\.npy"):
        open_image(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
