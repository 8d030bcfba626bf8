"""Restoration adapted to one image: what it gains, that it is repeated bit for bit, and what is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from scipy.fft import dctn, idctn
from scipy.ndimage import gaussian_filter

from napari_diffuscope import DiffuscopeError, Image, restore
from napari_diffuscope.batches.api import run_batch
from napari_diffuscope.cli import main
from napari_diffuscope.evaluate.restore.scanner import Scanner
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.imaging.line_filter import LineFilter
from napari_diffuscope.imaging.record_of_file import record_of_file
from napari_diffuscope.jobs import Update
from napari_diffuscope.measure.noise_model import noise_correlation
from napari_diffuscope.methods.rehearsal import rehearsal_job
from napari_diffuscope.methods.restore import adapting, judging, learning, noise_of_image
from napari_diffuscope.methods.restore.method import RESTORE
from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.methods.restore.windows import Colour, Window
from napari_diffuscope.methods.storing import files_job
from napari_diffuscope.weights.folder import read_tensors, write_folder
from napari_diffuscope.weights.model import load_model


def structures(edge: int = 144, seed: int = 3) -> np.ndarray:
    """Expected photons: blobs of some pixels with soft edges."""
    blurred = gaussian_filter(np.random.default_rng(seed).standard_normal((edge, edge)), 4)
    return np.asarray(1.5 + 28 * gaussian_filter((blurred > blurred.std()).astype(float), 1.6))


def scanned(seed: int = 0, edge: int = 144) -> tuple[np.ndarray, np.ndarray]:
    """A picture of a point scanner, and what it would be without noise."""
    light = structures(edge)
    return Scanner().scan(light, np.random.default_rng(seed)), Scanner().expected(light)


def photographed(seed: int = 0, photons: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """The same of a camera."""
    light = photons * structures()
    noisy = 100 + 2 * np.random.default_rng(seed).poisson(light)
    return noisy.astype(np.float32), 100 + 2 * light


def error(image: np.ndarray, clean: np.ndarray) -> float:
    return float(np.mean((image - clean) ** 2))


def finished(job: Any, on_update: Callable[[Any], None] = lambda update: None) -> Any:
    """What a job returns."""
    while True:
        try:
            on_update(next(job))
        except StopIteration as stop:
            return stop.value


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "STEPS", 2)
    monkeypatch.setattr(adapting, "STEPS", 2)
    monkeypatch.setattr(noise_of_image, "MOST_PLANES", 2)
    for turns in ("TURNS", "LINE_TURNS", "DRAWS"):
        monkeypatch.setattr(judging, turns, 1)


@pytest.fixture
def all_used(few_steps: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Filters and scales are used, whatever they are worth."""
    monkeypatch.setattr(adapting, "LEAST_GAIN", -np.inf)


@pytest.fixture
def never_learned(few_steps: None, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From when on learning is an error."""

    def refuse(*_: Any) -> Any:
        raise AssertionError("this was learned before")

    return lambda: monkeypatch.setattr(adapting, "learned", refuse)


def test_noise_of_a_scanner_is_restored_better_and_the_user_is_told_why(few_steps: None) -> None:
    noisy, clean = scanned()
    plain, adapted = restore(noisy), restore(noisy, adapt=True)
    assert error(adapted.restored, clean) < 0.9 * error(plain.restored, clean)
    said = " ".join(adapted.record["messages"])
    assert "runs on along x" in said
    assert "gain" in said
    assert "deviation" in said
    assert adapted.record["adaptation"][0]["filter"]["axis"] == "X"
    json.dumps(adapted.record)


def test_an_image_of_little_noise_is_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "STEPS", 16)
    monkeypatch.setattr(learning, "BATCH", 1)
    noisy, clean = photographed(photons=4)
    plain, adapted = restore(noisy), restore(noisy, adapt=True)
    before, after = adapted.record["adaptation"][0]["losses"]
    assert after < before
    assert error(adapted.restored, clean) < error(plain.restored, clean)


def test_scales_that_gain_nothing_at_hidden_pixels_are_not_used(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, few_steps: None
) -> None:
    losses = iter([1.0, 1.0 - adapting.LEAST_GAIN / 2])
    monkeypatch.setattr(adapting, "blind_loss", lambda *_: next(losses))
    noisy, _ = photographed()
    adapted = restore(noisy, model=str(tiny_model), adapt=True)
    np.testing.assert_array_equal(adapted.restored, restore(noisy, model=str(tiny_model)).restored)
    assert any("gained nothing" in message for message in adapted.record["messages"])


def test_the_same_bits_in_parts_tiles_planes_and_with_any_number_of_threads(
    tiny_model: Path, all_used: None
) -> None:
    stack = np.stack([scanned(seed)[0][:130, :136] for seed in range(2)])

    def run(**choices: Any) -> np.ndarray:
        result = restore(stack, axes="ZYX", model=str(tiny_model), adapt=True, **choices)
        [entry] = result.record["adaptation"]
        assert entry["scales"] is not None
        assert entry["filter"] is not None
        return np.asarray(result.restored)

    whole, threads = run(), torch.get_num_threads()
    assert not np.array_equal(whole, restore(stack, axes="ZYX", model=str(tiny_model)).restored)
    try:
        torch.set_num_threads(3 - min(threads, 2))
        part = run(tile=64, crop=(20, 90, 70, 130), planes=(1,))
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(part[0], whole[1, 20:90, 70:130])


def test_repeat_takes_the_parameters_of_the_record_of_the_same_image(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, all_used: None
) -> None:
    source, first, again = (tmp_path / name for name in ("in.tif", "first.tif", "again.tif"))
    tifffile.imwrite(source, scanned()[0])
    words = ["restore", str(source), str(first), "--model", str(tiny_model), "--adapt", "--quiet"]
    monkeypatch.setattr("sys.argv", ["diffuscope", *words])
    assert _exit(main) == 0
    times, learn = [0], adapting.learned

    def counted(*given: Any) -> Any:
        times[0] += 1
        return learn(*given)

    monkeypatch.setattr(adapting, "learned", counted)
    monkeypatch.setattr("sys.argv", ["diffuscope", "repeat", str(first), str(again), "--quiet"])
    assert _exit(main) == 0
    np.testing.assert_array_equal(tifffile.imread(again), tifffile.imread(first))
    assert times == [0]
    tifffile.imwrite(
        source, 1.5 * scanned(seed=1)[0]
    )  # another image of that name: what was learned is not for it
    monkeypatch.setattr(
        "sys.argv", ["diffuscope", "repeat", str(first), str(tmp_path / "other.tif"), "--quiet"]
    )
    assert _exit(main) == 0
    assert times == [1]


def _exit(command: Callable[[], Any]) -> Any:
    try:
        return command() or 0
    except SystemExit as stop:
        return stop.code or 0


def test_a_stopped_run_goes_on_with_what_it_had_learned(
    tiny_model: Path, tmp_path: Path, all_used: None, never_learned: Callable[[], None]
) -> None:
    source = tmp_path / "in.tif"
    tifffile.imwrite(source, np.stack([scanned(seed)[0] for seed in range(2)]), metadata={"axes": "ZYX"})
    settings = RestoreSettings(model=str(tiny_model), adapt=True)

    def job(name: str) -> Any:
        return files_job(RESTORE, {"image": open_image(source)}, settings, {"restored": tmp_path / name})

    for _ in job("whole.tif"):
        pass
    stopped = job("parts.tif")
    while not next(stopped).final:
        pass
    stopped.close()
    never_learned()
    for _ in job("parts.tif"):
        pass
    np.testing.assert_array_equal(
        tifffile.imread(tmp_path / "parts.tif"), tifffile.imread(tmp_path / "whole.tif")
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.tif", "parts.tif", "whole.tif"]


def test_each_channel_is_adapted_to_by_itself(tiny_model: Path, all_used: None) -> None:
    image = Image(np.stack([scanned()[0], photographed()[0]]), axes="CYX")
    both = restore(image, model=str(tiny_model), adapt=True)
    assert [entry["filter"] is None for entry in both.record["adaptation"]] == [False, True]
    one = restore(image, model=str(tiny_model), adapt=True, planes=(1,))
    np.testing.assert_array_equal(one.restored[0], both.restored[1])
    assert any("of channel 1" in message for message in both.record["messages"])


def test_structures_that_run_along_lines_are_not_taken_for_noise(tiny_model: Path) -> None:
    fibres = gaussian_filter(np.random.default_rng(0).standard_normal((150, 150)), (0.7, 12))
    noisy = (
        np.random.default_rng(1)
        .poisson(np.clip(200 + 40 * fibres / fibres.std(), 0, None))
        .astype(np.float32)
    )
    adapted = restore(noisy, model=str(tiny_model), adapt=True)
    assert adapted.record["adaptation"][0]["correlation"][1] > noise_of_image.RUNS_ON
    assert adapted.record["adaptation"][0]["filter"] is None


def test_noise_that_cannot_be_told_from_structure_leaves_the_network_as_it_is(tiny_model: Path) -> None:
    blurred = gaussian_filter(photographed()[0], 0.7)
    adapted = restore(blurred, model=str(tiny_model), adapt=True)
    np.testing.assert_array_equal(adapted.restored, restore(blurred, model=str(tiny_model)).restored)
    assert any("cannot be told from structure" in message for message in adapted.record["messages"])


def test_an_image_without_noise_leaves_the_network_as_it_is(tiny_model: Path) -> None:
    clean = np.hypot(*np.indices((140, 150))).astype(np.float32)
    adapted = restore(clean, model=str(tiny_model), adapt=True)
    np.testing.assert_array_equal(adapted.restored, restore(clean, model=str(tiny_model)).restored)
    assert np.isfinite(restore(np.full((130, 130), 3.0), model=str(tiny_model), adapt=True).restored).all()


def test_what_cannot_be_adapted_is_refused_in_a_sentence(tiny_model: Path) -> None:
    with pytest.raises(DiffuscopeError, match="at least 128 x 128 pixels, and these have 100 x 200"):
        restore(np.random.default_rng(0).normal(size=(100, 200)), model=str(tiny_model), adapt=True)


def test_a_small_image_of_a_batch_is_restored_without_adaptation_and_says_so(
    tiny_model: Path, tmp_path: Path
) -> None:
    small, large = photographed()[0][:40, :40].astype(np.float32), np.full((130, 130), 3, np.float32)
    (tmp_path / "raw").mkdir()
    for name, pixels in (("large", large), ("small", small)):
        tifffile.imwrite(tmp_path / "raw" / f"{name}.tif", pixels)
    report = run_batch("restore", tmp_path / "raw", tmp_path / "out", model=str(tiny_model), adapt=True)
    rows = {row.image.stem: row for row in report.rows}
    assert [row.state for row in report.rows] == ["done", "done"]
    told = "Not adapted: adapting needs planes of at least 128 x 128 pixels, and these have 40 x 40"
    assert told in rows["small"].message
    assert told not in rows["large"].message
    record = record_of_file(rows["small"].result)
    assert record is not None
    assert any(told in message for message in record["messages"])
    plain = restore(small, model=str(tiny_model)).restored
    np.testing.assert_array_equal(tifffile.imread(rows["small"].result), plain)
    again = tmp_path / "again.tif"
    with pytest.raises(SystemExit) as ended:
        main(["repeat", str(rows["small"].result), str(again), "--quiet"])
    assert not ended.value.code
    np.testing.assert_array_equal(tifffile.imread(again), plain)


@pytest.mark.parametrize("kind", ["saturated", "mask", "even", "labels", "holes"])
def test_images_without_noise_to_measure_are_told_in_a_sentence_and_come_out_whole(
    kind: str, tiny_model: Path, few_steps: None
) -> None:
    noisy = photographed()[0][:130, :130].copy()
    grains = np.repeat(np.repeat(np.random.default_rng(0).integers(0, 500, (13, 13)), 10, 0), 10, 1)
    shown, sentence = {
        "saturated": (np.minimum(noisy, np.median(noisy)), "one largest value"),
        "mask": ((noisy > np.median(noisy)).astype(np.uint8), "one largest value"),
        "even": (np.full((130, 130), 3.0), "hold one value each"),
        "labels": (grains.astype(np.uint16), "cannot be told from structure"),
        "holes": (np.where(np.indices(noisy.shape)[0] % 40 == 7, np.nan, noisy), "Noise: gain"),
    }[kind]
    adapted = restore(shown, model=str(tiny_model), adapt=True)
    assert sentence in " ".join(adapted.record["messages"])
    json.dumps(adapted.record, allow_nan=False)
    np.testing.assert_array_equal(np.isfinite(adapted.restored), np.isfinite(shown))


@pytest.mark.parametrize("knows", [False, True])
def test_a_filter_is_worth_something_unless_the_network_knows_the_noise(knows: bool) -> None:
    """Hard thresholds of cosine blocks stand for networks: for white noise, and for that of the scanner."""
    random, line = np.random.default_rng(0), LineFilter(1, (0.45, 0.0))
    noise = line.back(3 * random.standard_normal((160, 160)).astype(np.float32))

    def thresholded(plane: np.ndarray) -> np.ndarray:
        blocks = dctn(plane.reshape(20, 8, 20, 8), axes=(1, 3), norm="ortho")
        strength = np.median(np.abs(blocks[:, 4:, :, 4:])) / 0.6745
        blocks[np.abs(blocks) < 3 * strength] = 0
        return np.asarray(idctn(blocks, axes=(1, 3), norm="ortho").reshape(160, 160), np.float32)

    class Denoiser:
        def estimate(self, model: Any, values: torch.Tensor) -> torch.Tensor:
            plane = values[0, 0].numpy()
            made = line.back(thresholded(line.forward(plane))) if knows else thresholded(plane)
            return torch.from_numpy(made)[None, None]

    values = torch.from_numpy(structures(160).astype(np.float32) + noise)[None, None]
    window = Window(values, torch.full_like(values, float(noise.var())))
    colour = Colour(1, noise_correlation([values[0, 0].numpy()], 1, 4))
    gains = finished(judging.filter_gain(None, [window], line, colour, Denoiser()))  # type: ignore[arg-type]
    assert (sum(gains) > adapting.LEAST_GAIN) is not knows


def test_a_filter_that_gains_nothing_is_left_out_and_said(
    tiny_model: Path, few_steps: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*_: Any) -> Any:
        yield 1
        return 0.002, -0.002

    monkeypatch.setattr(adapting, "filter_gain", nothing)
    monkeypatch.setattr(adapting, "blind_loss", lambda *_: 1.0)
    noisy = scanned()[0]
    adapted = restore(noisy, model=str(tiny_model), adapt=True)
    np.testing.assert_array_equal(adapted.restored, restore(noisy, model=str(tiny_model)).restored)
    assert any(
        "making it white for the network gained nothing" in each for each in adapted.record["messages"]
    )


def test_noise_of_a_colour_is_made_as_it_was_measured() -> None:
    white = torch.randn((1, 1, 300, 300), generator=torch.Generator().manual_seed(0))
    for axis in (0, 1):
        made = Colour(axis, (0.5, 0.2, 0.05, 0.0)).of(white)[0, 0].numpy()
        assert made.var() == pytest.approx(1, abs=0.05)
        lines = made if axis else made.T
        for distance, share in ((1, 0.5), (2, 0.2)):
            assert np.mean(lines[:, distance:] * lines[:, :-distance]) == pytest.approx(share, abs=0.03)
        assert np.mean(lines[1:] * lines[:-1]) == pytest.approx(0, abs=0.03)


def test_an_image_of_other_pixels_is_adapted_to_in_those_of_the_model(
    tiny_model: Path, tmp_path: Path, all_used: None
) -> None:
    card, tensors = read_tensors(tiny_model)
    write_folder(tmp_path / "sized", replace(card, pixel_size=(0.1, 0.2)), tensors)
    model = str(tmp_path / "sized")
    for size in (0.05, 0.4):
        image = Image(
            scanned(edge=260 if size < 0.1 else 130)[0], axes="YX", scale=(size,) * 2, units=("um",) * 2
        )
        whole = restore(image, model=model, adapt=True, resample=True)
        [entry] = whole.record["adaptation"]
        assert entry["scales"] is not None
        assert entry["filter"] is not None
        assert not np.array_equal(whole.restored, restore(image, model=model, resample=True).restored)
        part = restore(image, model=model, adapt=True, resample=True, crop=(20, 90, 70, 130))
        np.testing.assert_array_equal(part.restored, whole.restored[20:90, 70:130])
    with pytest.raises(
        DiffuscopeError, match="at least 256 x 256 pixels of their size, and these have 130 x 130"
    ):
        restore(replace(image, scale=(0.05,) * 2), model=model, adapt=True, resample=True)


def test_a_forecast_counts_the_time_to_learn(tiny_model: Path, few_steps: None) -> None:
    image = Image(np.stack([photographed(seed)[0] for seed in range(2)]), axes="CYX")
    settings = RestoreSettings(model=str(tiny_model), adapt=True)
    card = load_model(str(tiny_model)).card
    plain, adapted = (
        RESTORE.effort_of({"image": image}, replace(settings, adapt=adapt), card) for adapt in (False, True)
    )
    assert plain.learning == pytest.approx(0)
    assert adapted.learning / 2 == pytest.approx(
        RESTORE.effort_of({"image": image}, replace(settings, planes=(1,)), card).learning
    )
    counted = list[Update]()
    rehearsal = finished(rehearsal_job(RESTORE, {"image": image}, settings), counted.append)
    assert rehearsal.seconds is not None
    learning_steps = [update for update in counted if "step" in update.message]
    assert learning_steps
    assert all(update.total == 0 for update in learning_steps)  # no pace of the planes is taken from them


def test_a_movie_is_learned_from_once(tiny_model: Path, all_used: None) -> None:
    movie = np.stack([photographed(seed)[0][:130, :130] for seed in range(5)])
    [entry] = restore(movie, axes="TYX", model=str(tiny_model), adapt=True, planes=(0, 4)).record[
        "adaptation"
    ]
    assert entry["planes"] == [1, 3]


def test_other_modes_say_that_nothing_is_adapted(tiny_model: Path) -> None:
    noisy = photographed()[0]
    sample = restore(noisy, model=str(tiny_model), mode="sample", steps=2, adapt=True)
    assert any("for the best estimate alone" in message for message in sample.record["messages"])


def test_empty_parts_are_left_out_of_an_image_of_a_camera_and_not_beside_lines(
    tiny_model: Path, few_steps: None
) -> None:
    for noisy in (photographed()[0], scanned()[0]):
        noisy = np.pad(noisy, ((0, 256), (0, 256)), constant_values=noisy.min())
        adapted = restore(noisy, model=str(tiny_model), adapt=True, skip_below=float(noisy.min()) + 1)
        assert np.isfinite(adapted.restored).all()
        filtered = adapted.record["adaptation"][0]["filter"] is not None
        assert np.array_equal(adapted.restored[-100:, -100:], noisy[-100:, -100:]) is not filtered


def test_images_of_a_batch_are_learned_from_one_by_one(
    tiny_model: Path, tmp_path: Path, all_used: None
) -> None:
    images = {"scan": scanned()[0], "photograph": photographed()[0]}
    (tmp_path / "in").mkdir()
    for name, pixels in images.items():
        tifffile.imwrite(tmp_path / "in" / f"{name}.tif", pixels[:130, :130])
    run_batch("restore", tmp_path / "in", tmp_path / "out", model=str(tiny_model), adapt=True)
    for name, pixels in images.items():
        [made] = (tmp_path / "out").glob(f"{name}*.tif")
        alone = restore(pixels[:130, :130], model=str(tiny_model), adapt=True)
        np.testing.assert_array_equal(tifffile.imread(made), alone.restored)
        record = record_of_file(made)
        assert record is not None
        assert record["adaptation"] == alone.record["adaptation"]
