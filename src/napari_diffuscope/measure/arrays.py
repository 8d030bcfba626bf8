"""What every measure asks of its arrays, with sentences that say what is wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError

ROUNDING = 1e-13
"""Share of the numbers that it was computed from up to which a small float64 number is rounding, not signal."""


def vanishes(rest: float | np.ndarray, size: float | np.ndarray) -> Any:
    """Whether what a subtraction left is no more than rounding.

    A constant image without its mean is 0 on one processor and some 1e-16 of the constant on another, where sums
    are taken in another order; ``rest == 0`` is therefore no question to ask of a computed number.

    Parameters
    ----------
    rest
        What is left: a deviation, a norm, a root of a power. Numbers or arrays of them, not negative.
    size
        The same of what it was computed from.

    Returns
    -------
    bool or np.ndarray
        One answer per number.
    """
    return rest <= ROUNDING * size


def norm(values: np.ndarray) -> float:
    """Root of the sum of squares of all numbers of an array."""
    return float(np.linalg.norm(values.ravel()))


def real_array(values: object, name: str, *, dimensions: Sequence[int] = (2, 3)) -> np.ndarray:
    """An array as float64, or an error where it is empty, complex, not finite or of the wrong dimension.

    Parameters
    ----------
    values
        Anything numpy takes as an array.
    name
        What the array is, for the sentence (``"the truth"``).
    dimensions
        Numbers of dimensions that are allowed; none for any.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "buif":
        raise DiffuscopeError(f"{name.capitalize()} must hold real numbers, not {array.dtype}.")
    if dimensions and array.ndim not in dimensions:
        allowed = " or ".join(map(str, dimensions))
        raise DiffuscopeError(f"{name.capitalize()} must have {allowed} dimensions, not {array.ndim}.")
    if array.size == 0:
        raise DiffuscopeError(f"{name.capitalize()} is empty: its shape is {array.shape}.")
    array = array.astype(np.float64, copy=False)
    if not np.isfinite(array).all():
        raise DiffuscopeError(
            f"{name.capitalize()} has pixels that are NaN or infinite: replace them or crop them away."
        )
    return array


def same_shape(first: np.ndarray, second: np.ndarray, names: str) -> None:
    """Raise where two arrays differ in shape; ``names`` as in ``"the truth and the image"``."""
    if first.shape != second.shape:
        raise DiffuscopeError(
            f"{names.capitalize()} must have the same shape, not {first.shape} and {second.shape}."
        )


def paired(truth: object, image: object, *, affine: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Truth and image as float64 of one shape; with ``affine`` the image is first fitted to the truth."""
    true, seen = real_array(truth, "the truth"), real_array(image, "the image")
    same_shape(true, seen, "the truth and the image")
    return true, (fit_affine(true, seen) if affine else seen)


def fit_affine(truth: np.ndarray, image: np.ndarray) -> np.ndarray:
    """``a * image + b`` with the smallest squared distance to the truth; a constant image becomes its mean.

    Negative ``a`` are allowed: an inverted image counts as a perfect one.
    """
    not_constant(truth)
    centred = image - image.mean()
    flat = vanishes(norm(centred), norm(image))
    slope = 0.0 if flat else float(np.vdot(centred, truth)) / float(np.vdot(centred, centred))
    fitted: np.ndarray = slope * centred + truth.mean()
    return fitted


def not_constant(truth: np.ndarray) -> None:
    """Raise where all pixels of the truth are alike, but for rounding."""
    low, high = float(truth.min()), float(truth.max())
    if vanishes(high - low, max(abs(low), abs(high))):
        raise DiffuscopeError(
            f"All pixels of the truth are {truth.flat[0]:g}, so there is nothing to compare with: "
            "take a region with structure, or give data_range to the measures that have it."
        )


def intensity_range(truth: np.ndarray, data_range: float | None) -> float:
    """``data_range`` if given, else the largest minus the smallest value of the truth; positive."""
    if data_range is None:
        not_constant(truth)
        return float(truth.max() - truth.min())
    if not (math.isfinite(data_range) and data_range > 0):
        raise DiffuscopeError(f"data_range must be a positive number, not {data_range}.")
    return float(data_range)
