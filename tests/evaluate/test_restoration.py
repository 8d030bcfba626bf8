"""The whole evaluation, tiny: tables, resuming, pairs, calibration, and the command."""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

from napari_diffuscope import DiffuscopeError, restore
from napari_diffuscope.cli import main
from napari_diffuscope.evaluate.harness import Evaluated, evaluation_job
from napari_diffuscope.evaluate.restore import evaluation as restoration
from napari_diffuscope.evaluate.restore.calibration import COMBINATIONS, calibration_case, calibration_job
from napari_diffuscope.evaluate.restore.evaluation import evaluate_restoration
from napari_diffuscope.evaluate.restore.fields import standard_fields
from napari_diffuscope.evaluate.restore.models import candidates
from napari_diffuscope.evaluate.restore.settings import RESTORE, RestoreEvaluationSettings
from napari_diffuscope.evaluate.restore.tables import Tables
from napari_diffuscope.evaluate.tables import Table
from napari_diffuscope.jobs import run
from napari_diffuscope.measure.deviations import on_curve
from napari_diffuscope.measure.quality import psnr
from napari_diffuscope.weights.card import read_card
from napari_diffuscope.weights.catalogue import STARTERS

STARTER = STARTERS / "restoration-fluorescence"
LABEL = STARTER.name
SMALL = {
    "methods": ("gaussian",),
    "noises": ("camera",),
    "levels": ("low", "high"),
    "samples": 3,
    "steps": 2,
    "size": 64,
    "sampled_crop": 32,
    "limit": 1,
    "limit_sampled": 1,
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    out = tmp_path_factory.mktemp("evaluation") / "out"
    return evaluate_restoration("standard", STARTER, out=out, **SMALL)  # type: ignore[arg-type]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_case_has_a_row_of_every_method(made: Evaluated) -> None:
    whole = [row for row in made.tables["results"] if row["region"] == "whole"]
    assert len({row["name"] for row in whole}) == 3
    assert {(row["method"], row["kind"]) for row in whole} == {
        ("input", ""),
        ("gaussian", ""),
        (LABEL, "estimate"),
    }
    assert len(whole) == 3 * 2 * 3
    inner = [row for row in made.tables["results"] if row["region"] == "middle"]
    assert {row["kind"] for row in inner} == {"", "estimate", "sample", "mean"}
    assert len({(row["name"], row["level"]) for row in inner}) == 2  # one of each level is sampled


def test_the_model_and_the_baseline_improve(made: Evaluated) -> None:
    whole = {
        (r["name"], r["level"], r["method"]): float(r["psnr"])
        for r in made.tables["results"]
        if r["region"] == "whole"
    }
    for (name, level, method), value in whole.items():
        if method != "input":
            assert value > whole[name, level, "input"] + 3, (name, level, method)


def test_means_of_more_samples_are_closer_to_the_truth(made: Evaluated) -> None:
    by_count = {
        n: np.mean([float(r["psnr"]) for r in made.tables["samples"] if r["samples"] == n])
        for n in ("1", "3")
    }
    assert by_count["3"] > by_count["1"]


def test_summary_and_figures_are_written(made: Evaluated) -> None:
    assert made.report == (made.out / "summary.md").read_text(encoding="utf-8")
    for heading in ("## Quality", "## Against the other methods", "## Samples", "## Honesty", "## Cost"):
        assert heading in made.report
    assert "nan" not in made.report
    summary = rows_of(made.out / "summary.csv")
    [cell] = [
        row
        for row in summary
        if (row["region"], row["source"], row["noise"], row["level"]) == ("whole", "all", "all", "all")
        and (row["method"], row["measure"]) == (LABEL, "psnr")
    ]
    values = [
        float(r["psnr"]) for r in made.tables["results"] if r["method"] == LABEL and r["region"] == "whole"
    ]
    assert float(cell["median"]) == pytest.approx(np.median(values), rel=1e-5)
    assert int(cell["images"]) == len(values)
    [test] = [
        row
        for row in rows_of(made.out / "tests.csv")
        if row["source"] == "all" and row["other"] == "input" and row["noise"] == "all"
    ]
    assert test["wins"] == test["images"] == "6"
    pytest.importorskip("matplotlib")
    figures = {file.name for file in (made.out / "figures").iterdir()}
    assert {"samples.png", "calibration.png"} < figures
    assert len([name for name in figures if name.startswith("case-")]) == 2


def test_what_is_there_is_not_computed_again(
    made: Evaluated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "copy"
    shutil.copytree(made.out, out)
    results = (out / "results.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    lost = [line for line in results if "sarcomeres-1" in line and "gaussian" in line and ",high," in line]
    assert len(lost) == 1
    (out / "results.csv").write_text("".join(line for line in results if line not in lost), encoding="utf-8")

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a model was run again")

    monkeypatch.setattr(restoration, "estimate", never)
    monkeypatch.setattr(restoration, "draw_samples", never)
    again = evaluate_restoration("standard", STARTER, out=out, **SMALL)  # type: ignore[arg-type]

    def numbers(evaluation: Evaluated) -> set[tuple[str, ...]]:
        return {tuple(v for k, v in row.items() if k != "seconds") for row in evaluation.tables["results"]}

    assert numbers(again) == numbers(made)


def test_another_evaluation_in_the_folder_is_refused(made: Evaluated) -> None:
    with pytest.raises(DiffuscopeError, match="holds an evaluation with another seed; name another folder"):
        evaluate_restoration("standard", STARTER, out=made.out, **{**SMALL, "seed": 1})  # type: ignore[arg-type]


def test_stopping_keeps_the_finished_rows(tmp_path: Path) -> None:
    settings = RestoreEvaluationSettings(**{**SMALL, "levels": ("low",)})  # type: ignore[arg-type]
    job = evaluation_job(RESTORE, settings, tmp_path / "out")
    for update in job:
        if update.done > 0:
            break
    job.close()
    kept = rows_of(tmp_path / "out" / "results.csv")
    assert {row["method"] for row in kept} == {"input", "gaussian"}
    assert not (tmp_path / "out" / "summary.md").exists()
    assert list((tmp_path / "out").glob(".*")) == []


def test_the_command_on_real_pairs(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:64, :64]
    for number in range(2):
        clean = 50 + 40 * np.sin(x / (4 + number)) * np.cos(y / 5)
        for part, image in (("high", 10 * clean), ("low", rng.poisson(clean))):
            (tmp_path / "pairs" / part).mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(tmp_path / "pairs" / part / f"{number}.tif", image.astype(np.uint16))
    out = tmp_path / "out"
    words = [
        "evaluate",
        "restoration",
        str(tmp_path / "pairs"),
        "--out",
        str(out),
        "--models",
        str(tiny_model),
    ]
    words += [
        "--methods",
        "gaussian",
        "--samples",
        "3",
        "--steps",
        "2",
        "--sampled-crop",
        "32",
        "--limit-sampled",
        "1",
        "--mirrored",
    ]
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0
    printed = capsys.readouterr()
    assert "summary.md" in printed.out
    assert "100%" in printed.err
    whole = [row for row in rows_of(out / "results.csv") if row["region"] == "whole"]
    found = {(row["name"], row["method"]): float(row["psnr"]) for row in whole}
    [estimate] = {name for _, name in found} - {"gaussian", "input"}
    for number in ("0", "1"):
        mirrored = restore(tmp_path / "pairs" / "low" / f"{number}.tif", model=str(tiny_model), mirrored=True)
        high = tifffile.imread(tmp_path / "pairs" / "high" / f"{number}.tif")
        assert found[number, estimate] == pytest.approx(psnr(high, mirrored.restored, affine=True), abs=1e-3)
        assert found[number, "gaussian"] > found[number, "input"] + 1
        low, high = (tifffile.imread(tmp_path / "pairs" / part / f"{number}.tif") for part in ("low", "high"))
        assert found[number, "input"] == pytest.approx(psnr(high, low, affine=True), abs=1e-3)


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "restoration", str(tmp_path / "none"), "--out", str(tmp_path / "out")])
    assert ended.value.code == 1
    assert "There is no" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_calibration_is_stored_and_counts(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(STARTER, folder)
    before = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    settings = {**SMALL, "levels": ("high",), "calibrate": True, "calibration_images": 2}
    done = evaluate_restoration("standard", folder, out=tmp_path / "out", **settings)  # type: ignore[arg-type]
    card = read_card(folder)
    assert card.deviation_fit is not None
    assert card.deviation_fit.samples == SMALL["samples"]
    after = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    changed = {name: before.get(name) for name in ("deviation_fit", "metrics")}
    assert {name: value for name, value in {**after, **changed}.items() if value is not None} == {
        name: value for name, value in before.items() if value is not None
    }
    rows = done.tables["coverage"]
    assert {row["scale"] for row in rows} == {"measured"}
    assert any(row["found_scaled"] != row["found"] for row in rows)
    for (
        row
    ) in rows:  # the half width that the image needs is wider than the card's just where too few lie inside
        too_few = float(row["found_scaled"]) < float(row["nominal"]) - 0.005
        assert not too_few or float(row["needed"]) > float(row["width"])
    assert "of images" in (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")
    # a second time there is nothing to fit
    [model] = candidates([str(folder)], ())
    chosen = RestoreEvaluationSettings(data=("standard",), models=(str(folder),), **settings)  # type: ignore[arg-type]
    assert restoration.is_calibrated(model, chosen)


def test_an_honest_model_keeps_its_deviation_and_gets_normal_intervals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from napari_diffuscope.evaluate.restore import calibration

    settings = RestoreEvaluationSettings(samples=15, size=64, sampled_crop=64, calibration_images=3)
    rng = np.random.default_rng(0)

    def honest(_: object, noisy: np.ndarray, crop: int, **__: object) -> Iterator[None]:
        yield
        truth = clean.pop(0)
        centre = truth + rng.normal(0, 5, truth.shape)
        return calibration_result(centre + rng.normal(0, 5, (15, *truth.shape)))

    def calibration_result(image: np.ndarray) -> object:
        return calibration.Timed(image, 0.0)

    clean: list[np.ndarray] = []
    original = calibration.make_case

    def remembering(name: object, **how: object) -> object:
        case = original(name, **how)  # type: ignore[arg-type]
        clean.append(case.clean.astype(float))
        return case

    monkeypatch.setattr(calibration, "draw_samples", honest)
    monkeypatch.setattr(calibration, "make_case", remembering)
    fit = run(calibration_job(object(), settings))  # type: ignore[arg-type]
    # Sorted by deviations from 15 samples, the smallest are too small by chance and the largest too large.
    for point in (4.0, 5.0, 6.0):
        assert on_curve(np.array([point]), fit.deviation, fit.fitted)[0] == pytest.approx(5, rel=0.06)
    usual = {0.68: 1.0, 0.9: 1.645, 0.95: 1.96}
    for share, width in zip(fit.shares, fit.widths, strict=True):
        if share in usual:
            assert width == pytest.approx(usual[share] * math.sqrt(1 + 1 / 15), rel=0.04)


def test_calibration_meets_every_structure_noise_and_level_once() -> None:
    assert len(set(COMBINATIONS)) == len(COMBINATIONS)
    assert RestoreEvaluationSettings().calibration_images % len(COMBINATIONS) == 0


def test_calibration_images_are_none_of_the_test_set() -> None:
    first, *others = (
        calibration_case(number, seed=0, size=48, target="equal-blur").name.field for number in (0, 1, 2, 5)
    )
    assert first.source != "standard"
    tested = [field.clean for field in standard_fields(0, 48, 2)]
    assert not any(np.array_equal(first.clean, image) for image in [*(o.clean for o in others), *tested])
    assert {field.group for field in (first, *others)} == {"neurites", "bacteria", "sarcomeres"}


def evaluated(data: Path, out: Path, *more: str) -> int:
    words = ["evaluate", "restoration", str(data), "--out", str(out), "--methods", "gaussian"]
    try:
        main([*words, "--noise", "camera", "--levels", "low", "--quiet", *more])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.mark.parametrize("shape", [(1, 64), (64, 1), (2, 64), (1, 1)])
@pytest.mark.parametrize("shrink", ["1", "2", "9"])
def test_an_image_of_one_row_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], shape: tuple[int, int], shrink: str
) -> None:
    (tmp_path / "data").mkdir()
    tifffile.imwrite(
        tmp_path / "data" / "row.tif", np.arange(shape[0] * shape[1], dtype=np.uint16).reshape(shape)
    )
    assert evaluated(tmp_path / "data", tmp_path / "out", "--shrink", shrink) == 1
    said = capsys.readouterr().err
    assert "row.tif is only" in said
    assert not (tmp_path / "out").exists()


def test_an_image_that_is_flat_where_it_would_be_sampled_is_named_and_evaluated(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    rng = np.random.default_rng(0)
    for name in ("full", "hollow"):
        image = rng.poisson(100 + 60 * np.sin(np.arange(64) / 3), (64, 64)).astype(np.uint16)
        if name == "hollow":
            image[20:44, 20:44] = 90
        tifffile.imwrite(tmp_path / "data" / f"{name}.tif", image)
    more = [
        "--models",
        str(tiny_model),
        "--samples",
        "2",
        "--steps",
        "3",
        "--sampled-crop",
        "16",
        "--shrink",
        "1",
    ]
    assert evaluated(tmp_path / "data", tmp_path / "out", *more) == 0
    said = capsys.readouterr().err
    assert "hollow" in said
    assert "no samples are drawn" in said
    rows = rows_of(tmp_path / "out" / "results.csv")
    assert {row["name"] for row in rows if row["kind"] == "estimate"} == {"full", "hollow"}
    assert {row["name"] for row in rows if row["kind"] == "mean"} == {"full"}


def test_killed_between_two_tables_no_row_is_doubled(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    image = np.random.default_rng(0).poisson(100 + 60 * np.sin(np.arange(64) / 3), (64, 64))
    tifffile.imwrite(tmp_path / "data" / "image.tif", image.astype(np.uint16))
    more = ["--models", str(tiny_model), "--samples", "2", "--steps", "3", "--sampled-crop", "32"]
    real = Table.add

    def add(table: Table, rows: Any) -> None:
        rows = list(rows)
        if table.path.name == "results.csv" and any(row["kind"] == "estimate" for row in rows):
            raise KeyboardInterrupt
        real(table, rows)

    with monkeypatch.context() as patch:
        patch.setattr(Table, "add", add)
        assert evaluated(tmp_path / "data", tmp_path / "out", *more) == 130
    assert evaluated(tmp_path / "data", tmp_path / "out", *more) == 0
    for table in vars(Tables.of(tmp_path / "out")).values():
        assert len(rows_of(table.path)) == len(table.rows) > 0


@pytest.mark.parametrize("names", [("Low", "High"), ("low", "GT"), ("high", "low")])
def test_pairs_go_by_their_usual_names_and_swapped_ones_are_remarked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], names: tuple[str, str]
) -> None:
    rng = np.random.default_rng(0)
    clean = 500 + 400 * np.sin(np.arange(64) / 5) * np.cos(np.arange(64)[:, None] / 7)
    for place, image in zip(names, (rng.poisson(clean / 10) * 10, clean), strict=True):
        (tmp_path / "data" / place).mkdir(parents=True)
        tifffile.imwrite(tmp_path / "data" / place / "a.tif", image.astype(np.uint16))
    assert evaluated(tmp_path / "data", tmp_path / "out") == 0
    assert ("swapped" in capsys.readouterr().err) == (names[0] == "high")


def test_lines_of_a_library_do_not_reach_the_user(tmp_path: Path) -> None:
    import subprocess
    import sys

    tifffile.imwrite(tmp_path / "a.tif", np.ones((8, 8), np.uint16))
    script = (
        "import sys; from napari_diffuscope.imaging.files import open_image; import tifffile\n"
        "tifffile.logger().warning('a line of the library'); open_image(sys.argv[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "a.tif")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
