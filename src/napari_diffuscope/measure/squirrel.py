"""SQUIRREL: whether a super-resolved or deblurred image agrees with the coarser image that it was made from.

Culley et al., "Quantitative mapping and minimization of super-resolution optical imaging artifacts", Nature Methods
15, 263 (2018). The finer image is blurred with a Gaussian and its intensities are fitted by a line, so that it comes
as near as it can to the reference, the image at the resolution of the microscope. What is left is the error map; its
root mean square is the resolution-scaled error (RSE), the correlation of both the resolution-scaled Pearson
coefficient (RSP).

Two conventions are published, and their numbers differ. *NanoJ* compares at the scale of the reference: the blurred
image is averaged over the pixels of the reference. *NanoPyx* compares at the scale of the finer image: the reference
is interpolated (Fourier interpolation of the mirrored image, stretched to the range that it had).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy import fft, ndimage, optimize

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.arrays import norm, not_constant, real_array, vanishes

Convention = Literal["nanoj", "nanopyx"]

WIDEST = 4 / 2.35482
"""Standard deviation, in pixels of the reference, of the widest blur that a well sampled reference can have."""

REACH = 3.0
"""Blurs are tried up to so many times the widest."""

STEPS = 12
"""Blurs that are tried before the best one is refined."""


@dataclass(frozen=True)
class SquirrelResult:
    """What SQUIRREL says of an image.

    Parameters
    ----------
    error_map
        |blurred and fitted image - reference|, float32, in the units of the reference.
    rse
        Root of the mean squared error, in the units of the reference; 0 is perfect.
    rsp
        Pearson correlation, -1 … 1; 1 is perfect.
    sigma
        Standard deviation of the blur, in pixels of the finer image.
    factor, offset
        The line that takes intensities of the image to those of the reference.
    convention
        At whose scale the two were compared.
    """

    error_map: np.ndarray
    rse: float
    rsp: float
    sigma: float
    factor: float
    offset: float
    convention: Convention


def squirrel(reference: object, image: object, *, convention: Convention = "nanoj") -> SquirrelResult:
    """Compare a finer image with the coarser one of the same place.

    Parameters
    ----------
    reference
        Real array ``(Y, X)``: the image at the resolution of the microscope.
    image
        Real array ``(Y, X)``, a whole number of times as large along both axes (1 for deblurring).
    convention
        ``"nanoj"``: at the scale of the reference; ``"nanopyx"``: at the scale of the image.

    Raises
    ------
    DiffuscopeError
        If the shapes do not fit, or one of the images is constant or not finite.
    """
    if convention not in get_args(Convention):
        raise DiffuscopeError(f"The convention must be nanoj or nanopyx, not {convention!r}.")
    coarse = real_array(reference, "the reference", dimensions=(2,))
    fine = real_array(image, "the image", dimensions=(2,))
    factor = magnification(coarse.shape, fine.shape)
    not_constant(coarse)
    if vanishes(norm(fine - fine.mean()), norm(fine)):
        raise DiffuscopeError("All pixels of the image are alike, so it cannot be fitted to the reference.")
    if convention == "nanopyx":
        target, pool = (interpolated(coarse, factor) if factor > 1 else coarse), 1
    else:
        target, pool = coarse, factor
    sigma = _best_sigma(target, fine, pool, factor)
    return _compared(target, fine, pool, sigma, convention)


def magnification(reference: tuple[int, ...], image: tuple[int, ...]) -> int:
    """How many times larger an image is than its reference.

    Raises
    ------
    DiffuscopeError
        If that is no whole number, or not the same along both axes.
    """
    factor = image[0] // reference[0]
    if factor < 1 or image != tuple(factor * length for length in reference):
        raise DiffuscopeError(
            f"SQUIRREL needs an image that is a whole number of times as large as its reference along both axes, not "
            f"{image} and {reference}: crop them to the same field, or swap them."
        )
    return factor


def interpolated(image: np.ndarray, factor: int) -> np.ndarray:
    """Fourier interpolation as NanoPyx does it; pixel ``i`` of the image is pixel ``factor * i`` of the result.

    The image is mirrored up to a square whose side is a power of two, and the result is stretched so that its range
    over that square is the range of the image.
    """
    side = 2 ** max(int(np.ceil(np.log2(length))) for length in image.shape)
    padded, starts = image, []
    for axis, length in enumerate(image.shape):
        copies = -(-side // length)
        copies += copies % 2 == 0
        begin = (copies * length - side) // 2 - (copies - 1) // 2 * length
        place = np.arange(begin, begin + side) % (2 * length)
        padded = np.take(padded, np.where(place < length, place, 2 * length - 1 - place), axis=axis)
        starts.append((side * factor - length * factor) // 2)
    wide = np.zeros((side * factor, side * factor), dtype=complex)
    edge = (side * factor - side) // 2
    wide[edge : edge + side, edge : edge + side] = fft.fftshift(fft.fft2(padded))
    fine = fft.ifft2(fft.ifftshift(wide)).real
    low, high = float(fine.min()), float(fine.max())
    fine = (fine - low) * ((image.max() - image.min()) / (high - low)) + image.min()
    y, x = (slice(start, start + factor * length) for start, length in zip(starts, image.shape, strict=True))
    cut: np.ndarray = fine[y, x]
    return cut


def pooled(image: np.ndarray, factor: int) -> np.ndarray:
    """Means over squares of ``factor`` pixels."""
    if factor == 1:
        return image
    height, width = (length // factor for length in image.shape)
    means: np.ndarray = image.reshape(height, factor, width, factor).mean((1, 3))
    return means


def _best_sigma(target: np.ndarray, fine: np.ndarray, pool: int, factor: int) -> float:
    """The blur after which image and target correlate best, in pixels of the image."""
    correlation = _correlation_by_blur(target, fine, pool)
    most = REACH * WIDEST * factor
    tried = np.concatenate([[0.0], np.geomspace(most / 30, most, STEPS - 1)])
    at = int(np.argmax([correlation(sigma) for sigma in tried]))
    bounds = (float(tried[max(at - 1, 0)]), float(tried[min(at + 1, STEPS - 1)]))
    minimum = optimize.minimize_scalar(
        lambda sigma: -correlation(sigma), bounds=bounds, method="bounded", options={"xatol": 1e-3 * factor}
    )
    return float(minimum.x)


def _correlation_by_blur(target: np.ndarray, fine: np.ndarray, pool: int) -> Callable[[float], float]:
    """Squared correlation with the target after a blur, as a function of it.

    A cosine transform turns the blur of a mirrored image into a product, and the mean over pixels of the reference
    into a product and a sum of the frequencies that look alike there. So every blur costs a pass over the
    frequencies and no further filter.
    """
    spectrum, wanted = (fft.dctn(image - image.mean(), norm="ortho") for image in (fine, target))
    size, least = norm(wanted), norm(fine)
    squares, products = (spectrum**2, spectrum * wanted) if pool == 1 else (spectrum, spectrum)

    def correlation(sigma: float) -> float:
        rows, columns = (_transfer(sigma, length) for length in fine.shape)
        rows[0] = columns[0] = 1.0
        if pool == 1:
            length = float(np.sqrt(rows**2 @ (squares @ columns**2)))
            product = float(rows @ (products @ columns))
        else:
            seen = _folded(_folded(spectrum, columns, pool).T, rows, pool).T
            length, product = norm(seen), float(np.vdot(seen, wanted))
        if vanishes(length, least):
            return 0.0
        return float(np.sign(product) * (product / (length * size)) ** 2)

    return correlation


def _folded(spectrum: np.ndarray, weights: np.ndarray, pool: int) -> np.ndarray:
    """Cosine transform of the means over ``pool`` pixels along the last axis, of what a blur leaves.

    Of ``few`` means, frequency k looks like k modulo 2 few, and beyond few like what is left to 2 few, with the
    opposite sign; at few itself the means are 0.
    """
    length = spectrum.shape[1]
    few = length // pool
    angle = np.pi * np.arange(length) / (2 * length)
    mean = np.ones(length)
    mean[1:] = np.sin(pool * angle[1:]) / (pool * np.sin(angle[1:]))
    weights = weights * mean / np.sqrt(pool)
    weights[1:] *= np.sqrt(2.0)  # all cosines but the constant have this in the orthonormal transform
    folded: np.ndarray = spectrum[:, :few] * weights[:few]
    for part in range(1, pool):
        here = slice(part * few, (part + 1) * few)
        sign = 1.0 if (part + 1) // 2 % 2 == 0 else -1.0
        product = spectrum[:, here] * (sign * weights[here])
        if part % 2 == 0:
            folded += product
        else:
            folded[:, 1:] += product[:, :0:-1]
    folded[:, 1:] /= np.sqrt(2.0)
    return folded


def _transfer(sigma: float, length: int) -> np.ndarray:
    """What the sampled Gaussian of :func:`scipy.ndimage.gaussian_filter` leaves of each cosine."""
    radius = int(4 * sigma + 0.5)
    if radius == 0:
        return np.ones(length)
    x = np.arange(1, radius + 1)
    side = np.exp(-0.5 * (x / sigma) ** 2)
    total = 1 + 2 * side.sum()
    angles = np.pi * np.arange(length) / length
    transfer: np.ndarray = (1 + 2 * np.cos(np.outer(angles, x)) @ side) / total
    return transfer


def _compared(
    target: np.ndarray, fine: np.ndarray, pool: int, sigma: float, convention: Convention
) -> SquirrelResult:
    blurred = pooled(ndimage.gaussian_filter(fine, sigma), pool)
    level, wanted = float(blurred.mean()), float(target.mean())
    low, high = blurred - level, target - wanted
    covariance, variance = float(np.vdot(low, high)), float(np.vdot(low, low))
    factor = covariance / variance
    error = factor * low - high
    rsp = covariance / np.sqrt(variance * float(np.vdot(high, high)))
    rse = float(np.sqrt(np.mean(error**2)))
    offset = wanted - factor * level
    return SquirrelResult(
        np.abs(error).astype(np.float32), rse, float(rsp), sigma, factor, offset, convention
    )
