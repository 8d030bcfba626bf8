"""Folders as laboratories have them: nothing is hidden by anything else, and no fault of one image stops the rest."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_diffuscope import run_batch
from napari_diffuscope.batches.job import batch_job
from napari_diffuscope.batches.plan import planned
from napari_diffuscope.batches.settings import BatchSettings
from napari_diffuscope.cli import main
from napari_diffuscope.cli.signals import Stopped, stop_if_told, stoppable
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.jobs import Update, run
from napari_diffuscope.methods import running
from napari_diffuscope.methods.registry import METHODS
from napari_diffuscope.methods.running import run_method
from napari_diffuscope.progress import TimeLeft
from tests.fuzz.models import write_restoration
from tests.methods.shape_models import disc, write_tiny
from tests.methods.toys import BRIGHTEN, BrightenSettings


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    METHODS.add(BRIGHTEN)
    yield
    METHODS.remove(BRIGHTEN.name)


def picture(number: int, edge: int = 20) -> np.ndarray:
    return np.random.default_rng(number).poisson(40, (edge, edge)).astype(np.float32)


def put(path: Path, number: int = 0, edge: int = 20) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, picture(number, edge), photometric="minisblack")
    return path


def called(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def table(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "batch.csv").open(newline="", encoding="utf-8") as file:
        return {os.path.basename(row["image"]): row for row in csv.DictReader(file)}


def made_from(path: Path, number: int) -> bool:
    return bool(np.array_equal(open_image(path).data[:], run_method(BRIGHTEN, picture(number)).bright))


def test_images_that_differ_in_their_endings_have_results_of_their_own(tmp_path: Path, capfd: Any) -> None:
    put(tmp_path / "raw/cells.tif", 1)
    put(tmp_path / "raw/cells.ome.tif", 2)
    np.save(tmp_path / "raw/other.npy", picture(3))
    assert called("brighten", tmp_path / "raw", tmp_path / "out") == 0
    assert made_from(tmp_path / "out/cells_tif.tif", 1)
    assert made_from(tmp_path / "out/cells_ome_tif.tif", 2)
    assert made_from(tmp_path / "out/other.tif", 3)
    assert "cells.tif becomes cells_tif.tif" in capfd.readouterr().err


def test_what_lies_beside_a_result_is_never_taken_for_that_of_another_image(tmp_path: Path) -> None:
    for number, name in enumerate(("x.tif", "x_deviation.tif")):
        put(tmp_path / "raw" / name, number, 16)
    how: Any = {"model": str(write_restoration(tmp_path / "model")), "mode": "mean", "samples": 2}
    report = run_batch("restore", tmp_path / "raw", tmp_path / "out", **how)
    assert [row.state for row in report.rows] == ["done", "done"]
    assert {row.result.name for row in report.rows} == {"x_tif.tif", "x_deviation_tif.tif"}
    with pytest.raises(DiffuscopeError, match=r"both become x_deviation\.tif"):
        run_batch("restore", tmp_path / "raw", tmp_path / "out", pattern="{name}.tif", **how)


def test_an_image_that_is_named_twice_is_taken_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "raw/a.tif")
    monkeypatch.chdir(tmp_path)
    words = ["raw/a.tif", "./raw/a.tif", "raw/../raw/a.tif", tmp_path / "raw/a.tif", "raw"]
    assert called("brighten", *words, "out") == 0
    assert len(table(tmp_path / "out")) == 1
    monkeypatch.chdir(tmp_path / "raw")
    assert called("brighten", ".", tmp_path / "here", "--pattern", "{folder}_{name}.tif") == 0
    assert (tmp_path / "here/raw_a.tif").is_file()


def test_a_pattern_of_files_takes_images_alone_and_no_results(tmp_path: Path, capfd: Any) -> None:
    put(tmp_path / "raw/day/a.tif")
    (tmp_path / "raw/day/notes.txt").write_text("Tuesday")
    assert called("brighten", tmp_path / "raw/day/a.tif", tmp_path / "raw/b.ome.zarr") == 0
    for _ in (1, 2):
        assert called("brighten", f"{tmp_path}/raw/**/*", tmp_path / "raw/out") == 0
        assert "notes.txt" in capfd.readouterr().err
        assert set(table(tmp_path / "raw/out")) == {"a.tif", "b.ome.zarr"}


def test_folders_that_are_not_looked_into_are_told(tmp_path: Path, capfd: Any) -> None:
    put(tmp_path / "raw/day 1/a.tif")
    assert called("brighten", tmp_path / "raw", tmp_path / "out") == 1
    assert "--recursive" in capfd.readouterr().err
    put(tmp_path / "raw/b.tif")
    assert called("brighten", tmp_path / "raw", tmp_path / "out") == 0
    assert "Not looked into: day 1." in capfd.readouterr().err


def test_results_beside_their_images_are_not_worked_on_again(tmp_path: Path, capfd: Any) -> None:
    raw = put(tmp_path / "raw/a.tif", 1).parent
    put(raw / "b.tif", 2)
    for sources in ([raw], [f"{raw}/*.tif"], None):
        words = sorted(raw.glob("*.tif")) if sources is None else sources
        assert called("brighten", *words, raw, "--pattern", "{name}_bright.tif") == 0
        assert set(table(raw)) == {"a.tif", "b.tif"}
    assert "left out: a_bright.tif, b_bright.tif" in capfd.readouterr().err
    assert made_from(raw / "b_bright.tif", 2)


@pytest.mark.parametrize("more", [[], ["--pattern", "{number}.tif", "--overwrite"]])
def test_no_result_takes_the_place_of_an_image(more: list[str], tmp_path: Path, capfd: Any) -> None:
    for number, name in enumerate(("10.tif", "2.tif")):
        put(tmp_path / name, number)
    before = [(tmp_path / name).read_bytes() for name in ("10.tif", "2.tif")]
    for words in ([tmp_path], [tmp_path / "10.tif", tmp_path / "2.tif"]):
        assert called("brighten", *words, tmp_path, *more) == 1
        assert "would take the place of the image" in capfd.readouterr().err
    assert [(tmp_path / name).read_bytes() for name in ("10.tif", "2.tif")] == before


@pytest.mark.parametrize(
    "pattern",
    ["{name:d}.tif", "{name!z}.tif", "{number:zz}.tif", "{name:>300}.tif", " ", "{name}", "{name}.png",
     "../{name}.tif", "/tmp/{name}.tif", "{name}/../../x.tif"],
)  # fmt: skip
def test_names_that_cannot_be_are_refused_before_anything_is_made(
    pattern: str, tmp_path: Path, capfd: Any
) -> None:
    put(tmp_path / "raw/a.tif")
    assert called("brighten", tmp_path / "raw", tmp_path / "out", "--pattern", pattern) == 1
    assert capfd.readouterr().err.strip().splitlines()[-1].startswith("diffuscope: ")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "more",
    [["restore", "--model", "nowhere"], ["brighten", "--axes", "QQ"], ["shape", "--labels", "nowhere"]],
)
@pytest.mark.parametrize("rehearsed", [["--dry-run"], []])
def test_what_is_wrong_with_every_image_is_told_once(
    more: list[str], rehearsed: list[str], tmp_path: Path, capfd: Any
) -> None:
    for name in "ab":
        put(tmp_path / f"raw/{name}.tif")
    assert called(more[0], tmp_path / "raw", tmp_path / "out", *more[1:], *rehearsed) == 1
    assert "a.tif" not in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_fault_that_nobody_foresaw_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    for name in "abc":
        put(tmp_path / f"raw/{name}.tif")
    record = running.begun_record

    def begun(method: Any, inputs: Any, settings: Any) -> Any:
        if "b.tif" in str(inputs["image"].source):
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied\nat line 3")
        return record(method, inputs, settings)

    monkeypatch.setattr(running, "begun_record", begun)
    assert called("brighten", tmp_path / "raw", tmp_path / "out") == 1
    assert [row["state"] for row in table(tmp_path / "out").values()] == ["done", "failed", "done"]
    assert "mat1" in table(tmp_path / "out")["b.tif"]["message"]
    assert capfd.readouterr().err.strip().endswith("1 of 3 images failed (b.tif).")


@pytest.mark.skipif(os.name != "posix", reason="names of files are text there")
def test_a_name_that_is_no_text_is_an_image_like_others(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path / "raw") + b"/z\xfc.tif"))
    try:
        put(odd, 1)
    except OSError:
        pytest.skip("this disk takes no such name")
    put(tmp_path / "raw/<b>.tif", 2)
    assert called("brighten", tmp_path / "raw", tmp_path / "out") == 0
    assert set(table(tmp_path / "out")) == {"<b>.tif", r"z\udcfc.tif"}
    assert made_from(tmp_path / "out" / odd.name, 1)
    assert called("brighten", tmp_path / "raw", tmp_path / "out", "--dry-run") == 0


def test_a_signal_that_a_library_swallowed_stops_all_the_same() -> None:
    def told() -> None:
        with stoppable():
            with suppress(BaseException):  # as libraries do that call back from C
                os.kill(os.getpid(), 15)
            stop_if_told()

    with pytest.raises(Stopped) as stopped:
        told()
    assert stopped.value.number == 15


def test_a_table_that_cannot_be_written_costs_no_image(tmp_path: Path, capfd: Any) -> None:
    for number, name in enumerate("ab"):
        put(tmp_path / f"raw/{name}.tif", number)
    (tmp_path / "out/batch.csv").mkdir(parents=True)
    assert called("brighten", tmp_path / "raw", tmp_path / "out") == 1
    assert "batch.csv' could not be written" in capfd.readouterr().err
    assert made_from(tmp_path / "out/b.tif", 1)


def test_a_folder_that_is_deleted_in_the_middle_is_made_again(tmp_path: Path) -> None:
    for number, name in enumerate("ab"):
        put(tmp_path / f"raw/{name}.tif", number)
    plan = planned(BRIGHTEN, [tmp_path / "raw"], tmp_path / "out", BrightenSettings())
    job = batch_job(
        plan, BrightenSettings(), on_row=lambda row: row.number == 1 and shutil.rmtree(tmp_path / "out")
    )
    assert [row.state for row in run(job).rows] == ["done", "done"]
    assert made_from(tmp_path / "out/b.tif", 1)
    assert set(table(tmp_path / "out")) == {"a.tif", "b.tif"}


def test_a_result_of_another_image_is_told_from_ones_own(tmp_path: Path, capfd: Any) -> None:
    for place in ("one", "two"):
        put(tmp_path / place / "a.tif")
    assert called("brighten", tmp_path / "one", tmp_path / "out") == 0
    assert called("brighten", tmp_path / "one", tmp_path / "out") == 0
    assert table(tmp_path / "out")["a.tif"]["message"] == ""
    capfd.readouterr()
    assert called("brighten", tmp_path / "two", tmp_path / "out") == 0
    assert "another image" in table(tmp_path / "out")["a.tif"]["message"]
    assert "made otherwise" in capfd.readouterr().err
    later = (tmp_path / "out/a.tif").stat().st_mtime + 60
    os.utime(tmp_path / "one/a.tif", (later, later))
    assert called("brighten", tmp_path / "one", tmp_path / "out") == 0
    assert "was changed since" in table(tmp_path / "out")["a.tif"]["message"]


def test_what_is_there_or_broken_does_not_hasten_the_end(tmp_path: Path) -> None:
    for number in range(8):
        put(tmp_path / f"raw/{number}.tif", number)
    for number in (5, 6):
        (tmp_path / f"raw/{number}.tif").write_bytes(b"II*\0" + bytes(3000))
    put(tmp_path / "raw/7.tif", 7, 40)
    out, settings = tmp_path / "out", BrightenSettings()
    run(batch_job(planned(BRIGHTEN, sorted((tmp_path / "raw").glob("[0-3]*")), out, settings), settings))
    clock, left = [0.0], list[float | None]()
    watch = TimeLeft(clock=lambda: clock[0])

    def seen(update: Update) -> None:
        clock[0] += 1.0
        left.append(watch.estimate(update.done, update.total))
        shares.append(update.done / update.total)

    shares = list[float]()
    report = run(batch_job(planned(BRIGHTEN, [tmp_path / "raw"], out, settings), settings), seen)
    assert [row.state for row in report.rows] == ["there already"] * 4 + ["done", "failed", "failed", "done"]
    assert shares == sorted(shares)
    begun_seven = shares[next(n for n, share in enumerate(shares) if share > 0.0)]
    assert begun_seven < 0.3, "4.tif is the smaller part of what is to be done"
    assert shares[-1] == pytest.approx(1.0)


def test_labels_lie_in_the_same_folders_as_their_images(tmp_path: Path, capfd: Any) -> None:
    for day in ("d1", "d2"):
        put(tmp_path / "raw" / day / "c.tif")
        put(tmp_path / "masks" / day / "c.tif")
    choices = BatchSettings(recursive=True)
    shape = METHODS["shape"]

    def labels(where: str) -> list[Path]:
        others = {"labels": str(tmp_path / where)}
        plan = planned(
            shape, [tmp_path / "raw"], tmp_path / "out", shape.settings(), choices=choices, others=others
        )
        return [item.others["labels"] for item in plan.items]

    assert labels("masks") == [tmp_path / f"masks/{day}/c.tif" for day in ("d1", "d2")]
    braces = put(tmp_path / "c{1}.tif")
    assert labels("c{1}.tif") == [braces, braces]
    (tmp_path / "masks/d2/c.tif").unlink()
    words = [
        "shape",
        tmp_path / "raw",
        tmp_path / "out",
        "--labels",
        tmp_path / "masks",
        "--recursive",
        "--dry-run",
    ]
    assert called(*words) == 0
    assert f"(no labels: {tmp_path}/masks/d2/c.tif)" in capfd.readouterr().out


def test_inputs_that_a_method_does_not_take_are_told(tmp_path: Path) -> None:
    put(tmp_path / "raw/a.tif")
    with pytest.raises(DiffuscopeError, match="takes no 'lables'"):
        run_batch("brighten", tmp_path / "raw", tmp_path / "out", others={"lables": tmp_path})


def test_what_a_run_had_to_say_stands_in_its_line(tmp_path: Path) -> None:
    marks = np.zeros((48, 64), np.uint8)
    marks[disc(marks.shape, (24, 20), 9)] = 1
    marks[disc(marks.shape, (24, 62), 9)] = 2
    for place, pixels in (("raw", 20 + 40 * (marks > 0)), ("masks", marks)):
        (tmp_path / place).mkdir()
        tifffile.imwrite(tmp_path / place / "one.tif", pixels.astype(np.uint8))
    report = run_batch(
        "shape", tmp_path / "raw", tmp_path / "out", others={"labels": tmp_path / "masks"}, pixel_size=0.1,
        model=str(write_tiny(tmp_path / "model")), mode="estimate",
    )  # fmt: skip
    assert [row.state for row in report.rows] == ["done"]
    assert "Cell 2 touches the border" in table(tmp_path / "out")["one.tif"]["message"]
