"""Copies of training images are found, wherever they lie and however they are turned; new images are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from napari_diffuscope.diffusion.schedule import CosineSchedule, NoiseLevel
from napari_diffuscope.diffusion.solvers import dpm_solver_pp_2m
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.memorisation import Memorisation, rank_statistic
from napari_diffuscope.measure.training_images import collect, read_training_images

PATCH = 32


def texture(seed: int, edge: int = 80) -> np.ndarray:
    """Blobs of a kind, no two alike."""
    values = gaussian_filter(np.random.default_rng(seed).standard_normal((edge, edge)), 2.5)
    return np.clip(values / values.std() + 0.5, 0, 3).astype(np.float32)


def patches(seed: int, count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 80 - PATCH, (count, 2))
    return [texture(seed + n, 80)[y : y + PATCH, x : x + PATCH] for n, (y, x) in enumerate(corners)]


@pytest.fixture(scope="module")
def memory() -> Memorisation:
    known = collect(
        [texture(seed) for seed in range(6)],
        [0, 0, 0, 1, 1, 1],
        [f"field {seed}" for seed in range(6)],
        highest=3.0,
        patch=PATCH,
        classes=("one", "other"),
    )
    kept = [*patches(100, 40), *patches(200, 40)]
    return Memorisation(Memorisation(known).calibrated(kept, [0] * 40 + [1] * 40))


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_copy_is_found_wherever_it_lies_and_however_it_is_turned(
    memory: Memorisation, turns: int, mirrored: bool
) -> None:
    original = texture(4)[22 : 22 + PATCH, 40 : 40 + PATCH]
    turned = np.rot90(original, -turns)
    nearest = memory.nearest(1.3 * (turned[:, ::-1] if mirrored else turned), label=1)
    assert nearest.score > 0.98
    assert nearest.flagged
    assert (nearest.name, nearest.place) == ("field 4", (22, 40))
    assert (nearest.turns, nearest.mirrored) == (turns, mirrored)
    beside = memory.known.values(memory.known.reduced(turned[:, ::-1] if mirrored else turned))
    assert np.corrcoef(nearest.patch.ravel(), beside.ravel())[0, 1] > 0.98


def test_new_images_of_the_same_kind_are_rarely_flagged(memory: Memorisation) -> None:
    copies = memory.copies(patches(1000, 60), [0] * 60)
    assert copies.flagged <= 4
    assert abs(copies.statistic) < 3
    assert not copies.copying
    assert len(copies.closest()) == 5


def overfitted(images: Tensor, x: Tensor, level: NoiseLevel) -> Tensor:
    """What training on a few images converges to if nothing stops it: their exact posterior mean."""
    apart = (x[:, None] - level.alpha * images[None]).square().flatten(2).sum(2)
    weights = torch.softmax(-apart / (2 * level.sigma**2), 1)
    return torch.einsum("bn,nchw->bchw", weights, images)


def test_an_overfitted_model_is_caught(memory: Memorisation) -> None:
    """Sampled as every model is; the same sampler with images that it has not seen behind it is not accused."""
    schedule = CosineSchedule(1.0)

    def sampled(images: list[np.ndarray]) -> list[np.ndarray]:
        scaled = torch.tensor(np.stack(images))[:, None] / 1.5 - 1
        noise = torch.randn(24, 1, PATCH, PATCH, generator=torch.Generator().manual_seed(0))
        solver = dpm_solver_pp_2m(noise, schedule.levels(12))
        query = next(solver)
        while True:
            try:
                query = solver.send(overfitted(scaled, query.x, query.level))
            except StopIteration as stop:
                made = stop.value
                break
        return [np.clip(1.5 * (image + 1), 0, None) for image in made[:, 0].numpy()]

    trained = [texture(n % 3)[8 * n : 8 * n + PATCH, 40 - 4 * n : 40 - 4 * n + PATCH] for n in range(6)]
    caught = memory.copies(sampled(trained), [0] * 24)
    assert caught.share > 0.9
    assert caught.copying
    honest = memory.copies(sampled(patches(3000, 24)), [0] * 24)
    assert honest.share < 0.2
    assert not honest.copying


def test_what_is_kept_is_bounded_and_survives_a_file(memory: Memorisation, tmp_path: Path) -> None:
    path = tmp_path / "training_images.npz"
    path.write_bytes(memory.known.to_bytes())
    again = read_training_images(path)
    assert again.names == memory.known.names
    assert again.kept_scores == memory.known.kept_scores
    image = texture(2)[10 : 10 + PATCH, 5 : 5 + PATCH]
    assert Memorisation(again).nearest(image, label=0).score == memory.nearest(image, label=0).score
    many = collect([np.ones((1024, 1024), np.float32)] * 5, [0] * 5, ["x"] * 5, highest=1.0, patch=32)
    assert sum(field.size for field in many.fields) <= 1 << 20
    assert many.left_out > 0


def test_larger_images_are_searched_window_by_window(memory: Memorisation) -> None:
    image = texture(77, 96)
    image[64:, 32:64] = texture(1)[16 : 16 + PATCH, 24 : 24 + PATCH]
    nearest = memory.nearest(image, label=0)
    assert nearest.window == (64, 32)
    assert nearest.name == "field 1"
    assert nearest.flagged


def test_a_large_new_image_is_judged_as_the_best_of_its_windows(memory: Memorisation) -> None:
    """Of nine windows the best is at the 93rd percentile of single ones by chance alone."""
    percentiles = [memory.nearest(texture(5000 + n, 96), label=0).percentile for n in range(30)]
    assert 15 < np.median(percentiles) < 85


def test_an_empty_image_resembles_nothing(memory: Memorisation) -> None:
    nearest = memory.nearest(np.zeros((PATCH, PATCH)))
    assert nearest.score == -1
    assert not nearest.flagged


def test_what_cannot_be_compared_is_said(memory: Memorisation, tmp_path: Path) -> None:
    with pytest.raises(DiffuscopeError, match="too small"):
        memory.nearest(np.ones((4, 40)))
    with pytest.raises(DiffuscopeError, match="no image"):
        memory.copies([])
    with pytest.raises(DiffuscopeError, match="does not say what it learned from"):
        read_training_images(tmp_path / "training_images.npz")
    (tmp_path / "damaged.npz").write_bytes(memory.known.to_bytes()[:-200])
    with pytest.raises(DiffuscopeError, match=r"damaged\.npz"):
        read_training_images(tmp_path / "damaged.npz")


def test_the_rank_statistic_is_that_of_scipy() -> None:
    from scipy.stats import mannwhitneyu

    rng = np.random.default_rng(0)
    first, second = rng.normal(0, 1, 40), rng.normal(0.8, 1, 30)
    statistic = rank_statistic(first, second)
    expected = mannwhitneyu(first, second, method="asymptotic", use_continuity=False, alternative="less")
    from scipy.stats import norm

    assert norm.cdf(statistic) == pytest.approx(expected.pvalue, rel=1e-6)
    assert statistic < 0
