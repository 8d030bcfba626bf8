"""Random noise for training pairs: every kind of camera and of treatment after it, in any combination."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from napari_diffuscope.simulate.camera import Camera, Exposure, convert, draw_sensor, expose
from napari_diffuscope.simulate.fields import log_uniform
from napari_diffuscope.simulate.processing import (
    Compress,
    Enlarge,
    Resample,
    Sharpen,
    Smooth,
    Stretch,
    stitch,
)
from napari_diffuscope.simulate.scanning import Scan

Step = Resample | Smooth | Sharpen


@dataclass(frozen=True)
class NoiseModel:
    """Everything that decides the statistics of a noisy image.

    Parameters
    ----------
    exposure, camera
        Light and sensor. ``camera.bits`` 0: a photon-counting or floating-point file.
    frames
        Number of pictures averaged.
    scan
        Laser and amplifier of a point scanner, or ``None``. The read noise then comes behind the amplifier.
    enlarge
        Digital zoom, or ``None``.
    steps
        Linear treatments of noisy image and target alike.
    seam
        Place and width of a stitching seam as shares of the image, or ``None``.
    compress
        Lossy compression of the noisy image, or ``None``.
    eight_bits
        Contrast stretch to 8 bits: the share of the range cut off at the dark and at the bright end
        (negative: left free), or ``None``.
    subtract
        Whether the offset and the background are subtracted, and negative values set to zero.
    """

    exposure: Exposure = field(default_factory=Exposure)
    camera: Camera = field(default_factory=Camera)
    frames: int = 1
    scan: Scan | None = None
    enlarge: Enlarge | None = None
    steps: tuple[Step, ...] = ()
    seam: tuple[float, float] | None = None
    compress: Compress | None = None
    eight_bits: tuple[float, float] | None = None
    subtract: bool = False


def draw_noise(rng: np.random.Generator) -> NoiseModel:
    """A random noise model: 1 to 1,000 photons at the peak, any camera, half of them with correlated noise."""
    peak = log_uniform(rng, 1, 1000)
    exposure = Exposure(peak_photons=peak, background_photons=peak * log_uniform(rng, 1e-3, 0.5))
    model = NoiseModel(
        exposure=exposure,
        camera=_draw_camera(rng, exposure),
        frames=int(rng.choice([1, 2, 4, 8], p=[0.85, 0.07, 0.05, 0.03])),
        subtract=bool(rng.uniform() < 0.12),
        eight_bits=_draw_stretch(rng) if rng.uniform() < 0.3 else None,
    )
    if rng.uniform() < 0.35:
        model = _draw_correlation(rng, model)
    return _with_scanning(rng, model) if rng.uniform() < 0.25 else model


def noisy(
    clean01: np.ndarray, model: NoiseModel, rng: np.random.Generator, *, target01: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """A noisy image and its noise-free expectation, in the same units and at equal blur.

    Parameters
    ----------
    clean01
        (Y, X) float32, the clean image in relative units, 0 to about 1.
    model, rng
        Noise model and source of randomness.
    target01
        The image whose expectation is returned, where it is not the one that is exposed: a sharper one.

    Returns
    -------
    noisy, clean
        (Y, X) float32, both in counts (grey values where the model stretches to 8 bits).
    """
    photons = _photons(clean01, model)
    clean = model.camera.expected(photons if target01 is None else _photons(target01, model))
    if model.scan is not None:
        clean = model.scan.respond(clean).astype(np.float32)
    taken = _take(photons, model, rng)
    if model.enlarge is not None:
        clean, taken = (model.enlarge(image, clean01.shape) for image in (clean, taken))
    for step in model.steps:
        clean, taken = step(clean), step(taken)
    return _finish(taken, clean, model)


def recorded_mean(noisy: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """What the average of many such pictures would show, where it is not ``clean``.

    Values that are cut off at zero or at saturation, and hot pixels, shift the mean of what is recorded. The shift is
    measured on the picture itself: the mean residual in twelve groups of pixels of about equal expectation, joined by
    straight lines.

    Parameters
    ----------
    noisy, clean
        (Y, X), a picture and its expectation before anything was cut off.

    Returns
    -------
    numpy.ndarray
        (Y, X) float32.
    """
    levels, residual = clean.ravel().astype(np.float64), (noisy - clean).ravel().astype(np.float64)
    limit = 8 * np.median(np.abs(residual)) + 1e-12  # single bright pixels are no shift
    groups = np.array_split(np.argsort(levels), 12)
    places = np.array([levels[group].mean() for group in groups])
    shifts = np.array([residual[group].clip(-limit, limit).mean() for group in groups])
    distinct = np.concatenate(([True], np.diff(places) > 0))
    shifted: np.ndarray = clean + np.interp(clean, places[distinct], shifts[distinct])
    return shifted.astype(np.float32)


def _photons(clean01: np.ndarray, model: NoiseModel) -> np.ndarray:
    """Photons per pixel of the camera."""
    small = clean01 if model.enlarge is None else model.enlarge.reduce(clean01)
    return model.exposure.photons(np.maximum(small, 0))


def _draw_camera(rng: np.random.Generator, exposure: Exposure) -> Camera:
    """CCD, EMCCD, sCMOS or point detector, its gain such that the range of the converter is used."""
    kind = rng.choice(["ccd", "emccd", "scmos", "detector"], p=[0.3, 0.2, 0.3, 0.2])
    camera = Camera(
        quantum_efficiency=rng.uniform(0.3, 0.95),
        offset=0.0 if rng.uniform() < 0.25 else log_uniform(rng, 10, 1000),
        read_noise=log_uniform(rng, 0.5, 10),
        bits=int(rng.choice([8, 12, 16, 0], p=[0.1, 0.3, 0.5, 0.1])),
    )
    if kind == "emccd":
        camera = replace(camera, multiplication=log_uniform(rng, 10, 500), read_noise=log_uniform(rng, 5, 60))
    elif kind == "scmos":
        camera = replace(
            camera,
            read_noise=log_uniform(rng, 0.7, 3),
            gain_spread=rng.uniform(0, 0.06),
            read_noise_spread=rng.uniform(0.1, 0.6),
            offset_spread=rng.uniform(0, 2),
            hot_pixels=0.0 if rng.uniform() < 0.5 else log_uniform(rng, 1e-4, 3e-3),
            hot_electrons=log_uniform(rng, 5, 100),
        )
    elif kind == "detector":
        camera = replace(camera, read_noise=0.0 if rng.uniform() < 0.5 else log_uniform(rng, 0.05, 0.5))
    # A detector whose read noise drowns the brightest pixel teaches nothing.
    most = 0.3 * camera.quantum_efficiency * camera.multiplication * max(exposure.peak_photons, 2.0)
    return _with_gain(rng, replace(camera, read_noise=min(camera.read_noise, most)), exposure)


def _with_gain(rng: np.random.Generator, camera: Camera, exposure: Exposure) -> Camera:
    """Choose the gain: the peak takes 3 % to 80 % of the range, or, now and then, more than all of it."""
    limit = camera.ceiling if camera.bits else 65535.0
    offset = min(camera.offset, 0.1 * limit)
    share = rng.uniform(1.05, 1.8) if rng.uniform() < 0.1 else log_uniform(rng, 0.03, 0.8)
    electrons = camera.quantum_efficiency * camera.multiplication
    electrons *= exposure.peak_photons + exposure.background_photons
    gain = share * (limit - offset) / electrons
    if camera.bits != 8:
        gain = min(gain, log_uniform(rng, 0.5, 200) / camera.multiplication)
    return replace(camera, offset=offset, gain=gain, offset_spread=camera.offset_spread * gain)


def _draw_stretch(rng: np.random.Generator) -> tuple[float, float]:
    dark = rng.uniform(-0.2, 0.05)
    bright = rng.uniform(0.0, 0.4) if rng.uniform() < 0.25 else -log_uniform(rng, 0.02, 3)
    return dark, bright


def _draw_correlation(rng: np.random.Generator, model: NoiseModel) -> NoiseModel:
    """One or two of the treatments that correlate noise."""
    for kind in rng.choice(6, size=rng.choice([1, 2], p=[0.7, 0.3]), replace=False):
        model = _CORRELATIONS[kind](rng, model)
    return model


def _with_resampling(rng: np.random.Generator, model: NoiseModel) -> NoiseModel:
    step = Resample(
        shift=(rng.uniform(-0.5, 0.5), rng.uniform(-0.5, 0.5)),
        angle=float(rng.choice([0.0, rng.normal(0, 0.05)])),
        zoom=float(rng.choice([1.0, 1 + rng.normal(0, 0.04)])),
        order=int(rng.choice([1, 3], p=[0.7, 0.3])),
    )
    return replace(model, steps=(*model.steps, step))


def _with_smoothing(rng: np.random.Generator, model: NoiseModel) -> NoiseModel:
    sigma = log_uniform(rng, 0.3, 1.5)
    other = sigma if rng.uniform() < 0.7 else float(rng.choice([0.01, sigma / 2]))
    return replace(model, steps=(*model.steps, Smooth((other, sigma))))


def _with_sharpening(rng: np.random.Generator, model: NoiseModel) -> NoiseModel:
    step = Sharpen(sigma=log_uniform(rng, 0.8, 4), amount=log_uniform(rng, 0.2, 2))
    return replace(model, steps=(*model.steps, step))


def _with_enlarging(rng: np.random.Generator, model: NoiseModel) -> NoiseModel:
    return replace(model, enlarge=Enlarge(log_uniform(rng, 1.15, 2.5), int(rng.choice([1, 3]))))


def _with_seam(rng: np.random.Generator, model: NoiseModel) -> NoiseModel:
    return replace(model, seam=(rng.uniform(0.1, 0.9), log_uniform(rng, 0.02, 0.5)))


def _with_compression(rng: np.random.Generator, model: NoiseModel) -> NoiseModel:
    return replace(model, compress=Compress(log_uniform(rng, 0.005, 0.06), rng.uniform(1, 8)))


def _with_scanning(rng: np.random.Generator, model: NoiseModel) -> NoiseModel:
    """A point scanner, which has one detector for all pixels."""
    scan = Scan(
        memory=0.0 if rng.uniform() < 0.1 else rng.uniform(0.05, 0.75),
        flicker=0.0 if rng.uniform() < 0.4 else log_uniform(rng, 0.003, 0.05),
        flicker_lines=log_uniform(rng, 0.5, 20),
    )
    camera = replace(model.camera, gain_spread=0.0, offset_spread=0.0, read_noise_spread=0.0, hot_pixels=0.0)
    return replace(model, scan=scan, camera=camera)


_CORRELATIONS = (
    _with_resampling,
    _with_smoothing,
    _with_sharpening,
    _with_enlarging,
    _with_seam,
    _with_compression,
)


def _take(photons: np.ndarray, model: NoiseModel, rng: np.random.Generator) -> np.ndarray:
    """The picture as it leaves the camera, of all frames and on both sides of a seam."""
    camera = model.camera
    maps = camera.gain_spread or camera.offset_spread or camera.read_noise_spread or camera.hot_pixels
    sensor = draw_sensor(camera, photons.shape, rng) if maps else None

    def picture() -> np.ndarray:
        if model.scan is not None:
            return _scanned(photons, camera, model.scan, rng)
        return expose(photons, camera, rng, sensor=sensor)

    taken = np.asarray(np.mean([picture() for _ in range(model.frames)], axis=0, dtype=np.float32))
    return taken if model.seam is None else stitch(taken, picture(), *model.seam)


def _scanned(photons: np.ndarray, camera: Camera, scan: Scan, rng: np.random.Generator) -> np.ndarray:
    """One picture of a point scanner: (Y, X) float32 counts."""
    light = scan.rolled(photons) * np.maximum(scan.laser(len(photons), rng), 0)[:, None]
    analogue = expose(light, replace(camera, read_noise=0.0, bits=0), rng)
    counts = scan.smeared(analogue, photons.shape[1])
    read = camera.gain * camera.read_noise * rng.standard_normal(photons.shape)
    return convert(counts + read, camera)


def _finish(taken: np.ndarray, clean: np.ndarray, model: NoiseModel) -> tuple[np.ndarray, np.ndarray]:
    """Saturation, compression, background subtraction and contrast stretch."""
    ceiling = model.camera.ceiling
    clean = np.minimum(clean, np.float32(ceiling))
    if model.compress is not None:
        taken = model.compress(taken)
    if model.subtract:
        floor = model.camera.expected(np.asarray(model.exposure.background_photons))
        taken, clean = (np.maximum(image - floor, 0) for image in (taken, clean))
    if model.eight_bits is not None:
        low, high = float(clean.min()), float(clean.max())
        dark, bright = model.eight_bits
        stretch = Stretch(low + dark * (high - low), high - bright * (high - low))
        taken, clean = stretch(taken), stretch(clean, rounded=False)
    return taken, clean
