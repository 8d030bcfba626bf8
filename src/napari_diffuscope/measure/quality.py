"""How close an image comes to its truth: errors, signal to noise, similarity, correlation.

All measures take ``truth`` and ``image`` as real arrays ``(Y, X)`` or ``(Z, Y, X)`` of equal shape, compute in
float64, and share two options:

data_range
    The range of intensities that errors are set against. ``None`` is the largest minus the smallest pixel *of
    the truth*, so a few hot pixels change it; give it where numbers of several images are compared.
affine
    Whether the image is first fitted to the truth by least squares, ``a * image + b``. For images whose
    intensities are in other units, or normalised. It hides errors of intensity, and never makes a squared
    error larger.

All raise :class:`~napari_diffuscope.errors.DiffuscopeError` where shapes differ, pixels are not finite, or the
truth is constant and something must be divided by its range.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.arrays import intensity_range, norm, not_constant, paired, vanishes
from napari_diffuscope.measure.similarity import ms_ssim, ssim

__all__ = ["QualityReport", "compare", "mae", "ms_ssim", "nrmse", "pearson", "psnr", "rmse", "ssim"]

Normalisation = Literal["range", "mean", "euclidean"]

QualityReport = dict[str, float]
"""Names of measures and their values, as :func:`compare` gives them."""


def mae(truth: object, image: object, *, data_range: float | None = None, affine: bool = False) -> float:
    """Mean absolute error, in the units of the truth; 0 is perfect.

    ``data_range`` is accepted for symmetry with the other measures and changes nothing.
    """
    true, seen = paired(truth, image, affine=affine)
    return float(np.abs(true - seen).mean())


def rmse(truth: object, image: object, *, data_range: float | None = None, affine: bool = False) -> float:
    """Root of the mean squared error, in the units of the truth; 0 is perfect.

    ``data_range`` is accepted for symmetry with the other measures and changes nothing.
    """
    true, seen = paired(truth, image, affine=affine)
    return float(np.sqrt(np.mean((true - seen) ** 2)))


def nrmse(
    truth: object,
    image: object,
    *,
    normalisation: Normalisation = "range",
    data_range: float | None = None,
    affine: bool = False,
) -> float:
    """Root of the mean squared error, divided by what the truth is like; 0 is perfect.

    Parameters
    ----------
    truth, image
        Real arrays ``(Y, X)`` or ``(Z, Y, X)``.
    normalisation
        What is divided by: ``"range"`` (``data_range``, by default that of the truth), ``"mean"`` (the mean of
        the truth) or ``"euclidean"`` (the root of the mean square of the truth). The last two depend on the
        background, the first on single pixels. Papers differ: name it with the number.
    data_range
        Used by ``"range"`` alone; ``None`` is the largest minus the smallest pixel of the truth.
    affine
        Whether the image is first fitted to the truth.
    """
    true, seen = paired(truth, image, affine=affine)
    error = float(np.sqrt(np.mean((true - seen) ** 2)))
    return error / _size(true, normalisation, data_range)


def _size(truth: np.ndarray, normalisation: str, data_range: float | None) -> float:
    if normalisation not in get_args(Normalisation):
        choices = ", ".join(get_args(Normalisation))
        raise DiffuscopeError(f"normalisation must be one of {choices}, not {normalisation!r}.")
    if normalisation == "range":
        return intensity_range(truth, data_range)
    size = float(truth.mean() if normalisation == "mean" else np.sqrt(np.mean(truth**2)))
    if vanishes(size, float(np.abs(truth).mean())):
        raise DiffuscopeError(
            f"The {normalisation} norm of the truth is {size:g}, by which nothing can be divided: "
            "use the normalisation range."
        )
    return size


def psnr(truth: object, image: object, *, data_range: float | None = None, affine: bool = False) -> float:
    """Peak signal to noise ratio, ``20 log10(data_range / rmse)``, in decibels; infinite for images that are
    equal but for rounding.

    Parameters
    ----------
    truth, image
        Real arrays ``(Y, X)`` or ``(Z, Y, X)``.
    data_range
        ``None`` is the largest minus the smallest pixel of the truth.
    affine
        Whether the image is first fitted to the truth.
    """
    true, seen = paired(truth, image, affine=affine)
    error = rmse(true, seen)
    size = intensity_range(true, data_range)
    equal = vanishes(error, float(np.abs(true).max()))
    return math.inf if equal else 20 * math.log10(size / error)


def pearson(truth: object, image: object, *, data_range: float | None = None, affine: bool = False) -> float:
    """Pearson correlation of the pixels, -1 … 1; NaN where the image is constant.

    Any fit ``a * image + b`` with positive ``a`` leaves it as it is; with ``affine`` its sign is lost.
    ``data_range`` changes nothing.
    """
    true, seen = paired(truth, image)
    not_constant(true)
    level = norm(seen)
    true, seen = true - true.mean(), seen - seen.mean()
    if vanishes(norm(seen), level):
        return math.nan
    value = float(np.clip(np.vdot(true, seen) / (norm(true) * norm(seen)), -1, 1))
    return abs(value) if affine else value


def compare(
    truth: object,
    image: object,
    *,
    data_range: float | None = None,
    affine: bool = False,
    planewise: bool = False,
) -> QualityReport:
    """All measures of an image against its truth.

    Parameters
    ----------
    truth, image
        Real arrays ``(Y, X)`` or ``(Z, Y, X)``; at least 11 pixels along every axis.
    data_range
        ``None`` is the largest minus the smallest pixel of the truth.
    affine
        Whether the image is first fitted to the truth.
    planewise
        SSIM and MS-SSIM of the planes of a stack, averaged, instead of those of the volume: for stacks with
        less than 11 planes. The range and the fit are those of the whole stack.

    Returns
    -------
    dict
        ``mae``, ``rmse``, ``nrmse`` (of the range), ``psnr``, ``ssim``, ``ms_ssim``, ``pearson``.
    """
    correlation = pearson(truth, image, affine=affine)
    true, seen = paired(truth, image, affine=affine)
    size = intensity_range(true, data_range)
    return {
        "mae": mae(true, seen),
        "rmse": rmse(true, seen),
        "nrmse": nrmse(true, seen, data_range=size),
        "psnr": psnr(true, seen, data_range=size),
        "ssim": ssim(true, seen, data_range=size, planewise=planewise),
        "ms_ssim": ms_ssim(true, seen, data_range=size, planewise=planewise),
        "pearson": correlation,
    }
