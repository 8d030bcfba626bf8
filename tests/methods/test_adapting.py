"""Restoration adapted to one image: what it gains, that it is repeated bit for bit, and what is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from scipy.ndimage import gaussian_filter

from napari_diffuscope import DiffuscopeError, Image, restore
from napari_diffuscope.cli import main
from napari_diffuscope.evaluate.restore.scanner import Scanner
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.methods.restore import adapting, learning
from napari_diffuscope.methods.restore.method import RESTORE
from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.methods.storing import files_job


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


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "STEPS", 2)
    monkeypatch.setattr(adapting, "STEPS", 2)
    monkeypatch.setattr(adapting, "MOST_PLANES", 2)


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
    tiny_model: Path, few_steps: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapting, "LEAST_GAIN", -np.inf)  # scales are used, whatever they are worth
    stack = np.stack([scanned(seed)[0] for seed in range(2)])

    def run(**choices: Any) -> np.ndarray:
        result = restore(stack, axes="ZYX", model=str(tiny_model), adapt=True, **choices)
        assert result.record["adaptation"][0]["scales"] is not None
        return np.asarray(result.restored)

    whole = run()
    assert not np.array_equal(whole, restore(stack, axes="ZYX", model=str(tiny_model)).restored)
    np.testing.assert_array_equal(run(tile=64, planes=(1,))[0], whole[1])
    np.testing.assert_array_equal(run(crop=(20, 90, 70, 130), planes=(0,))[0], whole[0, 20:90, 70:130])
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3 - min(threads, 2))
        np.testing.assert_array_equal(run(), whole)
    finally:
        torch.set_num_threads(threads)


def test_repeat_takes_the_parameters_of_the_record(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, never_learned: Callable[[], None]
) -> None:
    monkeypatch.setattr(adapting, "LEAST_GAIN", -np.inf)
    source, first, again = (tmp_path / name for name in ("in.tif", "first.tif", "again.tif"))
    tifffile.imwrite(source, scanned()[0])
    words = ["restore", str(source), str(first), "--model", str(tiny_model), "--adapt", "--quiet"]
    monkeypatch.setattr("sys.argv", ["diffuscope", *words])
    assert _exit(main) == 0
    never_learned()
    monkeypatch.setattr("sys.argv", ["diffuscope", "repeat", str(first), str(again), "--quiet"])
    assert _exit(main) == 0
    np.testing.assert_array_equal(tifffile.imread(again), tifffile.imread(first))


def _exit(command: Callable[[], Any]) -> Any:
    try:
        return command() or 0
    except SystemExit as stop:
        return stop.code or 0


def test_a_stopped_run_goes_on_with_what_it_had_learned(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, never_learned: Callable[[], None]
) -> None:
    monkeypatch.setattr(adapting, "LEAST_GAIN", -np.inf)
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


def test_each_channel_is_adapted_to_by_itself(tiny_model: Path, few_steps: None) -> None:
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
    assert adapted.record["adaptation"][0]["correlation"][1] > adapting.RUNS_ON
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
    with pytest.raises(DiffuscopeError, match="switch one of them off"):
        RestoreSettings(adapt=True, resample=True)


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
