"""Training pairs: both images in the same units, whatever the camera and the treatment."""

from dataclasses import replace

import numpy as np
import pytest

from napari_diffuscope.simulate.camera import Camera, Exposure
from napari_diffuscope.simulate.degrade import (
    NoiseModel,
    draw_noise,
    noisy,
    recorded_mean,
)
from napari_diffuscope.simulate.processing import Compress, Enlarge, Resample, Sharpen, Smooth
from napari_diffuscope.simulate.specimens import clean_image

GENTLE = NoiseModel(
    exposure=Exposure(peak_photons=60.0, background_photons=10.0),
    camera=Camera(offset=300.0, gain=4.0, read_noise=2.0, bits=16),
)
VARIANTS = {
    "plain": GENTLE,
    "averaged": replace(GENTLE, frames=4),
    "multiplied": replace(GENTLE, camera=replace(GENTLE.camera, multiplication=50.0, gain=0.1)),
    "smoothed": replace(GENTLE, steps=(Smooth((0.7, 0.7)),)),
    "shifted and sharpened": replace(GENTLE, steps=(Resample(angle=0.02), Sharpen())),
    "enlarged": replace(GENTLE, enlarge=Enlarge(1.7, 3)),
    "stitched": replace(GENTLE, seam=(0.4, 0.2)),
    "compressed": replace(GENTLE, compress=Compress(0.01)),
    "8 bits": replace(GENTLE, eight_bits=(-1.0, -1.0)),
}


@pytest.fixture(scope="module")
def clean():
    return clean_image(np.random.default_rng(4), (160, 160), kind="nuclei")[0]


@pytest.mark.parametrize("name", VARIANTS)
def test_noisy_image_scatters_about_the_clean_one_without_offset_or_scale(clean, name):
    rng = np.random.default_rng(1)
    pairs = [noisy(clean, VARIANTS[name], rng) for _ in range(8)]
    taken = np.mean([pair[0] for pair in pairs], axis=0)
    target = pairs[0][1]
    slope, intercept = np.polyfit(target.ravel(), taken.ravel(), 1)
    span = float(np.ptp(target))
    assert taken.dtype == target.dtype == np.float32
    assert slope == pytest.approx(1, abs=0.03)
    assert intercept + slope * target.mean() - target.mean() == pytest.approx(0, abs=0.01 * span)
    assert all(np.array_equal(target, pair[1]) for pair in pairs)


def test_noise_of_a_plain_camera_follows_its_formula(clean):
    taken, target = noisy(clean, GENTLE, np.random.default_rng(2))
    photons = GENTLE.exposure.photons(clean)
    score = (taken - target) / np.sqrt(GENTLE.camera.variance(photons))
    assert score.std() == pytest.approx(1, abs=0.02)


def test_subtraction_takes_the_background_away_and_cuts_below_zero(clean):
    taken, target = noisy(clean, replace(GENTLE, subtract=True), np.random.default_rng(2))
    assert target.min() == pytest.approx(0, abs=float(clean.min()) * 60 * 0.8 * 4 + 1)
    assert taken.min() == 0


def test_saturation_ends_both_images_alike(clean):
    camera = replace(GENTLE.camera, bits=12, gain=120.0)
    taken, target = noisy(clean, replace(GENTLE, camera=camera), np.random.default_rng(2))
    assert taken.max() == target.max() == 4095


def test_drawn_noise_covers_what_real_files_hold():
    rng = np.random.default_rng(0)
    models = [draw_noise(rng) for _ in range(600)]
    peaks = np.array([model.exposure.peak_photons for model in models])
    assert 1 <= peaks.min() < 1.2
    assert 800 < peaks.max() <= 1000
    assert np.median(np.log(peaks)) == pytest.approx(np.log(1000) / 2, rel=0.1)

    def share(test):
        return np.mean([bool(test(model)) for model in models])

    assert 0.1 < share(lambda m: m.camera.multiplication > 1) < 0.3
    assert 0.2 < share(lambda m: m.camera.gain_spread) < 0.4
    assert 0.08 < share(lambda m: m.camera.hot_pixels) < 0.25
    assert 0.2 < share(lambda m: m.steps or m.enlarge or m.seam or m.compress) < 0.5
    assert 0.2 < share(lambda m: m.eight_bits) < 0.4
    assert {m.camera.bits for m in models} == {0, 8, 12, 16}
    for part in ("scan", "enlarge", "seam", "compress", "eight_bits", "subtract"):
        assert share(lambda m, part=part: getattr(m, part)) > 0.02, part
    assert {type(step) for m in models for step in m.steps} == {Resample, Smooth, Sharpen}


def test_noisy_images_are_finite_varied_and_reproducible():
    def pair(rng):
        image, _ = clean_image(rng, (96, 80))
        return noisy(image, draw_noise(rng), rng)

    rng = np.random.default_rng(8)
    pairs = [pair(rng) for _ in range(40)]
    levels = np.array([np.sqrt(np.mean((taken - clean) ** 2)) / np.ptp(clean) for taken, clean in pairs])
    for taken, clean in pairs:
        assert taken.shape == clean.shape == (96, 80)
        assert taken.dtype == clean.dtype == np.float32
        assert np.isfinite(taken).all()
        assert np.ptp(clean) > 0
    assert levels.min() < 0.1 < 0.5 < levels.max()
    again = pair(np.random.default_rng(8))
    assert all(np.array_equal(one, other) for one, other in zip(again, pairs[0], strict=True))


def test_a_pixel_size_can_be_asked_for():
    _, info = clean_image(np.random.default_rng(0), (64, 64), pixel_size_um=0.2)
    assert info["pixel_size_um"] == 0.2


def test_the_mean_of_what_is_recorded_is_that_of_many_pictures() -> None:
    rng = np.random.default_rng(0)
    clean = np.tile(np.linspace(0, 6, 256, dtype=np.float32), (256, 1))
    pictures = np.maximum(clean + rng.normal(0, 2, (40, 256, 256)), 0).astype(np.float32)
    found = recorded_mean(pictures[0], clean)
    expected = pictures.mean(0).mean(0)
    assert np.abs(expected - clean[0]).max() > 0.7  # the cut-off matters
    assert np.abs(found[0] - expected).max() < 0.15


def test_hot_pixels_and_noise_without_cut_off_shift_nothing() -> None:
    rng = np.random.default_rng(1)
    clean = np.tile(np.linspace(0, 6, 256, dtype=np.float32), (256, 1))
    noisy = clean + rng.normal(0, 1, clean.shape).astype(np.float32)
    noisy.flat[::401] += 500
    assert np.abs(recorded_mean(noisy, clean) - clean).max() < 0.08
    flat = np.zeros((32, 32), np.float32)
    assert np.array_equal(recorded_mean(flat, flat), flat)
