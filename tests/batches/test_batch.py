"""Many images with one command: all that can be done is done, and the rest is told."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_diffuscope.batches.job import batch_job
from napari_diffuscope.batches.plan import planned
from napari_diffuscope.batches.settings import BatchSettings
from napari_diffuscope.cli import main
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.tiff import write_image
from napari_diffuscope.jobs import Update, run
from napari_diffuscope.methods.registry import METHODS
from napari_diffuscope.methods.running import run_method
from tests.fuzz.models import write_restoration
from tests.methods.shape_models import disc, write_tiny
from tests.methods.toys import BRIGHTEN, STRIPES, BrightenSettings


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    for method in (BRIGHTEN, STRIPES):
        METHODS.add(method)
    yield
    for method in (BRIGHTEN, STRIPES):
        METHODS.remove(method.name)


def picture(number: int) -> np.ndarray:
    return np.random.default_rng(number).poisson(40, (3, 20, 24)).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images, one that is damaged, and notes."""
    place = tmp_path / "raw"
    place.mkdir()
    for number, name in enumerate(("a.tif", "b.ome.tif", "c.tif")):
        pixels = picture(number)
        image = Image(pixels, "ZYX", scale=(0.5, 0.1, 0.1), units=("µm",) * 3)
        write_image(place / name, pixels, image)
    (place / "broken.tif").write_bytes(b"II*\0 nothing")
    (place / "notes.txt").write_text("Tuesday")
    return place


def called(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "batch.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_is_worked_through_whatever_lies_in_it(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert called("brighten", folder, out, "--gain", 3) == 1
    said = capfd.readouterr().err
    assert "notes.txt" in said
    assert "4 images: 3 done, 1 failed" in said
    assert said.strip().splitlines()[-1] == "diffuscope: 1 of 4 images failed (broken.tif)."
    for number, name in enumerate("abc"):
        made = open_image(out / f"{name}.tif")
        np.testing.assert_array_equal(made.data[:], run_method(BRIGHTEN, picture(number), gain=3.0).bright)
        assert made.scale == pytest.approx((0.5, 0.1, 0.1))
    rows = table(out)
    assert [row["state"] for row in rows] == ["done", "done", "failed", "done"]
    assert "broken.tif" in rows[2]["message"]
    assert sorted(path.name for path in out.iterdir()) == ["a.tif", "b.tif", "batch.csv", "c.tif"]


def test_what_is_there_stays_and_is_told(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken.tif").unlink()
    out = tmp_path / "out"
    assert called("brighten", folder, out, "--gain", 3) == 0
    before = (out / "a.tif").read_bytes()
    (out / "b.tif").unlink()
    capfd.readouterr()
    assert called("brighten", folder, out, "--gain", 4) == 0
    assert "1 done, 2 there already" in capfd.readouterr().err
    assert (out / "a.tif").read_bytes() == before
    assert "other settings" in table(out)[0]["message"]
    assert called("brighten", folder, out, "--gain", 4, "--overwrite") == 0
    np.testing.assert_array_equal(
        open_image(out / "a.tif").data[:], run_method(BRIGHTEN, picture(0), gain=4.0).bright
    )
    assert called("brighten", folder, out, "--gain", 4) == 0
    assert {row["message"] for row in table(out)} == {""}


def test_several_files_patterns_and_names(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = [
        "brighten",
        folder / "a.tif",
        folder / "[bc].*",
        out,
        "--pattern",
        "{method}-{number}-{name}.ome.zarr",
    ]
    assert called(*words) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "batch.csv",
        "brighten-1-a.ome.zarr",
        "brighten-2-b.ome.zarr",
        "brighten-3-c.ome.zarr",
    ]
    np.testing.assert_array_equal(
        open_image(out / "brighten-3-c.ome.zarr").data[:], run_method(BRIGHTEN, picture(2)).bright
    )


def test_one_image_into_a_folder_that_exists(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    assert called("brighten", folder / "a.tif", out) == 0
    assert (out / "a.tif").is_file()


def test_folders_in_folders_keep_their_order_and_results_are_not_taken_for_images(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    for place in ("day 1", "day 2/late"):
        (raw / place).mkdir(parents=True)
        tifffile.imwrite(raw / place / "cells.tif", picture(0)[0], photometric="minisblack")
    assert called("brighten", raw, raw / "out", "--recursive") == 0
    assert called("brighten", raw, raw / "out", "--recursive") == 0
    assert [row["state"] for row in table(raw / "out")] == ["there already"] * 2
    assert (raw / "out" / "day 2" / "late" / "cells.tif").is_file()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["{folder}", "{out}.tif"], "go into a folder"),
        (["{folder}/*.png", "{out}"], "No file is called"),
        (["{folder}", "{out}", "--pattern", "{date}.tif"], "{{name}}, {{folder}}"),
        (["{folder}", "{out}", "--pattern", "same.tif"], "both become same.tif"),
        (["{folder}", "{out}", "--pattern", "{"], "is not understood"),
        (["{folder}", "{out}", "--json", "r.json"], "names one file"),
        (["{folder}/notes.txt", "{folder}/notes.txt", "{folder}/a.tif"], "go into a folder"),
        (["{folder}/none", "{folder}/a.tif", "{out}"], "1 of 2 images failed (none)"),
    ],
)
def test_what_cannot_begin_is_one_sentence(
    words: list[str], sentence: str, folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    places = {"{folder}": str(folder), "{out}": str(tmp_path / "out")}
    plain = []
    for word in words:
        for hole, place in places.items():
            word = word.replace(hole, place)
        plain.append(word)
    assert called("brighten", *plain) == 1
    said = capfd.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("diffuscope: ")
    assert sentence.replace("{{", "{").replace("}}", "}") in said
    assert len(said) < 320
    assert (folder / "a.tif").is_file()


def test_an_empty_folder_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert called("brighten", tmp_path / "empty", tmp_path / "out") == 1
    assert "There are no images in" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_method_without_an_image_has_no_batch(tmp_path: Path) -> None:
    with pytest.raises(DiffuscopeError, match="works on no images"):
        planned(STRIPES, [tmp_path], tmp_path / "out", STRIPES.settings())


def test_progress_is_over_all_images_and_within_each(folder: Path, tmp_path: Path) -> None:
    plan = planned(BRIGHTEN, [folder / "a.tif", folder / "c.tif"], tmp_path / "out", BrightenSettings())
    seen: list[Update] = []
    run(batch_job(plan, BrightenSettings()), seen.append)
    shares = [update.done / update.total for update in seen]
    assert shares == sorted(shares)
    second = next(n for n, update in enumerate(seen) if update.message.startswith("c.tif"))
    assert shares[second] == pytest.approx(0.5, abs=0.1)
    assert any(0.0 < share < 0.4 for share in shares)
    assert any(0.6 < share < 1.0 for share in shares)
    assert {"a.tif (1 of 2)", "c.tif (2 of 2)"} <= {update.message for update in seen}


def test_stopped_in_the_middle_it_goes_on_to_the_same_bits(folder: Path, tmp_path: Path) -> None:
    (folder / "broken.tif").unlink()
    calm, out = tmp_path / "calm", tmp_path / "out"
    run(batch_job(planned(BRIGHTEN, [folder], calm, BrightenSettings()), BrightenSettings()))
    plan = planned(BRIGHTEN, [folder], out, BrightenSettings())

    def stop(update: Update) -> None:
        if update.done / update.total > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(batch_job(plan, BrightenSettings()), stop)
    assert (out / "a.tif").is_file()
    assert not (out / "c.tif").exists()
    report = run(batch_job(plan, BrightenSettings()))
    assert [row.state for row in report.rows] == ["there already", "done", "done"]
    for name in "abc":
        np.testing.assert_array_equal(
            open_image(out / f"{name}.tif").data[:], open_image(calm / f"{name}.tif").data[:]
        )


def test_restoring_a_folder_loads_the_model_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_diffuscope import restore
    from napari_diffuscope.weights import shelf

    model = write_restoration(tmp_path / "model")
    loads: list[Any] = []
    load = shelf.load_model
    monkeypatch.setattr(shelf, "load_model", lambda *what, **how: loads.append(what) or load(*what, **how))
    out = tmp_path / "out"
    assert called("restore", folder, out, "--model", model, "--mode", "mean", "--samples", 2) == 1
    assert len(loads) == 1
    expected = restore(folder / "c.tif", model=str(model), mode="mean", samples=2)
    np.testing.assert_array_equal(open_image(out / "c.tif").data[:], expected.restored)
    np.testing.assert_array_equal(open_image(out / "c_deviation.tif").data[:], expected.deviation)


@pytest.mark.parametrize("labels", ["masks", "masks/{name}.tif"])
def test_shapes_of_a_folder_take_labels_of_equal_names(labels: str, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "masks").mkdir()
    for number, name in enumerate(("one", "two", "three")):
        marks = np.zeros((48, 48), np.uint8)
        marks[disc(marks.shape, (24, 24), 9 + number)] = 1
        if name != "three":
            tifffile.imwrite(tmp_path / "masks" / f"{name}.tif", marks)
        tifffile.imwrite(tmp_path / "raw" / f"{name}.tif", (20 + 40 * marks).astype(np.uint8))
    out = tmp_path / "out"
    words = ["shape", tmp_path / "raw", out, "--labels", tmp_path / labels, "--pixel-size", 0.1]
    assert called(*words, "--model", write_tiny(tmp_path / "model"), "--mode", "estimate") in (0, 1)
    states = {row["image"].rsplit("/", 1)[-1]: row["state"] for row in table(out)}
    assert states == {"one.tif": "done", "two.tif": "done", "three.tif": "failed"}
    assert (out / "one" / "features.csv").is_file()


def test_the_settings_of_a_batch_are_checked() -> None:
    assert BatchSettings(pattern="{name}.tif").pattern == "{name}.tif"
    with pytest.raises(DiffuscopeError, match="may hold"):
        BatchSettings(pattern="{0}")


def test_python_gives_the_same(folder: Path, tmp_path: Path) -> None:
    from napari_diffuscope import run_batch

    report = run_batch("brighten", str(folder), tmp_path / "out", gain=3.0)
    assert [row.state for row in report.rows] == ["done", "done", "failed", "done"]
    np.testing.assert_array_equal(
        open_image(tmp_path / "out" / "a.tif").data[:], run_method(BRIGHTEN, picture(0), gain=3.0).bright
    )
    with pytest.raises(DiffuscopeError, match="no method 'polish'"):
        run_batch("polish", folder, tmp_path / "out")


def test_a_plate_is_a_folder_of_images_whose_names_stay_in_the_results(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from tests.imaging.test_zarr_scenes import plate

    fields = plate(tmp_path / "raw" / "plate.ome.zarr", "0.5")
    source, out = tmp_path / "raw" / "plate.ome.zarr", tmp_path / "out"
    assert called("brighten", source, out, "--quiet") == 0
    names = {f"plate_{name.replace('/', '_')}.tif": pixels for name, pixels in fields.items()}
    assert {each.name for each in out.glob("*.tif")} == set(names)
    for name, pixels in names.items():
        expected = run_method(BRIGHTEN, pixels, axes="ZYX").bright
        np.testing.assert_array_equal(np.asarray(open_image(out / name).data), expected)
    assert [row["image"] for row in table(out)] == [str(source / name) for name in fields]

    assert called("brighten", tmp_path / "raw", tmp_path / "again", "--quiet") == 0
    assert {each.name for each in (tmp_path / "again").glob("*.tif")} == set(names)
    assert called("brighten", source, tmp_path / "one.tif", "--quiet", "--scene", "B/2/0") == 0
    one = run_method(BRIGHTEN, source, scene="B/2/0").bright
    np.testing.assert_array_equal(np.asarray(open_image(tmp_path / "one.tif").data), one)
    capfd.readouterr()
    assert called("brighten", source, tmp_path / "two.tif", "--quiet") == 1
    assert "choose one with --scene A/1/0" in capfd.readouterr().err
    assert called("brighten", source, tmp_path / "two.tif", "--scene", "B/2/7") == 1
    assert "no scene 'B/2/7'" in capfd.readouterr().err


def test_the_table_opens_in_excel_and_in_python(folder: Path, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    assert called("brighten", folder / "a.tif", folder / "c.tif", tmp_path / "plain", "--quiet") == 0
    assert (tmp_path / "plain" / "batch.csv").read_bytes().startswith(b"number,image")
    (folder / "a.tif").rename(folder / "Präparat 5 µm.tif")
    assert called("brighten", folder, tmp_path / "out", "--quiet") == 1
    content = (tmp_path / "out" / "batch.csv").read_bytes()
    assert content.startswith("\ufeffnumber,image".encode()), "without it Excel takes UTF-8 for Windows-1252"
    assert "Präparat 5 µm.tif" in content.decode("utf-8-sig")
    read = pandas.read_csv(tmp_path / "out" / "batch.csv")
    assert next(iter(read.columns)) == "number"
    assert sum("5 µm.tif" in name for name in read["image"]) == 1


def test_what_does_nothing_is_told_once_and_not_of_every_image(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken.tif").unlink()
    model = write_restoration(tmp_path / "model")
    assert called("restore", folder, tmp_path / "out", "--model", model, "--steps", 3, "--quiet") == 0
    assert capfd.readouterr().err.count("does nothing in 'estimate'") == 1
    assert not any("does nothing" in row["message"] for row in table(tmp_path / "out"))
