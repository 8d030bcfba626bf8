"""The command line with files that hold several images: what is read is said, recorded and repeated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_diffuscope import compare, restore
from napari_diffuscope.cli import main
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.imaging.tiff import read_record
from tests.methods.shape_models import disc, write_tiny
from tests.methods.superres_models import write_tiny as write_slices


def run_command(*arguments: str | Path) -> int:
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).poisson(200, shape).astype(np.uint16)


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """A plane before a stack, each an image of its own."""
    path = tmp_path / "scan.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(noise(24, 32), metadata={"axes": "YX", "Name": "overview"})
        writer.write(noise(3, 40, 48), photometric="minisblack", metadata={"axes": "ZYX", "Name": "cell"})
    return path


def test_the_image_that_is_read_is_said_recorded_and_repeated(
    scan: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command("restore", scan, tmp_path / "a.tif", "--model", tiny_model, "--quiet") == 0
    said = capsys.readouterr().err
    assert said.startswith("Note: 'scan.ome.tif' holds 2 images; series 1")
    assert len(said.splitlines()) == 1
    record = read_record(tmp_path / "a.tif")
    assert record["input"]["series"] == 1
    assert record["messages"] == [said.strip().removeprefix("Note: ")]

    chosen = ("restore", scan, tmp_path / "b.tif", "--model", tiny_model, "--series", "0", "--quiet")
    assert run_command(*chosen) == 0
    assert capsys.readouterr().err == ""
    first = np.asarray(open_image(tmp_path / "b.tif").data)
    np.testing.assert_array_equal(first, restore(scan, series=0, model=str(tiny_model)).restored)
    assert first.shape == (24, 32)

    assert run_command("repeat", tmp_path / "b.tif", tmp_path / "c.tif", "--quiet") == 0
    np.testing.assert_array_equal(np.asarray(open_image(tmp_path / "c.tif").data), first)
    assert run_command("restore", scan, tmp_path / "d.tif", "--model", tiny_model, "--series", "2") == 1
    assert not (tmp_path / "d.tif").exists()


def test_volumes_and_shapes_of_a_chosen_image(scan: Path, tmp_path: Path) -> None:
    slices, shapes = write_slices(tmp_path / "slices"), write_tiny(tmp_path / "shapes")
    filled = ("superres", scan, tmp_path / "a.tif", "--model", slices, "--zoom", "2", "--quiet")
    assert run_command(*filled, "--series", "1") == 0
    assert open_image(tmp_path / "a.tif").shape == (5, 40, 48)

    labels = disc((70, 80), (34.5, 39.5), 18).astype(np.uint8)
    for name, plane in (("cells.tif", noise(70, 80)), ("labels.tif", labels)):
        with tifffile.TiffWriter(tmp_path / name) as writer:
            writer.write(noise(90, 99), metadata=None)
            writer.write(plane, metadata=None)
    predict = ["shape", tmp_path / "cells.tif", tmp_path / "out", "--labels", tmp_path / "labels.tif",
               "--model", shapes, "--quiet", "--series", "1", "--labels-series", "1"]  # fmt: skip
    assert run_command(*predict) == 0
    assert (tmp_path / "out" / "features.csv").exists()


def test_a_stopped_acquisition_is_restored_as_far_as_it_goes(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, path = noise(3, 40, 48), tmp_path / "stopped.ome.tif"
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels ID="Pixels:0" '
        'DimensionOrder="XYZCT" Type="uint16" SizeX="48" SizeY="40" SizeZ="9" SizeC="1" SizeT="1">'
        '<Channel ID="Channel:0" SamplesPerPixel="1"/><TiffData/></Pixels></Image></OME>'
    )
    tifffile.imwrite(path, data, photometric="minisblack", metadata=None, description=xml)
    for name, planes in (("all", []), ("some", ["--planes", "0:3"])):
        command = ("restore", path, tmp_path / f"{name}.tif", "--model", tiny_model, "--quiet", *planes)
        assert run_command(*command) == 0
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("Note: 'stopped.ome.tif' is not complete")
        image = open_image(tmp_path / f"{name}.tif")
        assert image.shape == (3, 40, 48)
        assert np.isfinite(np.asarray(image.data)).all()


def test_a_scene_is_chosen_by_its_name_recorded_and_repeated(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip(
        "pylibCZIrw", reason='the reader is missing: pip install "napari-diffuscope[formats]"'
    )
    from tests.imaging.microscope_files import write_czi

    scenes = [noise(1, 1, 1, 24, 32), noise(1, 1, 1, 40, 32)]
    source = write_czi(tmp_path / "two.czi", scenes, names=["left", "right"], channels=["DAPI"])
    options = ("--model", tiny_model, "--quiet")
    assert run_command("restore", source, tmp_path / "a.tif", *options, "--scene", "left") == 0
    assert capsys.readouterr().err == ""
    result = open_image(tmp_path / "a.tif")
    assert (result.shape, result.scale) == ((24, 32), (0.1, 0.1))
    record = read_record(tmp_path / "a.tif")["input"]
    assert (record["series"], record["scene"], record["source"]) == (0, "left", str(source))
    first = np.asarray(result.data)
    np.testing.assert_array_equal(first, restore(source, scene="left", model=str(tiny_model)).restored)
    assert run_command("repeat", tmp_path / "a.tif", tmp_path / "b.tif", "--quiet") == 0
    np.testing.assert_array_equal(np.asarray(open_image(tmp_path / "b.tif").data), first)
    assert run_command("restore", source, tmp_path / "c.tif", *options) == 0
    assert "series 1 ('right' 40 x 32) is read, the largest" in capsys.readouterr().err
    for wrong in (("--scene", "middle"), ("--scene", "left", "--series", "0")):
        assert run_command("restore", source, tmp_path / "d.tif", *options, *wrong) == 1
        assert not (tmp_path / "d.tif").exists()


def test_compare_and_pairs_take_a_scene_of_files_that_hold_several(
    scan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tifffile.imwrite(tmp_path / "plain.tif", noise(24, 32))
    words = ("compare", scan, tmp_path / "plain.tif", "--measures", "mae", "--quiet")
    assert run_command(*words, "--scene", "overview") == 0
    said = capsys.readouterr()
    assert "| plain | 0" in said.out, said
    assert run_command(*words, "--scene", "nothing") == 1
    assert "has no scene 'nothing'" in capsys.readouterr().err
    table = compare(scan, tmp_path / "plain.tif", series=0, measures=("mae",))
    assert table["plain"]["mae"] == pytest.approx(0, abs=1e-6)
    optics = ("--numerical-aperture", "1.3", "--wavelength", "670", "--photons", "100", "--pixel-size", "0.1")
    assert run_command("pairs", scan, "--out", tmp_path / "pairs", *optics, "--scene", "overview") == 0
    [high] = (tmp_path / "pairs" / "high").iterdir()
    assert open_image(high).shape == (24, 32)
