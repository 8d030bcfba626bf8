"""Nothing that is not ours is replaced or removed, and every output is checked before the work begins."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_diffuscope import DiffuscopeError
from napari_diffuscope.imaging.blocks import VolumeSpec, open_sink
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.outputs import check_outputs
from napari_diffuscope.imaging.tiff import write_image
from tests.outputs.conftest import contents, hidden
from tests.recipes import small_recipe

RECIPE = small_recipe('kind = "pairs"\nfolder = "{folder}"\nvalidation = 2')


@pytest.fixture
def training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with pairs, a recipe for them, a thesis, and a model that somebody has made."""
    home = tmp_path / "home"
    rng = np.random.default_rng(0)
    for part, noise in (("low", 20), ("high", 1)):
        (home / "pairs" / part).mkdir(parents=True)
        for number in range(2):
            y, x = np.mgrid[:40, :40]
            image = 200 + 90 * np.sin(x / (3 + number)) * np.cos(y / 5) + rng.normal(0, noise, x.shape)
            tifffile.imwrite(home / "pairs" / part / f"{number}.tif", image.astype(np.float32))
    (home / "recipe.toml").write_text(RECIPE.format(folder=(home / "pairs").as_posix()))
    (home / "thesis").mkdir()
    (home / "thesis" / "thesis.txt").write_text("precious")
    (home / "file.txt").write_text("precious")
    monkeypatch.chdir(home)
    return home


@pytest.mark.parametrize(
    "places",
    [
        ["--out", "pairs"],
        ["--out", "pairs/low"],
        ["--out", "thesis"],
        ["--out", "."],
        ["--out", ".."],
        ["--out", "file.txt"],
        ["--out", "file.txt/model"],
        ["--out", "run", "--run", "run"],
        ["--out", "new", "--run", "new/run"],
        ["--out", "link"],
        ["--run", "pairs"],
        ["--run", "file.txt"],
        ["--run", "elsewhere"],
        ["--run", "logged"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_training_replaces_nothing(
    training: Path, command: Any, places: list[str], overwrite: bool
) -> None:
    for name in ("elsewhere", "logged"):
        (training / name).mkdir()
    (training / "elsewhere" / "recipe.toml").write_text('name = "by hand"\n')
    (training / "logged" / "log.csv").write_text("date,sample\n1,2\n")
    (training / "link").symlink_to(training / "thesis")
    before, folders = contents(training), set(training.rglob("*"))
    words = ["train", "recipe.toml", "--device", "cpu", "--workers", "0", *places]
    assert command(*words, *["--overwrite"] * overwrite) == 1, command.said
    assert contents(training) == before
    assert set(training.rglob("*")) == folders


def test_a_model_is_replaced_with_overwrite_alone(training: Path, command: Any) -> None:
    words = ["train", "recipe.toml", "--device", "cpu", "--workers", "0", "--out", "model"]
    assert command(*words, "--run", "one") == 0, command.said
    first = contents(training / "model")
    assert command(*words, "--run", "two") == 1
    assert "--overwrite" in command.said
    assert not (training / "two").exists()
    assert contents(training / "model") == first
    (training / "model" / "thesis.txt").write_text("precious")
    assert command(*words, "--run", "two", "--overwrite") == 1
    assert "thesis.txt" in command.said
    (training / "model" / "thesis.txt").unlink()
    (training / "recipe.toml").write_text((training / "recipe.toml").read_text() + "seed = 5\n")
    assert command(*words, "--run", "two", "--overwrite") == 0, command.said
    assert contents(training / "model").keys() == first.keys()
    assert contents(training / "model") != first
    assert hidden(training) == []
    assert command("models", "info", training / "model") == 0


def test_a_recipe_in_the_folder_of_its_training_stays_as_it_was_written(training: Path, command: Any) -> None:
    (training / "run").mkdir()
    recipe = training / "run" / "recipe.toml"
    recipe.write_text("# mine\n" + (training / "recipe.toml").read_text())
    before = recipe.read_text()
    assert command("train", recipe, "--device", "cpu", "--workers", "0", "--run", "run") == 0, command.said
    assert recipe.read_text() == before


def test_a_record_never_replaces_an_input(
    stack: Path, tmp_path: Path, slices_model: str, shapes_model: str, cells: tuple[Path, Path], command: Any
) -> None:
    image, labels = cells
    os.link(stack, tmp_path / "hard.ome.tif")
    (tmp_path / "soft.ome.tif").symlink_to(stack)
    before = contents(tmp_path)
    superres = [
        "superres",
        stack,
        tmp_path / "out.ome.zarr",
        "--model",
        slices_model,
        "--overwrite",
        "--json",
    ]
    shape = ["shape", image, tmp_path / "shapes", "--labels", labels, "--model", shapes_model, "--overwrite"]
    for words in (
        [*superres, stack],
        [*superres, tmp_path / "hard.ome.tif"],
        [*superres, tmp_path / "soft.ome.tif"],
        [*superres, f"{slices_model}/record.json"],
        [*superres, tmp_path / "out.ome.zarr" / "record.json"],
        [*shape, "--json", labels],
        [*shape, "--json", image],
        [*shape, "--json", tmp_path / "shapes" / "record.json"],
        [*shape, "--json", tmp_path / "no" / "record.json"],
        ["restore", stack, tmp_path / "hard.ome.tif", "--overwrite"],
        ["restore", stack, tmp_path / "out.tif", "--overwrite", "--json", stack],
    ):
        assert command(*words) == 1, words
        assert contents(tmp_path) == before


def test_a_record_that_exists_is_replaced_with_overwrite_alone(
    stack: Path, tmp_path: Path, slices_model: str, command: Any
) -> None:
    record = tmp_path / "record.json"
    record.write_text("precious")
    words = ["superres", stack, tmp_path / "out.tif", "--model", slices_model, "--json", record]
    assert command(*words) == 1
    assert "--overwrite" in command.said
    assert record.read_text() == "precious"
    assert not (tmp_path / "out.tif").exists()
    assert command(*words, "--overwrite") == 0, command.said
    assert json.loads(record.read_text())["method"] == "superres"


def test_nothing_is_written_into_an_image_that_is_a_folder(
    stack: Path, tmp_path: Path, slices_model: str, command: Any
) -> None:
    volume = tmp_path / "volume.ome.zarr"
    assert command("superres", stack, volume, "--model", slices_model) == 0, command.said
    before = contents(tmp_path)
    for out in ("x.ome.zarr", "0/x.ome.zarr", "new.tif"):
        assert command("superres", volume, volume / out, "--model", slices_model, "--zoom", "2") == 1
        assert "inside" in command.said
    assert command("superres", volume, volume, "--model", slices_model, "--zoom", "2", "--overwrite") == 1
    assert command("restore", stack, volume / "x.tif") == 1
    assert command("repeat", volume, volume / "y.tif") == 1
    assert contents(tmp_path) == before


def test_of_folders_only_our_own_images_are_replaced(
    stack: Path, tmp_path: Path, slices_model: str, command: Any
) -> None:
    import zarr

    ours, plate = tmp_path / "ours.ome.zarr", tmp_path / "plate.zarr"
    spec = VolumeSpec((4, 8, 8), "ZYX", dtype="uint16")
    with open_sink(ours, spec, {}) as sink:
        from tests.imaging.test_blocks_sink import fill

        fill(sink, np.ones((4, 8, 8), np.uint16))
        sink.finish()
    zarr.create_group(plate).create_array("raw", shape=(4, 8, 8), dtype="uint16")
    words = ["--model", slices_model, "--overwrite"]
    before = contents(plate)
    assert command("superres", stack, plate, *words) == 1
    assert contents(plate) == before
    (ours / "labels").mkdir()
    (ours / "labels" / "by-hand.txt").write_text("precious")
    assert command("superres", stack, ours, *words) == 1
    assert (ours / "labels" / "by-hand.txt").read_text() == "precious"
    shutil.rmtree(ours / "labels")
    assert command("superres", stack, ours, *words) == 0, command.said


def test_shapes_replace_only_shapes(
    cells: tuple[Path, Path], tmp_path: Path, shapes_model: str, command: Any
) -> None:
    image, labels = cells
    words = ["shape", image, tmp_path / "out", "--labels", labels, "--model", shapes_model]
    (tmp_path / "out").mkdir()
    for name in ("1.tif", "features.csv", "record.json", "1.stl"):
        precious = tmp_path / "out" / name
        precious.write_text('{"precious": true}')
        for more in (["--overwrite"], ["--resume"], ["--overwrite", "--mesh", "stl"]):
            if name != "1.stl" or "stl" in more:
                assert command(*words, *more) == 1, (name, more)
                assert contents(tmp_path / "out") == {precious: b'{"precious": true}'}
        precious.unlink()
    (tmp_path / "out" / "notes.txt").write_text("beside it")
    assert command(*words, "--overwrite") == 0, command.said
    assert command(*words, "--overwrite", "--threshold", "half") == 0, command.said
    assert (tmp_path / "out" / "notes.txt").read_text() == "beside it"
    taken = tmp_path / "out" / f"{tifffile.imread(labels).max()}.tif"
    tifffile.imwrite(taken, tifffile.imread(labels))
    again = [
        "shape",
        image,
        tmp_path / "out",
        "--labels",
        taken,
        "--model",
        shapes_model,
    ]
    before = contents(tmp_path)
    assert command(*again, "--overwrite") == 1
    assert contents(tmp_path) == before


@pytest.mark.parametrize("kind", ["restoration", "superres"])
def test_an_evaluation_takes_no_folder_of_something_else(tmp_path: Path, command: Any, kind: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    image = np.random.default_rng(0).poisson(30, (12, 32, 32)).astype(np.uint16)
    tifffile.imwrite(data / "image.tif", image, metadata={"axes": "ZYX"})
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "summary.md").write_text("precious")
    (tmp_path / "file").write_text("precious")
    before = contents(tmp_path)
    given = data if kind == "restoration" else data / "image.tif"
    for out in (data, tmp_path / "thesis", tmp_path / "file", tmp_path / "file" / "in"):
        assert command("evaluate", kind, given, "--out", out) == 1
        assert contents(tmp_path) == before
    assert hidden(tmp_path) == []


def test_models_are_not_imported_over_something(tmp_path: Path, slices_model: str, command: Any) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.txt").write_text("precious")
    words = ["models", "import", slices_model, "--out"]
    assert command(*words, tmp_path / "thesis", "--overwrite") == 1
    assert contents(tmp_path) == {tmp_path / "thesis" / "thesis.txt": b"precious"}
    assert command(*words, slices_model, "--overwrite") == 1
    assert command(*words, Path(slices_model) / "copy") == 1
    assert command(*words, tmp_path / "model") == 0, command.said
    assert command(*words, tmp_path / "model") == 1
    assert "--overwrite" in command.said
    assert command(*words, tmp_path / "model", "--overwrite") == 0, command.said
    assert hidden(tmp_path) == []


def test_states_of_a_sampler_do_not_take_the_place_of_something(
    stack: Path, tmp_path: Path, slices_model: str, command: Any
) -> None:
    for name in (".out.tif.states", ".out.tif.partial"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.txt").write_text("precious")
        words = ["--model", slices_model, "--mode", "sample", "--steps", "2", "--overwrite"]
        assert command("superres", stack, tmp_path / "out.tif", *words) == 1
        assert contents(tmp_path / name) == {tmp_path / name / "thesis.txt": b"precious"}
        shutil.rmtree(tmp_path / name)
        assert hidden(tmp_path) == []


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    class Slow:
        shape, dtype = (2, 8, 8), np.dtype("float32")

        def __getitem__(self, place: Any) -> np.ndarray:
            (tmp_path / "out.tif").write_text("from elsewhere")
            return np.zeros((8, 8), np.float32)

    like = Image(np.zeros((2, 8, 8), np.float32), "ZYX")
    with pytest.raises(DiffuscopeError, match="appeared"):
        write_image(tmp_path / "out.tif", Slow(), like, overwrite=False)
    assert (tmp_path / "out.tif").read_text() == "from elsewhere"
    assert hidden(tmp_path) == []
    with pytest.raises(DiffuscopeError, match="exists"):
        write_image(tmp_path / "out.tif", like.data, like, overwrite=False)


def test_a_folder_that_may_not_be_written_to_is_said_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    for places in ({"files": [tmp_path / "a.tif"]}, {"files": [], "folders": [tmp_path / "new" / "folder"]}):
        with pytest.raises(DiffuscopeError, match="may not be written to"):
            check_outputs(inputs=[], **places)
