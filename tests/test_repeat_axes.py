"""Axes typed by hand are stated in the record and used when a result is repeated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_diffuscope import restore
from napari_diffuscope.cli import main
from napari_diffuscope.imaging.tiff import read_record

RUN = ("--planes", "0,1", "--quiet")


def called(*words: object) -> int:
    """Exit code of the command."""
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("shape", "axes", "more"),
    [
        ((20, 20, 20), "YZX", ()),
        ((20, 20, 20), "XYZ", ()),
        ((20, 24, 3), "YXS", ("--rgb", "channels")),
        ((3, 20, 24), "SYX", ("--rgb", "channels")),
        ((2, 3, 20, 24), "TCYX", ()),
        ((4, 20, 24), "TYX", ()),
    ],
)
def test_a_result_of_typed_axes_is_repeated(
    tmp_path: Path, shape: tuple[int, ...], axes: str, more: tuple[str, ...]
) -> None:
    pixels = np.random.default_rng(0).poisson(np.linspace(50, 400, int(np.prod(shape)))).reshape(shape)
    np.save(tmp_path / "in.npy", pixels.astype(np.uint16))
    once, again = tmp_path / "once.tif", tmp_path / "again.tif"
    assert called("restore", tmp_path / "in.npy", once, "--axes", axes, *more, *RUN) == 0
    record = read_record(once)
    assert record is not None
    assert record["axes"] == axes
    assert called("repeat", once, again, "--quiet") == 0
    np.testing.assert_array_equal(tifffile.imread(once), tifffile.imread(again))


def test_python_states_the_same_axes() -> None:
    pixels = np.random.default_rng(0).poisson(100, (6, 20, 20)).astype(np.uint16)
    assert restore(pixels, axes="TYX", planes=0).record["axes"] == "TYX"
    assert "axes" not in restore(pixels, planes=0).record
