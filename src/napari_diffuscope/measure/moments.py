"""Structural similarities of one pair under several scalings of its intensities, from moments taken once.

Means, variances and covariance in windows follow a straight line of the intensities, so SSIM of the pair as it is, of
the pair fitted to each other, and of the pair scaled as for MicroSSIM need no further filter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_diffuscope.measure.similarity import (
    BOX,
    K1,
    K2,
    RADIUS,
    SCALE_WEIGHTS,
    gaussian_moments,
    halved,
    mirrored_moments,
    scales_for,
    window_moments,
)

AT_ONCE = 2**14
"""Windows whose similarity is computed at once: little memory, and it stays in the processor's cache."""

Moments = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Means of truth and image, their variances, and their covariance."""


@dataclass(frozen=True)
class Lines:
    """How intensities are scaled: ``slope * value + offset`` of truths and of images."""

    truth: tuple[float, float] = (1.0, 0.0)
    image: tuple[float, float] = (1.0, 0.0)


def scaled(moments: Moments, lines: Lines) -> Moments:
    """Moments of the scaled intensities."""
    mean_t, mean_i, var_t, var_i, covariance = moments
    (a, b), (c, d) = lines.truth, lines.image
    return a * mean_t + b, c * mean_i + d, a * a * var_t, c * c * var_i, a * c * covariance


def mean_similarity(
    moments: Moments, size: float, lines: Lines, *, unbiased: float = 1.0
) -> tuple[float, float]:
    """Means of the similarity, and of its contrast-structure term, of the scaled pair for a data range.

    Equation 13 of Wang et al. 2004, some rows at a time. Variances and covariance are multiplied by ``unbiased``.
    """
    c1, c2 = (K1 * size) ** 2, (K2 * size) ** 2 / unbiased  # which is what multiplying all others comes to
    whole, structure = 0.0, 0.0
    step = max(1, AT_ONCE // max(1, moments[0][0].size))
    for start in range(0, len(moments[0]), step):
        mean_t, mean_i, var_t, var_i, covariance = moments
        rows = slice(start, start + step)
        part = (mean_t[rows], mean_i[rows], var_t[rows], var_i[rows], covariance[rows])
        mean_t, mean_i, var_t, var_i, covariance = scaled(part, lines)
        contrast = (2 * covariance + c2) / (var_t + var_i + c2)
        luminance = (2 * mean_t * mean_i + c1) / (mean_t**2 + mean_i**2 + c1)
        whole += float((luminance * contrast).sum())
        structure += float(contrast.sum())
    return whole / moments[0].size, structure / moments[0].size


class MomentPyramid:
    """Moments of a pair in Gaussian windows at up to five scales.

    Parameters
    ----------
    truth, image
        float64 ``(Y, X)`` of one shape, at least 11 pixels along both axes.
    """

    def __init__(self, truth: np.ndarray, image: np.ndarray) -> None:
        scales = max(1, scales_for(truth.shape))
        self._inner: list[Moments] = []
        for scale in range(scales):
            self._inner.append(gaussian_moments(truth, image))
            if scale < scales - 1:
                truth, image = halved(truth), halved(image)
        self._whole = mirrored_moments(truth, image)

    def ms_ssim(self, size: float, lines: Lines, *, whole: bool = False) -> float:
        """As :func:`~napari_diffuscope.measure.similarity.ms_ssim` of the scaled pair."""
        weights = np.array(SCALE_WEIGHTS[: len(self._inner)])
        if len(weights) < len(SCALE_WEIGHTS):
            weights /= weights.sum()
        value = 1.0
        for moments, weight in zip(self._inner[:-1], weights[:-1], strict=True):
            _, contrast = mean_similarity(moments, size, lines)
            value *= max(contrast, 0.0) ** float(weight)
        last, _ = mean_similarity(self._whole if whole else self._inner[-1], size, lines)
        return float(value * max(last, 0.0) ** float(weights[-1]))

    def micro_ssim(self, size: float, lines: Lines) -> float:
        """Mean similarity in the finest Gaussian windows, variances over N - 1."""
        pixels = (2 * RADIUS + 1) ** 2
        return mean_similarity(self._inner[0], size, lines, unbiased=pixels / (pixels - 1))[0]


def box_ssim(moments: Moments, size: float, lines: Lines) -> float:
    """SSIM of the scaled pair from :func:`~napari_diffuscope.measure.similarity.window_moments`."""
    return mean_similarity(moments, size, lines)[0]


def box_moments(truth: np.ndarray, image: np.ndarray) -> Moments | None:
    """Moments in windows of 7 pixels; ``None`` where none fits."""
    if min(truth.shape) < BOX:
        return None
    return window_moments(truth, image)
