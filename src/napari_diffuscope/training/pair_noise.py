"""Whether images that should be clean are, and the two of a pair are the right way round."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

NOISIER = 1.5
"""From how many times the noise on the image that should be clean counts as the noisier one."""


NOISY = 0.04
"""Noise from pixel to pixel, as a share of the range, from which on a clean image is called noisy."""


def noise_share(plane: np.ndarray) -> float:
    """Noise from pixel to pixel, as a share of the range of a plane.

    Half the difference of the diagonals of 2 × 2 pixels holds noise and hardly any image; its median leaves out
    edges.

    Parameters
    ----------
    plane
        ``(Y, X)``, at least 2 × 2.

    Returns
    -------
    float
        Standard deviation over the range of the 0.5th to the 99.5th percentile; NaN where that is empty.
    """
    values = plane[: plane.shape[0] // 2 * 2, : plane.shape[1] // 2 * 2].astype(np.float64)
    diagonal = (values[::2, ::2] - values[1::2, ::2] - values[::2, 1::2] + values[1::2, 1::2]) / 2
    low, high = np.percentile(values, [0.5, 99.5])
    if not np.isfinite(high - low) or high <= low:
        return float("nan")
    return float(np.median(np.abs(diagonal)) / 0.6745 / (high - low))


def noisy_note(planes: Iterable[tuple[str, np.ndarray]]) -> str | None:
    """What to say where images that should be clean are noisy.

    Parameters
    ----------
    planes
        Name and a plane of each image.
    """
    images = list(planes)
    noisy = [name for name, plane in images if noise_share(plane) > NOISY]
    if not noisy:
        return None
    return (
        f"{len(noisy)} of {len(images)} images that should be clean look noisy, {noisy[0]!r} first: a network gets no "
        "cleaner than what it is shown. Average frames, or shrink the images by 2."
    )


def swapped_note(pairs: Iterable[tuple[float, float]], low: str, high: str) -> str | None:
    """What to say where most images that should be clean are the noisier ones.

    Parameters
    ----------
    pairs
        :func:`noise_share` of both images of each pair, that of low first.
    low, high
        Names of the folders.
    """
    finite = [(a, b) for a, b in pairs if np.isfinite(a) and np.isfinite(b)]
    noisier = sum(b > NOISIER * a for a, b in finite)
    if noisier <= len(finite) / 2:
        return None
    return (
        f"The images in {high!r} are noisier than those in {low!r} ({noisier} of {len(finite)} pairs): are the folders "
        "swapped?"
    )
