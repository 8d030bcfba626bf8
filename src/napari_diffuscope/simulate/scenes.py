"""The three scenes of the sample data: a cell, a cell in depth, and a living one, without noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_diffuscope.simulate.emitters import Emitters, PixelSize, pixel_sizes
from napari_diffuscope.simulate.fields import smooth_field, soft_step
from napari_diffuscope.simulate.filaments import microtubules
from napari_diffuscope.simulate.mitochondria import mitochondria
from napari_diffuscope.simulate.motion import drift, timelapse
from napari_diffuscope.simulate.optics import airy_psf, blur, confocal_psf, confocal_psf_3d
from napari_diffuscope.simulate.puncta import puncta
from napari_diffuscope.simulate.specimens import specimen


def mitochondria_scene(rng: np.random.Generator, shape: Sequence[int], pixel_um: float) -> np.ndarray:
    """Mitochondria in a spread cell, confocal (aperture 1.4, 561 / 600 nm): (Y, X), peak 1."""
    cell = spread_cell(rng, shape, pixel_um, radii_um=(17.0, 25.0))
    nucleus = ellipsoid(shape, pixel_um, centre=(0.47, 0.55), radii_um=(6.0, 8.0), edge_um=0.4)
    around = ellipsoid(shape, pixel_um, centre=(0.47, 0.55), radii_um=(13.0, 19.0), edge_um=4.0)
    area = float(np.prod(np.asarray(shape) * pixel_um))
    tubes = mitochondria(
        rng, shape, pixel_um, count=int(area * 0.25), width_um=0.42, branching=0.45, hollow=False
    )
    tubes = tubes.within((0.15 + 0.85 * around) * (1 - nucleus) * (cell > 0.5), pixel_um, rng)
    haze = specimen("cytoplasm", shape, pixel_um, rng, grain_um=2.5)
    density = relative(tubes.render(shape, pixel_um), 99.0) + 0.1 * haze
    density *= cell * (1 - 0.93 * nucleus)
    psf = confocal_psf(pixel_um, excitation_nm=561, emission_nm=600, numerical_aperture=1.4)
    return relative(blur(density, psf), 99.97)


def nuclei_and_filaments_scene(
    rng: np.random.Generator, shape: Sequence[int], voxel_um: Sequence[float]
) -> np.ndarray:
    """Microtubules around nuclei, confocal (1.4, 488 / 525 nm): (Z, Y, X), peak 1."""
    nuclei = specimen("nuclei", shape, voxel_um, rng, diameter_um=11.0, crowding=0.5)
    threads = microtubules(rng, shape, voxel_um, count=220, persistence_um=60.0, labelling=1.5)
    outside = 1 - np.clip(2 * nuclei, 0, 1)
    density = relative(threads.render(shape, voxel_um) * outside, 99.5)
    density += 0.28 * relative(nuclei, 99.5) + 0.012
    psf = confocal_psf_3d((9, 31, 31), voxel_um, excitation_nm=488, emission_nm=525, numerical_aperture=1.4)
    return relative(blur(density, psf), 99.99)


def moving_scene(
    rng: np.random.Generator, shape: Sequence[int], pixel_um: float, *, frames: int, interval_s: float
) -> np.ndarray:
    """Vesicles that run and mitochondria that creep, widefield (1.4, 525 nm): (T, Y, X), peak 1."""
    area = float(np.prod(np.asarray(shape) * pixel_um))
    tubes = mitochondria(
        rng, shape, pixel_um, count=int(area * 0.3), width_um=0.4, branching=0.3, hollow=False
    )
    spots = puncta(
        rng, shape, pixel_um, count=int(area * 0.2), diameter_um=0.3, brightness_spread=0.3, clustering=0.0
    )
    cell = spread_cell(rng, shape, pixel_um, radii_um=(12.0, 11.0))
    nucleus = ellipsoid(shape, pixel_um, centre=(0.55, 0.4), radii_um=(4.0, 3.2), edge_um=0.3)
    tubes, spots = (part.within((1 - nucleus) * (cell > 0.5), pixel_um, rng) for part in (tubes, spots))
    movies = [
        _movie(rng, tubes, shape, pixel_um, frames, interval_s, speed_um_s=0.02, diffusion_um2_s=5e-4),
        _movie(rng, spots, shape, pixel_um, frames, interval_s, speed_um_s=0.15, diffusion_um2_s=4e-3),
    ]
    haze = specimen("cytoplasm", shape, pixel_um, rng, grain_um=3.0)
    density = (
        (relative(movies[0], 99.0) + 1.3 * relative(movies[1], 99.9) + 0.12 * haze)
        * cell
        * (1 - 0.8 * nucleus)
    )
    psf = airy_psf(pixel_um, wavelength_nm=525, numerical_aperture=1.4)
    return relative(np.stack([blur(frame, psf) for frame in density]), 99.95)


def ellipsoid(
    shape: Sequence[int],
    pixel_size_um: PixelSize,
    *,
    centre: Sequence[float],
    radii_um: Sequence[float],
    edge_um: float,
) -> np.ndarray:
    """Soft mask of an ellipsoid, float32: ``centre`` in shares of the field, the edge ``edge_um`` wide."""
    pixel = pixel_sizes(pixel_size_um, len(shape))
    places = zip(shape, pixel, centre, radii_um, strict=True)
    axes = [((np.arange(n) + 0.5 - share * n) * step / radius) ** 2 for n, step, share, radius in places]
    squared = np.sum(np.meshgrid(*axes, indexing="ij"), axis=0)
    return soft_step((1 - np.sqrt(squared)) * min(radii_um), edge_um).astype(np.float32)


def spread_cell(
    rng: np.random.Generator, shape: Sequence[int], pixel_um: float, *, radii_um: tuple[float, float]
) -> np.ndarray:
    """Soft mask of one cell in the middle of the field, with an uneven outline: (Y, X) float32."""
    round_cell = ellipsoid(shape, pixel_um, centre=(0.5, 0.5), radii_um=radii_um, edge_um=min(radii_um))
    uneven = round_cell - 0.5 + 0.1 * smooth_field(rng, shape, min(radii_um) / 2 / pixel_um)
    return soft_step(uneven * min(radii_um), 0.4).astype(np.float32)


def relative(image: np.ndarray, percentile: float) -> np.ndarray:
    """The image over its percentile, float32."""
    return np.asarray(image / max(float(np.percentile(image, percentile)), 1e-12), dtype=np.float32)


def _movie(
    rng: np.random.Generator,
    emitters: Emitters,
    shape: Sequence[int],
    pixel_um: float,
    frames: int,
    interval_s: float,
    *,
    speed_um_s: float,
    diffusion_um2_s: float,
) -> np.ndarray:
    shifts = drift(
        rng,
        int(emitters.owner.max()) + 1,
        frames=frames,
        interval_s=interval_s,
        speed_um_s=speed_um_s,
        diffusion_um2_s=diffusion_um2_s,
    )
    return timelapse(emitters, shifts, shape, pixel_um)
