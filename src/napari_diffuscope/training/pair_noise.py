"""Whether images that should be clean are, and the two of a pair are the right way round."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from napari_diffuscope.errors import DiffuscopeError, quoted

NOISIER = 1.5
"""From how many times the noise on the image that should be clean counts as the noisier one."""

NOISY = 0.04
"""Noise from pixel to pixel, as a share of the range, from which on a clean image is called noisy."""

SATURATED = 0.01
"""Share of pixels at the highest value from which on a clean image is called saturated."""


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


def clean_notes(planes: Iterable[tuple[str, np.ndarray]]) -> tuple[str, ...]:
    """What to say of images that should be clean, by name and a plane of each."""
    images = list(planes)
    return tuple(note for note in (noisy_note(images), saturated_note(images)) if note is not None)


def saturated_note(planes: Iterable[tuple[str, np.ndarray]]) -> str | None:
    """What to say where much of images that should be clean is saturated.

    Parameters
    ----------
    planes
        Name and a plane of each image.
    """
    images = list(planes)
    flat = [name for name, plane in images if np.ptp(plane) > 0 and (plane == plane.max()).mean() > SATURATED]
    if not flat:
        return None
    return (
        f"{len(flat)} of {len(images)} images that should be clean are saturated, {flat[0]!r} first: more than "
        f"{SATURATED:.0%} of the pixels have the highest value. A network learns that bright things are flat; leave "
        "them out."
    )


def same_note(pairs: Sequence[tuple[str, bool]]) -> str | None:
    """What to say where both images of a pair are one and the same.

    Parameters
    ----------
    pairs
        Name of each pair, and whether both images are the same pixel for pixel.

    Raises
    ------
    DiffuscopeError
        If all are: nothing can be learned.
    """
    same = [name for name, is_same in pairs if is_same]
    if len(same) == len(pairs):
        raise DiffuscopeError(
            "The noisy and the clean images are the same, pixel for pixel, so that there is nothing to learn: choose "
            "the clean images as well."
        )
    if not same:
        return None
    return (
        f"In {len(same)} of {len(pairs)} pairs both images are the same, {same[0]!r} first; leave them out."
    )


def swapped_note(pairs: Iterable[tuple[float, float]], of: str = "") -> str | None:
    """What to say where most images that should be clean are the noisier ones.

    Parameters
    ----------
    pairs
        :func:`noise_share` of both images of each pair, that of low first.
    of
        What they are called, where there are several sets of pairs.
    """
    finite = [(a, b) for a, b in pairs if np.isfinite(a) and np.isfinite(b)]
    noisier = sum(b > NOISIER * a for a, b in finite)
    if noisier <= len(finite) / 2:
        return None
    which = f" of {quoted(of)}" if of else ""
    return (
        f"In {noisier} of {len(finite)} pairs{which} the clean image is noisier than the noisy one: were the two "
        "swapped?"
    )
