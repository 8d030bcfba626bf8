"""Point spread functions in micrometres, and blurring with them.

Lateral formulas: Gaussian of standard deviation 0.21 λ/NA (Zhang, Zerubia & Olivo-Marin 2007), and the scalar
paraxial pattern of Born & Wolf, *Principles of Optics*, section 8.8, whose focal plane is the Airy pattern.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import fft
from scipy.special import erf, j0, j1

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.simulate.emitters import PixelSize, pixel_sizes

FWHM_PER_SIGMA = float(np.sqrt(8 * np.log(2)))
"""Full width at half maximum of a Gaussian over its standard deviation."""

AIRY_FWHM = 0.5145
"""Full width at half maximum of the Airy pattern in units of λ/NA."""


def gaussian_psf(
    pixel_size_um: PixelSize, sigma_um: float | Sequence[float], *, ndim: int = 2, truncate: float = 4.0
) -> np.ndarray:
    """Gaussian spot of unit sum, averaged over each pixel: float32, odd edges.

    Parameters
    ----------
    pixel_size_um
        Pixel size, one number or one per axis.
    sigma_um
        Standard deviation in µm, one number or one per axis; 0 leaves the axis sharp.
    truncate
        Half the edge of the array, in standard deviations.
    """
    psf = np.ones((1,) * ndim)
    sigmas = np.broadcast_to(np.asarray(sigma_um, dtype=np.float64), (ndim,))
    for axis, (pixel, sigma) in enumerate(zip(pixel_sizes(pixel_size_um, ndim), sigmas, strict=True)):
        half = int(np.ceil(truncate * sigma / pixel))
        edges = (np.arange(2 * half + 2) - half - 0.5) * pixel
        steps = np.diff(erf(edges / max(sigma, 1e-9) / np.sqrt(2)))
        psf = psf * steps.reshape([-1 if a == axis else 1 for a in range(ndim)])
    return unit_sum(psf)


def sted_psf(pixel_size_um: PixelSize, fwhm_um: float) -> np.ndarray:
    """Spot of a STED microscope: a Gaussian of the given full width at half maximum in µm."""
    return gaussian_psf(pixel_size_um, fwhm_um / FWHM_PER_SIGMA)


def airy_psf(
    pixel_size_um: float, *, wavelength_nm: float, numerical_aperture: float, radius_um: float | None = None
) -> np.ndarray:
    """Widefield spot in focus, (2 J₁(v) / v)² with v = 2π NA r / λ: unit sum, float32 (Y, X), odd edges.

    The array reaches ``radius_um`` from the centre, ten half widths where not given; its rim is left out.
    """
    unit = wavelength_nm / 1000 / numerical_aperture
    times = _oversampling(pixel_size_um, AIRY_FWHM * unit)
    radius_um = 5 * AIRY_FWHM * unit if radius_um is None else radius_um
    half = max(1, int(np.ceil(radius_um / pixel_size_um))) * times + times // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1] * (pixel_size_um / times)
    return unit_sum(_bin(_jinc_squared(2 * np.pi * np.hypot(y, x) / unit), times))


def confocal_psf(
    pixel_size_um: float,
    *,
    excitation_nm: float,
    emission_nm: float,
    numerical_aperture: float,
    pinhole_airy: float = 1.0,
) -> np.ndarray:
    """Confocal spot in focus: excitation spot times detection spot, the latter widened by the pinhole.

    Parameters
    ----------
    pixel_size_um
        Pixel size in µm.
    excitation_nm, emission_nm, numerical_aperture
        Wavelengths and aperture.
    pinhole_airy
        Diameter of the pinhole in Airy units (1.22 λ/NA), as seen in the specimen.

    Returns
    -------
    ndarray
        Unit sum, float32 (Y, X), odd edges.
    """
    unit = emission_nm / 1000 / numerical_aperture
    times = _oversampling(pixel_size_um, 0.5 * unit)
    fine = pixel_size_um / times
    half = int(np.ceil(2.5 * unit / pixel_size_um)) * times + times // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1] * fine
    r = np.hypot(y, x)
    pinhole = (r <= max(0.61 * pinhole_airy * unit, 0.5 * fine)).astype(np.float32)
    detection = blur(_jinc_squared(2 * np.pi * r / unit), unit_sum(pinhole))
    excitation = _jinc_squared(2 * np.pi * r * numerical_aperture / (excitation_nm / 1000))
    return unit_sum(_bin(np.clip(detection, 0, None) * excitation, times))


def widefield_psf_3d(
    shape: Sequence[int],
    pixel_size_um: PixelSize,
    *,
    wavelength_nm: float,
    numerical_aperture: float,
    refractive_index: float = 1.515,
) -> np.ndarray:
    """Widefield spot in space, paraxial and free of aberrations (Born & Wolf 8.8, equation 11).

    I(v, u) = |∫₀¹ J₀(vρ) exp(i u ρ² / 2) 2ρ dρ|² with v = 2π NA r / λ and u = 2π NA² z / (n λ).

    Parameters
    ----------
    shape
        Odd edges (Z, Y, X) of the array.
    pixel_size_um
        Voxel size in µm, one number or (z, y, x).

    Returns
    -------
    ndarray
        Unit sum, float32 (Z, Y, X). Every plane carries nearly the same light, as in a real widefield stack.
    """
    if any(n % 2 == 0 for n in shape):
        raise DiffuscopeError(f"A point spread function needs odd edges, not {tuple(shape)}.")
    pixel, wavelength = pixel_sizes(pixel_size_um, 3), wavelength_nm / 1000
    z, y, x = ((np.arange(n) - n // 2) * p for n, p in zip(shape, pixel, strict=True))
    r = np.hypot(y[:, None], x[None])
    radii = np.linspace(0, r.max(), 4 * max(shape))
    rho, step = np.linspace(0, 1, 201, retstep=True)
    weight = np.full(201, step)
    weight[[0, -1]] /= 2
    pupil = np.exp(
        0.5j * (2 * np.pi * numerical_aperture**2 / (refractive_index * wavelength)) * z[:, None] * rho**2
    )
    bessel = j0(2 * np.pi * numerical_aperture / wavelength * radii[:, None] * rho)
    profile = np.abs((pupil * 2 * rho * weight) @ bessel.T) ** 2
    return unit_sum(np.stack([np.interp(r, radii, row) for row in profile]))


def confocal_psf_3d(
    shape: Sequence[int],
    pixel_size_um: PixelSize,
    *,
    excitation_nm: float,
    emission_nm: float,
    numerical_aperture: float,
    refractive_index: float = 1.515,
) -> np.ndarray:
    """Confocal spot in space with a closed pinhole: the product of both widefield spots.

    Parameters as of :func:`widefield_psf_3d`. Unit sum, float32 (Z, Y, X).
    """
    excitation, emission = (
        widefield_psf_3d(
            shape,
            pixel_size_um,
            wavelength_nm=wavelength,
            numerical_aperture=numerical_aperture,
            refractive_index=refractive_index,
        )
        for wavelength in (excitation_nm, emission_nm)
    )
    return unit_sum(excitation * emission)


def blur(density: np.ndarray, psf: np.ndarray) -> np.ndarray:
    """Convolve with a point spread function; the image is mirrored at its borders.

    Parameters
    ----------
    density
        (Y, X) or (Z, Y, X), any real type.
    psf
        As many axes, odd edges, unit sum. Symmetric ones keep the sum of the image.

    Returns
    -------
    ndarray
        float32 of the shape of ``density``.
    """
    halves = [n // 2 for n in psf.shape]
    padded = np.pad(density.astype(np.float32), [(h, h) for h in halves], mode="symmetric")
    shape = [fft.next_fast_len(n, real=True) for n in padded.shape]
    spectrum = fft.rfftn(padded, shape) * fft.rfftn(psf.astype(np.float32), shape)
    blurred = fft.irfftn(spectrum, shape)
    # The centre of the kernel moves the image by half its edge, and the padding by as much again.
    inner = tuple(slice(2 * h, 2 * h + n) for h, n in zip(halves, density.shape, strict=True))
    return np.ascontiguousarray(blurred[inner], dtype=np.float32)


def unit_sum(psf: np.ndarray) -> np.ndarray:
    """The same shape of spot with a sum of 1, as float32."""
    return np.asarray(psf / psf.sum(dtype=np.float64), dtype=np.float32)


def _jinc_squared(v: np.ndarray) -> np.ndarray:
    safe = np.maximum(v, 1e-6)
    return np.asarray((2 * j1(safe) / safe) ** 2)


def _oversampling(pixel_um: float, fwhm_um: float) -> int:
    """Odd number of samples per pixel edge that resolves a spot: six or more across its width."""
    return 2 * int(np.ceil(3 * pixel_um / fwhm_um)) + 1 if pixel_um > fwhm_um / 6 else 1


def _bin(fine: np.ndarray, times: int) -> np.ndarray:
    """Sums over blocks of ``times`` by ``times``."""
    rows, columns = (n // times for n in fine.shape)
    return np.asarray(fine.reshape(rows, times, columns, times).sum(axis=(1, 3)))
