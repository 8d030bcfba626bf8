"""Plates, wells and other collections in OME-Zarr: one of their images is chosen, as of any file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.files import list_series, open_image

VERSIONS = pytest.mark.parametrize("version", ["0.4", "0.5"])


def describe(path: Path, version: str, **entries: Any) -> Any:
    """A group with attributes of OME-Zarr."""
    group = zarr.open_group(path, mode="a", zarr_format=2 if version == "0.4" else 3)
    if version == "0.4":
        group.attrs.update(entries)
    else:
        group.attrs["ome"] = {"version": version, **entries}
    return group


def field(path: Path, version: str, pixels: np.ndarray, name: str | None = None) -> np.ndarray:
    """An image of axes ZYX, one channel of which has a name."""
    axes = [{"name": letter, "type": "space", "unit": "micrometer"} for letter in "zyx"]
    scale = [{"type": "scale", "scale": [0.5, 0.2, 0.2]}]
    one = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}], "version": version}
    group = describe(path, version, multiscales=[one | ({"name": name} if name else {})])
    group.create_array("0", shape=pixels.shape, dtype=pixels.dtype)[:] = pixels
    return pixels


def stack(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 200, shape or (2, 16, 18)).astype(np.uint8)


def plate(path: Path, version: str) -> dict[str, np.ndarray]:
    """Two wells of two fields; a third one in which nothing was recorded."""
    wells = [
        {"path": f"{row}/{column}", "rowIndex": 0, "columnIndex": 0} for row, column in ("A1", "B2", "C3")
    ]
    describe(path, version, plate={"wells": wells, "rows": [], "columns": []})
    pixels = {}
    for number, well in enumerate(("A/1", "B/2")):
        describe(path / well, version, well={"images": [{"path": "0"}, {"path": "1"}]})
        for image in "01":
            pixels[f"{well}/{image}"] = field(path / well / image, version, stack(2 * number + int(image)))
    return pixels


@VERSIONS
def test_a_field_of_a_plate_is_chosen_by_name_number_or_path(tmp_path: Path, version: str) -> None:
    path = tmp_path / "plate.ome.zarr"
    fields = plate(path, version)
    with pytest.raises(
        DiffuscopeError, match=r"a plate of 4 images \(A/1/0, A/1/1, B/2/0, …\); choose one with scene"
    ):
        open_image(path)
    assert [one.name for one in list_series(path)] == list(fields)
    for number, (name, pixels) in enumerate(fields.items()):
        for image in (open_image(path, series=name), open_image(path, series=number)):
            assert (image.series, image.scene, image.source) == (number, name, str(path))
            assert image.name == "plate " + name.replace("/", " ")
            np.testing.assert_array_equal(np.asarray(image.data), pixels)
        inner = open_image(path / name)
        assert (inner.scale, inner.scene, inner.notes) == ((0.5, 0.2, 0.2), "", ())
        np.testing.assert_array_equal(np.asarray(inner.data), pixels)
    with pytest.raises(DiffuscopeError, match="no scene 'D/4/0'; it has 0: 'A/1/0'"):
        open_image(path, series="D/4/0")
    (note,) = open_image(path / "B" / "2").notes
    assert "'2' holds 2 images; series 0 ('0' 2 x 16 x 18) is read, the first of the largest" in note


@VERSIONS
def test_of_series_of_bioformats2raw_the_largest_is_taken_and_said(tmp_path: Path, version: str) -> None:
    path = tmp_path / "slide.zarr"
    describe(path, version, **{"bioformats2raw.layout": 3})
    describe(path / "OME", version, series=["label", "scan"])
    field(path / "label", version, stack(0))
    scan = field(path / "scan", version, stack(1, 3, 32, 20))
    image = open_image(path)
    np.testing.assert_array_equal(np.asarray(image.data), scan)
    assert (image.series, image.scene) == (1, "scan")
    assert "series 1 ('scan' 3 x 32 x 20) is read, the largest" in image.notes[0]
    assert open_image(path, series="label").shape == (2, 16, 18)


def test_groups_of_images_and_several_descriptions_of_one_group(tmp_path: Path) -> None:
    group = tmp_path / "raw.zarr"
    describe(group, "0.5")
    one, other = field(group / "first", "0.5", stack(0)), field(group / "second", "0.5", stack(1))
    with pytest.raises(DiffuscopeError, match=r"a group of 2 images \(first, second\)"):
        open_image(group)
    np.testing.assert_array_equal(np.asarray(open_image(group, series="second").data), other)
    np.testing.assert_array_equal(np.asarray(open_image(group, series=0).data), one)

    twice = tmp_path / "twice.zarr"
    field(twice, "0.5", stack(2), name="sharp")
    described = dict(zarr.open_group(twice).attrs["ome"])
    zarr.open_group(twice).create_array("soft", shape=(2, 8, 9), dtype="u1")[:] = 5
    soft = described["multiscales"][0] | {"name": "soft", "datasets": [{"path": "soft"}]}
    zarr.open_group(twice).attrs["ome"] = described | {"multiscales": [*described["multiscales"], soft]}
    assert open_image(twice, series="soft").shape == (2, 8, 9)
    assert "0: 'sharp'" not in open_image(twice).notes[0]
    assert "1: 'soft' 2 x 8 x 9" in open_image(twice).notes[0]


@pytest.mark.parametrize("well", ["../secret", "/etc", "A//1", "A\\1"])
def test_a_plate_does_not_lead_out_of_itself(tmp_path: Path, well: str) -> None:
    field(tmp_path / "secret", "0.5", stack(0))
    describe(tmp_path / "plate.zarr", "0.5", plate={"wells": [{"path": well}]})
    with pytest.raises(DiffuscopeError, match="no place inside"):
        open_image(tmp_path / "plate.zarr", series=0)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"attributes": {"ome": {"plate": {"wells": 7}}}}'])
def test_metadata_that_make_no_sense_end_in_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "plate.zarr").mkdir()
    (tmp_path / "plate.zarr" / "zarr.json").write_text(text)
    for act in (open_image, list_series):
        with pytest.raises(DiffuscopeError, match="plate"):
            act(tmp_path / "plate.zarr")
