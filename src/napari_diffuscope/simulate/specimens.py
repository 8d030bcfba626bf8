"""One front door to all simulated specimens, and random clean images of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.simulate.bodies import cells, cytoplasm, nuclei
from napari_diffuscope.simulate.emitters import PixelSize, pixel_sizes
from napari_diffuscope.simulate.fields import log_uniform, smooth_field, soft_step
from napari_diffuscope.simulate.filaments import actin_bundles, microtubules
from napari_diffuscope.simulate.membranes import membranes
from napari_diffuscope.simulate.mitochondria import mitochondria
from napari_diffuscope.simulate.optics import (
    AIRY_FWHM,
    FWHM_PER_SIGMA,
    airy_psf,
    blur,
    confocal_psf,
    gaussian_psf,
    sted_psf,
)
from napari_diffuscope.simulate.processing import Enlarge, Smooth
from napari_diffuscope.simulate.puncta import puncta

_LINES: dict[str, Callable[..., Any]] = {
    "microtubules": microtubules,
    "actin": actin_bundles,
    "mitochondria": mitochondria,
    "puncta": puncta,
}
_AREAS: dict[str, Callable[..., np.ndarray]] = {
    "nuclei": nuclei,
    "cells": cells,
    "membranes": membranes,
    "cytoplasm": cytoplasm,
}

KINDS: tuple[str, ...] = (*_LINES, *_AREAS)
"""Names of the specimens."""

_SHARES = {
    "microtubules": 0.15,
    "actin": 0.13,
    "mitochondria": 0.16,
    "puncta": 0.12,
    "nuclei": 0.16,
    "cells": 0.1,
    "membranes": 0.13,
    "cytoplasm": 0.05,
}
_LARGE = ("nuclei", "cells", "membranes")

SPOT_PX = (1.2, 7.0)
"""Narrowest and widest spot of the random microscopes, in pixels."""


def specimen(
    kind: str, shape: Sequence[int], pixel_size_um: PixelSize, rng: np.random.Generator, **choices: Any
) -> np.ndarray:
    """A random specimen.

    Parameters
    ----------
    kind
        One of :data:`KINDS`.
    shape
        (Y, X) or (Z, Y, X).
    pixel_size_um
        Pixel size in µm, one number or one per axis.
    rng
        Source of all randomness: equal generators give equal specimens.
    choices
        Passed on to the function of that kind, for what is not to be left to chance.

    Returns
    -------
    ndarray
        float32 of ``shape``: emitter density, non-negative, in arbitrary units.
    """
    pixel_sizes(pixel_size_um, len(shape))
    if kind in _AREAS:
        return _AREAS[kind](rng, shape, pixel_size_um, **choices)
    if kind not in _LINES:
        raise DiffuscopeError(f"Specimen {kind!r} is unknown; choose one of {', '.join(KINDS)}.")
    return np.asarray(_LINES[kind](rng, shape, pixel_size_um, **choices).render(shape, pixel_size_um))


def clean_image(
    rng: np.random.Generator,
    shape: Sequence[int],
    *,
    kind: str | None = None,
    pixel_size_um: float | None = None,
    fwhm_px: tuple[float, float] = SPOT_PX,
) -> tuple[np.ndarray, dict[str, Any]]:
    """A random specimen under a random microscope, without noise.

    Parameters
    ----------
    rng
        Source of all randomness.
    shape
        (Y, X).
    kind
        One of :data:`KINDS`; random where not given.
    pixel_size_um
        Random where not given: 0.03 to 0.4 µm, for nuclei, cells and membranes up to 1.5 µm.
    fwhm_px
        Narrowest and widest spot of the microscope in pixels (full width at half maximum).

    Returns
    -------
    image
        (Y, X) float32, 0 to 1, its maximum 1.
    info
        ``kind``, ``pixel_size_um``, ``optics`` and ``fwhm_um``.

    Raises
    ------
    DiffuscopeError
        Where ``kind`` is unknown, or the field so small that nothing ever falls into it.
    """
    kind = kind or str(rng.choice(list(_SHARES), p=list(_SHARES.values())))
    pixel = pixel_size_um or (log_uniform(rng, 0.08, 1.5) if kind in _LARGE else log_uniform(rng, 0.03, 0.4))
    density = _in_view(rng, kind, shape, pixel)
    name, fwhm_um, psf = _draw_optics(rng, pixel, fwhm_px)
    image = blur(density, psf)
    image = _with_haze(rng, np.maximum(image, 0), psf.shape[0])
    info = {"kind": kind, "pixel_size_um": pixel, "optics": name, "fwhm_um": fwhm_um}
    return image / max(float(image.max()), 1e-12), info


def _in_view(rng: np.random.Generator, kind: str, shape: Sequence[int], pixel: float) -> np.ndarray:
    """A specimen of which more than the faint tail of an edge lies in the field."""
    for _ in range(50):
        density = _compose(rng, kind, shape, pixel)
        if density.max() > 1e-3:
            return density
    raise DiffuscopeError(
        f"None of 50 specimens of {kind} fell into a field of {tuple(shape)} pixels; enlarge it."
    )


def _compose(rng: np.random.Generator, kind: str, shape: Sequence[int], pixel: float) -> np.ndarray:
    """The specimen, maybe inside a cell, maybe with some of another one."""
    density = specimen(kind, shape, pixel, rng)
    peak = np.percentile(density, 99.5) or density.max()
    if rng.uniform() < 0.25:
        other = specimen(str(rng.choice(KINDS)), shape, pixel, rng)
        density = density + log_uniform(rng, 0.05, 0.8) * peak / (np.percentile(other, 99.5) or 1) * other
    if kind in _LINES and rng.uniform() < 0.5:
        haze = cytoplasm(rng, shape, pixel)
        density = density + log_uniform(rng, 0.01, 0.4) * peak * haze
    if kind not in _LARGE and rng.uniform() < 0.5:
        density = density * cell_outline(rng, shape)
    return density


def cell_outline(rng: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    """Soft mask of the parts of the field that large cells cover: float32 of ``shape``, 0 to 1."""
    outline = smooth_field(rng, shape, max(shape) * rng.uniform(0.2, 0.6))
    outline = outline - np.quantile(outline, rng.uniform(0.1, 0.7))
    return soft_step(outline, log_uniform(rng, 0.01, 0.3))


def _draw_optics(
    rng: np.random.Generator, pixel: float, fwhm_px: tuple[float, float]
) -> tuple[str, float, np.ndarray]:
    """Name, full width at half maximum in µm and point spread function of a random microscope.

    The width lies between the two numbers of pixels, within what apertures of 0.1 to 1.45 can give; finer spots are
    STED.
    """
    wavelength = rng.uniform(450, 700)
    finest = AIRY_FWHM * wavelength / 1000 / 1.45
    fwhm = min(log_uniform(rng, *fwhm_px) * pixel, 10 * finest)
    if fwhm < finest:
        return "sted", fwhm, sted_psf(pixel, fwhm)
    aperture = AIRY_FWHM * wavelength / 1000 / fwhm
    name = str(rng.choice(["widefield", "confocal", "gaussian"]))
    if name == "widefield":
        return name, fwhm, airy_psf(pixel, wavelength_nm=wavelength, numerical_aperture=aperture)
    if name == "gaussian":
        return name, fwhm, gaussian_psf(pixel, fwhm / FWHM_PER_SIGMA)
    psf = confocal_psf(
        pixel, excitation_nm=0.9 * wavelength, emission_nm=wavelength, numerical_aperture=aperture
    )
    return name, fwhm, psf


def _with_haze(rng: np.random.Generator, image: np.ndarray, spot_px: int) -> np.ndarray:
    """Add out-of-focus light, an uneven background and uneven illumination."""
    peak = float(np.percentile(image, 99.8)) or float(image.max())
    if rng.uniform() < 0.5:
        far = _far_blur(image, rng.uniform(1.0, 3.0) * min(spot_px, 20))
        image = image + log_uniform(rng, 0.05, 1.5) * far
    if rng.uniform() < 0.4:
        background = soft_step(smooth_field(rng, image.shape, max(image.shape) * rng.uniform(0.3, 1.0)), 1.5)
        image = image + log_uniform(rng, 0.01, 0.4) * peak * background
    if rng.uniform() < 0.3:
        uneven = smooth_field(rng, image.shape, max(image.shape) * rng.uniform(0.5, 1.5))
        image = image * np.exp(rng.uniform(0.05, 0.3) * uneven)
    return np.asarray(image, dtype=np.float32)


def _far_blur(image: np.ndarray, sigma_px: float) -> np.ndarray:
    """Wide Gaussian blur, of a four times smaller image."""
    reduced = Enlarge(4.0, order=1)
    return reduced(Smooth((sigma_px / 4, sigma_px / 4))(reduced.reduce(image)), image.shape)
