"""Axes and units of files with their own ideas of names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.axes import known_axes
from napari_diffuscope.imaging.files import image_of
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.units import same_length, to_micrometres, unit_name


@pytest.mark.parametrize(
    ("names", "shape", "kept", "letters"),
    [
        ("QYX", (5, 6, 7), (0, 1, 2), "ZYX"),
        ("IYX", (5, 6, 7), (0, 1, 2), "ZYX"),
        ("QQYX", (4, 5, 6, 7), (0, 1, 2, 3), "TZYX"),
        ("QQQYX", (3, 4, 5, 6, 7), (0, 1, 2, 3, 4), "TCZYX"),
        ("QZYX", (4, 5, 6, 7), (0, 1, 2, 3), "TZYX"),
        ("TQYX", (4, 5, 6, 7), (0, 1, 2, 3), "TZYX"),
        ("TCZYX", (1, 3, 1, 6, 7), (1, 3, 4), "CYX"),
        ("TCZYXS", (1, 1, 1, 1, 1, 1), (3, 4), "YX"),
        ("YXS", (6, 7, 3), (0, 1, 2), "YXS"),
        (["t", "angle", "y", "x"], (2, 1, 6, 7), (0, 2, 3), "TYX"),
        (["angle", "y", "x"], (2, 6, 7), (0, 1, 2), "ZYX"),
    ],
)
def test_axes_of_files(names, shape, kept, letters):
    assert known_axes(list(names), shape) == (kept, letters)


def test_more_axes_than_letters():
    with pytest.raises(DiffuscopeError, match="say what they are"):
        known_axes(list("AHTCZYX"), (2,) * 7)


@pytest.mark.parametrize(
    "text",
    [
        "µm",
        "μm",
        "um",
        "UM",
        "micron",
        "microns",
        "micrometer",
        "micrometers",
        "micrometre",
        "\\u00B5m",
        " µm ",
    ],
)
def test_spellings_of_a_micrometre(text):
    assert unit_name(text) == "micrometer"
    assert to_micrometres(2.5, text) == 2.5


@pytest.mark.parametrize(
    ("text", "name", "length"),
    [
        ("nm", "nanometer", 0.001),
        ("Nanometers", "nanometer", 0.001),
        ("mm", "millimeter", 1000.0),
        ("cm", "centimeter", 10000.0),
        ("inch", "inch", 25400.0),
        ("Å", "angstrom", 1e-4),
        ("m", "meter", 1e6),
        ("sec", "second", None),
        ("seconds", "second", None),
        ("ms", "millisecond", None),
        ("pixels", "pixel", None),
        ("", "pixel", None),
        ("furlong", "furlong", None),
    ],
)
def test_other_units(text, name, length):
    assert unit_name(text) == name
    found = to_micrometres(1.0, text)
    assert found == (None if length is None else pytest.approx(length))


def test_lengths_that_went_through_units_are_still_the_same():
    """0.3 µm given in metres comes back as 0.30000000000000004 or as 0.3, depending on the machine's arithmetic."""
    for unit, factor in (("m", 1e-6), ("mm", 1e-3), ("nm", 1e3)):
        for length in (0.1, 0.3, 0.107, 1 / 3):
            assert same_length(to_micrometres(length * factor, unit), length)
    assert not same_length(0.1, 0.1001)
    assert not same_length(0.1, None)
    assert same_length(None, None)


@pytest.mark.parametrize(
    "axes",
    ["ZYX", "zyx", ["Z", "Y", "X"], ("z", "y", "x"), ["depth", "height", "width"], ["Z", "row", "col"]],
)
def test_axes_may_be_given_as_text_or_as_a_list(axes: Any) -> None:
    assert Image.wrap(np.zeros((2, 8, 8)), axes).axes == "ZYX"


@pytest.mark.parametrize(
    "axes",
    [True, 3, 1.5, b"ZYX", [1, 2, 3], [None, "Y", "X"], {"Z": 1}, ["thing", "y", "x"], "Q" * 5000, [["ZYX"]]],
)
def test_axes_that_are_no_letters_are_told(axes: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 8, 8)))
    for source in (np.zeros((2, 8, 8)), tmp_path / "a.npy"):
        with pytest.raises(DiffuscopeError, match=r"^.{20,300}\.$"):
            image_of(source, axes)
