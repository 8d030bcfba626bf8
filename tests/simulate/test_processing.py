"""Treatments after the camera: what they do to noise and to images."""

import numpy as np
import pytest
from scipy.fft import dctn

from napari_diffuscope.simulate.processing import (
    Compress,
    Enlarge,
    Resample,
    Sharpen,
    Smooth,
    Stretch,
    stitch,
)


def white(shape=(256, 256), seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def neighbour_correlation(image):
    return np.corrcoef(image[:, 1:].ravel(), image[:, :-1].ravel())[0, 1]


def test_half_pixel_shift_correlates_neighbours_by_one_half():
    shifted = Resample(shift=(0.0, 0.5))(white())
    assert neighbour_correlation(shifted) == pytest.approx(0.5, abs=0.02)
    assert neighbour_correlation(shifted.T) == pytest.approx(0.0, abs=0.02)
    assert shifted.var() == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize("order", [1, 3])
def test_resampling_by_nothing_changes_nothing(order):
    image = white((40, 50))
    assert Resample(shift=(0.0, 0.0), order=order)(image) == pytest.approx(image, abs=1e-5)


def test_resampling_moves_turns_and_zooms_about_the_middle():
    y, x = np.mgrid[:41, :41]
    spot = np.exp(-((y - 20) ** 2 + (x - 30) ** 2) / 8).astype(np.float32)

    def peak(image):
        return np.unravel_index(image.argmax(), image.shape)

    assert peak(Resample(shift=(2.0, -3.0))(spot)) == (18, 33)
    assert peak(Resample(shift=(0.0, 0.0), angle=np.pi / 2)(spot)) in [(30, 20), (10, 20)]
    assert peak(Resample(shift=(0.0, 0.0), zoom=1.5)(spot)) == (20, 35)


@pytest.mark.parametrize("step", [Smooth((0.8, 0.8)), Smooth((0.01, 1.2)), Resample(angle=0.1, zoom=0.97)])
def test_smoothing_and_resampling_correlate_noise_and_keep_the_level(step):
    treated = step(white() + 10)
    assert treated.mean() == pytest.approx(10, abs=0.05)
    assert neighbour_correlation(treated) > 0.1
    assert treated.std() < 1


def test_sharpening_keeps_flat_images_and_steepens_edges():
    assert Sharpen()(np.full((20, 20), 7.0, np.float32)) == pytest.approx(7)
    edge = np.repeat([[0.0, 1.0]], 20, axis=0).repeat(10, axis=1)
    sharp = Sharpen(sigma=2.0, amount=1.5)(edge)
    assert sharp.max() > 1.05
    assert sharp.min() < -0.05


@pytest.mark.parametrize("order", [1, 3])
def test_digital_zoom_keeps_the_level_and_makes_noise_grains_larger(order):
    zoom = Enlarge(2.0, order)
    flat = np.full((50, 63), 3.0, np.float32)
    assert zoom(zoom.reduce(flat), flat.shape) == pytest.approx(3.0, abs=1e-4)
    grains = zoom(white((64, 64)), (128, 128))
    assert neighbour_correlation(grains) > 0.5


def test_digital_zoom_stays_in_place():
    y, x = np.mgrid[:60, :60]
    spot = np.exp(-((y - 22.0) ** 2 + (x - 37.0) ** 2) / 50).astype(np.float32)
    zoomed = Enlarge(1.5, 1)(Enlarge(1.5, 1).reduce(spot), spot.shape)
    centre = [(zoomed * axis).sum() / zoomed.sum() for axis in (y, x)]
    assert centre == pytest.approx([22, 37], abs=0.02)


def test_larger_pixels_average_the_smaller_ones():
    image = white((24, 32))
    assert Enlarge(2.0).reduce(image) == pytest.approx(
        image.reshape(12, 2, 16, 2).mean(axis=(1, 3)), abs=1e-6
    )


def test_compression_rounds_the_cosine_transform_of_each_block():
    image = white((64, 64)) * 20 + 100
    low, high = np.percentile(image, [0.5, 99.5])
    compressed = Compress(strength=0.05, slope=0.0)(image)
    step = 8 * 0.05 * (high - low)
    spectrum = dctn(compressed[8:16, 24:32] - low, norm="ortho") / step
    assert spectrum == pytest.approx(np.rint(spectrum), abs=1e-3)
    assert np.abs(compressed - image).max() > 0.1 * step


def test_stronger_compression_loses_more_and_odd_sizes_keep_their_shape():
    image = white((45, 51)) + np.linspace(0, 20, 51, dtype=np.float32)
    losses = [float(np.std(Compress(strength)(image) - image)) for strength in (1e-4, 0.01, 0.1)]
    assert losses[0] < 0.02
    assert losses[0] < losses[1] < losses[2]
    assert Compress()(image).shape == (45, 51)


def test_contrast_stretch_fills_8_bits():
    counts = np.array([[50.0, 100.0, 150.3, 200.0, 900.0]])
    assert Stretch(100, 200)(counts).tolist() == [[0, 0, 128, 255, 255]]
    assert Stretch(100, 200)(counts, rounded=False)[0, 2] == pytest.approx(128.265)


def test_noise_is_halved_where_stitched_tiles_overlap():
    stitched = stitch(white(seed=1), white(seed=2), seam=0.5, overlap=0.25)
    assert stitched[:, 126:130].var() == pytest.approx(0.5, rel=0.15)
    assert stitched[:, :64].var() == pytest.approx(1, rel=0.05)
    assert np.array_equal(stitched[:, :90], white(seed=1)[:, :90])
    assert np.array_equal(stitched[:, -90:], white(seed=2)[:, -90:])
