"""Patches made on the training device: the same maps and targets, the same statistics, by number alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from napari_diffuscope.imaging.intensity import intensity_from_planes
from napari_diffuscope.jobs import run
from napari_diffuscope.simulate.degrade import NoiseModel, recorded_mean
from napari_diffuscope.simulate.noise_rows import to_row
from napari_diffuscope.training.batched_pairs import (
    CleanBatches,
    Plan,
    mapped,
    noisy_patches,
    recorded_means,
)
from napari_diffuscope.training.clean import simulated_images
from napari_diffuscope.training.loop import training_job
from napari_diffuscope.training.pairs import CleanPool, DenoisingBatches
from napari_diffuscope.training.recipe import Card, Data, Optimisation, Recipe
from napari_diffuscope.training.restore.data import denoising_task
from napari_diffuscope.training.task import Part, Parts

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pool() -> CleanPool:
    return CleanPool(simulated_images(Data(size=128), seed=0, purpose=0, count=6), shrunk_share=0.5)


def batch_of(clean: CleanBatches, *numbers: int) -> tuple[torch.Tensor, ...]:
    members = zip(*(clean[number] for number in numbers), strict=True)
    return tuple(torch.as_tensor(np.concatenate(arrays)).float() for arrays in members)


def recipe(noise: str) -> Recipe:
    return Recipe(
        name="small",
        task="restoration",
        card=Card("Small", "Tests."),
        network={"widths": [8, 8], "encoder_blocks": [1, 1], "decoder_blocks": [1], "embedding": 16},
        data=Data(simulated=2, validation=2, size=64, patch=32, noise=noise),  # type: ignore[arg-type]
        optimisation=Optimisation(
            steps=5, batch=3, warmup=2, validate_every=5, checkpoint_every=2, precision="float32"
        ),
    )


@pytest.mark.parametrize("kind", ["gradient", "cut off", "flat", "mostly flat"])
def test_targets_are_those_of_the_other_form(kind: str) -> None:
    rng = np.random.default_rng(0)
    clean = np.tile(np.linspace(0, 6, 96, dtype=np.float32), (96, 1))
    if kind == "flat":
        clean = np.full_like(clean, 2)
    if kind == "mostly flat":
        clean = np.maximum(clean - 4, 0)
    noisy = (clean + rng.normal(0, 2, clean.shape)).astype(np.float32)
    if kind != "gradient":
        noisy = np.maximum(noisy, 0)
    both = (torch.as_tensor(np.stack([image, image])) for image in (noisy, clean))
    for ours in recorded_means(*both).numpy():
        np.testing.assert_allclose(ours, recorded_mean(noisy, clean), atol=0.15 if "flat" in kind else 2e-3)


def test_patches_are_mapped_as_whole_images_are() -> None:
    rng = np.random.default_rng(1)
    images = [rng.normal(100, 20, (65, 64)), np.full((65, 64), 7.0), np.zeros((65, 64))]
    images[2][30:34, 30:32] = 500  # sparse
    taken = np.stack(images).astype(np.float32)
    both = mapped(torch.as_tensor(taken), torch.as_tensor(taken) + 1).numpy()
    for image, (noisy, clean) in zip(taken, both, strict=True):
        line = intensity_from_planes([image])
        np.testing.assert_allclose(noisy, line.forward(image), atol=1e-4)
        np.testing.assert_allclose(clean, line.forward(image + 1), atol=1e-4)


def test_a_plan_survives_the_journey() -> None:
    plan = Plan(edge=256, top=17, left=90, factor=1.25, shift=-0.5, seed=2**40 - 12345)
    assert Plan.of(plan.row().tolist()) == plan


def test_patches_depend_on_their_number_alone_and_not_on_their_neighbours(pool: CleanPool) -> None:
    clean = CleanBatches(pool, patch=32, size=128, seed=3)
    together = noisy_patches(*batch_of(clean, 4, 5, 6, 7), patch=32)
    alone = noisy_patches(*batch_of(clean, 6), patch=32)
    for whole, one in zip(together, alone, strict=True):
        torch.testing.assert_close(whole[2:3], one)
    part = Parts(clean, piece=1, part=Part(2, 4, 4))[1]
    for array, expected in zip(part, batch_of(clean, 6, 7), strict=True):
        np.testing.assert_array_equal(array, expected.numpy())
    assert not torch.equal(noisy_patches(*batch_of(clean, 8), patch=32)[0], alone[0])


@pytest.mark.parametrize("blur", [None, (3.0, 6.0)])
def test_patches_have_the_statistics_of_the_other_form(
    pool: CleanPool, blur: tuple[float, float] | None
) -> None:
    count = 240
    clean = CleanBatches(pool, patch=64, size=128, seed=3, blur=blur)
    noisy, target, spread = (
        part.numpy() for part in noisy_patches(*batch_of(clean, *range(count)), patch=64)
    )
    others = DenoisingBatches(pool, batch=count, patch=64, size=128, seed=4, blur=blur)[0]
    for ours, theirs in (
        (np.log(spread), np.log(others[2])),
        (noisy.mean((1, 2, 3)), others[0].mean((1, 2, 3))),
        (target.std((1, 2, 3)), others[1].std((1, 2, 3))),
    ):
        assert stats.ks_2samp(ours, theirs).pvalue > 1e-3
    assert noisy.shape == target.shape == (count, 1, 64, 64)
    np.testing.assert_allclose(spread, np.sqrt(np.square(noisy - target).mean((1, 2, 3))), rtol=1e-4)


def test_what_many_see_as_their_mean_is_the_target() -> None:
    """Noise of one model on one image, many times: the mean is the target, in the range of the network."""
    image = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (64, 1))
    canvas = torch.as_tensor(image)[None, None].expand(40, 1, 64, 64)
    plans = torch.as_tensor(np.stack([Plan(64, 0, 0, 1.0, 0.0, seed).row() for seed in range(40)]))
    rows = torch.as_tensor(to_row(NoiseModel())).expand(40, -1)
    noisy, clean, _ = noisy_patches(canvas, plans, rows, patch=64)
    assert float((noisy - clean).mean(0).abs().mean()) < 0.2 * float((noisy - clean)[0].abs().mean())
    assert float((noisy - clean).mean().abs()) < 2e-3


def test_a_training_makes_its_noise_on_the_device_and_resumes(tmp_path: Path) -> None:
    plan = recipe("device")
    task = denoising_task(plan, tmp_path, CPU)
    arrays = task.batches(Part(0, 3, 3))[0]
    assert arrays[0].shape == (3, 1, 64, 64)
    noisy, clean, spread = task.ready(tuple(torch.as_tensor(array).float() for array in arrays))
    assert noisy.shape == clean.shape == (3, 1, 32, 32)
    assert bool((spread > 0).all())

    card = run(training_job(plan, tmp_path / "a", tmp_path / "whole", workers=0))
    job = training_job(plan, tmp_path / "b", tmp_path / "parts", workers=0)
    next(update for update in job if update.done == 3)
    job.close()
    again = run(training_job(plan, tmp_path / "b", tmp_path / "parts", workers=0, resume=True))
    assert again.sha256 == card.sha256
    assert denoising_task(replace(plan, data=replace(plan.data, noise="auto")), tmp_path, CPU).finish is None
