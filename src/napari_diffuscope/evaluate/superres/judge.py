"""How good the planes are that were not measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_diffuscope.measure.distances import compare_sets, slice_patches
from napari_diffuscope.measure.similarity import BOX, ssim_map

ORIENTATIONS = ("xy", "xz", "yz")
SSIM_STEP = 4
"""Every so many slices are compared by structural similarity; neighbours are much alike."""

PATCHES = 1200
"""Patches of each set whose distributions are compared, drawn at random."""


@dataclass(frozen=True)
class PlaneQuality:
    """Measures of one volume in one orientation.

    Parameters
    ----------
    psnr, ssim
        Mean over planes, of missing pixels alone; for XZ and YZ planes these are whole rows.
    frechet, floor
        Distance of its patches from patches of XY planes of the truth, and that of such patches from each other.
    """

    psnr: float
    ssim: float
    frechet: float
    floor: float


def judge(truth: np.ndarray, volume: np.ndarray, factor: int, patch: int) -> dict[str, PlaneQuality]:
    """Measures by orientation.

    Parameters
    ----------
    truth, volume
        ``(Z, Y, X)``, every ``factor``-th plane from the first was measured.
    factor
        2 or more.
    patch
        Edge of the patches that are compared as sets.
    """
    missing = np.arange(len(truth)) % factor > 0
    peak = float(truth.max() - truth.min())
    real = _patches(truth, 0, patch)
    judged = {}
    for axis, name in enumerate(ORIENTATIONS):
        psnr, ssim = _quality(truth, volume, missing, axis, peak)
        frechet, floor = _distance(real, _patches(volume, axis, patch))
        judged[name] = PlaneQuality(psnr, ssim, frechet, floor)
    return judged


def _quality(
    truth: np.ndarray, volume: np.ndarray, missing: np.ndarray, axis: int, peak: float
) -> tuple[float, float]:
    ratios, likenesses = [], []
    numbers = np.flatnonzero(missing) if axis == 0 else np.arange(truth.shape[axis])
    for count, number in enumerate(numbers):
        one, other = (np.take(v, number, axis).astype(np.float64) for v in (truth, volume))
        rows = slice(None) if axis == 0 else missing
        error = max(float(np.square(one[rows] - other[rows]).mean()), 1e-12 * peak**2)
        ratios.append(10 * np.log10(peak**2 / error))
        if count % SSIM_STEP == 0:
            likenesses.append(_likeness(one, other, rows, peak))
    return float(np.mean(ratios)), float(np.mean(likenesses))


def _likeness(one: np.ndarray, other: np.ndarray, rows: slice | np.ndarray, peak: float) -> float:
    window = min(BOX, *(length - 1 + length % 2 for length in one.shape))
    return float(ssim_map(one, other, data_range=peak, window=window, whole=True)[rows].mean())


def _patches(volume: np.ndarray, axis: int, patch: int) -> np.ndarray:
    """Patches of the planes across an axis; none where the planes are too small."""
    if min(volume.shape[:axis] + volume.shape[axis + 1 :]) < patch:
        return np.empty((0, patch, patch))
    return slice_patches(volume, axis, patch, stride=max(patch // 2, 1), count=PATCHES)


def _distance(real: np.ndarray, made: np.ndarray) -> tuple[float, float]:
    """Fréchet distance on features of intensity, spectrum and texture; NaN where there are too few patches."""
    if len(real) < 8 or len(made) < 8:
        return float("nan"), float("nan")
    distance = compare_sets(real, made, repeats=4)
    return distance.value, distance.floor


def known_planes(planes: int, factor: int) -> int:
    """How many planes of a truth are used, so that it begins and ends with a measured one."""
    return (planes - 1) // factor * factor + 1
