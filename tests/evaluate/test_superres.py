"""Evaluation of super-resolution: what counts, what is compared with what, and that it can be resumed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from napari_diffuscope import DiffuscopeError
from napari_diffuscope.cli import main
from napari_diffuscope.evaluate.harness import evaluation_job
from napari_diffuscope.evaluate.superres.baselines import BASELINES, SHARPENED, baselines, linear
from napari_diffuscope.evaluate.superres.evaluation import read_truth, taken_planes
from napari_diffuscope.evaluate.superres.judge import judge, known_planes
from napari_diffuscope.evaluate.superres.settings import SUPERRES, SuperresEvaluationSettings
from napari_diffuscope.jobs import run
from tests.methods.superres_models import write_tiny


def waves(planes: int = 25, size: int = 40) -> np.ndarray:
    z, y, x = np.mgrid[:planes, :size, :size]
    noise = np.random.default_rng(0).normal(0, 0.05, z.shape)
    return (100 + 20 * np.sin(z / 2 + y / 3) + 20 * np.cos(x / 4) + 20 * noise).astype(np.float32)


def test_every_baseline_keeps_measured_planes_and_cubic_is_best_on_smooth_volumes() -> None:
    truth = waves()
    gains = {}
    for name, method in BASELINES.items():
        volume = method(truth[::4], 4, truth).volume
        assert volume.shape == truth.shape
        np.testing.assert_allclose(volume[::4], truth[::4], atol=1e-3)
        gains[name] = judge(truth, volume, 4, 20)["xz"].psnr
    assert gains["cubic"] > gains["linear"] > gains["nearest"]
    assert gains["smoothed linear"] >= gains["linear"] - 0.5


def test_only_missing_planes_count() -> None:
    truth = waves()
    changed, wrong = truth.copy(), truth.copy()
    changed[::4] += 50
    wrong[2] += 5
    peak = truth.max() - truth.min()
    assert judge(truth, changed, 4, 20)["xy"].psnr > 100
    assert judge(truth, changed, 4, 20)["xz"].psnr > 100
    found = judge(truth, wrong, 4, 20)["xz"].psnr
    assert found == pytest.approx(10 * np.log10(peak**2 / (25 / 18)), abs=1e-3)  # one missing plane of 18


def test_planes_are_cut_to_begin_and_end_with_a_measured_one() -> None:
    assert [known_planes(n, 4) for n in (5, 8, 9, 117)] == [5, 5, 9, 117]


def command(*words: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(words)
    return int(stop.value.code or 0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "truth.tif"
    tifffile.imwrite(path, waves(), metadata={"axes": "ZYX"})
    return path


def test_the_command_writes_table_and_report_and_goes_on(data: Path, tmp_path: Path) -> None:
    model, out = write_tiny(tmp_path / "tiny-slices"), tmp_path / "out"
    words = ["evaluate", "superres", str(data), "--out", str(out), "--factors", "4", "--patch", "20"]
    words += ["--steps", "2", "--size", "24", "--quiet"]
    assert command(*words, "--models", str(model), "--variants", "estimate") == 0
    lines = (out / "superres.csv").read_text().splitlines()
    assert len(lines) == 1 + 3 * (1 + len(BASELINES) + 1)
    sampled = ("--variants", "sample", "--variants", "sample-averaged", "--variants", "two-samples")
    assert command(*words, "--models", str(model), *sampled) == 0
    more = (out / "superres.csv").read_text().splitlines()
    assert more[: len(lines)] == lines
    assert len(more) == len(lines) + 9
    rows = [line.split(",") for line in more[1:]]
    counts = {row[2]: int(row[8]) for row in rows if row[1] == "tiny-slices"}
    assert counts["sample"] == counts["sample-averaged"] == counts["two-samples"] == 2 * counts["estimate"]
    report = (out / "superres.md").read_text()
    assert "tiny-slices, sample-averaged" in report
    assert "Every 4th plane kept" in report
    assert (out / "figures" / "superres-4x.png").exists()
    assert command(*words, "--seed", "1") == 1  # rows of other samples would be mixed with these


def test_a_part_of_the_volume_is_evaluated(data: Path) -> None:
    settings = SuperresEvaluationSettings(str(data), factors=(2,), planes=(3, 12), size=16)
    assert np.array_equal(read_truth(settings), waves()[3:12, 12:28, 12:28])


def test_thick_and_noisy_planes_are_taken_as_a_microscope_would() -> None:
    truth = np.zeros((41, 64, 64), np.float32)
    truth[20] = 100
    thick = SuperresEvaluationSettings("x", axial_fwhm=4.0)
    taken = taken_planes(truth, 2, thick)
    sigma = 4.0 / 2.3548
    expected = 100 * np.exp(-0.5 * ((np.arange(0, 41, 2) - 20) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(taken[:, 5, 5], expected, atol=0.1)
    noisy = taken_planes(truth, 2, replace(thick, noise=0.05))
    peak = float(expected.max())
    assert (noisy - taken).std() == pytest.approx(0.05 * peak, rel=0.03)


def test_deconvolution_that_knows_the_blur_beats_interpolation_of_thick_planes() -> None:
    truth = gaussian_filter(np.random.default_rng(0).random((33, 24, 24)), 1.5).astype(np.float32)
    measured = taken_planes(truth, 2, SuperresEvaluationSettings("x", axial_fwhm=5.0))
    plain, sharp = (method(measured, 2, truth) for method in (linear, baselines(5.0)[SHARPENED]))
    errors = [float(np.square(found.volume - truth).mean()) for found in (plain, sharp)]
    assert errors[1] < 0.6 * errors[0]
    assert sharp.setting.endswith("iterations")
    assert SHARPENED not in baselines(0.0)


def test_what_cannot_be_evaluated_is_said(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DiffuscopeError, match="too few"):
        read_truth(SuperresEvaluationSettings(str(data), planes=(0, 5)))
    with pytest.raises(DiffuscopeError, match="factors must be at most 10"):
        SuperresEvaluationSettings(str(data), factors=(12,))
    flat = tmp_path / "flat.tif"
    tifffile.imwrite(flat, waves()[0])
    with pytest.raises(DiffuscopeError, match="ZYX"):
        run(evaluation_job(SUPERRES, SuperresEvaluationSettings(str(flat)), tmp_path / "out"))
