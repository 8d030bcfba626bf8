"""MicroSSIM and MicroMS3IM: structural similarity that backgrounds and units of intensity do not decide.

Ashesh, Deschout, Beuzer, Jug, "MicroSSIM: Improved structural similarity for comparing microscopy data", arXiv
2408.08747. From truth and image the third percentile of each is subtracted, both are divided by the brightest pixel
of the truth that is left, and the image is multiplied by one factor: the one that makes the mean similarity over the
whole set largest. MicroSSIM is the similarity at that factor, MicroMS3IM the same at several scales.

As in the package microssim 0.0.5 the factor is fitted in windows of 7 pixels, MicroSSIM measured in Gaussian windows
with variances over N - 1 (N = 121 pixels), and the coarsest scale of MicroMS3IM averaged over the whole mirrored image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import optimize

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.arrays import not_constant, paired, vanishes
from napari_diffuscope.measure.filters import together
from napari_diffuscope.measure.moments import AT_ONCE, Lines, MomentPyramid, Moments, scaled
from napari_diffuscope.measure.similarity import K1, K2, window_moments

BACKGROUND = 3.0
"""Percentile that counts as background."""

FARTHEST = 1e4
"""The factor is searched between one over this and this, times the ratio of the deviations."""


@dataclass(frozen=True)
class MicroScale:
    """How images are scaled before they are compared; fitted once for a whole set.

    Parameters
    ----------
    truth_offset, image_offset
        Backgrounds, subtracted from truths and images.
    brightest
        What both are then divided by: the brightest pixel of the truths above their background.
    factor
        What images are multiplied by at last.
    """

    truth_offset: float
    image_offset: float
    brightest: float
    factor: float

    @property
    def lines(self) -> Lines:
        """How intensities of truths and images are scaled."""
        one, other = 1 / self.brightest, self.factor / self.brightest
        return Lines((one, -one * self.truth_offset), (other, -other * self.image_offset))

    def range_of(self, truth: np.ndarray) -> float:
        """Largest less smallest pixel of the scaled truth."""
        return float(np.ptp(truth)) / self.brightest


def fit_micro_scale(truths: Sequence[object], images: Sequence[object]) -> MicroScale:
    """The scale at which a set of images is most similar to their truths.

    Parameters
    ----------
    truths, images
        As many real arrays ``(Y, X)`` of equal shapes, at least 7 pixels along both axes. The constants of the
        similarity come from the range of the last truth, as in the package microssim.

    Raises
    ------
    DiffuscopeError
        As for the measures of :mod:`~napari_diffuscope.measure.quality`; also if the images are constant.
    """
    pairs = [paired(truth, image) for truth, image in zip(truths, images, strict=True)]
    if not pairs:
        raise DiffuscopeError("No image was given; MicroSSIM needs at least one pair.")
    return micro_scale(
        np.concatenate([one.ravel() for one, _ in pairs]),
        np.concatenate([other.ravel() for _, other in pairs]),
        [window_moments(one, other) for one, other in pairs],
        brightest=max(float(one.max()) for one, _ in pairs),
        last_range=float(np.ptp(pairs[-1][0])),
    )


def micro_scale(
    true: np.ndarray,
    seen: np.ndarray,
    moments: Sequence[Moments],
    *,
    brightest: float,
    last_range: float,
) -> MicroScale:
    """The scale, from pixels and window moments of a set: all of them, or some where there are too many.

    Parameters
    ----------
    true, seen
        Pixels of the truths and of the images, flat.
    moments
        As :func:`~napari_diffuscope.measure.similarity.window_moments` gives them, of images as they are.
    brightest
        Of all pixels of the truths.
    last_range
        Largest less smallest pixel of the last truth.
    """
    not_constant(true)
    if vanishes(float(np.ptp(seen)), float(np.abs(seen).max())):
        raise DiffuscopeError("All pixels of the image are alike, so no factor brings it near the truth.")
    truth_offset, image_offset = (float(np.percentile(values, BACKGROUND)) for values in (true, seen))
    size = brightest - truth_offset
    lines = Lines((1 / size, -truth_offset / size), (1 / size, -image_offset / size))
    factor = _best_factor(moments, lines, last_range / size, float(true.std() / seen.std()))
    return MicroScale(truth_offset, image_offset, size, factor)


def micro_ssim(truth: object, image: object, *, scale: MicroScale | None = None) -> float:
    """MicroSSIM of one image, at most 1 (equal but for background and scale).

    Parameters
    ----------
    truth, image
        Real arrays ``(Y, X)``, at least 11 pixels along both axes.
    scale
        Fitted over the set that the image belongs to; over this pair alone by default.
    """
    true, seen = paired(truth, image)
    scale = scale or fit_micro_scale([true], [seen])
    return MomentPyramid(true, seen).micro_ssim(scale.range_of(true), scale.lines)


def micro_ms3im(truth: object, image: object, *, scale: MicroScale | None = None) -> float:
    """MicroMS3IM of one image, 0 … 1 (equal but for background and scale).

    Parameters
    ----------
    truth, image
        Real arrays ``(Y, X)``; below 176 pixels along the shorter side with fewer scales, see
        :func:`~napari_diffuscope.measure.similarity.ms_ssim`.
    scale
        Fitted over the set that the image belongs to; over this pair alone by default.
    """
    true, seen = paired(truth, image)
    scale = scale or fit_micro_scale([true], [seen])
    return MomentPyramid(true, seen).ms_ssim(scale.range_of(true), scale.lines, whole=True)


def _best_factor(moments: Sequence[Moments], lines: Lines, size: float, start: float) -> float:
    """Where the mean similarity over all windows is largest: looked for on some of them, then on all."""
    some, more = ([scaled(_thinned(each, most), lines) for each in moments] for most in (2**14, 2**18))
    grid = start * np.geomspace(1 / FARTHEST, FARTHEST, 81)
    at = int(np.argmax([_mean(some, factor, size) for factor in grid]))
    near = np.log([grid[max(at - 1, 0)], grid[min(at + 1, len(grid) - 1)]])
    roughly = _searched(some, size, near, 1e-4)
    better = _searched(more, size, roughly + np.array([-0.1, 0.1]), 1e-5)
    for step in (1e-2, 1e-3):  # all of them: the vertex of the parabola through three factors, twice
        factors = np.exp(better + np.array([-step, 0.0, step]))
        before, here, after = together(
            [partial(_mean, moments, factor, size, lines) for factor in factors.tolist()],
            sum(each[0].size for each in moments),
        )
        bend = before - 2 * here + after
        if bend < 0:
            better += float(np.clip((before - after) / (2 * bend), -10, 10)) * step
    return float(np.exp(better))


def _searched(moments: Sequence[Moments], size: float, ends: np.ndarray, near: float) -> float:
    minimum = optimize.minimize_scalar(
        lambda factor: -_mean(moments, float(np.exp(factor)), size),
        bounds=tuple(ends),
        method="bounded",
        options={"xatol": near},
    )
    return float(minimum.x)


def _mean(moments: Sequence[Moments], factor: float, size: float, lines: Lines | None = None) -> float:
    total = sum(_sum_in_parts(each, factor, size, lines) for each in moments)
    return total / sum(each[0].size for each in moments)


def _sum_in_parts(moments: Moments, factor: float, size: float, lines: Lines | None) -> float:
    """The sum, in parts that stay in the processor's cache; they are scaled first where ``lines`` say how."""
    rows = moments[0].shape[0]
    step = max(1, AT_ONCE * rows // max(1, moments[0].size))
    total = 0.0
    for start in range(0, rows, step):
        part = _part(moments, start, step)
        total += float(_similarity(scaled(part, lines) if lines else part, factor, size).sum())
    return total


def _thinned(moments: Moments, most: int) -> Moments:
    every = 1 + moments[0].size // most
    mean_t, mean_i, var_t, var_i, covariance = (each.ravel()[::every] for each in moments)
    return mean_t, mean_i, var_t, var_i, covariance


def _part(moments: Moments, start: int, step: int) -> Moments:
    mean_t, mean_i, var_t, var_i, covariance = (each[start : start + step] for each in moments)
    return mean_t, mean_i, var_t, var_i, covariance


def _similarity(moments: Moments, factor: float, size: float) -> np.ndarray:
    """Equation 13 of Wang et al. 2004 of the truth and ``factor`` times the image."""
    mean_t, mean_i, var_t, var_i, covariance = moments
    c1, c2 = (K1 * size) ** 2, (K2 * size) ** 2
    above = (2 * factor * mean_t * mean_i + c1) * (2 * factor * covariance + c2)
    square = factor**2
    below = (mean_t**2 + square * mean_i**2 + c1) * (var_t + square * var_i + c2)
    similarity: np.ndarray = above / below
    return similarity
