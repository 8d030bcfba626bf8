"""Training on pairs of images in folders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from shutil import copy
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

from napari_diffuscope import DiffuscopeError, restore
from napari_diffuscope.cli import main
from napari_diffuscope.jobs import run
from napari_diffuscope.training.loop import training_job
from napari_diffuscope.training.pair_files import find_pairs
from napari_diffuscope.training.pair_folders import PairBatches, read_pairs
from napari_diffuscope.training.recipe import Card, Data, Diffusion, Optimisation, Recipe, read_recipe
from napari_diffuscope.training.restore.data import denoising_task
from napari_diffuscope.training.run_files import RECIPE_FILE
from napari_diffuscope.weights.card import read_card


def scene(seed: int, size: int = 64) -> np.ndarray:
    """Blobs of a few pixels, 0 to about 1."""
    from scipy.ndimage import gaussian_filter

    image = gaussian_filter(np.random.default_rng(seed).normal(size=(size, size)), 3)
    return np.clip(image / image.max(), 0, None)


def write_pairs(
    folder: Path,
    count: int = 4,
    *,
    gain: float = 1.0,
    offset: float = 0.0,
    names: tuple[str, str] = ("low", "high"),
) -> Path:
    """Clean images, and noisy ones of a camera with another gain and offset."""
    for place in names:
        (folder / place).mkdir(parents=True)
    for number in range(count):
        clean = 100 + 400 * scene(number)
        noisy = gain * (clean + np.random.default_rng([1, number]).normal(0, 40, clean.shape)) + offset
        tifffile.imwrite(folder / names[0] / f"{number}.tif", noisy.astype(np.float32))
        tifffile.imwrite(folder / names[1] / f"{number}.tif", clean.astype(np.float32))
    return folder


def recipe(folder: Path, **data: Any) -> Recipe:
    return Recipe(
        name="mine",
        task="restoration",
        card=Card("Mine", "Tests."),
        network={"widths": [8, 8], "encoder_blocks": [1, 1], "decoder_blocks": [1], "embedding": 16},
        data=Data(**{"kind": "pairs", "folder": str(folder), "patch": 32, "validation": 4, **data}),
        optimisation=Optimisation(steps=2, batch=2, warmup=2, validate_every=2, checkpoint_every=2),
    )


def test_a_model_is_trained_on_pairs_and_restores(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path / "pairs")
    card = run(training_job(recipe(folder), tmp_path / "run", tmp_path / "mine", workers=0))
    assert len(card.training["pairs"]) == 3
    assert len(card.training["kept_out"]) == 1
    assert card.training["match"] == "same"
    assert any("have the same units" in note for note in card.training["notes"]), "what was said is kept"
    low = tifffile.imread(folder / "low" / "0.tif")
    assert restore(low, settings=None, model=str(tmp_path / "mine"), device="cpu").restored.shape == low.shape


def test_files_are_split_whole(tmp_path: Path) -> None:
    training, kept = find_pairs(write_pairs(tmp_path, 5), share=0.4, seed=3)
    assert (len(training), len(kept)) == (3, 2)
    assert not {pair.low for pair in training} & {pair.low for pair in kept}
    assert find_pairs(tmp_path, share=0.4, seed=3) == (training, kept)


def test_the_split_of_published_data_sets_is_kept(tmp_path: Path) -> None:
    write_pairs(tmp_path / "train", 2, names=("low_padded", "high_registered"))
    write_pairs(tmp_path / "validate", 1)
    write_pairs(tmp_path / "test", 3)
    training, kept = find_pairs(tmp_path, share=0.5, seed=0)
    assert [pair.low.parent.parent.name for pair in training] == ["train", "train"]
    assert [pair.low.parent.parent.name for pair in kept] == ["validate"]


def test_a_single_stack_is_split_by_planes_and_says_so(tmp_path: Path) -> None:
    for shift, place in enumerate(("low", "high")):
        (tmp_path / place).mkdir()
        stack = np.stack([scene(z + shift) for z in range(5)]).astype(np.float32)
        tifffile.imwrite(tmp_path / place / "stack.tif", stack, metadata={"axes": "ZYX"})
    pairs = read_pairs(Data(kind="pairs", folder=str(tmp_path), patch=32), seed=0)
    assert (len(pairs.training), len(pairs.kept)) == (4, 1)
    assert any("last 1 of 5 planes are kept" in note for note in pairs.notes)


def test_one_plane_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DiffuscopeError, match="alone cannot be both trained on and validated"):
        read_pairs(Data(kind="pairs", folder=str(write_pairs(tmp_path, 1)), patch=32), seed=0)


@pytest.mark.parametrize(
    ("gain", "offset", "match"),
    [(1.0, 0.0, "same"), (1.1, 20.0, "same"), (0.1, 5.0, "fit"), (1.0, 800.0, "fit")],
)
def test_gain_and_offset_decide_how_targets_are_matched(
    tmp_path: Path, gain: float, offset: float, match: str
) -> None:
    folder = write_pairs(tmp_path, gain=gain, offset=offset)
    pairs = read_pairs(Data(kind="pairs", folder=str(folder), patch=32), seed=0)
    assert pairs.facts["match"] == match


def test_a_change_of_contrast_is_no_gain(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path, gain=0.1)
    line = {"kind": "pairs", "folder": str(folder), "patch": 32}
    for match, apart in (("percentiles", True), ("auto", False)):
        task = denoising_task(
            replace(recipe(folder), data=Data(**line, match=match)), tmp_path, torch.device("cpu")
        )
        (batches,) = task.kept.values()
        stretched = ([2 * batch.clean + 1 for batch in batches], [2 * batch.noisy + 1 for batch in batches])
        clean, noisy = (_gain_of(task, images) for images in stretched)
        assert (abs(noisy) < 0.01) == apart, "the noisy image in another contrast"
        assert (clean > 30) == apart


def _gain_of(task: Any, estimates: list[torch.Tensor]) -> float:
    given = iter(estimates)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(task), "estimate", lambda *_: next(given))
        return float(task.validate(None)["gain_db"])


@pytest.mark.parametrize("gain", [1.0, 0.1])
def test_fitted_targets_are_the_clean_image_on_the_low_scale(tmp_path: Path, gain: float) -> None:
    folder = write_pairs(tmp_path, gain=gain, offset=7.0)
    pairs = read_pairs(Data(kind="pairs", folder=str(folder), patch=32, match="fit"), seed=0)
    for low, target in pairs.training:
        noise = low - target
        assert abs(noise.mean()) < 0.05 * low.std()
        assert abs(np.corrcoef(noise.ravel(), target.ravel())[0, 1]) < 0.1


def test_unlike_images_are_told(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path)
    tifffile.imwrite(folder / "high" / "0.tif", (500 - 400 * scene(0)).astype(np.float32))
    pairs = read_pairs(Data(kind="pairs", folder=str(folder), patch=32), seed=0)
    assert any("'0.tif' first" in note for note in pairs.notes)


def spoil_shape(folder: Path) -> None:
    tifffile.imwrite(folder / "high" / "1.tif", np.ones((64, 60), np.float32))


def spoil_file(folder: Path) -> None:
    (folder / "low" / "1.tif").write_bytes(b"II*\x00 nothing")


def spoil_values(folder: Path) -> None:
    tifffile.imwrite(folder / "high" / "1.tif", np.full((64, 64), np.nan, np.float32))


def spoil_size(folder: Path) -> None:
    for place in ("low", "high"):
        tifffile.imwrite(folder / place / "1.tif", np.ones((20, 90), np.float32))


def spoil_constant(folder: Path) -> None:
    tifffile.imwrite(folder / "high" / "1.tif", np.ones((64, 64), np.float32))


def spoil_partner(folder: Path) -> None:
    (folder / "high" / "1.tif").unlink()


def spoil_folder(folder: Path) -> None:
    (folder / "high").rename(folder / "other")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (spoil_shape, "differs in shape"),
        (spoil_file, "1.tif"),
        (spoil_values, "no numbers"),
        (spoil_size, "less than a patch of 32"),
        (spoil_constant, "same everywhere"),
        (spoil_partner, "no partner of the same name, '1.tif'"),
        (spoil_folder, "holds no pairs"),
    ],
)
def test_pairs_that_do_not_fit_are_refused(tmp_path: Path, spoil: Any, sentence: str) -> None:
    folder = write_pairs(tmp_path)
    spoil(folder)
    with pytest.raises(DiffuscopeError, match=sentence):
        read_pairs(Data(kind="pairs", folder=str(folder), patch=32), seed=0)


def test_batches_of_pairs_depend_on_their_number_alone() -> None:
    planes = [np.stack([scene(n), scene(n) * 2]).astype(np.float32) for n in range(3)]
    batches = PairBatches(planes, batch=2, patch=32, seed=1, varied=True)
    low, high, spread = batches[5]
    assert low.shape == high.shape == (2, 1, 32, 32)
    np.testing.assert_array_equal(low, batches[5][0])
    assert not np.array_equal(low, batches[6][0])
    np.testing.assert_allclose(spread, np.sqrt(np.square(low - high).mean((1, 2, 3))), rtol=1e-3)


def test_a_regressor_gives_estimates_and_no_samples(tmp_path: Path) -> None:
    plan = replace(recipe(write_pairs(tmp_path / "pairs")), diffusion=Diffusion(highest_share=1.0))
    card = run(training_job(plan, tmp_path / "run", tmp_path / "mine", workers=0))
    assert card.diffusion.estimate_only
    image = scene(7).astype(np.float32)
    assert np.isfinite(restore(image, model=str(tmp_path / "mine"), device="cpu").restored).all()
    for mode in ("sample", "mean", "sharpened"):
        with pytest.raises(DiffuscopeError, match="best estimate alone"):
            restore(image, model=str(tmp_path / "mine"), mode=mode, device="cpu")


def test_an_openai_network_trains_on_the_same_data_and_restores(tmp_path: Path) -> None:
    network = {
        "kind": "openai-unet",
        "model_channels": 8,
        "channel_multipliers": [1, 2],
        "res_blocks": 1,
        "norm_groups": 4,
        "dropout": 0.1,
    }
    plan = recipe(write_pairs(tmp_path / "pairs"))
    plan = replace(plan, network=network, optimisation=replace(plan.optimisation, precision="bfloat16"))
    card = run(training_job(plan, tmp_path / "a", tmp_path / "mine", workers=0))
    assert card.network.kind == "openai-unet"
    image = scene(7).astype(np.float32)
    assert card.training["precision"] == "bfloat16"
    for mode in ("estimate", "sample"):
        result = restore(image, model=str(tmp_path / "mine"), mode=mode, steps=2, device="cpu")
        assert np.isfinite(result.restored).all()

    job = training_job(plan, tmp_path / "b", tmp_path / "again", workers=0)
    next(update for update in job if update.done == 1)
    job.close()
    again = run(training_job(plan, tmp_path / "b", tmp_path / "again", workers=0, resume=True))
    assert again.sha256 == card.sha256  # dropout, too, depends on the step alone


def test_the_network_is_told_the_same_time_in_training_and_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_diffuscope.networks.openai_unet import OpenAIUNet
    from napari_diffuscope.training.objective import draw_times
    from napari_diffuscope.weights.model import load_model

    network = {"kind": "openai-unet", "model_channels": 8, "channel_multipliers": [1, 2], "norm_groups": 4}
    plan = replace(recipe(write_pairs(tmp_path / "pairs")), network=network)
    told: list[torch.Tensor] = []
    drawn: list[torch.Tensor] = []

    def noted(count: int, **options: Any) -> torch.Tensor:
        drawn.append(draw_times(count, **options))
        return drawn[-1]

    forward = OpenAIUNet.forward
    monkeypatch.setattr("napari_diffuscope.training.of_recipe.draw_times", noted)
    monkeypatch.setattr(
        OpenAIUNet, "forward", lambda self, x, t: (told.append(t.clone()), forward(self, x, t))[1]
    )
    run(training_job(plan, tmp_path / "a", tmp_path / "mine", workers=0))
    model = load_model(tmp_path / "mine")
    for t in drawn[0].tolist():
        assert model.time_of(model.schedule.at(t)) == pytest.approx(1000 * t)
    torch.testing.assert_close(told[0], 1000 * drawn[0])


def test_training_goes_on_from_a_model(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path / "pairs")
    run(training_job(recipe(folder), tmp_path / "a", tmp_path / "first", workers=0))
    tuned = replace(
        recipe(folder),
        start_from=str(tmp_path / "first"),
        optimisation=replace(recipe(folder).optimisation, steps=1, learning_rate=1e-12, validate_every=1),
    )
    card = run(training_job(tuned, tmp_path / "b", tmp_path / "second", workers=0))
    first, second = (
        restore(scene(5).astype(np.float32), model=str(tmp_path / name), device="cpu").restored
        for name in ("first", "second")
    )
    np.testing.assert_allclose(first, second, atol=2e-3)
    assert card.training["recipe"]["start_from"] == "first"
    other = replace(tuned, network={**tuned.network, "widths": [16, 8]})
    with pytest.raises(DiffuscopeError, match="is not that of the recipe"):
        run(training_job(other, tmp_path / "c", tmp_path / "third", workers=0))


def test_the_command_line_trains_on_pairs_without_a_recipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_pairs(tmp_path / "pairs")
    run(training_job(recipe(folder), tmp_path / "a", tmp_path / "first", workers=0))
    monkeypatch.chdir(tmp_path)
    words = [
        "--pairs",
        "pairs",
        "--name",
        "mine",
        "--from",
        "first",
        "--steps",
        "1",
        "--workers",
        "0",
        "--device",
        "cpu",
    ]
    with pytest.raises(SystemExit) as done:
        main(["train", *words])
    assert done.value.code == 0
    shown = capsys.readouterr().err
    assert 'kind = "pairs"' in shown
    written = read_recipe(tmp_path / "runs" / "mine" / RECIPE_FILE)
    assert written.network["widths"] == [8, 8]
    assert written.data.patch == 64
    assert read_card(tmp_path / "runs" / "mine" / "mine").training["steps"] == 1


@pytest.mark.parametrize(
    "words",
    [[], ["--pairs", "p"], ["r.toml", "--pairs", "p", "--name", "n"], ["--pairs", "p", "--name", "a/b"]],
)
def test_wrong_usage_is_told(words: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["train", *words])
    assert stopped.value.code == 2


@pytest.mark.parametrize(
    "names", [("Low", "High"), ("low", "GT"), ("NOISY", "Ground_Truth"), ("noisy", "clean")]
)
def test_folders_go_by_their_usual_names(tmp_path: Path, names: tuple[str, str]) -> None:
    write_pairs(tmp_path, 3, names=names)
    training, kept = find_pairs(tmp_path, share=0.4, seed=0)
    assert {(pair.low.parent.name, pair.high.parent.name) for pair in (*training, *kept)} == {names}


def test_of_two_names_the_plain_one_counts(tmp_path: Path) -> None:
    write_pairs(tmp_path, 2)
    write_pairs(tmp_path, 2, names=("noisy", "GT"))
    training, _ = find_pairs(tmp_path, share=0.4, seed=0)
    assert {pair.low.parent.name for pair in training} == {"low"}
    assert {pair.high.parent.name for pair in training} == {"high"}


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("gain", [1.0, 5.0])
def test_folders_that_were_swapped_are_remarked(tmp_path: Path, swapped: bool, gain: float) -> None:
    write_pairs(tmp_path, 3, gain=gain, names=("high", "low") if swapped else ("low", "high"))
    notes = read_pairs(recipe(tmp_path).data, seed=0).notes
    told = "In 3 of 3 pairs the clean image is noisier than the noisy one: were the two swapped?"
    assert (told in notes) == swapped, notes
    assert swapped or not any("swapped" in note for note in notes)


def test_sharper_images_are_not_taken_for_noisier_ones(tmp_path: Path) -> None:
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    for part in ("low", "high"):
        (tmp_path / part).mkdir()
    for number in range(3):
        sharp = 100 + 2000 * scene(number) * (rng.random((64, 64)) > 0.7)
        blurred = gaussian_filter(sharp, 2) + rng.normal(0, 4, sharp.shape)
        tifffile.imwrite(tmp_path / "low" / f"{number}.tif", blurred.astype(np.float32))
        tifffile.imwrite(tmp_path / "high" / f"{number}.tif", gaussian_filter(sharp, 0.7).astype(np.float32))
    assert not any("swapped" in note for note in read_pairs(recipe(tmp_path).data, seed=0).notes)


def test_partners_may_be_files_of_another_kind(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path, 3)
    expected = [pair.low for pair in find_pairs(folder, share=0.3, seed=0)[0]]
    for number, ending in enumerate((".tiff", ".ome.tif", ".TIF")):
        (folder / "high" / f"{number}.tif").rename(folder / "high" / f"{number}{ending}")
    training, kept = find_pairs(folder, share=0.3, seed=0)
    assert [pair.low for pair in training] == expected, "the same are kept out"
    assert {pair.high.name for pair in (*training, *kept)} == {"0.tiff", "1.ome.tif", "2.TIF"}
    (folder / "high" / "0.png").write_bytes(b"")
    with pytest.raises(DiffuscopeError, match="no partner"):
        find_pairs(folder, share=0.3, seed=0)


def test_the_same_image_twice_is_no_pair(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path)
    copy(folder / "low" / "1.tif", folder / "high" / "1.tif")
    notes = read_pairs(recipe(folder).data, seed=0).notes
    assert any("In 1 of 4 pairs both images are the same, '1.tif' first" in note for note in notes)
    one_folder = replace(recipe(folder).data, folder=str(folder / "low"), high_folder=str(folder / "low"))
    with pytest.raises(DiffuscopeError, match="nothing to learn: choose the clean images"):
        read_pairs(one_folder, seed=0)
