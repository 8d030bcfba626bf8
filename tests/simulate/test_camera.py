"""Statistics of the cameras against the formulas of the photon transfer curve."""

from dataclasses import replace

import numpy as np
import pytest

from napari_diffuscope.simulate.camera import Camera, Exposure, draw_sensor, expose

CAMERA = Camera(quantum_efficiency=0.7, gain=2.5, offset=120.0, read_noise=2.0, bits=0)
FLAT = np.ones((300, 300), np.float32)


def rng():
    return np.random.default_rng(5)


@pytest.mark.parametrize("photons", [0.0, 1.5, 40.0, 900.0])
def test_mean_and_variance_of_a_plain_camera(photons):
    counts = expose(photons * FLAT, CAMERA, rng())
    variance = 2.5**2 * (0.7 * photons + 2.0**2)
    assert counts.mean(dtype=float) == pytest.approx(
        120 + 2.5 * 0.7 * photons, abs=5 * np.sqrt(variance) / 300
    )
    assert counts.var(dtype=float) == pytest.approx(variance, rel=0.03)
    assert CAMERA.variance(np.float64(photons)) == pytest.approx(variance)
    assert CAMERA.expected(np.float64(photons)) == pytest.approx(120 + 2.5 * 0.7 * photons)


def test_electron_multiplier_doubles_the_variance_of_the_light():
    camera = replace(CAMERA, multiplication=200.0, read_noise=50.0, gain=0.05)
    counts = expose(20 * FLAT, camera, rng())
    gain = 0.05 * 200
    assert counts.mean(dtype=float) == pytest.approx(120 + gain * 14, rel=0.01)
    assert counts.var(dtype=float) == pytest.approx(gain**2 * 2 * 14 + 0.05**2 * 50**2, rel=0.03)
    assert camera.variance(np.float64(20)) == pytest.approx(gain**2 * 2 * 14 + 0.05**2 * 50**2)


def test_multiplier_beats_read_noise_in_the_dark():
    plain = replace(CAMERA, read_noise=30.0)
    multiplied = replace(plain, multiplication=300.0)
    dim = 2 * FLAT

    def signal_to_noise(camera):
        counts = expose(dim, camera, rng())
        return (counts.mean() - 120) / counts.std()

    assert signal_to_noise(multiplied) > 10 * signal_to_noise(plain)


def test_converter_rounds_and_saturates():
    camera = replace(CAMERA, bits=8, offset=10.0)
    counts = expose(np.linspace(0, 300, 90_000, dtype=np.float32).reshape(300, 300), camera, rng())
    assert counts.min() >= 0
    assert counts.max() == 255
    assert (counts[-50:] == 255).all()
    assert (counts == np.rint(counts)).all()


def test_pixels_of_a_sensor_stay_the_same_from_frame_to_frame():
    camera = replace(
        CAMERA,
        gain_spread=0.05,
        offset_spread=5.0,
        read_noise_spread=0.3,
        hot_pixels=0.01,
        hot_electrons=80.0,
    )
    noise = rng()
    sensor = draw_sensor(camera, FLAT.shape, noise)
    frames = np.stack([expose(50 * FLAT, camera, noise, sensor=sensor) for _ in range(40)])
    mean = frames.mean(axis=0)
    cold = sensor.dark == 0
    expected = 120 + sensor.offset + 2.5 * sensor.gain * (35 + sensor.dark)
    error = (mean - expected)[cold]
    assert error.std() == pytest.approx(2.5 * np.sqrt((35 + 4 * np.exp(2 * 0.3**2)) / 40), rel=0.05)
    assert (~cold).mean() == pytest.approx(0.01, rel=0.15)
    assert sensor.dark[~cold].mean() == pytest.approx(80, rel=0.15)
    assert sensor.gain.std() == pytest.approx(0.05, rel=0.03)
    assert sensor.offset.std() == pytest.approx(5.0, rel=0.03)
    assert np.log(sensor.read_noise / 2.0).std() == pytest.approx(0.3, rel=0.03)


def test_fluorescence_bleaches_but_background_stays():
    exposure = Exposure(peak_photons=100.0, background_photons=5.0, bleaching=0.1)
    bright, dark = np.ones((1, 1)), np.zeros((1, 1))
    series = [exposure.photons(bright, frame=frame).item() for frame in range(3)]
    assert series == pytest.approx([105, 95, 86])
    assert exposure.photons(dark, frame=2).item() == pytest.approx(5)


def test_equal_seeds_give_equal_pictures():
    first, second = (expose(10 * FLAT, CAMERA, np.random.default_rng(3)) for _ in range(2))
    other = expose(10 * FLAT, CAMERA, np.random.default_rng(4))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)
