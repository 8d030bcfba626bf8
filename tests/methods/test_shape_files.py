"""Shapes on the command line: files, table, surfaces, and what cannot be done in one sentence."""

from __future__ import annotations

import csv
import json
import re
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_diffuscope import ShapeSettings, predict_shapes
from napari_diffuscope.cli import main
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.imaging.tiff import read_record
from napari_diffuscope.measure.shapes.features import FEATURES
from napari_diffuscope.methods.commands import command_line
from napari_diffuscope.methods.shape import cell_job
from napari_diffuscope.methods.shape.destination import ShapeDestination
from napari_diffuscope.methods.shape.method import SHAPE, ShapeStoring
from napari_diffuscope.methods.shape.settings import SHAPE_MODES
from tests.methods.shape_models import SIDE, three_cells, write_tiny


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny(tmp_path_factory.mktemp("models") / "tiny-shapes"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("in")
    image, labels = three_cells()
    metadata = {"axes": "YX", "PhysicalSizeX": 0.2, "PhysicalSizeY": 0.2}
    tifffile.imwrite(folder / "cells.ome.tif", image, ome=True, metadata=metadata)
    tifffile.imwrite(folder / "labels.tif", labels)
    return folder / "cells.ome.tif", folder / "labels.tif"


def command(*words: Any) -> int:
    try:
        main([*map(str, words)])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def rows_of(folder: Path) -> dict[int, dict[str, str]]:
    with (folder / "features.csv").open(encoding="utf-8", newline="") as file:
        return {int(row["label"]): row for row in csv.DictReader(file)}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_every_cell_becomes_a_volume_and_a_row(tiny: str, files: tuple[Path, Path], tmp_path: Path) -> None:
    image, labels = files
    out = tmp_path / "new" / "shapes"
    words = ("--model", tiny, "--mode", "ensemble", "--samples", 2, "--steps", 2)
    assert (
        command("shape", image, "--labels", labels, out, *words, "--probability", "--mesh", "stl", "-q") == 0
    )
    kinds = (".stl", ".tif", "_deviation.tif", "_probability.tif")
    volumes = [f"{label}{kind}" for label in (1, 7) for kind in kinds]
    assert names(out) == sorted([*volumes, "features.csv", "record.json"])
    expected = predict_shapes(image, labels, model=tiny, mode="ensemble", samples=2, steps=2)
    written = open_image(out / "7.tif")
    assert np.array_equal(written.data[:, :, :], expected[7].occupied)
    assert (written.dtype, written.axes, written.units) == (np.uint8, "ZYX", ("micrometer",) * 3)
    np.testing.assert_allclose(written.scale, (expected[7].voxel_size,) * 3, rtol=1e-6)
    assert np.array_equal(open_image(out / "7_probability.tif").data[:, :, :], expected[7].probability)
    assert np.array_equal(open_image(out / "7_deviation.tif").data[:, :, :], expected[7].deviation)
    rows = rows_of(out)
    assert list(rows) == [1, 4, 7]
    for name in FEATURES:
        assert float(rows[7][name]) == expected[7].features[name]
        assert float(rows[7][f"{name}_sd"]) == expected[7].spread[name]
    assert float(rows[7]["mask_agreement"]) == expected[7].mask_agreement
    assert float(rows[7]["origin_z"]) == expected[7].origin[0]
    assert "border" in rows[4]["complaint"]
    assert rows[4]["volume"] == ""
    record = json.loads((out / "record.json").read_text())
    assert record["settings"]["samples"] == 2
    assert list(record["refused"]) == ["4"]
    assert record["labels"]["source"] == str(labels)


def test_surfaces_lie_where_the_cells_lie(tiny: str, files: tuple[Path, Path], tmp_path: Path) -> None:
    """Vertices of the OBJ file are x, y, z in µm, within the window of the cell."""
    out = tmp_path / "shapes"
    assert (
        command("shape", *files[:1], "--labels", files[1], out, "--model", tiny, "--mesh", "obj", "-q") == 0
    )
    lines = (out / "7.obj").read_text().splitlines()
    places = np.array([line.split()[1:] for line in lines if line.startswith("v ")], float)
    cell = json.loads((out / "record.json").read_text())["cells"][1]
    low = np.array(cell["origin"][::-1])
    assert (places >= low - cell["voxel_size"]).all()
    assert (places <= low + SIDE * cell["voxel_size"]).all()


def test_the_folder_is_not_written_over_by_mistake(
    tiny: str, files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("keep")
    words = ("shape", files[0], "--labels", files[1], tmp_path, "--model", tiny, "--only", "7")
    assert command(*words) == 1
    assert "not empty" in capsys.readouterr().err
    assert command(*words, "--overwrite") == 0
    assert names(tmp_path) == ["7.tif", "features.csv", "notes.txt", "record.json"]
    assert "Wrote 1 shape into" in capsys.readouterr().err
    assert command("shape", files[0], "--labels", files[1], tmp_path / "notes.txt", "--model", tiny) == 1
    assert "is a file" in capsys.readouterr().err


def test_stopped_it_leaves_whole_cells(
    tiny: str, files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = cell_job._measured

    def stopping(work: Any, cell: Any, *words: Any) -> Any:
        if cell.label == 7:
            raise KeyboardInterrupt
        return measured(work, cell, *words)

    monkeypatch.setattr(cell_job, "_measured", stopping)
    out = tmp_path / "shapes"
    assert command("shape", files[0], "--labels", files[1], out, "--model", tiny, "-q") == 130
    assert names(out) == ["1.tif", "features.csv"]
    assert list(rows_of(out)) == [1]


def test_where_no_cell_has_a_shape_the_command_fails_and_the_table_says_why(
    tiny: str, files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("shape", files[0], "--labels", files[1], tmp_path / "a", "--model", tiny, "--only", "4", "-q")
    assert command(*words) == 1
    assert "all 1 cells were refused" in capsys.readouterr().err
    assert "border" in rows_of(tmp_path / "a")[4]["complaint"]


def test_a_volume_can_be_made_again_from_its_record(
    tiny: str, files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--model", tiny, "--mode", "sample", "--steps", 2, "--seed", 3)
    assert command("shape", files[0], "--labels", files[1], tmp_path / "a", *words, "-q") == 0
    record = read_record(tmp_path / "a" / "7.tif")
    assert record is not None
    assert (record["method"], record["cell"]["label"]) == ("shape", 7)
    assert command("repeat", tmp_path / "a" / "7.tif", tmp_path / "b", "-q") == 0
    assert names(tmp_path / "b") == ["7.tif", "features.csv", "record.json"]
    first, again = (tifffile.imread(tmp_path / name / "7.tif") for name in "ab")
    assert np.array_equal(first, again)
    assert (
        command("repeat", tmp_path / "a" / "7.tif", tmp_path / "c", "--input", files[1], "-q") == 0
    )  # it fits
    assert command("repeat", tmp_path / "a" / "1.tif", tmp_path / "d", "--labels", tmp_path / "no.tif") == 1
    assert "no.tif" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--labels", "IMAGE.png"), 1, "IMAGE.png"),
        (("--labels", "LABELS", "--mode", "mean"), 2, "mean"),
        (("--labels", "LABELS", "--mesh", "xyz"), 2, "xyz"),
        (("--labels", "LABELS", "--only", "3-5"), 2, "3-5"),
        (("--labels", "LABELS", "--only", "99"), 1, "no label 99"),
        (("--labels", "LABELS", "--plane", "2"), 1, "does not exist"),
        (("--labels", "LABELS", "--window", "plane"), 1, "cannot be the window itself"),
        (("--labels", "LABELS", "--model", "none"), 1, "no model 'none'"),
        ((), 2, "--labels"),
    ],
)
def test_wrong_words_get_one_sentence(
    tiny: str,
    files: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    given = [str(files[1]) if word == "LABELS" else word for word in words]
    model = () if "--model" in words else ("--model", tiny)
    assert command("shape", files[0], tmp_path / "out", *model, *given, "-q") == code
    assert said in re.sub(r"[\s│]+", " ", capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_the_copied_command_gives_the_same_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every option is understood by the command line, with its value."""
    settings = ShapeSettings(
        model="a model",
        mode="ensemble",
        samples=3,
        steps=7,
        solver="ddim",
        seed=5,
        threshold="otsu",
        largest=False,
        match_mask=True,
        anyway=True,
        window="plane",
        plane=4,
        pixel_size=0.25,
        defects="ignore",
        device="cpu",
        batch=2,
    )
    assert all(getattr(settings, f.name) != getattr(ShapeSettings(), f.name) for f in fields(settings))
    text = command_line(
        SHAPE,
        ["my image.tif", "my labels.tif"],
        "out",
        settings,
        axes="TYX",
        further=[ShapeStoring(only=(3, 8))],
    )
    program, *words = shlex.split(text)
    assert program == "diffuscope"
    seen: list[Any] = []
    for name in ("open_image", "open_labels"):
        monkeypatch.setattr(f"napari_diffuscope.imaging.files.{name}", lambda *given, **_: given[0])

    class Looked(ShapeDestination):
        def __init__(self, method: Any, inputs: Any, settings: Any, output: Any, **how: Any) -> None:
            seen.append((inputs["image"], inputs["labels"], settings, how["storing"]))
            raise DiffuscopeError("Nothing is predicted here.")

    monkeypatch.setattr("napari_diffuscope.methods.shape.destination.ShapeDestination", Looked)
    with pytest.raises(SystemExit):
        main(words)
    ((image, labels, chosen, storing),) = seen
    assert (str(image), str(labels), chosen) == ("my image.tif", "my labels.tif", settings)
    assert storing == ShapeStoring(only=(3, 8))
    assert words[-2:] == ["--only", "3,8"]
    assert command_line(SHAPE, ["i", "l"], "o", ShapeSettings()) == "diffuscope shape i o --labels l"


def test_every_mode_and_option_is_explained_with_its_default() -> None:
    text = (Path(__file__).parents[2] / "docs" / "shape.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE)
    explained = {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}
    assert set(SHAPE_MODES) <= explained
    assert {field.name for field in fields(ShapeSettings)} <= explained
    options = text.split("## Options")[1]
    for name in (
        "model",
        "mode",
        "samples",
        "seed",
        "threshold",
        "largest",
        "match_mask",
        "anyway",
        "window",
    ):
        (cell,) = re.findall(rf"^\| `{name}` \| ([^|]+) \|", options, re.MULTILINE)
        assert cell.strip("` ") == str(getattr(ShapeSettings(), name))


def test_an_interrupted_run_goes_on_where_it_was(
    tiny: str, files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, labels = files
    words = ["--labels", labels, "--model", tiny, "--mode", "ensemble", "--samples", 2]
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert command("shape", image, whole, *words, "--quiet") == 0
    assert command("shape", image, out, *words, "--only", 7, "--quiet") == 0
    before = (out / "7.tif").stat().st_mtime_ns
    (out / "features.csv").unlink()  # a process that was killed writes no table
    assert command("shape", image, out, *words) == 1
    assert "add --resume to go on in it" in capsys.readouterr().err
    assert command("shape", image, out, *words, "--resume") == 0
    assert "Wrote 2 shapes" in (said := capsys.readouterr().err)
    assert "1 of them earlier" in said
    assert (out / "7.tif").stat().st_mtime_ns == before
    assert names(out) == names(whole)
    assert rows_of(out) == rows_of(whole)
    assert np.array_equal(tifffile.imread(out / "1.tif"), tifffile.imread(whole / "1.tif"))
    record = json.loads((out / "record.json").read_text(encoding="utf-8"))
    assert [cell["label"] for cell in record["cells"]] == [1, 7]
    assert command("shape", image, out, *words, "--resume", "--only", "1,7") == 0
    assert "All shapes are in" in capsys.readouterr().err
    assert command("shape", image, out, *words, "--resume", "--probability", "--quiet") == 0
    (out / "1.tif").unlink()  # killed while a cell was written: its volume is what comes last
    (out / "1_deviation.tif").unlink()
    assert command("shape", image, out, *words, "--resume", "--probability", "--quiet") == 0
    assert {"1.tif", "1_deviation.tif", "7_deviation.tif"} <= set(names(out))
    assert command("shape", image, out, *words, "--resume", "--mesh", "stl", "--quiet") == 0
    assert {"1.stl", "7.stl"} <= set(names(out))


@pytest.mark.parametrize("changed", [["--seed", 1], ["--mode", "sample"]])
def test_shapes_that_were_made_otherwise_are_not_mixed_in(
    tiny: str,
    files: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changed: list[Any],
) -> None:
    image, labels = files
    words = [image, tmp_path / "out", "--labels", labels, "--model", tiny, "--quiet"]
    assert command("shape", *words) == 0
    assert command("shape", *words, "--resume", *changed) == 1
    assert "with other settings" in capsys.readouterr().err
    other = write_tiny(tmp_path / "other" / "tiny-shapes", deviation_scale=2.0)
    tensors = tmp_path / "other" / "tiny-shapes" / "weights.safetensors"
    assert tensors.exists()
    assert command("shape", *words, "--resume", "--model", other) == 1
    assert "by another model" in capsys.readouterr().err
