"""Deviations that are matched with errors: what users get, what records say, and what stays as it was."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_diffuscope import DiffuscopeError, restore
from napari_diffuscope.cli import main
from napari_diffuscope.comparison.curves import calibration
from napari_diffuscope.imaging.record_of_file import record_of_file
from napari_diffuscope.measure.deviations import conformal, fit_curve, half_widths, on_curve
from napari_diffuscope.methods import running
from napari_diffuscope.methods.error_bars import UNCALIBRATED, error_bars_in_words, intervals_of
from napari_diffuscope.viewer.models.card_text import card_html
from napari_diffuscope.weights.card import read_card
from napari_diffuscope.weights.card_parts import DeviationFit
from napari_diffuscope.weights.catalogue import STARTERS, ListedModel

FIT = DeviationFit(15, (0.01, 0.1, 1.0), (0.02, 0.11, 3.0), (0.5, 0.68, 0.9, 0.95), (0.6, 0.9, 1.7, 2.2))
FEW = {"mode": "mean", "samples": 2, "steps": 2, "seed": 3}


@pytest.fixture(scope="module")
def noisy() -> np.ndarray:
    light = np.exp(-np.square(np.arange(48) - 20) / 50)
    return np.random.default_rng(1).poisson(200 * np.outer(light, light) + 20).astype(np.float32)


@pytest.fixture(scope="module")
def measured_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _with_card(tiny_model, tmp_path_factory.mktemp("fits") / "tiny", deviation_fit=asdict(FIT))


def _with_card(model: Path, folder: Path, **changes: Any) -> Path:
    shutil.copytree(model, folder)
    card = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    (folder / "model.json").write_text(json.dumps({**card, **changes}), encoding="utf-8")
    read_card(folder)
    return folder


def test_the_deviation_follows_the_card_and_the_record_says_the_intervals(
    noisy: np.ndarray, tiny_model: Path, measured_model: Path
) -> None:
    plain = restore(noisy, axes="YX", model=str(tiny_model), **FEW)
    matched = restore(noisy, axes="YX", model=str(measured_model), **FEW)
    np.testing.assert_array_equal(matched.restored, plain.restored)
    scale = plain.record["intensity"][0]["scale"]
    drawn = plain.deviation.astype(np.float64) / 2 / scale  # the factor of the small model is 2
    expected = scale * on_curve(drawn, FIT.deviation, FIT.fitted)
    np.testing.assert_allclose(matched.deviation, expected, rtol=1e-4)
    widths = intervals_of(matched.record)
    assert widths is not None
    assert widths[0.95] > 2 * FIT.widths[3]  # two samples know less than fifteen
    assert intervals_of(plain.record) is None


def test_tiles_and_part_of_the_image_have_the_same_deviation(noisy: np.ndarray, measured_model: Path) -> None:
    whole = restore(noisy, axes="YX", model=str(measured_model), **FEW)
    tiled = restore(noisy, axes="YX", model=str(measured_model), tile=32, **FEW)
    part = restore(noisy, axes="YX", model=str(measured_model), **{**FEW, "mode": "deviation"})
    np.testing.assert_array_equal(tiled.deviation, whole.deviation)
    np.testing.assert_array_equal(part.deviation, whole.deviation)


def test_a_result_of_an_earlier_version_is_repeated_with_its_factor(
    noisy: np.ndarray, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tifffile.imwrite(tmp_path / "noisy.tif", noisy)
    model = tmp_path / "model"
    shutil.copytree(tiny_model, model)
    words = [
        "restore",
        str(tmp_path / "noisy.tif"),
        str(tmp_path / "old.tif"),
        "--model",
        str(model),
        "--quiet",
    ]
    begun = running.begun_record

    def earlier_record(*what: Any) -> dict[str, Any]:
        record = begun(*what)
        del record["settings"]["error_bars"]
        return record

    with monkeypatch.context() as earlier:
        earlier.setattr(running, "begun_record", earlier_record)
        _run([*words, "--mode", "mean", "--samples", "2", "--steps", "2"])
    assert "error_bars" not in record_of_file(tmp_path / "old.tif")["settings"]
    shutil.rmtree(model)
    _with_card(tiny_model, model, deviation_fit=asdict(FIT))  # the model is calibrated since
    _run(["repeat", str(tmp_path / "old.tif"), str(tmp_path / "again.tif"), "--quiet"])
    old, again = (tifffile.imread(tmp_path / f"{name}_deviation.tif") for name in ("old", "again"))
    np.testing.assert_array_equal(again, old)
    words[2] = str(tmp_path / "new.tif")
    _run([*words, "--mode", "mean", "--samples", "2", "--steps", "2"])
    assert not np.array_equal(tifffile.imread(tmp_path / "new_deviation.tif"), old)
    assert intervals_of(record_of_file(tmp_path / "new_deviation.tif")) is not None


def _run(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0


def test_what_is_not_calibrated_is_said(noisy: np.ndarray, tiny_model: Path, tmp_path: Path) -> None:
    model = _with_card(tiny_model, tmp_path / "model", deviation_scale=1.0)
    assert UNCALIBRATED in restore(noisy, axes="YX", model=str(model), **FEW).record["messages"]
    assert UNCALIBRATED not in restore(noisy, axes="YX", model=str(model)).record["messages"]
    assert error_bars_in_words(read_card(model)) == UNCALIBRATED


def test_the_card_in_the_window_and_on_the_command_line_says_how_wide_intervals_are(
    measured_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = card_html(
        ListedModel("tiny", "Tiny", "restore", "yours", card=read_card(measured_model), folder=measured_model)
    )
    _run(["models", "info", str(measured_model)])
    for text in (shown, capsys.readouterr().out):
        assert "68% within ± 0.9" in text
        assert "95% within ± 2." in text


@pytest.mark.parametrize(
    "wrong",
    [
        {"fitted": (0.02, 0.01, 3.0)},
        {"deviation": (0.0, 0.1, 1.0)},
        {"widths": (0.6, 0.9)},
        {"shares": (0.5, 0.68, 0.9, 1.5)},
        {"samples": 1},
        {"deviation": (), "fitted": ()},
    ],
)
def test_a_fit_that_is_none_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(DiffuscopeError, match="deviation_fit"):
        replace(FIT, **wrong)  # type: ignore[arg-type]


def _peaked(rng: np.random.Generator, count: int = 15, size: int = 40_000) -> tuple[np.ndarray, np.ndarray]:
    """Errors with a peak and long tails, too large where deviations are small and too small where they are large."""
    spread = 10 ** rng.uniform(-2.5, -0.5, size)
    drawn = spread * np.sqrt(rng.chisquare(count - 1, size) / (count - 1))
    return np.abs(rng.laplace(0, 0.3 * spread**0.7)), drawn


def test_intervals_hold_their_share_at_small_and_at_large_deviations() -> None:
    rng = np.random.default_rng(4)
    curve = fit_curve([_peaked(rng) for _ in range(6)], samples=15)
    error, drawn = _peaked(rng, size=200_000)
    given = on_curve(drawn, curve.deviation, curve.fitted)
    large = drawn > np.median(drawn)
    for share, width in zip(curve.shares, curve.widths, strict=True):
        inside = error <= width * given
        for part in (large, ~large):
            assert inside[part].mean() == pytest.approx(share, abs=0.015)
    assert np.sqrt(np.mean(given**2) * (1 + 1 / 15)) == pytest.approx(np.sqrt(np.mean(error**2)), rel=0.05)


def test_a_curve_keeps_zero_and_nothing_and_rises() -> None:
    deviation = np.array([0.0, np.nan, 1e-6, 0.05, 0.5, 50.0], np.float32)
    given = on_curve(deviation, FIT.deviation, FIT.fitted)
    assert given.dtype == np.float32
    assert given[0] == 0
    assert np.isnan(given[1])
    assert np.all(np.diff(given[2:]) > 0)
    np.testing.assert_allclose(given[[2, 5]], [2e-6, 150.0], rtol=1e-5)


def test_fewer_samples_need_wider_intervals() -> None:
    same = half_widths(FIT.shares, FIT.widths, of=15, samples=15)
    few = half_widths(FIT.shares, FIT.widths, of=15, samples=3)
    assert same == pytest.approx(FIT.widths)
    assert few[3] / FIT.widths[3] == pytest.approx(4.3027 / 2.1448 * np.sqrt((4 / 3) / (16 / 15)), rel=1e-3)


def test_conformal_widths_hold_for_further_images() -> None:
    rng = np.random.default_rng(2)
    enough = [rng.lognormal() <= (conformal(list(rng.lognormal(size=12)), 0.9) or 0) for _ in range(3000)]
    assert 0.9 - 0.02 <= np.mean(enough) <= 0.9 + 1 / 13 + 0.02
    assert conformal([1.0] * 8, 0.9) is None


def test_compare_draws_the_measured_intervals() -> None:
    rng = np.random.default_rng(5)
    truth = rng.laplace(0, 1, (200, 200))
    shape = truth.shape
    exact = {0.5: float(np.log(2)), 0.9: float(np.log(10))}  # of Laplace's distribution
    _, usual = calibration(truth, np.zeros(shape), np.full(shape, np.sqrt(2)), samples=100)
    _, measured = calibration(truth, np.zeros(shape), np.ones(shape), samples=100, intervals=exact)
    np.testing.assert_allclose(measured.lines[0].y, [0.5, 0.9], atol=0.01)
    assert abs(usual.lines[0].y[0] - 0.5) > 0.05
    assert "± 2.30 for 90%" in measured.to_csv()


def test_the_starter_has_measured_error_bars_and_keeps_the_factor_of_earlier_results() -> None:
    card = read_card(STARTERS / "restoration-fluorescence")
    assert card.deviation_scale == 0.8979
    assert "68% within ± 1.07, 90% within ± 1.98, 95% within ± 2.54" in error_bars_in_words(card)
