"""Pairs of images that differ in their point spread function, to learn deblurring from."""

from __future__ import annotations

import numpy as np

from napari_diffuscope.simulate.fields import log_uniform
from napari_diffuscope.simulate.optics import (
    AIRY_FWHM,
    FWHM_PER_SIGMA,
    airy_psf,
    blur,
    confocal_psf,
    gaussian_psf,
)

SHARPER = 2.0
"""How many times narrower the spot of the target is."""


def random_spot(rng: np.random.Generator, fwhm_px: float) -> np.ndarray:
    """Point spread function of a given width: widefield (Airy), confocal or Gaussian. Unit sum, float32 (Y, X)."""
    aperture, wavelength_nm = 1.0, 1000.0 / AIRY_FWHM  # a widefield spot of 1 µm
    pixel_um = 1.0 / fwhm_px
    match rng.integers(3):
        case 0:
            return airy_psf(pixel_um, wavelength_nm=wavelength_nm, numerical_aperture=aperture, radius_um=2.5)
        case 1:
            narrower = 1.12  # the confocal spot of these wavelengths is that much narrower
            return confocal_psf(
                pixel_um,
                excitation_nm=0.9 * wavelength_nm * narrower,
                emission_nm=wavelength_nm * narrower,
                numerical_aperture=aperture,
            )
        case _:
            return gaussian_psf(1.0, fwhm_px / FWHM_PER_SIGMA)


def blurred_pair(
    rng: np.random.Generator, image: np.ndarray, *, narrowest: float, widest: float
) -> tuple[np.ndarray, np.ndarray]:
    """What a microscope sees of an image, and what one with a spot half as wide would see.

    Parameters
    ----------
    rng
        Source of the point spread function.
    image
        (Y, X), the specimen, non-negative.
    narrowest, widest
        Full widths at half maximum in pixels; the logarithm of the width is drawn uniformly between them.

    Returns
    -------
    blurred, sharper
        (Y, X) float32, scaled alike, the maximum of ``blurred`` being 1; the second through a Gaussian spot of half
        the width.
    """
    fwhm = log_uniform(rng, narrowest, widest)
    blurred = np.maximum(blur(image, random_spot(rng, fwhm)), 0)
    sharper = np.maximum(blur(image, gaussian_psf(1.0, fwhm / SHARPER / FWHM_PER_SIGMA)), 0)
    peak = np.float32(max(float(blurred.max()), 1e-6))
    return blurred / peak, sharper / peak
