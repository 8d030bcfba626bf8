"""Training on slices: which rows are known, what is learned, what the model says of itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

from napari_diffuscope import DiffuscopeError, load_model, superresolve
from napari_diffuscope.jobs import run
from napari_diffuscope.methods.superres.slices import slice_inputs
from napari_diffuscope.networks.local_unet import LocalUNet, LocalUNetConfig
from napari_diffuscope.training.loop import training_job
from napari_diffuscope.training.network import trained_network
from napari_diffuscope.training.recipe import (
    Card,
    Data,
    Diffusion,
    ImageSource,
    Optimisation,
    Recipe,
    read_recipe,
)
from napari_diffuscope.training.start import like_model, starting_network
from napari_diffuscope.training.superres.batches import (
    SliceBatches,
    interpolated,
    known_rows,
    with_known_rows,
)
from napari_diffuscope.training.superres.pools import SlicePool, slice_pools
from napari_diffuscope.training.superres.slices import slices_loss, slices_task
from napari_diffuscope.training.task import Part

RECIPES = Path(__file__).resolve().parents[2] / "recipes"


@pytest.fixture
def stripes(tmp_path: Path) -> Path:
    """A stack of oblique waves, which linear interpolation gets wrong and a network can learn."""
    y, x = np.mgrid[:64, :64]
    rng = np.random.default_rng(0)
    planes = [np.sin(0.45 * y + 0.45 * x * rng.choice([-1, 1]) + rng.uniform(0, 6)) for _ in range(12)]
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, (1000 + 300 * np.stack(planes)).astype(np.uint16))
    return path


def recipe(path: Path, *, blur: tuple[float, float] | None = None, **plan: Any) -> Recipe:
    return Recipe(
        name="slices",
        task="superresolution",
        card=Card("Slices", "Tests."),
        network={
            "widths": [16, 24],
            "encoder_blocks": [1, 1],
            "decoder_blocks": [1],
            "embedding": 16,
            "wavelets": 2,
            "wavelet_start": "identity",
        },
        data=Data(
            kind="slices",
            simulated=0,
            patch=32,
            validation=6,
            blur_fwhm=blur,
            images=(
                ImageSource(str(path), planes=(0, 8)),
                ImageSource(str(path), planes=(9, 12), validation=True),
            ),
        ),
        optimisation=Optimisation(
            **{"steps": 4, "batch": 4, "warmup": 5, "validate_every": 50, "checkpoint_every": 50, **plan}
        ),
        diffusion=Diffusion(shift=0.5, highest_share=0.25, sampling_steps=3),
    )


def test_three_quarters_of_the_known_rows_are_regular() -> None:
    rng = np.random.default_rng(0)
    drawn = [known_rows(rng, 96) for _ in range(400)]
    steps = [set(np.diff(rows).tolist()) for rows in drawn]
    regular = [next(iter(step)) for step in steps if len(step) == 1]
    assert 0.68 < len(regular) / len(drawn) < 0.82
    assert set(range(2, 11)) <= set(regular)
    shares = [len(rows) / 96 for rows, step in zip(drawn, steps, strict=True) if len(step) > 1]
    assert 0.09 < min(shares) < 0.15
    assert 0.38 < max(shares) < 0.43


def test_rows_between_known_ones_are_interpolated_and_the_others_have_no_weight() -> None:
    image = np.random.default_rng(0).normal(size=(16, 16)).astype(np.float32)
    rows = np.array([2, 5, 6, 13])
    clean, linear, mask, weights = with_known_rows(image[None], rows, 16, weight=0.1)
    expected = np.stack([np.interp(np.arange(16), rows, image[rows, x]) for x in range(16)], 1)
    np.testing.assert_allclose(linear[0], expected, atol=1e-6)
    assert np.array_equal(clean[0], image)
    assert np.flatnonzero(mask).tolist() == rows.tolist()
    assert weights[:2].tolist() == weights[14:].tolist() == [0, 0]
    assert weights[rows] == pytest.approx(0.1)
    assert (weights[[3, 4, 7, 12]] == 1).all()


def test_blurred_rows_are_not_the_truth() -> None:
    y = np.arange(40)
    image = np.broadcast_to(np.exp(-0.5 * ((y - 20) / 1.0) ** 2)[:, None], (40, 16)).astype(np.float32)
    clean, linear, _, _ = with_known_rows(image[None], np.arange(16), 16, width=4.0)
    sigma = np.hypot(1.0, 4.0 / 2.3548)
    expected = np.exp(-0.5 * ((y[12:28] - 20) / sigma) ** 2) / sigma
    np.testing.assert_allclose(linear[0, :, 0], expected, atol=2e-3)
    assert clean.max() == pytest.approx(1.0)


def test_rows_to_be_sharpened_carry_noise_and_the_truth_does_not() -> None:
    pool = SlicePool([np.zeros((1, 200, 200), np.float16)], np.ones(1), np.array([False]))
    sharp, thin = (SliceBatches(pool, patch=64, batch=8, seed=0, blur=blur) for blur in ((2.0, 8.0), None))
    deviations = []
    for number in range(20):
        clean, linear, mask, _ = sharp[number]
        assert np.ptp(clean[:, 0], axis=(1, 2)).max() == 0
        deviations += [float(one[rows > 0].std()) for one, rows in zip(linear[:, 0], mask, strict=True)]
    assert 0.08 < max(deviations) < 0.105
    assert np.median(deviations) == pytest.approx(0.1 * 0.25, rel=0.4)
    assert np.ptp(thin[0][1][0]) == 0


def test_batches_are_decided_by_seed_and_number() -> None:
    planes = list(np.random.default_rng(0).normal(size=(3, 1, 50, 40)).astype(np.float16))
    pool = SlicePool(planes, np.full(3, 1 / 3), np.zeros(3, bool))
    first, again, other = (SliceBatches(pool, patch=32, batch=2, seed=seed) for seed in (0, 0, 1))
    for one, two in zip(first[5], again[5], strict=True):
        assert np.array_equal(one, two)
    assert not np.array_equal(first[5][0], other[5][0])
    assert not np.array_equal(first[5][0], first[6][0])
    assert [array.shape for array in first[5]] == [(2, 1, 32, 32), (2, 1, 32, 32), (2, 32), (2, 32)]


def test_known_rows_of_the_state_are_overwritten_also_at_pure_noise() -> None:
    linear, known = torch.randn(2, 1, 8, 8), torch.zeros(2, 8)
    known[:, ::2] = 1
    kept = slice_inputs(torch.zeros(2, 1, 8, 8), linear, known, replace=True)
    assert torch.equal(kept[:, 0, ::2], linear[:, 0, ::2])
    assert not kept[:, 0, 1::2].any()
    assert torch.equal(kept[:, 2, :, 0], known)
    assert not slice_inputs(torch.zeros(2, 1, 8, 8), linear, known, replace=False)[:, 0].any()


def test_the_loss_does_not_see_rows_without_weight() -> None:
    rng = np.random.default_rng(0)
    image = rng.normal(size=(16, 16)).astype(np.float32)
    batch = [torch.from_numpy(a[None]) for a in with_known_rows(image[None], np.array([4, 8, 12]), 16)]
    config = LocalUNetConfig(condition_channels=2, widths=(8, 8), encoder_blocks=(1, 1), decoder_blocks=(1,))
    torch.manual_seed(0)
    network = LocalUNet(config)

    def loss(clean: torch.Tensor) -> float:
        arrays = (clean, *batch[1:])
        times = torch.ones(1)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            return float(slices_loss(network, arrays, times, shift=1.0, replace=True, generator=generator))

    other, unknown = batch[0].clone(), batch[0].clone()
    other[..., [0, 3, 4, 8, 13], :] += 1
    unknown[..., 6, :] += 1
    loss(other)  # the first pass brings the filters to unit norm
    assert loss(other) == pytest.approx(loss(batch[0]))
    assert loss(unknown) != pytest.approx(loss(batch[0]))


def test_planes_are_split_as_the_recipe_says(stripes: Path, tmp_path: Path) -> None:
    pools = slice_pools(recipe(stripes), tmp_path)
    assert (len(pools.training.planes), len(pools.kept.planes)) == (8, 3)
    assert pools.known["kept_out"] == ["stack.tif, planes 9 to 11"]
    wrong = recipe(stripes)
    wrong = replace(wrong, data=replace(wrong.data, images=(ImageSource(str(stripes), planes=(0, 13)),)))
    with pytest.raises(DiffuscopeError, match="has 12 planes"):
        slice_pools(wrong, tmp_path)
    alone = replace(wrong, data=replace(wrong.data, images=(ImageSource(str(stripes)),)))
    with pytest.raises(DiffuscopeError, match="validate on"):
        slice_pools(alone, tmp_path)


def test_it_learns_more_than_linear_interpolation_and_the_model_works(stripes: Path, tmp_path: Path) -> None:
    plan = recipe(stripes, steps=150, learning_rate=1e-2, ema=0.9)
    out = tmp_path / "slices"
    card = run(training_job(plan, tmp_path / "run", out, workers=0))
    assert card.metrics["validation_gain_db"] > 0.5, card.metrics
    assert {"validation_gain_2x_db", "validation_gain_4x_db", "validation_gain_8x_db"} <= set(card.metrics)
    assert (card.task, card.condition_channels, card.axial_fwhm) == ("superres", 2, None)
    assert card.training["images"] == ["stack.tif, planes 0 to 7"]
    volume = tifffile.imread(stripes)[:3]
    assert np.isfinite(superresolve(volume, model=str(out), zoom=2, mode="sample").superresolved).all()


def test_a_model_of_blurred_rows_says_so(stripes: Path, tmp_path: Path) -> None:
    plan = replace(recipe(stripes, blur=(2.0, 4.0)), diffusion=Diffusion(0.5, 1.0))
    out = tmp_path / "sharpening"
    run(training_job(plan, tmp_path / "run", out, workers=0))
    card = load_model(out).card
    assert card.axial_fwhm == (2.0, 4.0)
    assert card.diffusion.estimate_only


def test_parts_of_a_batch_make_the_whole(stripes: Path, tmp_path: Path) -> None:
    task = slices_task(recipe(stripes, batch=6), tmp_path, torch.device("cpu"))
    whole = task.batches(Part(0, 6, 6))[3]
    parts = [task.batches(Part(a, b, 6))[3] for a, b in ((0, 4), (4, 6))]
    for one, first, second in zip(whole, *parts, strict=True):
        assert np.array_equal(one, np.concatenate((first, second)))


@pytest.mark.parametrize("cut", ["xz", "yz"])
def test_rows_of_a_stack_cut_along_z_are_its_planes_and_are_never_turned(cut: Any, tmp_path: Path) -> None:
    path = tmp_path / "heights.tif"
    tifffile.imwrite(path, np.broadcast_to(np.arange(36, dtype=np.uint8)[:, None, None], (36, 40, 44)))
    images = (ImageSource(str(path), cut=cut), ImageSource(str(path), validation=True, cut=cut))
    start = recipe(path)
    pools = slice_pools(replace(start, data=replace(start.data, images=images)), tmp_path)
    assert len(pools.training.planes) == {"xz": 40, "yz": 44}[cut]
    assert pools.known["images"] == [f"heights.tif, cut along {cut}"]
    crops = [clean[0] for clean in SliceBatches(pools.training, patch=32, batch=16, seed=0)[0][0]]
    assert max(float(np.ptp(crop, axis=1).max()) for crop in crops) == pytest.approx(0, abs=1e-6)
    rising = {bool((np.diff(crop[:, 0]) > 0).all()) for crop in crops}
    assert rising == {True, False}, "the specimen is turned upside down, half of the time"


def seeing_beside(path: Path, beside: int, **plan: Any) -> Recipe:
    start = recipe(path, **plan)
    return replace(start, data=replace(start.data, beside=beside))


@pytest.mark.parametrize("cut", ["xy", "xz"])
def test_what_lies_beside_a_slice_is_interpolated_like_the_slice(cut: Any, tmp_path: Path) -> None:
    """Planes are told apart by their values, which rise from plane to plane of the cut, but at the mirrored ends."""
    path = tmp_path / "rising.tif"
    rows = np.random.default_rng(0).normal(0, 0.1, (36, 1, 36)) + np.arange(36)[:, None, None]
    volume = (
        np.broadcast_to(rows, (36, 36, 36))
        if cut == "xy"
        else np.broadcast_to(rows, (36,) * 3).swapaxes(0, 1)
    )
    tifffile.imwrite(path, volume.astype(np.float32))
    images = (ImageSource(str(path), cut=cut), ImageSource(str(path), validation=True, cut=cut))
    start = seeing_beside(path, 2)
    pools = slice_pools(replace(start, data=replace(start.data, images=images)), tmp_path)
    clean, linear, mask, _ = SliceBatches(pools.training, patch=32, batch=24, seed=0)[0]
    assert linear.shape == (24, 5, 32, 32)
    for one, shown, known in zip(clean[:, 0], linear, mask > 0, strict=True):
        np.testing.assert_allclose(shown[0, known], one[known], atol=1e-6)
        own, *beside = (float(np.median(part)) for part in shown)
        steps = np.diff([*beside[:2], own, *beside[2:]])
        inside = np.allclose(np.abs(steps), np.abs(steps).mean(), rtol=0.2) and len(set(np.sign(steps))) == 1
        assert inside or len(set(np.sign(steps))) == 2
    forward = {bool(shown[2].mean() < shown[3].mean()) for shown in linear}
    assert forward == {True, False}, "the stack is mirrored across, half of the time"


def test_a_network_that_is_shown_more_begins_with_what_another_has_learned(
    stripes: Path, tmp_path: Path
) -> None:
    alone, out = recipe(stripes, steps=20), tmp_path / "alone"
    run(training_job(alone, tmp_path / "run", out, workers=0))
    wide = replace(seeing_beside(stripes, 2), start_from=str(out))
    network = starting_network(wide, trained_network(wide)).eval()
    inputs = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        expected = load_model(out).network(inputs, torch.ones(1))
        found = network(torch.cat((inputs, torch.randn(2, 4, 32, 32)), 1), torch.ones(1))
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)
    card = run(training_job(wide, tmp_path / "wide-run", tmp_path / "wide", workers=0))
    assert card.condition_channels == 6
    assert any("no slices on each side" in note for note in card.training["notes"])
    again = like_model(recipe(stripes), str(tmp_path / "wide"))
    assert trained_network(again).arguments == trained_network(alone).arguments
    starting_network(again, trained_network(again))
    other = replace(wide, network={**wide.network, "widths": [16, 32]})
    with pytest.raises(DiffuscopeError, match="is not that of the recipe"):
        starting_network(other, trained_network(other))


def test_slices_beside_a_slice_need_a_stack(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, np.random.default_rng(0).integers(0, 255, (40, 40)).astype(np.uint8))
    start = seeing_beside(path, 1)
    flat = replace(start, data=replace(start.data, images=(ImageSource(str(path)),)))
    with pytest.raises(DiffuscopeError, match="not one stack of planes"):
        slice_pools(flat, tmp_path)
    with pytest.raises(DiffuscopeError, match="simulated = 0"):
        replace(start, data=replace(start.data, simulated=10))


@pytest.mark.parametrize(("beside", "cut"), [(1, "xy"), (0, "xz")])
def test_along_z_only_planes_above_each_other_are_learned_from(beside: int, cut: Any, tmp_path: Path) -> None:
    """Times are no neighbours in space; planes further apart than pixels are told of, once for a file."""
    path = tmp_path / "image.tif"
    pixels = np.random.default_rng(0).integers(0, 255, (40, 40, 40)).astype(np.uint8)
    sources = (ImageSource(str(path), cut=cut), ImageSource(str(path), cut=cut, validation=True))
    start = seeing_beside(path, beside)
    start = replace(start, data=replace(start.data, images=sources))
    tifffile.imwrite(path, pixels, imagej=True, metadata={"axes": "TYX"})
    with pytest.raises(DiffuscopeError, match="not one stack of planes along z"):
        slice_pools(start, tmp_path)
    told = {}
    for spacing in (0.1, 0.4):
        metadata = {"axes": "ZYX", "spacing": spacing, "unit": "um"}
        tifffile.imwrite(path, pixels, imagej=True, resolution=(10, 10), metadata=metadata)
        told[spacing] = [note for note in slice_pools(start, tmp_path).notes if "times as far apart" in note]
    assert not told[0.1]
    assert len(told[0.4]) == 1
    assert "lie 4 times" in told[0.4][0]


def test_rows_are_not_learned_from_pixels_without_a_value(tmp_path: Path) -> None:
    path = tmp_path / "gap.tif"
    pixels = np.random.default_rng(0).normal(0, 1, (12, 40, 40)).astype(np.float32)
    pixels[2, 5] = np.nan
    tifffile.imwrite(path, pixels, photometric="minisblack")
    with pytest.raises(DiffuscopeError, match="no numbers; fill them in"):
        slice_pools(recipe(path), tmp_path)


@pytest.mark.parametrize("lost", [0, 255])
def test_rows_along_z_are_not_learned_from_lost_frames(lost: int, tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    pixels = np.repeat(np.random.default_rng(0).integers(1, 250, (1, 40, 40)), 40, 0).astype(np.uint8)
    pixels[11:13] = lost
    tifffile.imwrite(path, pixels, imagej=True, metadata={"axes": "ZYX"})
    start = seeing_beside(path, 1)
    sources = tuple(ImageSource(str(path), planes=part, blur=1.0) for part in ((4, 40), (0, 10)))
    start = replace(
        start, data=replace(start.data, images=(sources[0], replace(sources[1], validation=True)))
    )
    with pytest.raises(DiffuscopeError, match=r"Planes 11, 12 of 'stack.tif' have one value"):
        slice_pools(start, tmp_path)
    parts = tuple(replace(source, cut="xy") for source in sources)
    single = replace(start.data, images=(parts[0], replace(parts[1], validation=True)), beside=0)
    assert (
        len(slice_pools(replace(start, data=single), tmp_path).training.planes) == 36
    )  # planes alone are let be


def test_only_what_fills_in_rows_can_be_cut_along_z(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(
        'name = "n"\ntask = "restore"\n[card]\ntitle = "t"\npurpose = "p"\n'
        '[data]\nkind = "denoising"\n[[data.images]]\npath = "stack.tif"\ncut = "xz"\n'
    )
    with pytest.raises(DiffuscopeError, match="take cut out"):
        read_recipe(tmp_path / "recipe.toml")


@pytest.mark.parametrize(
    "name",
    [
        "superres-em",
        "superres-em-longer",
        "superres-em-beside",
        "superres-fluorescence",
        "superres-fluorescence-longer",
    ],
)
def test_the_recipes_stay_below_three_million_parameters(name: str) -> None:
    plan = read_recipe(RECIPES / f"{name}.toml")
    network = LocalUNet(LocalUNetConfig(**trained_network(plan).arguments))
    assert sum(parameter.numel() for parameter in network.parameters()) < 3e6
    assert plan.task == "superres"


def test_interpolation_repeats_the_outermost_rows() -> None:
    image = np.arange(6.0, dtype=np.float32)[:, None] * np.ones((1, 2), np.float32)
    assert interpolated(image, np.array([1, 3]))[:, 0].tolist() == [1, 1, 2, 3, 3, 3]
