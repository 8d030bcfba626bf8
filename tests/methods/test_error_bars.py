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

from napari_diffuscope import DiffuscopeError, restore, superresolve
from napari_diffuscope.cli import main
from napari_diffuscope.comparison.curves import calibration
from napari_diffuscope.imaging.record_of_file import record_of_file
from napari_diffuscope.measure.deviation_fit import fit_curve
from napari_diffuscope.measure.deviations import conformal, factor_of, half_widths, on_curve
from napari_diffuscope.measure.seen_noise import seen_noise
from napari_diffuscope.methods import running
from napari_diffuscope.methods.error_bars import UNCALIBRATED, error_bars_in_words, intervals_of
from napari_diffuscope.viewer.models.card_text import card_html
from napari_diffuscope.weights.card import read_card
from napari_diffuscope.weights.card_parts import DeviationFit, DeviationTerm
from napari_diffuscope.weights.catalogue import STARTERS, ListedModel
from tests.methods.superres_models import write_tiny

FIT = DeviationFit(15, (0.01, 0.1, 1.0), (0.02, 0.11, 3.0), (0.5, 0.68, 0.9, 0.95), (0.6, 0.9, 1.7, 2.2))
NAN = float("nan")
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


def test_where_noise_is_shared_by_neighbours_the_deviation_follows_its_colour(
    tiny_model: Path, measured_model: Path, tmp_path: Path
) -> None:
    white, coloured = (_frames(memory) for memory in (0.0, 0.5))
    term = DeviationTerm("noise_colour", (0.0, 1.0), (1.0, 4.0))
    model = _with_card(tiny_model, tmp_path / "model", deviation_fit=asdict(replace(FIT, terms=(term,))))
    for frame, colour in ((white, 0.0), (coloured, 0.5)):
        plain = restore(frame, axes="YX", model=str(measured_model), **FEW)
        matched = restore(frame, axes="YX", model=str(model), **FEW)
        measured = matched.record["noise"]["0"]["noise_colour"]
        assert measured == pytest.approx(colour, abs=0.08)
        np.testing.assert_allclose(matched.deviation, plain.deviation * 4**measured, rtol=1e-3)
        assert "noise" not in plain.record
        assert not any("unlike" in said for said in matched.record["messages"])
    tiled = restore(coloured, axes="YX", model=str(model), tile=32, **FEW)
    np.testing.assert_array_equal(tiled.deviation, matched.deviation)
    part = restore(coloured, axes="YX", model=str(model), crop=(8, 40, 0, 48), **FEW)
    assert part.record["noise"] == matched.record["noise"]  # of the whole plane, whatever part is worked on
    tifffile.imwrite(tmp_path / "noisy.tif", coloured)
    words = [
        "restore",
        str(tmp_path / "noisy.tif"),
        str(tmp_path / "out.tif"),
        "--model",
        str(model),
        "--quiet",
    ]
    _run([*words, "--mode", "mean", "--samples", "2", "--steps", "2", "--seed", "3"])
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out_deviation.tif"), matched.deviation)


def test_noise_unlike_all_that_was_calibrated_on_is_said(tiny_model: Path, tmp_path: Path) -> None:
    term = DeviationTerm("noise_colour", (0.0, 0.2), (1.0, 1.2))
    model = _with_card(tiny_model, tmp_path / "model", deviation_fit=asdict(replace(FIT, terms=(term,))))
    planes = np.stack([_frames(0.0), _frames(0.5)])
    for mode, told in (("deviation", True), ("samples", False)):
        done = restore(planes, axes="ZYX", model=str(model), **{**FEW, "mode": mode})
        said = [each for each in done.record["messages"] if "1 of 2 planes is unlike" in each]
        assert bool(said) == told


def _frames(memory: float) -> np.ndarray:
    """Structure with noise of which every pixel carries a part on to the next along X."""
    y, x = np.mgrid[:96, :96]
    light = 400 * np.exp(-((y - 40) ** 2 + (x - 50) ** 2) / 300) + 100
    noise = np.random.default_rng(7).normal(0, 20, light.shape)
    for column in range(1, 96):
        noise[:, column] = memory * noise[:, column - 1] + np.sqrt(1 - memory**2) * noise[:, column]
    return (light + noise).astype(np.float32)


def test_the_colour_of_noise_is_told_beside_structure_and_from_what_there_is() -> None:
    y, x = np.mgrid[:700, :900]
    stripes = 40 * np.sin(x / 6) * np.sin(y / 9) * (x > 350)
    noise = np.random.default_rng(1).normal(size=(700, 900))
    shared = noise[:, 1:] + 0.6 * noise[:, :-1]
    for values, colour in ((noise[:, 1:], 0.0), (shared, 0.6 / 1.36)):
        measured = seen_noise(stripes[:, 1:] + values)
        assert measured["noise_colour"] == pytest.approx(colour, abs=0.05)
        assert seen_noise(-3 * values.T - 5)["noise_colour"] == pytest.approx(colour, abs=0.05)
    assert seen_noise(noise[:31]) == {}
    assert seen_noise(np.ones((64, 64))) == {}
    masked = np.where(x[:, 1:] > 100, shared, 0.0)
    assert seen_noise(masked)["noise_colour"] == pytest.approx(0.6 / 1.36, abs=0.05)


def test_the_fit_finds_what_a_number_of_the_images_says_and_leaves_out_what_says_nothing() -> None:
    rng = np.random.default_rng(8)
    colours = rng.uniform(0, 0.6, 24)
    images = []
    for colour in colours:
        error, drawn = _peaked(rng, size=1600)
        images.append(((error * 2**colour).reshape(40, 40), drawn.reshape(40, 40)))
    measures = [{"noise_colour": float(c), "same": 1.0} for c in colours]
    curve = fit_curve(images, samples=15, measures=measures, terms={"noise_colour": 2, "same": 2})
    (term,) = curve.terms
    assert np.log2(term.factors[1] / term.factors[0]) == pytest.approx(np.ptp(term.points), abs=0.12)
    assert factor_of(curve.terms, {}) == 1.0
    assert factor_of(curve.terms, {"noise_colour": 5.0}) == pytest.approx(
        term.factors[1]
    )  # the end of what was seen
    usual = [factor_of(curve.terms, each) for each in measures]
    assert np.exp(np.mean(np.log(usual))) == pytest.approx(1, abs=1e-3)


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


def test_a_volume_has_error_bars_by_how_much_finer_it_gets(tmp_path: Path) -> None:
    stack = np.random.default_rng(4).normal(100, 20, (3, 12, 12)).astype(np.float32)
    term = DeviationTerm("zoom", (1.0, 3.0), (1.0, 4.0))  # 2 to 8 times finer
    apart = DeviationTerm("distance", (0.0, 1.0), (1.0, 3.0))  # from one plane away to two
    model = _with_card(
        write_tiny(tmp_path / "plain"),
        tmp_path / "fit",
        deviation_fit=asdict(replace(FIT, terms=(term, apart))),
    )
    for zoom, factor in ((4, 2.0), (10, 4.0)):
        call = {"axes": "ZYX", "zoom": zoom, **FEW}
        plain = superresolve(stack, model=str(tmp_path / "plain"), **call)
        matched = superresolve(stack, model=str(model), **call)
        scale = plain.record["intensity"][0]["scale"]
        expected = factor * scale * on_curve(plain.deviation / scale, FIT.deviation, FIT.fitted)
        away = np.minimum(np.arange(len(expected)) % zoom, -np.arange(len(expected)) % zoom)
        expected[away > 1] *= 3
        np.testing.assert_allclose(matched.deviation, expected, rtol=1e-4)
        assert matched.deviation[1].min() > 0 == matched.deviation[::zoom].max()
        assert intervals_of(matched.record) is not None
        assert any("one specimen" in said for said in matched.record["messages"])
        assert any("none were measured" in said for said in matched.record["messages"]) == (zoom == 10)
        assert UNCALIBRATED in plain.record["messages"]
    pieces = superresolve(stack, model=str(model), **call, block=(8, 5, 7))
    np.testing.assert_array_equal(pieces.deviation, matched.deviation)
    earlier = superresolve(stack, model=str(model), **call, error_bars="factor")
    np.testing.assert_array_equal(earlier.deviation, plain.deviation)


def _run(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0


def test_what_is_not_calibrated_is_said(noisy: np.ndarray, tiny_model: Path, tmp_path: Path) -> None:
    model = _with_card(tiny_model, tmp_path / "model", deviation_scale=1.0)
    assert UNCALIBRATED in restore(noisy, axes="YX", model=str(model), **FEW).record["messages"]
    assert UNCALIBRATED not in restore(noisy, axes="YX", model=str(model)).record["messages"]
    assert error_bars_in_words(read_card(model)) == UNCALIBRATED


def test_a_run_says_what_its_deviation_means_and_for_what(noisy: np.ndarray, measured_model: Path) -> None:
    record = restore(noisy, axes="YX", model=str(measured_model), **FEW).record
    widths = intervals_of(record) or {}
    (said,) = (message for message in record["messages"] if message.startswith("Error bars"))
    assert f"68% within ± {widths[0.68]:.2f}" in said
    assert "in a single image the shares can be quite different" in said
    assert said.endswith("2 samples hardly tell how they vary: draw 8 or more.")
    enough = restore(noisy, axes="YX", model=str(measured_model), **{**FEW, "samples": 4}).record["messages"]
    assert not any("hardly tell" in message for message in enough)


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


@pytest.mark.parametrize(
    "wrong",
    [
        {"points": (0.5, 0.0)},
        {"factors": (1.0,)},
        {"factors": (1.0, -2.0)},
        {"measure": ""},
        {"points": (0.0, NAN)},
    ],
)
def test_a_term_that_is_none_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(DiffuscopeError, match="deviation_fit"):
        replace(DeviationTerm("noise_colour", (0.0, 0.5), (1.0, 1.2)), **wrong)  # type: ignore[arg-type]


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


def test_the_starters_that_have_measured_error_bars_say_them() -> None:
    card = read_card(STARTERS / "restoration-fluorescence")
    assert "68% within ± 1.09, 90% within ± 2.04, 95% within ± 2.62" in error_bars_in_words(card)
    deblurring = read_card(STARTERS / "deblurring-fluorescence")
    assert "68% within ± 1.04, 90% within ± 1.90, 95% within ± 2.43" in error_bars_in_words(deblurring)
    volumes = error_bars_in_words(read_card(STARTERS / "superres-em"))
    assert "68% within ± 1.04, 90% within ± 1.82, 95% within ± 2.26" in volumes
    assert "planes of one specimen" in volumes
    assert error_bars_in_words(read_card(STARTERS / "superres-fluorescence")) == UNCALIBRATED
