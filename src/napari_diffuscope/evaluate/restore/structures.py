"""Specimens that no training draws: neurites with spines, clumps of bacteria, striated muscle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from napari_diffuscope.evaluate.restore.neurites import neurites
from napari_diffuscope.simulate.fields import log_uniform, rough_field, smooth_field
from napari_diffuscope.simulate.optics import (
    AIRY_FWHM,
    FWHM_PER_SIGMA,
    airy_psf,
    blur,
    confocal_psf,
    gaussian_psf,
)

Shape = tuple[int, int]


@dataclass(frozen=True)
class Specimen:
    """A simulated field, before and after the microscope.

    Parameters
    ----------
    density
        (Y, X) float32 emitter density, arbitrary units.
    image
        (Y, X) float32 without noise, its maximum 1.
    pixel_size_um
        Pixel size.
    fwhm_px
        Full width at half maximum of the point spread function in pixels.
    optics
        ``widefield``, ``confocal`` or ``gaussian``.
    """

    density: np.ndarray
    image: np.ndarray
    pixel_size_um: float
    fwhm_px: float
    optics: str


def standard_specimen(kind: str, shape: Shape, rng: np.random.Generator) -> Specimen:
    """A random specimen under a random microscope.

    Parameters
    ----------
    kind
        One of :data:`STRUCTURES`.
    shape
        (Y, X).
    rng
        Source of all randomness.

    Returns
    -------
    Specimen
        Its point spread function is 2 to 5 pixels wide; out-of-focus haze and an uneven background are added to
        ``image`` by chance.
    """
    pixel = log_uniform(rng, *_PIXEL_UM[kind])
    density = STRUCTURES[kind](rng, shape, pixel)
    name, fwhm_px, psf = _optics(rng, pixel)
    image = np.maximum(blur(density, psf), 0)
    image = image + rng.uniform(0, 0.6) * _wide(image, rng.uniform(8, 20))
    background = 1 + 0.5 * np.tanh(smooth_field(rng, shape, 0.6 * max(shape)))
    image = image + rng.uniform(0, 0.08) * float(np.percentile(image, 99.8)) * background
    image = np.asarray(image / max(float(image.max()), 1e-12), dtype=np.float32)
    return Specimen(density, image, pixel, fwhm_px, name)


def bacteria(rng: np.random.Generator, shape: Shape, pixel_um: float) -> np.ndarray:
    """Rods in clumps, their membrane with septa, or their cytoplasm with nucleoids: density (Y, X) float32."""
    width, label = rng.uniform(0.75, 1.05), rng.choice(["membrane", "membrane", "cytoplasm", "nucleoid"])
    total = np.zeros(shape, np.float32)
    taken = np.zeros(shape, bool)
    size = np.asarray(shape) * pixel_um
    for _ in range(int(rng.integers(2, 6))):
        seed = (*(size * rng.uniform(0.1, 0.9, 2)), rng.uniform(0, np.pi), rng.uniform(2.0, 4.5))
        clump = [seed]
        for attempt in range(int(rng.integers(8, 60))):
            rod = seed if attempt == 0 else _neighbour(rng, clump[int(rng.integers(len(clump)))], width)
            capsule = _capsule(rod, width, shape, pixel_um)
            if capsule is None or np.any(taken[capsule[0]] & (capsule[1] > 0.06)):
                continue
            box, depth, along = capsule
            taken[box] |= depth > 0
            part = _rod(rng, depth, along, rod[3], width, str(label), pixel_um)
            total[box] += (np.exp(rng.normal(0, 0.2)) * part).astype(np.float32)
            clump.append(rod)
    return total


Rod = tuple[float, float, float, float]
Capsule = tuple[tuple[slice, slice], np.ndarray, np.ndarray]


def _neighbour(rng: np.random.Generator, rod: Rod, width: float) -> Rod:
    """Beside or behind another rod, nearly parallel, as after a division."""
    y, x, angle, length = rod
    along, across = np.array([np.sin(angle), np.cos(angle)]), np.array([np.cos(angle), -np.sin(angle)])
    new_length = float(rng.uniform(2.0, 4.8))
    if rng.uniform() < 0.7:
        move = rng.choice([-1, 1]) * rng.uniform(1.0, 1.15) * width * across + rng.normal(0, 0.7) * along
    else:
        move = rng.choice([-1, 1]) * (length + new_length) / 2 * rng.uniform(1.02, 1.15) * along
    return float(y + move[0]), float(x + move[1]), float(angle + rng.normal(0, 0.15)), new_length


def _capsule(rod: Rod, width: float, shape: Shape, pixel: float) -> Capsule | None:
    """Box of a rod on the grid, depth under its outline and place along its axis, both in µm."""
    y, x, angle, length = rod
    reach = length / 2 + 0.3
    low = [int(max(0, (c - reach) / pixel)) for c in (y, x)]
    high = [int(min(n, (c + reach) / pixel + 1)) for c, n in zip((y, x), shape, strict=True)]
    if any(b - a < 3 for a, b in zip(low, high, strict=True)):
        return None
    box = (slice(low[0], high[0]), slice(low[1], high[1]))
    dy, dx = np.meshgrid(
        *[(np.arange(a, b) + 0.5) * pixel for a, b in zip(low, high, strict=True)], indexing="ij"
    )
    dy, dx = dy - y, dx - x
    along = dy * np.sin(angle) + dx * np.cos(angle)
    across = dy * np.cos(angle) - dx * np.sin(angle)
    half = (length - width) / 2
    beyond = np.maximum(np.abs(along) - half, 0)
    return box, width / 2 - np.hypot(beyond, across), along


def _rod(
    rng: np.random.Generator,
    depth: np.ndarray,
    along: np.ndarray,
    length: float,
    width: float,
    label: str,
    pixel: float,
) -> np.ndarray:
    """Brightness of one rod."""
    inside = np.clip(depth / pixel + 0.5, 0, 1)
    radial = np.clip(1 - depth / (width / 2), 0, 1)
    if label == "membrane":
        shell = np.minimum(1 / np.sqrt(np.maximum(1 - radial**2, 0.08)), 3.5)
        part = inside * (0.15 + 0.3 * shell)
        if rng.uniform() < 0.5:
            closing = rng.uniform(0.3, 1)
            part += 1.3 * inside * (radial > 1 - closing) * np.exp(-((along / (0.06 + pixel / 2)) ** 2))
        return np.asarray(part)
    thickness = np.sqrt(np.clip(1 - radial**2, 0, 1))
    if label == "cytoplasm":
        return np.asarray(inside * thickness * (1 + 0.15 * rough_field(rng, depth.shape, 0.3 / pixel)))
    part = 0.08 * inside * thickness
    for centre in (-length / 4, length / 4) if length > 2.8 else (0.0,):
        lobe = np.exp(-(((along - centre) / (0.17 * length)) ** 4) - (radial / 0.75) ** 4)
        part = part + lobe * np.exp(0.35 * rough_field(rng, depth.shape, max(0.25 / pixel, 1.0)))
    return np.asarray(part)


def sarcomeres(rng: np.random.Generator, shape: Shape, pixel_um: float) -> np.ndarray:
    """Striated muscle: parallel fibrils with the stripes of Z-discs, thin or thick filaments.

    The label is drawn: Z-discs (α-actinin), actin with a gap in the middle, myosin with a bare zone. Density
    (Y, X) float32.
    """
    period, width = rng.uniform(1.7, 2.4), rng.uniform(0.6, 1.5)
    angle = rng.uniform(0, np.pi)
    y, x = np.meshgrid(*[(np.arange(n) + 0.5) * pixel_um for n in shape], indexing="ij")
    bend = [rng.uniform(0.2, 0.8) * smooth_field(rng, shape, 0.5 * max(shape)) for _ in range(2)]
    along = y * np.sin(angle) + x * np.cos(angle) + bend[0]
    across = y * np.cos(angle) - x * np.sin(angle) + bend[1]
    across += 0.12 * smooth_field(rng, shape, 2 / pixel_um)
    number = np.floor((across - across.min()) / width).astype(int)
    place = (across - across.min()) / width - number
    fibrils = int(number.max()) + 1
    shift = np.cumsum(rng.normal(0, rng.uniform(0.01, 0.12), fibrils)) + 0.04 * rng.standard_normal(fibrils)
    phase = (along - along.min()) / period + shift[number] - shift.min()
    disc = np.rint(phase).astype(int)
    from_disc = (phase - disc) * period
    varied = np.exp(rng.normal(0, 0.25, (fibrils, int(disc.max()) + 2)))[number, disc]
    label = str(rng.choice(["discs", "actin", "myosin"]))
    part = _stripes(label, np.abs(from_disc), period, max(0.07, pixel_um / 2), rng) * varied
    gap = np.clip(np.minimum(place, 1 - place) * width / max(0.06, pixel_um), 0, 1)
    part = part * (0.1 + 0.9 * gap) * np.exp(rng.normal(0, 0.25, fibrils))[number]
    part *= np.exp(0.2 * rough_field(rng, shape, max(0.3 / pixel_um, 1.0)))
    cell = smooth_field(rng, shape, 0.7 * max(shape))
    cell = cell - np.quantile(cell, max(0.0, rng.uniform(-0.3, 0.3)))
    return np.asarray(part * (0.02 + 0.5 + 0.48 * np.tanh(8 * cell)), dtype=np.float32)


def _stripes(
    label: str, distance: np.ndarray, period: float, softness: float, rng: np.random.Generator
) -> np.ndarray:
    """Brightness at a distance in µm from the nearest Z-disc."""

    def edge(place: float) -> np.ndarray:
        return np.asarray(0.5 + 0.5 * np.tanh((place - distance) / softness))

    if label == "discs":
        return np.exp(-((distance / (0.05 + softness)) ** 2)) + 0.06
    if label == "actin":
        return edge(rng.uniform(0.36, 0.46) * period) + 0.5 * np.exp(-((distance / 0.12) ** 2)) + 0.05
    bare, thick = 0.08, 0.5 * period - rng.uniform(0.25, 0.4) * period
    return (1 - edge(thick)) * (0.4 + 0.6 * edge(0.5 * period - bare)) + 0.05


STRUCTURES: dict[str, Callable[[np.random.Generator, Shape, float], np.ndarray]] = {
    "neurites": neurites,
    "bacteria": bacteria,
    "sarcomeres": sarcomeres,
}
"""Structures of the standard test set."""

_PIXEL_UM = {"neurites": (0.07, 0.16), "bacteria": (0.05, 0.1), "sarcomeres": (0.07, 0.18)}


def _optics(rng: np.random.Generator, pixel: float) -> tuple[str, float, np.ndarray]:
    """Name, width in pixels and point spread function of a random microscope."""
    wavelength = rng.uniform(480, 650)
    finest = AIRY_FWHM * wavelength / 1000 / 1.4
    fwhm = max(log_uniform(rng, 2, 5) * pixel, finest)
    aperture = AIRY_FWHM * wavelength / 1000 / fwhm
    name = str(rng.choice(["widefield", "confocal", "gaussian"]))
    if name == "widefield":
        psf = airy_psf(pixel, wavelength_nm=wavelength, numerical_aperture=aperture)
    elif name == "confocal":
        psf = confocal_psf(
            pixel, excitation_nm=0.9 * wavelength, emission_nm=wavelength, numerical_aperture=aperture
        )
    else:
        psf = gaussian_psf(pixel, fwhm / FWHM_PER_SIGMA)
    return name, fwhm / pixel, psf


def _wide(image: np.ndarray, sigma_px: float) -> np.ndarray:
    """Out-of-focus light."""
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(image, sigma_px, mode="mirror"))
