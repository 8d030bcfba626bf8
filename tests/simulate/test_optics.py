"""Point spread functions against the closed forms of diffraction, and blurring against direct convolution."""

import numpy as np
import pytest
from scipy import ndimage

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.simulate.optics import (
    airy_psf,
    blur,
    confocal_psf,
    confocal_psf_3d,
    gaussian_psf,
    sted_psf,
    widefield_psf_3d,
)


def width(profile, step):
    """Full width at half maximum of a symmetric profile, by linear interpolation."""
    middle = len(profile) // 2
    half = profile[middle] / 2
    first = middle + int(np.argmax(profile[middle:] < half))
    fraction = (profile[first - 1] - half) / (profile[first - 1] - profile[first])
    return 2 * (first - 1 + fraction - middle) * step


def deviation(profile, step):
    place = (np.arange(len(profile)) - len(profile) // 2) * step
    return np.sqrt((profile * place**2).sum() / profile.sum())


@pytest.mark.parametrize(("wavelength", "aperture"), [(520, 1.4), (600, 0.8), (680, 0.3)])
def test_airy_spot_is_half_a_wavelength_over_the_aperture_wide(wavelength, aperture):
    unit = wavelength / 1000 / aperture
    psf = airy_psf(unit / 60, wavelength_nm=wavelength, numerical_aperture=aperture)
    profile = psf[len(psf) // 2]
    assert width(profile, unit / 60) == pytest.approx(0.51 * unit, rel=0.015)
    # First dark ring at 0.61 λ/NA.
    dark = np.argmin(profile[len(psf) // 2 : len(psf) // 2 + 45]) / 60
    assert dark == pytest.approx(0.61, abs=1 / 60)


SIGMA = 0.21 * 0.52 / 1.3
"""Deviation in µm of the Gaussian nearest to the spot of an objective of NA 1.3 at 520 nm: 0.21 λ/NA."""


def test_gaussian_spot_has_the_deviation_asked_for():
    psf = gaussian_psf(0.01, SIGMA, truncate=6)
    # Averaging over a pixel adds the variance of a pixel.
    assert deviation(psf.sum(axis=0), 0.01) == pytest.approx(np.sqrt(SIGMA**2 + 0.01**2 / 12), rel=1e-3)


def test_gaussian_and_airy_spots_of_one_objective_are_about_equally_wide():
    airy = airy_psf(0.005, wavelength_nm=520, numerical_aperture=1.3)
    assert width(airy[len(airy) // 2], 0.005) == pytest.approx(2.355 * SIGMA, rel=0.05)


def test_sted_spot_has_the_width_asked_for():
    psf = sted_psf(0.004, 0.06)
    assert width(psf[len(psf) // 2], 0.004) == pytest.approx(0.06, rel=0.01)


@pytest.mark.parametrize("pixel", [0.02, 0.1, 0.4, 1.0])
def test_all_spots_sum_to_one_on_odd_grids(pixel):
    spots = [
        airy_psf(pixel, wavelength_nm=520, numerical_aperture=1.2),
        gaussian_psf(pixel, 0.09),
        sted_psf(pixel, 0.05),
        confocal_psf(pixel, excitation_nm=488, emission_nm=520, numerical_aperture=1.2),
        widefield_psf_3d((5, 9, 9), (0.3, pixel, pixel), wavelength_nm=520, numerical_aperture=1.2),
    ]
    for spot in spots:
        assert spot.dtype == np.float32
        assert spot.sum(dtype=float) == pytest.approx(1, abs=1e-5)
        assert all(edge % 2 for edge in spot.shape)
        assert spot.min() >= 0


def test_large_pixels_average_the_spot_instead_of_sampling_its_centre():
    fine = airy_psf(0.02, wavelength_nm=520, numerical_aperture=1.0, radius_um=0.5)
    coarse = airy_psf(0.1, wavelength_nm=520, numerical_aperture=1.0, radius_um=0.5)
    binned = np.pad(fine, 2).reshape(11, 5, 11, 5).sum(axis=(1, 3))
    # The middle pixels of both, relative to the light in them: rims differ by half a coarse pixel.
    inner = slice(3, 8)
    assert coarse[inner, inner] / coarse[inner, inner].sum() == pytest.approx(
        binned[inner, inner] / binned[inner, inner].sum(), abs=2e-3
    )


def test_confocal_spot_lies_between_the_closed_and_the_open_pinhole():
    step, unit = 0.01, 0.52 / 1.3
    settings = {"excitation_nm": 520, "emission_nm": 520, "numerical_aperture": 1.3}
    closed, usual, opened = (
        confocal_psf(step, pinhole_airy=pinhole, **settings) for pinhole in (0.01, 1.0, 4.0)
    )
    widths = [width(psf[len(psf) // 2], step) for psf in (closed, usual, opened)]
    # The squared Airy pattern is 0.37 λ/NA wide, the Airy pattern alone 0.51 λ/NA.
    assert widths[0] == pytest.approx(0.37 * unit, rel=0.02)
    assert widths[2] == pytest.approx(0.51 * unit, rel=0.03)
    assert widths[0] < widths[1] < widths[2]


WATER = {"wavelength_nm": 520, "numerical_aperture": 1.0, "refractive_index": 1.33}


def test_spot_in_space_axis_follows_the_closed_form():
    z = (np.arange(41) - 20) * 0.1
    psf = widefield_psf_3d((41, 3, 3), (0.1, 0.05, 0.05), **WATER)
    u = 2 * np.pi * 1.0**2 / (1.33 * 0.52) * z
    closed = np.sinc(u / 4 / np.pi) ** 2
    assert psf[:, 1, 1] / psf[20, 1, 1] == pytest.approx(closed, abs=2e-3)


def test_spot_in_space_focal_plane_is_the_airy_pattern():
    psf = widefield_psf_3d((3, 41, 41), (0.5, 0.02, 0.02), **WATER)[1]
    airy = airy_psf(0.02, wavelength_nm=520, numerical_aperture=1.0, radius_um=0.4)
    assert psf / psf.max() == pytest.approx(airy / airy.max(), abs=3e-3)


def test_spot_in_space_every_plane_carries_the_same_light():
    psf = widefield_psf_3d((9, 201, 201), (0.3, 0.04, 0.04), **WATER)
    planes = psf.sum(axis=(1, 2))
    assert planes == pytest.approx(np.full(9, planes.mean()), rel=0.05)


def test_spot_in_space_confocal_keeps_less_light_out_of_focus():
    shape, voxel = (9, 61, 61), (0.3, 0.05, 0.05)
    wide = widefield_psf_3d(shape, voxel, **WATER).sum(axis=(1, 2))
    confocal = confocal_psf_3d(
        shape, voxel, excitation_nm=520, emission_nm=520, numerical_aperture=1.0, refractive_index=1.33
    ).sum(axis=(1, 2))
    assert confocal[0] / confocal[4] < 0.2 * wide[0] / wide[4]


def test_spot_in_space_even_edges_are_refused():
    with pytest.raises(DiffuscopeError, match="odd"):
        widefield_psf_3d((4, 9, 9), 0.1, **WATER)


@pytest.mark.parametrize("shape", [(32, 45), (9, 20, 17)])
def test_blur_equals_direct_convolution_with_mirrored_borders(shape):
    rng = np.random.default_rng(0)
    image = rng.uniform(size=shape)
    psf = rng.uniform(size=(5, 7) if len(shape) == 2 else (3, 5, 7))
    psf /= psf.sum()
    direct = ndimage.convolve(image, psf, mode="reflect")
    assert blur(image, psf) == pytest.approx(direct, abs=1e-5)


def test_blur_keeps_the_light_and_its_place():
    image = np.zeros((40, 40))
    image[0, 3] = image[20, 31] = 100
    psf = airy_psf(0.1, wavelength_nm=520, numerical_aperture=0.7)
    blurred = blur(image, psf)
    assert blurred.sum(dtype=float) == pytest.approx(200, rel=1e-4)
    assert np.unravel_index(blurred.argmax(), image.shape) == (0, 3)
    assert blurred[20, 31] == pytest.approx(100 * psf.max(), rel=0.05)
