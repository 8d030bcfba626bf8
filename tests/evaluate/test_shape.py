"""Evaluation of shapes: fits at their best, models that never saw a cell, what is compared, and that it goes on."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from napari_diffuscope import DiffuscopeError
from napari_diffuscope.cli import main
from napari_diffuscope.evaluate.bootstrap import mean_interval, paired_interval
from napari_diffuscope.evaluate.harness import evaluation_job
from napari_diffuscope.evaluate.shape.classes import Protocol, Scores, classify, few, splits_of, training_rows
from napari_diffuscope.evaluate.shape.fits import FITS, tune
from napari_diffuscope.evaluate.shape.predictions import Results
from napari_diffuscope.evaluate.shape.settings import SHAPE, ShapeEvaluationSettings
from napari_diffuscope.evaluate.shape.spread import spread_of, spreads
from napari_diffuscope.jobs import run
from napari_diffuscope.measure.shapes.plane_features import plane_features
from napari_diffuscope.training.loop import training_job
from napari_diffuscope.training.recipe_file import write_recipe
from napari_diffuscope.training.shape.cells import folds_of, read_cells
from napari_diffuscope.weights.card import read_card
from tests.training.shape_folders import shape_recipe, write_cells


@dataclass(frozen=True)
class Known:
    mask: np.ndarray
    occupied: np.ndarray


def solid(family: str, radius: float, *, side: int = 40) -> Known:
    """A shape that a fit can reach: half as high as it is wide, plus two voxels."""
    z, y, x = np.mgrid[:side, :side, :side] - side // 2
    rho = np.hypot(y, x) / radius
    height = 2 + 0.5 * radius
    half = {
        "cylinder": height * (rho <= 1),
        "ellipsoid": height * np.sqrt(np.maximum(1 - rho**2, 0)),
        "inflated outline": height * np.maximum(1 - rho, 0) ** 0.5,
    }[family]
    occupied = (np.abs(z) <= half) & (half > 0)
    return Known(occupied[side // 2], occupied)


@pytest.mark.parametrize("family", FITS, ids=lambda family: family.name)
def test_a_tuned_fit_finds_shapes_of_its_own_kind(family: object) -> None:
    cells = [solid(family.name, radius) for radius in (9.0, 12.0, 16.0)]  # type: ignore[attr-defined]
    fit = tune(family, cells)  # type: ignore[arg-type]
    assert fit.overlap > 0.93
    unseen = solid(family.name, 14.0)  # type: ignore[attr-defined]
    found = fit.shape_of(unseen.mask, 40)
    assert (found & unseen.occupied).sum() / (found | unseen.occupied).sum() > 0.92
    assert fit.values[-1] == pytest.approx(0, abs=0.6)


def test_a_tuned_fit_is_better_than_its_start_and_finds_the_middle() -> None:
    z, y, x = np.mgrid[:40, :40, :40] - 20
    cell = Known(np.hypot(y[0], x[0]) <= 10, (np.hypot(y, x) <= 10) & (z >= -2) & (z <= 8))
    fit = tune(FITS[0], [cell])
    assert fit.overlap == pytest.approx(1)
    assert fit.values[-1] == pytest.approx(3, abs=0.6)
    assert np.array_equal(fit.shape_of(cell.mask, 40), cell.occupied)


def test_intervals_are_paired_and_cover_the_mean_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    both = rng.normal(0, 1, 60)
    gap = paired_interval(both + 0.1 + rng.normal(0, 0.05, 60), both, resamples=2000)
    assert 0.08 < gap.low < gap.mean < gap.high < 0.13
    inside = 0
    for seed in range(100):
        found = mean_interval(np.random.default_rng(seed).normal(3, 1, 50), resamples=400, seed=seed)
        inside += found.low <= 3 <= found.high
    assert 88 <= inside <= 99
    theory = 2 * 1.96 * np.std(both) / np.sqrt(60)
    found = mean_interval(both, resamples=4000)
    assert found.high - found.low == pytest.approx(theory, rel=0.1)
    with pytest.raises(ValueError, match="no pairs"):
        paired_interval([1.0, 2.0], [1.0])


def test_classes_with_few_cells_get_rows_of_their_own_training_cells_alone() -> None:
    classes = np.array(["A"] * 12 + ["B"] * 4 + ["C"] * 8)
    features = np.arange(24.0)[:, None]
    added = [np.full((5, 1), 100.0 + cell) for cell in range(24)]
    training = np.array([*range(0, 10), 12, 13, 14, *range(16, 22)])
    rows, kinds = training_rows(Protocol("x", features, added), classes, training, np.random.default_rng(0))
    assert few(list(classes)) == ("B",)  # C has as many as the mean
    assert Counter(kinds.tolist()) == {"A": 10, "B": 10, "C": 6}
    extra = rows[len(training) :, 0] - 100
    assert set(extra) <= {12, 13, 14}
    plain, _ = training_rows(Protocol("x", features), classes, training, np.random.default_rng(0))
    assert np.array_equal(plain[:, 0], training)


def test_forests_find_classes_that_features_tell_and_guess_otherwise() -> None:
    pytest.importorskip("sklearn")
    classes = ["A"] * 12 + ["B"] * 8
    rng = np.random.default_rng(0)
    telling = np.array([0.0] * 12 + [3.0] * 8)[:, None] + rng.normal(0, 0.3, (20, 1))
    steps = list(
        classify(
            [Protocol("telling", telling), Protocol("noise", rng.normal(size=(20, 1)))],
            classes,
            repeats=3,
            trees=10,
            seed=0,
        )
    )
    told, noise = steps[-1]
    assert isinstance(told, Scores)
    assert isinstance(noise, Scores)
    assert told.macro == (1.0, 1.0, 1.0)
    assert max(noise.macro) < 0.8
    assert len(steps) == 2 * 3 + 1
    assert splits_of(classes) == 5
    assert splits_of(["A"] * 5) == splits_of(["A", "A", "B"]) == 0


def test_plane_features_know_size_form_and_where_it_is_bright() -> None:
    y, x = np.mgrid[:64, :64] - 31.5
    disc, bar = np.hypot(y, x) <= 20, (np.abs(y) <= 5) & (np.abs(x) <= 25)
    image = 100 - np.hypot(y, x)
    round_one, long_one = plane_features(image, disc), plane_features(image, bar)
    assert round_one["area"] == disc.sum()
    assert round_one["circularity"] == pytest.approx(1, abs=0.03)
    assert round_one["eccentricity"] < 0.1 < 0.95 < long_one["eccentricity"]
    assert round_one["ring_1"] < 1 < round_one["ring_4"]
    assert plane_features(2 * image, disc)["gradient"] == pytest.approx(round_one["gradient"])


def command(*words: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(words)
    return int(stop.value.code or 0)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cells(tmp_path_factory.mktemp("known") / "cells", {"A": 5, "B": 3})


@pytest.fixture(scope="module")
def evaluated(cells: Path) -> Path:
    """Folder of a finished evaluation, whose trainings were given as two commands."""
    recipe, out = cells.parent / "tiny.toml", cells.parent / "out"
    write_recipe(recipe, shape_recipe(cells, steps=50))
    words = ["evaluate", "shape", str(cells), "--out", str(out), "--recipe", str(recipe), "--folds", "2"]
    words += ["--steps", "2", "--samples", "2", "--sampling-steps", "1", "--repeats", "2", "--trees", "20"]
    words += ["--quiet"]
    assert command(*words, "--fold", "2") == 0
    assert not (out / "shape.md").exists()
    assert command(*words) == 0
    return out


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_cell_is_predicted_once_by_models_that_never_saw_it(cells: Path, evaluated: Path) -> None:
    rows = rows_of(evaluated / "results.csv")
    known = [cell.name for cell in read_cells(cells)]
    folds = folds_of(known, 2, seed=0)
    found = Counter((row["method"], row["variant"]) for row in rows)
    expected = {(family.name, "fit") for family in FITS}
    expected |= {("shapes", v) for v in ("estimate", "sample", "ensemble")} | {
        ("shapes-one-pass", "estimate")
    }
    assert found == dict.fromkeys(expected, len(known))
    for row in rows:
        assert int(row["fold"]) == folds[row["cell"]]
    for label in ("shapes", "shapes-one-pass"):
        for fold in (1, 2):
            card = read_card(evaluated / "models" / label / f"fold-{fold}")
            assert set(card.training["kept_out"]) == {name for name in known if folds[name] == fold}
            assert card.training["steps"] == 2
            assert card.diffusion.estimate_only == (label == "shapes-one-pass")
    ensembles = [row for row in rows if row["variant"] == "ensemble"]
    assert {row["evaluations"] for row in ensembles} == {"2"}


def test_the_errors_are_those_of_the_volumes_on_disk(cells: Path, evaluated: Path) -> None:
    import tifffile

    known = {cell.name: cell for cell in read_cells(cells)}
    for row in rows_of(evaluated / "results.csv")[::5]:
        name = f"{row['cell']}-{row['variant']}.tif"
        found = tifffile.imread(evaluated / "shapes" / row["method"].replace(" ", "-") / name) > 0
        true = known[row["cell"]].occupied
        assert float(row["iou"]) == pytest.approx((found & true).sum() / (found | true).sum(), abs=1e-5)
        assert float(row["volume_error"]) == pytest.approx(abs(found.sum() / true.sum() - 1), rel=1e-5)


def test_the_report_compares_with_the_best_fit_and_one_pass_and_classifies(evaluated: Path) -> None:
    text = (evaluated / "shape.md").read_text(encoding="utf-8")
    assert "(the best fit)" in text
    assert "| shapes-one-pass, estimate |" in text
    rows = rows_of(evaluated / "results.csv")
    for method in ("cylinder", "ellipsoid", "inflated outline"):
        mean = np.mean([float(row["iou"]) for row in rows if row["method"] == method])
        assert f"| {method} | {mean:.3f} [" in text
    scores = rows_of(evaluated / "classification.csv")
    assert set(Counter(row["protocol"] for row in scores).values()) == {2}
    truth = [float(r["macro_f1"]) for r in scores if r["protocol"] == "true 3D"]
    assert min(truth) > 0.8  # high and flat cells differ in all that 3D says
    assert (evaluated / "figures" / "shapes.png").stat().st_size > 10_000


def test_the_spread_of_samples_is_held_against_the_truth(cells: Path, evaluated: Path) -> None:
    text = (evaluated / "shape.md").read_text(encoding="utf-8")
    assert "## Do samples differ as much as the truth?" in text
    known = read_cells(cells)
    results = Results.of(evaluated)
    volume, height, _ = spreads(known, "shapes", 2, results)
    drawn = [[results.volume(c.name, "shapes", f"sample-{n}").sum() for n in range(2)] for c in known]
    true = [c.occupied.sum() for c in known]
    within = [min(pair) <= t <= max(pair) for pair, t in zip(drawn, true, strict=True)]
    assert (volume.name, volume.within, volume.expected) == ("volume", np.mean(within), 1 / 3)
    assert height.name == "height"


def test_a_truth_that_is_one_more_sample_is_found_as_often_as_expected() -> None:
    draws = np.random.default_rng(0).gamma(50, 2, size=(4000, 6)) * np.linspace(1, 3, 4000)[:, None]
    honest = spread_of("volume", draws[:, 1:], draws[:, 0])
    assert honest.expected == pytest.approx(4 / 6)
    assert honest.within == pytest.approx(4 / 6, abs=0.03)
    assert honest.deviation == pytest.approx(50**-0.5, rel=0.03)
    assert honest.error == pytest.approx(honest.deviation * np.sqrt(1.2), rel=0.04)
    assert honest.bias == pytest.approx(0, abs=0.01)
    shy = spread_of("volume", 100 + (draws[:, 1:] - 100) / 10, np.full(4000, 150.0))
    assert shy.within == 0
    assert shy.error > 3 * shy.deviation
    assert shy.bias < 0


def test_nothing_is_computed_twice_and_changed_models_are(
    cells: Path, evaluated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ShapeEvaluationSettings(
        str(cells),
        str(cells.parent / "tiny.toml"),
        folds=2,
        steps=2,
        samples=2,
        sampling_steps=1,
        classify=False,
    )
    before = (evaluated / "results.csv").read_bytes()

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("computed again")

    for name in ("predictions.memory_job", "predictions.tune", "models.training_job"):
        monkeypatch.setattr(f"napari_diffuscope.evaluate.shape.{name}", refuse)
    run(evaluation_job(SHAPE, settings, evaluated))
    assert (evaluated / "results.csv").read_bytes() == before
    lines = before.decode().splitlines()
    sha256 = read_card(evaluated / "models" / "shapes" / "fold-1").sha256
    stale = [line.replace(sha256, "0" * 64) for line in lines]
    (evaluated / "results.csv").write_text("\n".join(stale) + "\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="computed again"):
        run(evaluation_job(SHAPE, settings, evaluated))
    (evaluated / "results.csv").write_bytes(before)


def test_models_that_may_have_seen_a_cell_and_other_settings_are_refused(
    cells: Path, evaluated: Path, tmp_path: Path
) -> None:
    given = (str(evaluated / "models" / "shapes"),)
    plain = ShapeEvaluationSettings(str(cells), models=given, folds=2, samples=2, classify=False)
    other_folds = ShapeEvaluationSettings(
        str(cells), models=given, folds=2, seed=1, samples=2, classify=False
    )
    with pytest.raises(DiffuscopeError, match="its training did not keep out"):
        run(evaluation_job(SHAPE, other_folds, tmp_path / "a"))
    with pytest.raises(DiffuscopeError, match="holds an evaluation with other settings"):
        run(evaluation_job(SHAPE, other_folds, evaluated))
    three = ShapeEvaluationSettings(str(cells), models=given, folds=3, classify=False)
    with pytest.raises(DiffuscopeError, match="There is no model"):
        run(evaluation_job(SHAPE, three, tmp_path / "b"))
    longer = ShapeEvaluationSettings(
        str(cells),
        str(cells.parent / "tiny.toml"),
        folds=2,
        steps=3,
        samples=2,
        sampling_steps=1,
        classify=False,
    )
    with pytest.raises(DiffuscopeError, match=r"another \[optimisation\]"):
        run(evaluation_job(SHAPE, longer, evaluated))
    found = run(evaluation_job(SHAPE, plain, tmp_path / "c"))
    assert "shapes, ensemble" in found.report


def test_one_model_is_tested_on_what_was_kept_out_of_it(cells: Path, tmp_path: Path) -> None:
    recipe = shape_recipe(cells, steps=2)
    recipe = replace(recipe, data=replace(recipe.data, fold=None, validation_share=0.2, kept_class="B"))
    run(training_job(recipe, tmp_path / "run", tmp_path / "model", workers=0))
    kept = read_card(tmp_path / "model").training["kept_out"]
    assert sorted(name[0] for name in kept) == ["A", "B", "B", "B"], "a fifth of A, and all of B"

    out = tmp_path / "out"
    words = ["evaluate", "shape", str(cells), "--out", str(out), "--models", str(tmp_path / "model")]
    words += ["--kept-out", "--samples", "2", "--sampling-steps", "1", "--quiet"]
    assert command(*words) == 0
    assert {row["cell"] for row in rows_of(out / "results.csv")} == set(kept)
    assert "4 cells of cells, those that were kept out of the training" in (out / "shape.md").read_text()


def test_a_class_that_no_cell_is_of_cannot_be_kept_out(cells: Path, tmp_path: Path) -> None:
    recipe = shape_recipe(cells, steps=2)
    recipe = replace(recipe, data=replace(recipe.data, kept_class="C"))
    with pytest.raises(DiffuscopeError, match=r"No cell is of the class 'C'.* A, B"):
        run(training_job(recipe, tmp_path / "run", tmp_path / "model", workers=0))


def test_without_scikit_learn_one_sentence_says_what_to_do(
    cells: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    words = [
        "evaluate",
        "shape",
        str(cells),
        "--out",
        str(tmp_path / "out"),
        "--models",
        str(cells),
        "--quiet",
    ]
    assert command(*words) == 1
    assert "pip install 'napari-diffuscope[classify]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({}, "Nothing is tested"),
        ({"recipe": "a", "steps": 1, "minutes": 1.0}, "not both"),
        ({"recipe": "a", "only": (6,)}, "There is no fold 6"),
        ({"recipe": "a", "samples": 1}, "samples must be at least 2"),
        ({"models": ("a", "b"), "kept_out": True}, "--kept-out tests one trained model"),
    ],
)
def test_impossible_settings_are_refused(choices: dict[str, object], sentence: str) -> None:
    with pytest.raises(DiffuscopeError, match=sentence):
        ShapeEvaluationSettings("data", **choices)  # type: ignore[arg-type]
