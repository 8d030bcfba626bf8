"""Noise made in torch: the same treatments to rounding, and the same statistics of what is random."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from napari_diffuscope.simulate.batched_noise import noisy_batch
from napari_diffuscope.simulate.camera import Camera, Exposure
from napari_diffuscope.simulate.degrade import NoiseModel, draw_noise, noisy
from napari_diffuscope.simulate.linear_maps import (
    enlarged,
    laser,
    reduced,
    resampled,
    rolled,
    sharpened,
    smeared,
    smoothed,
)
from napari_diffuscope.simulate.lossy import compressed, stretched
from napari_diffuscope.simulate.noise_rows import to_model, to_row
from napari_diffuscope.simulate.processing import Compress, Enlarge, Resample, Sharpen, Smooth, Stretch
from napari_diffuscope.simulate.scanning import Scan

PLAIN = NoiseModel(Exposure(20.0, 3.0), Camera(offset=60.0, gain=2.0, read_noise=1.5, bits=16))
SPREAD = replace(
    PLAIN.camera,
    gain_spread=0.05,
    offset_spread=1.0,
    read_noise_spread=0.5,
    hot_pixels=3e-3,
    hot_electrons=80.0,
)
MODELS = {
    "plain": PLAIN,
    "no converter": replace(PLAIN, camera=replace(PLAIN.camera, bits=0)),
    "few photons": replace(PLAIN, exposure=Exposure(1.5, 0.1)),
    "multiplied": replace(
        PLAIN, camera=replace(PLAIN.camera, multiplication=40.0, gain=0.1, read_noise=20.0)
    ),
    "uneven pixels": replace(PLAIN, camera=SPREAD),
    "averaged": replace(PLAIN, frames=4),
    "averaged, uneven pixels": replace(PLAIN, camera=SPREAD, frames=2),
    "saturated": replace(PLAIN, camera=replace(PLAIN.camera, bits=8, gain=12.0)),
    "subtracted": replace(PLAIN, subtract=True),
    "8 bits": replace(PLAIN, eight_bits=(0.02, 0.3)),
    "stitched": replace(PLAIN, seam=(0.4, 0.3)),
    "enlarged": replace(PLAIN, enlarge=Enlarge(1.7, 3)),
    "smoothed": replace(PLAIN, steps=(Smooth((0.7, 0.9)),)),
    "turned and sharpened": replace(PLAIN, steps=(Resample(angle=0.05), Sharpen())),
    "scanned": replace(PLAIN, scan=Scan(0.6, 0.0, 1.0)),
    "scanned by a flickering laser": replace(PLAIN, scan=Scan(0.3, 0.04, 2.0), frames=2),
    "scanned and enlarged": replace(PLAIN, scan=Scan(0.5, 0.01, 6.0), enlarge=Enlarge(1.4, 1)),
    "compressed": replace(PLAIN, compress=Compress(0.03)),
}


@pytest.fixture(scope="module")
def clean() -> np.ndarray:
    y, x = np.mgrid[:96, :96] / 96
    rings = 0.5 + 0.5 * np.sin(40 * np.hypot(y - 0.4, x - 0.6))
    return (rings * np.exp(-3 * (y - 0.5) ** 2)).astype(np.float32)


def as_tensor(image: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(image)


@pytest.mark.parametrize(
    ("ours", "step"),
    [
        (smoothed, Smooth((0.4, 1.4))),
        (smoothed, Smooth((0.01, 0.8))),
        (sharpened, Sharpen(3.7, 1.5)),
        (resampled, Resample((0.4, -0.3), 0.06, 1.04, 1)),
        (resampled, Resample((-0.5, 0.5), -0.04, 0.95, 3)),
        (compressed, Compress(0.04, 6.0)),
    ],
)
def test_treatments_are_those_of_the_other_form(ours, step, clean: np.ndarray) -> None:
    image = clean[:90, :70]  # neither square nor whole blocks
    expected = step(image)
    np.testing.assert_allclose(ours(as_tensor(image), step).numpy(), expected, atol=2e-5)
    assert np.abs(expected - image).max() > 0.01


@pytest.mark.parametrize("memory", [0.0, 0.3, 0.75])
def test_the_amplifier_is_that_of_the_other_form(memory: float, clean: np.ndarray) -> None:
    scan, image = Scan(memory=memory), clean[:40, :70]
    ours = smeared(rolled(as_tensor(image)), scan, 70).numpy()
    np.testing.assert_allclose(ours, scan.respond(image), atol=1e-6)


def test_the_laser_is_that_of_the_other_form() -> None:
    scan, kicks = Scan(flicker=0.1, flicker_lines=5.0), np.random.default_rng(2).standard_normal(60)

    class Given:
        def standard_normal(self, count: int) -> np.ndarray:
            return kicks[:count].copy()

    ours = laser(torch.as_tensor(kicks, dtype=torch.float32), scan).numpy()
    np.testing.assert_allclose(ours, scan.laser(60, Given()), atol=1e-5)  # type: ignore[arg-type]


@pytest.mark.parametrize("order", [1, 3])
def test_digital_zoom_is_that_of_the_other_form(order: int, clean: np.ndarray) -> None:
    zoom = Enlarge(1.63, order)
    small = zoom.reduce(clean)
    np.testing.assert_allclose(reduced(as_tensor(clean), zoom).numpy(), small, atol=1e-5)
    back = enlarged(as_tensor(small), zoom, clean.shape)
    np.testing.assert_allclose(back.numpy(), zoom(small, clean.shape), atol=1e-5)


def test_the_contrast_stretch_is_that_of_the_other_form(clean: np.ndarray) -> None:
    taken = clean * 300 + 11
    low, high = float(clean.min()), float(clean.max())
    stretch = Stretch(low + 0.05 * (high - low), high - 0.2 * (high - low))
    grey, expected = stretched(as_tensor(taken), as_tensor(clean), (0.05, 0.2))
    np.testing.assert_allclose(expected.numpy(), stretch(clean, rounded=False), atol=1e-3)
    assert np.array_equal(grey.numpy(), stretch(taken))


def test_a_noise_model_survives_the_journey() -> None:
    rng = np.random.default_rng(3)
    models = [draw_noise(rng) for _ in range(200)] + list(MODELS.values())
    for model in models:
        again = to_model(to_row(model).tolist())
        np.testing.assert_array_equal(to_row(again), to_row(model))
        assert [type(step) for step in again.steps] == [type(step) for step in model.steps]
        assert (again.frames, again.subtract, again.camera.bits) == (
            model.frames,
            model.subtract,
            model.camera.bits,
        )
        assert (again.seam is None, again.compress is None) == (model.seam is None, model.compress is None)
        assert (again.scan is None) == (model.scan is None)


def tamed(noise: np.ndarray) -> np.ndarray:
    """Without single bright pixels, which are counted on their own."""
    limit = 6 * np.median(np.abs(noise)) + 1e-9
    return noise.clip(-limit, limit)


def neighbours(noise: np.ndarray) -> float:
    """Correlation of the noise of pixels side by side."""
    return float(np.corrcoef(noise[..., 1:].ravel(), noise[..., :-1].ravel())[0, 1])


@pytest.mark.parametrize("name", MODELS)
def test_noise_has_the_statistics_of_the_other_form(name: str, clean: np.ndarray) -> None:
    model, count = MODELS[name], 24
    rng = np.random.default_rng(5)
    pairs = [noisy(clean, model, rng) for _ in range(count)]
    expected, target = np.stack([a for a, _ in pairs]), pairs[0][1]
    batch = as_tensor(np.stack([clean] * count))
    taken, truth = (part.numpy() for part in noisy_batch(batch, [model] * count, range(count)))
    np.testing.assert_allclose(truth[0], target, rtol=1e-4, atol=1e-3 * np.ptp(target))

    raw = [np.subtract(a, b, dtype=np.float64) for a, b in ((taken, truth), (expected, target))]
    bright = [float(np.mean(noise > 10 * np.median(np.abs(noise)))) for noise in raw]
    assert bright[0] == pytest.approx(bright[1], rel=0.2, abs=2e-4)
    ours, theirs = (tamed(noise) for noise in raw)
    spread = float(theirs.std())
    assert ours.mean() == pytest.approx(theirs.mean(), abs=0.02 * spread)
    assert ours.std() == pytest.approx(spread, rel=0.02)
    assert neighbours(ours) == pytest.approx(neighbours(theirs), abs=0.015)
    for group in np.array_split(np.argsort(target.ravel()), 10):  # from dark to bright
        a, b = (part.reshape(count, -1)[:, group] for part in (ours, theirs))
        assert a.std() == pytest.approx(b.std(), rel=0.05, abs=0.02 * spread)
        assert a.mean() == pytest.approx(b.mean(), abs=0.05 * spread)
    assert stats.ks_2samp(ours.ravel()[::7], theirs.ravel()[::7]).statistic < 0.02


def test_an_image_has_its_noise_whatever_is_beside_it(clean: np.ndarray) -> None:
    rng = np.random.default_rng(7)
    models = [draw_noise(rng) for _ in range(6)]
    batch = as_tensor(np.stack([clean] * 6))
    together, _ = noisy_batch(batch, models, range(6))
    alone, _ = noisy_batch(batch[3:4], models[3:4], [3])
    other, _ = noisy_batch(batch[3:4], models[3:4], [4])
    torch.testing.assert_close(together[3], alone[0])
    assert not torch.equal(alone, other)


def test_a_sharper_target_is_what_is_expected_of_it(clean: np.ndarray) -> None:
    sharper = as_tensor(clean**2)[None]
    _, truth = noisy_batch(as_tensor(clean)[None], [PLAIN], [0], target01=sharper)
    _, expected = noisy(clean, PLAIN, np.random.default_rng(0), target01=clean**2)
    np.testing.assert_allclose(truth[0].numpy(), expected, rtol=1e-5)
