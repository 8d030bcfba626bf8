"""Low-quality twins of images of high quality: the optics and the camera of a plain microscope, for training pairs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import writing
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.outputs import working_in, write_json
from napari_diffuscope.imaging.units import to_micrometres
from napari_diffuscope.jobs import Job, Update
from napari_diffuscope.simulate.camera import Camera, Exposure
from napari_diffuscope.simulate.degrade import NoiseModel, noisy
from napari_diffuscope.simulate.fields import rough_field
from napari_diffuscope.simulate.optics import AIRY_FWHM, airy_psf, blur
from napari_diffuscope.simulate.processing import Enlarge

USUAL_CAMERA_PIXEL = 0.1
"""µm in the specimen, unless the images are coarser."""

HEADROOM = 0.5
"""Share of the camera's range that the brightest pixels take at most."""

LOOKED_AT = 16
"""Planes from which the range of a set of images is taken."""

PAIRS_FILE = "pairs.json"

FINEST, COARSEST = 1 / 200, 10.0
"""Pixels in widths of the spot of light: beyond these nothing is blurred, or everything."""


@dataclass(frozen=True)
class TwinOptics:
    """What makes the low-quality twin.

    Parameters
    ----------
    mode
        ``camera``: blurred with the Airy pattern, recorded with the noise of light and electronics on the camera's
        pixels, and interpolated back to those of the image. ``paper``: as Saguy et al. 2024 describe it: a smooth
        background of 1/12 of the range, a Gaussian of σ = 0.25 λ / NA, Poisson numbers of the values over 20, and
        normal numbers over 20.
    numerical_aperture, wavelength
        Of the objective, and of the light in nm.
    camera_pixel
        Edge of a camera pixel in the specimen, µm; 0.1 or that of the image by default. Of ``camera``.
    photons, background
        Per pixel of the image at its brightest, and everywhere. Of ``camera``.
    read_noise
        Standard deviation in electrons; in ``paper`` of the normal numbers, as a share of the range.
    pixel_size
        Of the images in µm, where they do not say.
    seed
        Of the noise.
    """

    mode: Literal["camera", "paper"] = "camera"
    numerical_aperture: float = 1.4
    wavelength: float = 600.0
    camera_pixel: float | None = None
    photons: float = 200.0
    background: float = 5.0
    read_noise: float = 1.5
    pixel_size: float | None = None
    seed: int = 0

    def pixel_of(self, image: Image) -> float:
        """Pixel size of an image in µm.

        Raises
        ------
        DiffuscopeError
            If nobody says it, it does not go with the spot of light, or the camera's pixels are smaller.
        """
        pixel = self.pixel_size or to_micrometres(image.scale[-1], image.units[-1])
        if pixel is None:
            raise DiffuscopeError(
                f"{image.name!r} does not say its pixel size; give it in µm (--pixel-size)."
            )
        spot = AIRY_FWHM * self.wavelength / 1000 / self.numerical_aperture
        if not FINEST <= pixel / spot <= COARSEST:
            much = "far smaller" if pixel < spot else "far larger"
            raise DiffuscopeError(
                f"The pixels of {image.name!r} ({pixel:g} µm) are {much} than the spot of light of this objective "
                f"({spot:.2g} µm); correct the pixel size, the numerical aperture or the wavelength."
            )
        if self.camera_pixel is not None and self.camera_pixel < pixel * (1 - 1e-6):
            raise DiffuscopeError(
                f"The camera's pixels ({self.camera_pixel:g} µm) are smaller than those of {image.name!r} "
                f"({pixel:g} µm); give larger ones."
            )
        return pixel


def intensity_range(images: Sequence[Image]) -> tuple[float, float]:
    """Lowest and highest intensity of a set of images, outliers left out: 0.1 and 99.9 percentiles.

    Raises
    ------
    DiffuscopeError
        If all pixels are alike, or some are no numbers.
    """
    planes = [(image, flat) for image in images for flat in range(image.plane_count)]
    chosen = [planes[i] for i in np.linspace(0, len(planes) - 1, min(len(planes), LOOKED_AT)).astype(int)]
    with np.errstate(invalid="ignore"):  # infinite pixels are refused below
        lows, highs = zip(
            *(np.percentile(image.read_plane(flat), (0.1, 99.9)) for image, flat in chosen), strict=True
        )
    low, high = float(min(lows)), float(max(highs))
    if not high > low:
        raise DiffuscopeError("The images show nothing: all their pixels are alike, or no numbers.")
    return low, high


def low_quality(
    high: np.ndarray,
    optics: TwinOptics,
    rng: np.random.Generator,
    *,
    pixel_um: float,
    limits: tuple[float, float],
) -> np.ndarray:
    """The low-quality twin of an image.

    Parameters
    ----------
    high
        ``(Y, X)``.
    optics, rng
        How, and the source of its noise.
    pixel_um
        Pixel size of ``high`` in µm.
    limits
        Intensities that are dark and bright; the bright one is exposed to ``optics.photons``.

    Returns
    -------
    numpy.ndarray
        ``(Y, X)`` float32: counts of a camera, or in ``paper`` shares of the range.
    """
    share = np.maximum((high.astype(np.float32) - limits[0]) / (limits[1] - limits[0]), 0)
    if optics.mode == "paper":
        return _as_in_the_paper(share, optics, rng, pixel_um)
    psf = airy_psf(pixel_um, wavelength_nm=optics.wavelength, numerical_aperture=optics.numerical_aperture)
    factor = (optics.camera_pixel or max(USUAL_CAMERA_PIXEL, pixel_um)) / pixel_um
    camera = Camera(read_noise=optics.read_noise)
    brightest = camera.quantum_efficiency * (optics.photons + optics.background)
    gain = min(camera.gain, HEADROOM * (camera.ceiling - camera.offset) / brightest)
    model = NoiseModel(
        Exposure(optics.photons, optics.background),
        replace(camera, gain=gain),
        enlarge=Enlarge(factor) if factor > 1 + 1e-6 else None,
    )
    return noisy(np.maximum(blur(share, psf), 0), model, rng)[0]


def _as_in_the_paper(
    share: np.ndarray, optics: TwinOptics, rng: np.random.Generator, pixel_um: float
) -> np.ndarray:
    background = rough_field(rng, share.shape, max(share.shape) / 4)
    background = (background - background.min()) / max(float(np.ptp(background)), 1e-9)
    sigma = 0.25 * (optics.wavelength / 1000 / pixel_um) / optics.numerical_aperture
    blurred = gaussian_filter(share + background / 12, sigma)
    noise = rng.poisson(np.maximum(blurred, 0)) / 20 + rng.normal(0, optics.read_noise, share.shape) / 20
    return np.asarray(blurred + noise, dtype=np.float32)


def pairs_job(images: Sequence[Image], optics: TwinOptics, folder: Path) -> Job[int]:
    """Write images and their twins under equal names into ``high`` and ``low`` of a folder, one plane a file.

    Parameters
    ----------
    images
        Of high quality; each plane of a stack becomes a pair.
    optics
        What makes the twins.
    folder
        New or empty.

    Returns
    -------
    int
        Number of pairs.

    Raises
    ------
    DiffuscopeError
        If nothing is written: for images that cannot be used, or a folder that is not empty; if the disk is full.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise DiffuscopeError(
            f"{folder.name} is not empty; choose a new folder, so that nothing is mixed up."
        )
    pixels = [optics.pixel_of(image) for image in images]
    planes = list(_named_planes(images))
    limits = intensity_range(images)
    with working_in(folder):
        try:
            for number, (name, at, flat) in enumerate(planes):
                rng = np.random.default_rng([optics.seed, number])
                _write_pair(folder, name, images[at].read_plane(flat), optics, rng, pixels[at], limits)
                yield Update(number + 1, len(planes))
            about = {"pairs": len(planes), "dark": limits[0], "bright": limits[1], **asdict(optics)}
            write_json(folder / PAIRS_FILE, about)
        except BaseException:  # half a set of pairs is none
            for kind in ("high", "low"):
                shutil.rmtree(folder / kind, ignore_errors=True)
            raise
    return len(planes)


def _write_pair(
    folder: Path,
    name: str,
    plane: np.ndarray,
    optics: TwinOptics,
    rng: np.random.Generator,
    pixel_um: float,
    limits: tuple[float, float],
) -> None:
    from napari_diffuscope.imaging.tiff import write_image

    high = np.asarray(plane, dtype=np.float32)
    if not np.isfinite(high).all():
        raise DiffuscopeError(f"{name} would have pixels that are no numbers; fill them in first.")
    low = low_quality(high, optics, rng, pixel_um=pixel_um, limits=limits)
    like = Image.wrap(high, "YX", scale=(pixel_um, pixel_um), units=("µm", "µm"))
    for kind, values in (("high", high), ("low", low)):
        with writing(folder / kind):
            (folder / kind).mkdir(exist_ok=True)
            write_image(folder / kind / name, values, like)


def _named_planes(images: Sequence[Image]) -> Iterator[tuple[str, int, int]]:
    """Name of a file, and which plane of which image it is."""
    seen: set[str] = set()
    for at, image in enumerate(images):
        stem = image.name.split(".")[0] or "image"
        for flat in range(image.plane_count):
            name = f"{stem}.tif" if image.plane_count == 1 else f"{stem}_{flat:05d}.tif"
            if name in seen:
                raise DiffuscopeError(f"Two images are called {stem!r}; give them names of their own.")
            seen.add(name)
            yield name, at, flat
