"""Structural similarity, at one scale and at several."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.arrays import intensity_range, paired
from napari_diffuscope.measure.filters import smoothed, together

K1, K2 = 0.01, 0.03
"""Constants of Wang et al. 2004 that keep the ratios finite, as shares of the data range."""

BOX = 7
"""Width of the default window."""

SIGMA, RADIUS = 1.5, 5
"""Width of the Gaussian window of Wang et al. 2004, and where it is cut off: 11 pixels in all."""

BELL = np.exp(-0.5 * (np.arange(-RADIUS, RADIUS + 1) / SIGMA) ** 2)
BELL /= BELL.sum()
"""The weights of the Gaussian window along one axis."""

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Weights of the scales from fine to coarse, Wang et al. 2003, section 3.2."""

Filter = Callable[[np.ndarray], np.ndarray]


def ssim(
    truth: object,
    image: object,
    *,
    data_range: float | None = None,
    affine: bool = False,
    gaussian: bool = False,
    planewise: bool = False,
) -> float:
    """Structural similarity, at most 1 (equal); near 0 where nothing is alike, and it can be negative.

    Parameters
    ----------
    truth, image
        Real arrays ``(Y, X)`` or ``(Z, Y, X)``. A volume is compared with windows that are cubes of pixels,
        whatever the size of the voxels.
    data_range
        ``None`` is the largest minus the smallest pixel of the truth.
    affine
        Whether the image is first fitted to the truth.
    gaussian
        The Gaussian window of the paper (standard deviation 1.5, 11 pixels wide, variances over N). Otherwise
        the mean over 7 pixels along each axis, variances over N - 1, as scikit-image does by default.
    planewise
        Mean over the planes of a volume instead of windows across planes.

    References
    ----------
    Wang, Bovik, Sheikh, Simoncelli, IEEE Transactions on Image Processing 13, 600 (2004), equation 13.
    """
    true, seen = paired(truth, image, affine=affine)
    size = intensity_range(true, data_range)
    values = []
    for one, other in zip(_planes(true, planewise), _planes(seen, planewise), strict=True):
        luminance, contrast = _terms(one, other, size, gaussian=gaussian)
        values.append(float((luminance * contrast).mean()))
    return float(np.mean(values))


def ssim_map(
    truth: np.ndarray, image: np.ndarray, *, data_range: float, window: int = BOX, whole: bool = False
) -> np.ndarray:
    """Structural similarity of every window of 7 pixels that fits into the image, as :func:`ssim` averages it.

    Parameters
    ----------
    truth, image
        float64 arrays of one shape.
    data_range
        Positive.
    window
        Width of the window in pixels, odd.
    whole
        Around every pixel, the images reflected at their borders, as scikit-image does where it is asked for all.
    """
    luminance, contrast = _terms(truth, image, data_range, gaussian=False, window=window, whole=whole)
    return np.asarray(luminance * contrast)


def ms_ssim(
    truth: object,
    image: object,
    *,
    data_range: float | None = None,
    affine: bool = False,
    planewise: bool = False,
) -> float:
    """Multi-scale structural similarity, 0 … 1 (equal).

    Contrast and structure are compared at up to five scales, each half as fine as the one before (means over
    2 pixels along each axis), luminance at the coarsest. An image with less than 176 pixels along its shortest
    axis has room for fewer scales: n scales need 11 · 2^(n-1) pixels. The weights of the scales that are left
    are then divided by their sum; numbers of different scales are not comparable. Where a scale is
    anti-correlated, its mean is negative and has no such power: it counts as 0, and so does the whole.

    Parameters
    ----------
    truth, image
        Real arrays ``(Y, X)`` or ``(Z, Y, X)``, at least 11 pixels along every axis.
    data_range
        ``None`` is the largest minus the smallest pixel of the truth.
    affine
        Whether the image is first fitted to the truth.
    planewise
        Mean over the planes of a volume: for stacks with few planes.

    References
    ----------
    Wang, Simoncelli, Bovik, Asilomar Conference on Signals, Systems and Computers (2003), equation 7.
    """
    true, seen = paired(truth, image, affine=affine)
    size = intensity_range(true, data_range)
    pairs = zip(_planes(true, planewise), _planes(seen, planewise), strict=True)
    return float(np.mean([_ms_ssim(one, other, size) for one, other in pairs]))


def scales_for(shape: tuple[int, ...]) -> int:
    """How many of the five scales of :func:`ms_ssim` an array has room for; 0 where it is too small."""
    window = 2 * RADIUS + 1
    shortest = min(shape)
    return sum(shortest // 2**scale >= window for scale in range(len(SCALE_WEIGHTS)))


Moments = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def window_moments(truth: np.ndarray, image: np.ndarray) -> Moments:
    """Means, variances and covariance in windows of 7 pixels along each axis, wherever they fit into the image.

    Parameters
    ----------
    truth, image
        float64 arrays of one shape.

    Returns
    -------
    tuple
        Means of truth and image, their variances and their covariance (over N - 1).
    """
    _room_for(truth, BOX)
    moments = _moments(truth, image, _box, BOX // 2)
    for each in moments[2:]:
        each *= BOX**truth.ndim / (BOX**truth.ndim - 1)
    return moments


def gaussian_moments(truth: np.ndarray, image: np.ndarray) -> Moments:
    """The same in the Gaussian window of 11 pixels, over N."""
    _room_for(truth, 2 * RADIUS + 1)
    return _moments(truth, image, _gaussian, RADIUS)


def mirrored_moments(truth: np.ndarray, image: np.ndarray) -> Moments:
    """The same at every pixel, the images mirrored at their borders."""
    return _moments(truth, image, _mirrored_gaussian, 0)


def _moments(truth: np.ndarray, image: np.ndarray, smooth: Filter, margin: int) -> Moments:
    inner = (slice(margin, -margin or None),) * truth.ndim
    # Differences from a common level: E[x²] - E[x]² loses digits on a high background.
    level_t, level_i = float(truth.mean()), float(image.mean())
    low_t, low_i = truth - level_t, image - level_i
    works = (
        lambda: smooth(low_t),
        lambda: smooth(low_i),
        lambda: smooth(low_t * low_t),
        lambda: smooth(low_i * low_i),
        lambda: smooth(low_t * low_i),
    )
    mean_t, mean_i, var_t, var_i, covariance = (each[inner] for each in together(works, truth.size))
    var_t -= mean_t * mean_t
    var_i -= mean_i * mean_i
    covariance -= mean_t * mean_i
    mean_t += level_t
    mean_i += level_i
    return mean_t, mean_i, var_t, var_i, covariance


def _room_for(array: np.ndarray, window: int) -> None:
    if min(array.shape) < window:
        other = ", or planewise=True for a stack with few planes" if array.ndim > 2 else ""
        raise DiffuscopeError(
            f"Structural similarity needs {window} pixels along every axis, but the shape is {array.shape}: "
            f"take a larger image{other}."
        )


def _ms_ssim(truth: np.ndarray, image: np.ndarray, size: float) -> float:
    scales = max(1, scales_for(truth.shape))  # below one scale, _terms says that the image is too small
    weights = np.array(SCALE_WEIGHTS[:scales])
    if scales < len(SCALE_WEIGHTS):  # as printed, the five sum to 1.0001
        weights /= weights.sum()
    value = 1.0
    for scale, weight in enumerate(weights):
        last = scale == scales - 1
        luminance, contrast = _terms(truth, image, size, gaussian=True)
        mean = float((luminance * contrast).mean() if last else contrast.mean())
        value *= max(mean, 0.0) ** float(weight)
        if not last:
            truth, image = halved(truth), halved(image)
    return value


def _planes(array: np.ndarray, planewise: bool) -> np.ndarray:
    return array if planewise and array.ndim == 3 else array[None]


def halved(array: np.ndarray) -> np.ndarray:
    """Means over 2 pixels along each axis; an odd last pixel is dropped."""
    for axis in range(array.ndim):
        even = np.moveaxis(array, axis, 0)[: array.shape[axis] // 2 * 2]
        array = np.moveaxis((even[::2] + even[1::2]) / 2, 0, axis)
    return array


def _terms(
    truth: np.ndarray,
    image: np.ndarray,
    size: float,
    *,
    gaussian: bool,
    window: int = BOX,
    whole: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Luminance and contrast-structure terms of equation 13 wherever the window fits into the image, or everywhere."""
    window = 2 * RADIUS + 1 if gaussian else window
    _room_for(truth, window)
    smooth: Filter = _gaussian if gaussian else partial(_box, width=window)
    unbiased = 1.0 if gaussian else window**truth.ndim / (window**truth.ndim - 1)
    inner = (slice(None) if whole else slice(window // 2, -(window // 2)),) * truth.ndim
    # Differences from a common level: E[x²] - E[x]² loses digits on a high background.
    level = truth.mean()
    low_truth, low_image = truth - level, image - level
    mean_t, mean_i = smooth(low_truth)[inner], smooth(low_image)[inner]
    variances = unbiased * (smooth(low_truth**2 + low_image**2)[inner] - mean_t**2 - mean_i**2)
    covariance = unbiased * (smooth(low_truth * low_image)[inner] - mean_t * mean_i)
    c1, c2 = (K1 * size) ** 2, (K2 * size) ** 2
    mean_t, mean_i = mean_t + level, mean_i + level
    luminance = (2 * mean_t * mean_i + c1) / (mean_t**2 + mean_i**2 + c1)
    return luminance, (2 * covariance + c2) / (variances + c2)


def _box(array: np.ndarray, width: int = BOX) -> np.ndarray:
    return smoothed(array, np.full(width, 1 / width))


def _gaussian(array: np.ndarray) -> np.ndarray:
    return smoothed(array, BELL)


def _mirrored_gaussian(array: np.ndarray) -> np.ndarray:
    return smoothed(array, BELL, "mirror")
