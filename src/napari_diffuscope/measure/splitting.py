"""Two independent images from one, for Fourier ring correlation. Only of measured images, never of restored ones."""

from __future__ import annotations

import numpy as np
from scipy import fft

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.arrays import real_array


def split_photons(photons: object, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Send each photon to one of two images at random.

    If the counts are Poisson distributed, the halves are independent Poisson images of half the mean, and
    nothing else is assumed. The pair has half the light each: its resolution is that of a shorter exposure.

    Parameters
    ----------
    photons
        Array ``(Y, X)`` or ``(Z, Y, X)`` of counts, whole numbers from 0: ``(grey value - offset) / gain``,
        rounded. Grey values in place of photons make the halves look independent when they are not, or the
        reverse. Read noise is not split, so it must be small beside the shot noise.
    seed
        Seed of the random choice.

    Returns
    -------
    tuple
        Two float64 arrays whose sum is the image.
    """
    counts = real_array(photons, "the image of photons")
    if counts.min() < 0 or (counts != np.rint(counts)).any():
        raise DiffuscopeError(
            "Photons must be whole numbers from 0: subtract the offset of the camera, divide by its gain, round."
        )
    first = np.random.default_rng(seed).binomial(counts.astype(np.int64), 0.5).astype(np.float64)
    return first, counts - first


def split_diagonal(image: object) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of even rows and columns, and those of odd rows and columns, as two images.

    Sound where the noise of neighbouring pixels is independent and the optics passes nothing above half the
    Nyquist frequency of the pixels (pixels not larger than a quarter of the resolution); otherwise the halves
    are aliased differently, and the correlation is too low. The second image is moved back by the pixel between
    them with a phase ramp, so borders wrap around: use a window. The pixels of the halves are twice as large.

    Parameters
    ----------
    image
        Array ``(Y, X)``; an odd last row or column is dropped.

    References
    ----------
    The splitting is that of Koho et al., Nature Communications 10, 3103 (2019); instead of their calibrated
    correction, the shift is undone before the images are correlated.
    """
    array = real_array(image, "the image", dimensions=(2,))
    if min(array.shape) < 8:
        raise DiffuscopeError(
            f"An image that is split in two needs 8 pixels along both axes, not {array.shape}."
        )
    rows, columns = (size // 2 * 2 for size in array.shape)
    array = array[:rows, :columns]
    return array[::2, ::2].copy(), _moved_back(array[1::2, 1::2])


def _moved_back(half: np.ndarray) -> np.ndarray:
    """The image half a pixel further along both axes."""
    y, x = fft.fftfreq(half.shape[0])[:, None], fft.rfftfreq(half.shape[1])[None]
    moved: np.ndarray = fft.irfft2(fft.rfft2(half) * np.exp(-1j * np.pi * (y + x)), s=half.shape)
    return moved
