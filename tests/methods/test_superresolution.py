"""Volumetric super-resolution as a user meets it: places, bits, blocks, modes."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_diffuscope import Image, superresolve
from napari_diffuscope.diffusion.noise import positioned_noise
from napari_diffuscope.imaging.stack_intensity import measure_intensities
from napari_diffuscope.methods import ready
from napari_diffuscope.methods.commands import command_line
from napari_diffuscope.methods.superres.method import SUPERRES
from napari_diffuscope.methods.superres.settings import SuperresSettings
from napari_diffuscope.weights.model import load_model
from napari_diffuscope.weights.published_sampler import published_levels
from tests.methods.superres_models import (
    bridge_deviation,
    brownian_model,
    copying_model,
    write_published,
    write_seeing_beside,
    write_tiny,
)

MICROMETRES = ("micrometer",) * 3


def stack(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(30, shape).astype(np.uint16)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny(tmp_path_factory.mktemp("models") / "tiny-slices"))


@pytest.fixture(scope="module")
def sharpening(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny(tmp_path_factory.mktemp("models") / "sharpening", axial_fwhm=(2.0, 6.0)))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_published(tmp_path_factory.mktemp("models") / "published"))


def test_measured_planes_come_out_bit_for_bit_where_they_were(tiny: str) -> None:
    pixels = stack(4, 20, 24)
    image = Image(pixels, "ZYX", scale=(0.6, 0.2, 0.2), units=MICROMETRES, translate=(5.0, 1.0, 2.0))
    result = superresolve(image, model=tiny)
    spec = result.specs["superresolved"]
    assert spec.shape == (10, 20, 24)
    np.testing.assert_allclose(spec.scale, (0.2, 0.2, 0.2), rtol=1e-12)
    assert spec.translate == (5.0, 1.0, 2.0)
    for plane in range(4):  # landmarks: what was measured lies at the same physical place
        assert np.array_equal(result.superresolved[3 * plane], pixels[plane])
        assert 5.0 + 3 * plane * spec.scale[0] == pytest.approx(5.0 + plane * 0.6)
    assert result.record["measured_planes"] == "bit-exact"
    assert result.record["disagreement"][0]["value"] > 0
    assert not np.array_equal(superresolve(image, model=tiny, reimpose=False).superresolved[3], pixels[1])


@pytest.mark.parametrize("mode", ["estimate", "sample", "mean"])
@pytest.mark.parametrize("consensus", [True, False])
def test_blocks_and_batches_do_not_change_a_bit(tiny: str, mode: Any, consensus: bool) -> None:
    common: dict[str, Any] = {
        "model": tiny, "mode": mode, "consensus": consensus, "zoom": 3, "samples": 2, "steps": 2, "blur": 0.5,
    }  # fmt: skip
    pixels = stack(5, 22, 31)
    whole = superresolve(pixels, **common)
    for block, batch in [((5, 9, 16), 3), ((13, 22, 7), 1)]:
        parts = superresolve(pixels, **common, block=block, batch=batch)
        for name, values in whole.outputs.items():
            assert np.isfinite(values).all()
            assert np.array_equal(values, parts.outputs[name]), name


@pytest.mark.parametrize("mode", ["estimate", "sample"])
def test_what_lies_beside_a_slice_does_not_depend_on_blocks(mode: Any, tmp_path: Path) -> None:
    common: dict[str, Any] = {"model": str(write_seeing_beside(tmp_path / "m", 2)), "mode": mode, "zoom": 2}
    pixels = stack(4, 14, 19)
    whole = superresolve(pixels, **common).superresolved
    for block, batch in [((3, 5, 8), 3), ((7, 14, 1), 1)]:
        assert np.array_equal(whole, superresolve(pixels, **common, block=block, batch=batch).superresolved)
    other = pixels.copy()
    other[1, 7, 9] += 50  # two rows and two columns off: neither its XZ nor its YZ slice holds it
    assert superresolve(other, **common).superresolved[1, 5, 7] != whole[1, 5, 7]


@pytest.mark.parametrize(("channel", "offset"), [(3, -2), (4, -1), (5, 1), (6, 2)])
def test_slices_are_shown_the_interpolation_of_those_beside_them(
    channel: int, offset: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that gives back what it is shown: the mean of the neighbours in Y and in X, mirrored at borders."""
    monkeypatch.setattr(ready, "load_model", lambda *_, **__: copying_model(channel, 2))
    pixels = np.random.default_rng(0).normal(0, 1, (3, 9, 11)).astype(np.float32)
    fine = np.stack(
        [pixels[0], (pixels[0] + pixels[1]) / 2, pixels[1], (pixels[1] + pixels[2]) / 2, pixels[2]]
    )
    wide = np.pad(fine, ((0, 0), (2, 2), (2, 2)), mode="reflect")
    along_y = wide[:, 2 + offset : 11 + offset, 2:-2]
    along_x = wide[:, 2:-2, 2 + offset : 13 + offset]
    found = superresolve(pixels, zoom=2, reimpose=False, block=(2, 4, 5)).superresolved
    np.testing.assert_allclose(found, (along_y + along_x) / 2, atol=1e-5)


def test_a_sample_depends_on_the_seed_alone(tiny: str) -> None:
    pixels = stack(3, 12, 14)
    one, again, other = (
        superresolve(pixels, model=tiny, mode="sample", zoom=2, seed=seed).superresolved for seed in (1, 1, 2)
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert np.array_equal(one[::2], pixels)


def test_channels_and_times_are_worked_one_by_one(tiny: str) -> None:
    pixels = np.stack([stack(2, 3, 12, 14), 50 * stack(2, 3, 12, 14, seed=1)], axis=1)
    result = superresolve(pixels, axes="TCZYX", model=tiny, zoom=2)
    assert result.superresolved.shape == (2, 2, 5, 12, 14)
    assert np.array_equal(result.superresolved[:, :, ::2], pixels)
    assert len(result.record["disagreement"]) == 4
    first, second = result.record["intensity"]
    assert second["scale"] > 10 * first["scale"]


def test_axes_in_another_order(tiny: str) -> None:
    pixels = stack(3, 12, 14)
    plain = superresolve(pixels, model=tiny, zoom=2).superresolved
    moved = superresolve(np.moveaxis(pixels, 0, -1), axes="YXZ", model=tiny, zoom=2).superresolved
    assert np.array_equal(plain, moved)


@pytest.mark.parametrize(("z_step", "shape", "step"), [(0.303, 13, 0.101), (0.25, 10, 0.1)])
def test_factors_that_are_no_whole_number(tiny: str, z_step: float, shape: int, step: float) -> None:
    """Three percent off a whole number are resampled, one percent is taken for it."""
    ramp = np.broadcast_to(np.arange(5.0)[:, None, None] * 100, (5, 16, 16)).astype(np.float32)
    image = Image(ramp, "ZYX", scale=(z_step, 0.1, 0.1), units=MICROMETRES)
    messages: list[str] = []
    result = superresolve(
        image, model=tiny, on_update=lambda u: messages.append(u.message) if u.warning else None
    )
    spec = result.specs["superresolved"]
    assert spec.scale[0] == pytest.approx(step)
    exact = z_step == 0.303
    assert result.record["measured_planes"] == ("bit-exact" if exact else "interpolated")
    assert any("no whole number" in m for m in messages) is not exact
    if exact:
        assert spec.shape[0] == shape
    else:
        assert spec.shape[0] == 11  # 4 steps of 0.25 are 10 of 0.1
        parts = superresolve(image, model=tiny, block=(3, 16, 16)).superresolved
        assert np.array_equal(result.superresolved, parts)
        assert np.array_equal(result.superresolved[0], ramp[0])
        assert np.array_equal(result.superresolved[10], ramp[4])
        assert np.array_equal(result.superresolved[5], ramp[2])


def test_the_wavelet_path_starts_as_linear_interpolation(tmp_path: Path) -> None:
    from napari_diffuscope.networks.local_unet import LocalUNet, LocalUNetConfig

    config = LocalUNetConfig(condition_channels=2, widths=(8, 8), encoder_blocks=(1, 1), decoder_blocks=(1,),
                             wavelets=3, wavelet_start="identity")  # fmt: skip
    network = LocalUNet(config).eval()
    torch.nn.init.zeros_(network.out_gain)
    torch.nn.init.zeros_(network.factor_gain)
    condition = torch.randn(1, 1, 32, 32)
    inputs = torch.cat((torch.randn(1, 1, 32, 32), condition, torch.ones(1, 1, 32, 32)), 1)
    with torch.inference_mode():
        torch.testing.assert_close(-network(inputs, torch.ones(1)), condition)


def test_a_model_that_sharpens_keeps_no_measured_plane(sharpening: str) -> None:
    pixels = stack(3, 12, 14)
    result = superresolve(pixels, model=sharpening, zoom=2)
    assert result.record["measured_planes"] == "estimated"
    assert not np.array_equal(result.superresolved[::2], pixels)
    forced = superresolve(pixels, model=sharpening, zoom=2, reimpose=True)
    assert np.array_equal(forced.superresolved[::2], pixels)


@pytest.mark.parametrize("consensus", [True, False])
def test_an_exact_denoiser_gives_the_exact_posterior(
    consensus: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Brownian motion along z: mean and deviation between known planes have a closed form."""
    factor, step = 4, 0.5
    model = brownian_model(factor, step)
    monkeypatch.setattr(ready, "load_model", lambda *_, **__: model)
    pixels = np.random.default_rng(0).normal(0, 1, (3, 24, 24)).astype(np.float32)
    linear = np.concatenate(
        [
            pixels[[i]] * (1 - k / factor) + pixels[[i + 1]] * (k / factor)
            for i in range(2)
            for k in range(factor)
        ]
        + [pixels[[2]]]
    )
    estimate = superresolve(pixels, zoom=factor).superresolved
    np.testing.assert_allclose(estimate, linear, atol=1e-4)
    result = superresolve(pixels, zoom=factor, mode="mean", samples=16, consensus=consensus)
    (line,) = measure_intensities(Image.wrap(pixels))
    expected = bridge_deviation(factor, step, 2) * line.map.scale
    found = float(np.sqrt((result.deviation[[2, 6]] ** 2).mean()))
    if consensus:
        assert found == pytest.approx(expected, rel=0.05)
    else:  # two independent volumes averaged, as published: too sure of itself by the square root of two
        assert found == pytest.approx(expected / np.sqrt(2), rel=0.05)
    error = result.superresolved - linear
    assert np.abs(error[::factor]).max() == 0
    assert error.std() < 0.4 * expected
    assert np.abs(result.deviation[::factor]).max() == 0


def test_both_directions_of_an_exact_denoiser_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    model = brownian_model(4, 0.5)
    monkeypatch.setattr(ready, "load_model", lambda *_, **__: model)
    pixels = np.random.default_rng(0).normal(0, 1, (3, 10, 12)).astype(np.float32)
    together = superresolve(pixels, zoom=4, mode="sample", steps=4).record["disagreement"][0]["value"]
    apart = superresolve(pixels, zoom=4, mode="sample", steps=4, consensus=False)
    assert together < 1e-5
    assert apart.record["disagreement"][0]["value"] > 0.1


def test_as_published_is_the_papers_loop(published: str) -> None:
    """Against a loop written by hand: rows replaced, slices one by one, DDIM with η = 1, arithmetic mean."""
    factor, pixels = 5, stack(4, 16, 16)
    result = superresolve(pixels, model=published, mode="as-published", zoom=factor, seed=3)
    assert result.superresolved.shape == (16, 16, 16)
    (line,) = measure_intensities(Image.wrap(pixels))
    known = ((torch.from_numpy(line.map.forward(pixels.astype(np.float32))) + 1) / 2).float()
    model = load_model(published)
    levels = published_levels(model)
    volumes = []
    for number in range(2):

        def noise(step: int, number: int = number) -> torch.Tensor:
            planes = [
                positioned_noise(((0, 16),) * 3, seed=3, step=step, plane=number * 3 + c) for c in range(3)
            ]
            return torch.from_numpy(np.stack(planes))

        x = noise(0)
        for step, (level, following) in enumerate(pairwise(levels)):
            x[:, ::factor] = known
            epsilon = torch.empty_like(x)
            for place in range(16):
                one = x[:, :, place] if number == 0 else x[:, :, :, place]
                with torch.inference_mode():
                    out = model.network(one[None], torch.tensor([level.time]))[0]
                (epsilon[:, :, place] if number == 0 else epsilon[:, :, :, place]).copy_(out)
            a, b = level.alpha**2, following.alpha**2
            sigma = np.sqrt((1 - b) / (1 - a) * (1 - a / b))
            clean = (x - np.sqrt(1 - a) * epsilon) / np.sqrt(a)
            x = np.sqrt(b) * clean + np.sqrt(1 - b - sigma**2) * epsilon + sigma * noise(step + 1)
        volumes.append(x)
    expected = line.map.inverse(((volumes[0] + volumes[1]) / 2).mean(0).numpy() * 2 - 1)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(result.superresolved, expected, atol=2e-3 * scale)
    assert result.record["measured_planes"] == "estimated"


@pytest.mark.parametrize("mode", ["estimate", "sample"])
def test_a_published_network_works_on_slices_larger_than_its_window(published: str, mode: Any) -> None:
    pixels = stack(3, 12, 25)
    common: dict[str, Any] = {"model": published, "mode": mode, "zoom": 4, "steps": 2}
    whole = superresolve(pixels, **common).superresolved
    parts = superresolve(pixels, **common, block=(5, 7, 11)).superresolved
    assert np.isfinite(whole).all()
    np.testing.assert_allclose(parts, whole, rtol=1e-3, atol=1e-2 * np.abs(whole).max())
    assert np.array_equal(whole[::4], pixels)


def test_pixels_of_the_input(tiny: str) -> None:
    pixels = stack(3, 12, 14)
    result = superresolve(pixels, model=tiny, zoom=2, pixels="input").superresolved
    assert result.dtype == np.uint16
    exact = superresolve(pixels, model=tiny, zoom=2).superresolved
    np.testing.assert_array_equal(result, np.clip(np.rint(exact), 0, 65535))


def test_missing_values_stay_missing_where_they_were(tiny: str) -> None:
    pixels = stack(3, 12, 14).astype(np.float32)
    pixels[1, 2, 3] = np.nan
    result = superresolve(pixels, model=tiny, zoom=2).superresolved
    assert np.isnan(result[2, 2, 3])
    assert np.isfinite(result).sum() == result.size - 1


def test_updates_count_to_the_end(tiny: str) -> None:
    updates: list[Any] = []
    superresolve(
        stack(3, 12, 14), model=tiny, zoom=2, mode="mean", samples=2, steps=2, on_update=updates.append
    )
    assert updates[-1].done == updates[-1].total == (12 + 14) * 2 * 2
    assert any(u.preview is not None and not u.final for u in updates)
    assert {u.output for u in updates if u.final} == {"superresolved", "deviation"}


def test_the_command_says_what_is_not_the_default() -> None:
    settings = SuperresSettings(model="m", z_step=0.5, consensus=False, reimpose=True, block=(64, 64, 64))
    command = command_line(SUPERRES, ["a b.tif"], "out.ome.zarr", settings, axes="ZYX")
    assert command == (
        "diffuscope superres 'a b.tif' out.ome.zarr --axes ZYX --model m --z-step 0.5 --no-consensus --reimpose "
        "--block 64,64,64"
    )
    assert SuperresSettings.from_dict(settings.to_dict()) == settings
