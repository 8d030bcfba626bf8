"""Training: recipes, batches by number, resuming, and that something is learned."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from scipy.ndimage import gaussian_filter

from napari_diffuscope import DiffuscopeError, load_model
from napari_diffuscope.jobs import run
from napari_diffuscope.networks.local_unet import LocalUNet, LocalUNetConfig
from napari_diffuscope.training.clean import real_images, simulated_images
from napari_diffuscope.training.log import LOG
from napari_diffuscope.training.loop import training_job
from napari_diffuscope.training.network import trained_network
from napari_diffuscope.training.objective import denoising_loss, draw_times, levels_of
from napari_diffuscope.training.pairs import Batch, CleanPool, DenoisingBatches, to_batch
from napari_diffuscope.training.processes import Processes
from napari_diffuscope.training.reading import opened
from napari_diffuscope.training.recipe import (
    Card,
    Data,
    ImageSource,
    Optimisation,
    Recipe,
    read_recipe,
)
from napari_diffuscope.training.restore.data import denoising_task
from napari_diffuscope.training.run_files import CHECKPOINT, RECIPE_FILE
from napari_diffuscope.training.state import State, rate_at
from napari_diffuscope.training.step import Training, train_step

PACE = ("learning_rate", "seconds", "images_per_second", "waiting_share")
RECIPES = Path(__file__).resolve().parents[2] / "recipes"


def recipe(**plan: Any) -> Recipe:
    return Recipe(
        name="small",
        task="restoration",
        card=Card("Small", "Tests."),
        network={"widths": [16, 24], "encoder_blocks": [1, 1], "decoder_blocks": [1], "embedding": 16},
        data=Data(simulated=2, validation=2, size=64, patch=32),
        optimisation=Optimisation(
            **{"steps": 6, "batch": 2, "warmup": 2, "validate_every": 2, "checkpoint_every": 3, **plan}
        ),
    )


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_the_recipes_are_valid(path: Path) -> None:
    plan = read_recipe(path)
    trained_network(plan)
    share = plan.diffusion.highest_share
    least = (
        0.05 if plan.task == "generate" else 0.2
    )  # where no image is given, pure noise says nothing of one
    assert share == 1 or least <= share <= 0.5


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name = ", "not valid TOML"),
        ('name = "a"\ntask = "restoration"', "lacks the entry 'card'"),
        ('name = "a"\ntask = "cooking"\n[card]\ntitle="t"\npurpose="p"', "must be one of"),
        (
            'name = "a"\ntask = "restoration"\nspeed = 1\n[card]\ntitle="t"\npurpose="p"',
            "unknown entry 'speed'",
        ),
        (
            'name = "a"\ntask = "restoration"\n[card]\ntitle="t"\npurpose="p"\n[optimisation]\nsteps="many"',
            "steps must be a whole number",
        ),
        (
            'name = "a"\ntask = "restoration"\n[card]\ntitle="t"\npurpose="p"\n[data]\nspecimen_fwhm=[3, 2]',
            "specimen_fwhm cannot be",
        ),
    ],
)
def test_wrong_recipes_are_refused_by_name(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(DiffuscopeError, match=sentence):
        read_recipe(path)


def test_an_absent_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DiffuscopeError, match="There is no file"):
        read_recipe(tmp_path / "absent.toml")


def test_an_interrupted_training_gives_the_same_weights(tmp_path: Path) -> None:
    whole = run(training_job(recipe(), tmp_path / "a", tmp_path / "whole", workers=0))
    job = training_job(recipe(), tmp_path / "b", tmp_path / "resumed", workers=0)
    next(u for u in job if u.done == 4)  # the checkpoint is that of step 3
    job.close()
    assert not (tmp_path / "resumed").exists()
    resumed = run(training_job(recipe(), tmp_path / "b", tmp_path / "resumed", resume=True, workers=0))
    assert whole.sha256 == resumed.sha256
    assert logged(tmp_path / "a") == logged(tmp_path / "b")
    assert load_model(tmp_path / "whole").card.training["steps"] == 6


def logged(folder: Path) -> list[list[str]]:
    """The log without the columns that tell the time."""
    rows = [line.split(",") for line in (folder / LOG).read_text().splitlines()]
    assert rows[0] == ["step", "loss", "validation_gain_db", *PACE]
    return [row[:4] for row in rows]


def test_closing_the_job_leaves_a_checkpoint(tmp_path: Path) -> None:
    job = training_job(recipe(checkpoint_every=100), tmp_path, tmp_path / "m", workers=0)
    next(u for u in job if u.done == 4)
    job.close()
    assert torch.load(tmp_path / CHECKPOINT, weights_only=True)["step"] == 4


def test_the_card_repeats_the_training(tmp_path: Path) -> None:
    card = run(training_job(recipe(), tmp_path / "a", tmp_path / "first", workers=0))
    assert card.training["recipe"]["optimisation"]["batch"] == 2
    assert {"version", "seed", "steps", "seconds", "hardware", "threads", "torch"} <= set(card.training)
    again = run(
        training_job(read_recipe(tmp_path / "a" / RECIPE_FILE), tmp_path / "b", tmp_path / "n", workers=0)
    )
    assert again.sha256 == card.sha256


def test_the_log_tells_the_mean_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_diffuscope.training.restore import denoising

    def noted(*rest: Any, **options: Any) -> torch.Tensor:
        loss = denoising_loss(*rest, **options)
        losses.append(float(loss.detach()))
        return loss

    losses: list[float] = []
    monkeypatch.setattr(denoising, "denoising_loss", noted)
    run(training_job(recipe(validate_every=3), tmp_path, tmp_path / "m", workers=0))
    written = [float(row[1]) for row in logged(tmp_path)[1:]]
    assert written == pytest.approx([np.mean(losses[:3]), np.mean(losses[3:])], rel=1e-4)


def test_training_stops_early_and_keeps_the_best_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_diffuscope.training.restore import denoising

    gains = iter([1.0, 2.0, 1.5, 2.05, 1.0, 0.0])
    monkeypatch.setattr(denoising.DenoisingTask, "validate", lambda *_: {"gain_db": next(gains)})
    plan = recipe(steps=20, validate_every=1, patience=2, min_gain=0.1)
    card = run(training_job(plan, tmp_path, tmp_path / "m", workers=0))
    assert (card.training["steps"], card.training["weights_of_step"]) == (4, 2)
    kept = torch.load(tmp_path / CHECKPOINT, weights_only=True)["best"]["weights"]
    written = load_model(tmp_path / "m").network.state_dict()
    assert all(torch.equal(written[name], tensor.half().float()) for name, tensor in kept.items())
    last = torch.load(tmp_path / CHECKPOINT, weights_only=True)["average"]
    assert any(not torch.equal(last[f"module.{name}"], tensor) for name, tensor in kept.items())


def test_a_worker_process_gives_the_same_batches(tmp_path: Path) -> None:
    one = run(training_job(recipe(), tmp_path / "a", tmp_path / "one", workers=0))
    other = run(training_job(recipe(), tmp_path / "b", tmp_path / "other", workers=1))
    assert one.sha256 == other.sha256


def test_resuming_needs_a_checkpoint_of_the_same_recipe(tmp_path: Path) -> None:
    with pytest.raises(DiffuscopeError, match="nothing to resume"):
        run(training_job(recipe(), tmp_path, tmp_path / "m", resume=True, overwrite=True, workers=0))
    run(training_job(recipe(steps=3), tmp_path, tmp_path / "m", workers=0))
    with pytest.raises(DiffuscopeError, match="another recipe"):
        run(
            training_job(
                recipe(seed=1),
                tmp_path,
                tmp_path / "m",
                resume=True,
                overwrite=True,
                workers=0,
            )
        )


def test_a_loss_that_is_no_number_stops_and_keeps_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_diffuscope.training.restore import denoising

    def diverging(network: Any, batch: Batch, *rest: Any, **options: Any) -> torch.Tensor:
        loss = denoising_loss(network, batch, *rest, **options)
        calls.append(0)
        return loss * float("nan") if len(calls) > 4 else loss

    calls: list[int] = []
    monkeypatch.setattr(denoising, "denoising_loss", diverging)
    with pytest.raises(DiffuscopeError, match="no number any more at step 4"):
        run(training_job(recipe(), tmp_path, tmp_path / "m", workers=0))
    assert torch.load(tmp_path / CHECKPOINT, weights_only=True)["step"] == 3


class FullDisk:
    """A file on a disk with room for 3,000 bytes."""

    def __init__(self) -> None:
        self.written = 0

    def write(self, content: bytes) -> int:
        self.written += len(content)
        if self.written > 3000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(content)

    def flush(self) -> None:
        pass


def test_a_full_disk_is_one_sentence_and_keeps_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = recipe()
    state = State.fresh(LocalUNet(LocalUNetConfig(**plan.network)), plan.optimisation)
    state.save(tmp_path, plan)
    before = (tmp_path / CHECKPOINT).read_bytes()

    save = torch.save  # which stumbles over what did not get written, and raises another error
    monkeypatch.setattr(torch, "save", lambda content, _: save(content, FullDisk()))
    with pytest.raises(DiffuscopeError, match="disk is full"):
        state.save(tmp_path, plan)
    assert (tmp_path / CHECKPOINT).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]


def test_an_overfitted_network_denoises_what_it_knows(tmp_path: Path) -> None:
    plan = recipe(steps=300, batch=4, learning_rate=2e-2, ema=0.9)
    torch.manual_seed(0)
    state = State.fresh(LocalUNet(LocalUNetConfig(**plan.network)).train(), plan.optimisation)
    alone = Processes(0, 1, torch.device("cpu"))
    task = denoising_task(plan, tmp_path, alone.device)
    (batch,) = task.kept["simulated"]
    training = Training(task, plan, state, state.network, alone, alone.part(4), "float32", tmp_path)
    before = task.validate(state.averaged)["gain_db"]
    for _ in range(plan.optimisation.steps):
        train_step(training, (batch.noisy, batch.clean, batch.spread))
    assert task.validate(state.averaged)["gain_db"] > before + 8


def test_batches_depend_on_their_number_alone() -> None:
    data = Data(size=64)
    pool = CleanPool(simulated_images(data, seed=0, purpose=0, count=2))
    batches = DenoisingBatches(pool, batch=3, patch=32, size=64, seed=4)
    first, again, other = (to_batch(batches[number], torch.device("cpu")) for number in (7, 7, 8))
    assert torch.equal(first.noisy, again.noisy)
    assert not torch.equal(first.noisy, other.noisy)
    assert first.noisy.shape == first.clean.shape == (3, 1, 32, 32)
    spread = (first.noisy - first.clean).square().mean((1, 2, 3)).sqrt()
    torch.testing.assert_close(first.spread, spread)


def test_a_target_to_deblur_is_sharper_than_one_at_equal_blur() -> None:
    """Over the same pictures: at the finest scale, the target has more power."""
    image = np.random.default_rng(0).uniform(0, 1, (1, 64, 64)).astype(np.float32)
    options: dict[str, Any] = {"batch": 4, "patch": 64, "size": 64, "seed": 1}
    steepness = []
    for blur in (None, (4.0, 4.0)):
        batches = DenoisingBatches(CleanPool(image), blur=blur, **options)
        cleans = [batches[number][1] for number in range(4)]
        noise_free = [clean for part in cleans for clean in part[:, 0]]
        steepness.append(np.median([np.abs(np.diff(c)).mean() / np.std(c) for c in noise_free]))
    sharp, deblurred = steepness
    assert deblurred < sharp  # the specimen itself is white noise, sharper than any spot lets through
    wide = DenoisingBatches(CleanPool(image), blur=(8.0, 8.0), **options)
    wider = np.median([np.abs(np.diff(c)).mean() / np.std(c) for c in wide[0][1][:, 0]])
    assert wider < deblurred


def test_shrunk_images_and_textures_are_drawn() -> None:
    image = np.zeros((1, 64, 64), np.float32)
    image[:, ::2] = 1
    rng = np.random.default_rng(0)
    assert np.ptp(CleanPool(image, shrunk_share=1.0).draw(rng, 32, smallest=32)) == 0
    assert np.ptp(CleanPool(image, shrunk_share=1.0).draw(rng, 64, smallest=64)) == 1  # too small to shrink
    textures = np.random.default_rng(1).uniform(size=(2, 64, 64)).astype(np.float16)
    texture = CleanPool(image, textures=textures, texture_share=1.0).draw(rng, 48)
    assert texture.shape == (48, 48)
    assert len(np.unique(texture)) > 100
    stripes = CleanPool(image, textures=image, texture_share=1.0, shrunk_share=1.0)
    assert np.ptp(stripes.draw(rng, 32, smallest=32)) == 1
    assert np.ptp(replace(stripes, shrunk_textures=True).draw(rng, 32, smallest=32)) == 0


def test_specimens_to_be_blurred_are_seen_through_the_spots_of_the_recipe() -> None:
    """Of the same specimens: what a little more blur takes away is there with narrow spots alone."""
    fine = []
    for widths in ((1.2, 1.6), (6.0, 7.0)):
        images = simulated_images(Data(size=64, specimen_fwhm=widths), seed=0, purpose=0, count=6)
        lost = [image - gaussian_filter(image, 1) for image in images.astype(np.float64)]
        fine.append(np.median([part.std() / image.std() for part, image in zip(lost, images, strict=True)]))
    assert fine[0] > 2 * fine[1]


def test_validation_specimens_are_others() -> None:
    data = Data(size=64)
    training, validation = (simulated_images(data, seed=0, purpose=purpose, count=2) for purpose in (0, 1))
    assert not np.allclose(training, validation)


def test_a_quarter_of_the_batch_is_at_pure_noise() -> None:
    times = draw_times(8, highest_share=0.25, generator=torch.Generator().manual_seed(0))
    assert (times == 1).sum() == 2
    alpha, sigma = levels_of(times, 0.2)
    assert (alpha[:2] == 0).all()
    torch.testing.assert_close(alpha**2 + sigma**2, torch.ones(8))


def test_a_perfect_network_has_the_smallest_loss() -> None:
    clean = torch.randn(4, 1, 8, 8)
    batch = Batch(clean + 0.1 * torch.randn(4, 1, 8, 8), clean, torch.full((4,), 0.1))

    class Knowing(torch.nn.Module):
        def __init__(self, error: float) -> None:
            super().__init__()
            self.error = error

        def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            alpha, sigma = (a.view(-1, 1, 1, 1) for a in levels_of(t, 0.2))
            noise = (x[:, :1] - alpha * clean) / sigma
            return torch.where(alpha > 0, alpha * noise, 0.0) - sigma * clean + self.error

    times = torch.tensor([1.0, 0.9, 0.5, 0.2])
    losses = []
    for error in (0.0, 0.1):
        generator = torch.Generator().manual_seed(0)
        losses.append(float(denoising_loss(Knowing(error), batch, times, shift=0.2, generator=generator)))
    assert losses[0] < 1e-6 < losses[1]


def test_real_images_are_averaged_down(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    tifffile.imwrite(
        path, np.random.default_rng(0).poisson(50, (2, 80, 70)).astype(np.uint16), metadata={"axes": "ZYX"}
    )
    source = ImageSource(str(path), shrink=2)
    planes = real_images(source, opened(path), smallest=32)
    assert [plane.shape for plane in planes] == [(40, 35), (40, 35)]
    with pytest.raises(DiffuscopeError, match="less than a patch"):
        real_images(source, opened(path), smallest=64)


def test_the_learning_rate_rises_and_falls() -> None:
    plan = replace(Optimisation(), steps=100, warmup=10, learning_rate=1.0, decay_from=0.5)
    rates = [rate_at(step, plan) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[20] == rates[50] == 1.0
    assert rates[100] == pytest.approx(0.0)


def test_on_a_slow_computer_the_learning_rate_rises_in_time() -> None:
    plan = replace(Optimisation(), warmup=200, learning_rate=1.0, decay_from=0.5, time_budget_minutes=10.0)
    assert rate_at(3, plan, used=0.15) == 1.0, "with four steps in a seventh of the time"
    assert rate_at(99, plan, used=0.01) == 0.5, "a fast one makes its steps first"
