"""Patches whose rows are taken away: batches by number, which rows are known, and what stands for the others."""

from __future__ import annotations

import numpy as np
import torch
from torch.utils.data import Dataset

from napari_diffuscope.methods.superres.slices import own_first
from napari_diffuscope.simulate.optics import FWHM_PER_SIGMA
from napari_diffuscope.training.recipe import Recipe
from napari_diffuscope.training.superres.pools import SlicePool
from napari_diffuscope.training.task import Arrays, Tensors

FACTORS = (2, 10)
"""Smallest and largest distance of regular known rows."""

REGULAR = 0.75
"""How often the known rows are evenly spaced, as in a stack; otherwise they are random ones, as published."""

IRREGULAR = (5 / 48, 20 / 48)
"""Share of irregular known rows, as published."""

MOST_NOISE = 0.1
"""Largest standard deviation of noise on rows that are to be sharpened, in network values: 5 % of the range.

Without any, a network learns to undo blur perfectly, and would blow up the noise of every real stack.
"""

VALIDATED = (2, 4, 8)
VALIDATED_NOISE = 0.02


class SliceBatches(Dataset[Arrays]):
    """Small batches by number, decided by the seed.

    Parameters
    ----------
    pool
        Clean planes.
    patch, batch
        Edge of a patch, and patches in a batch.
    seed
        Of everything.
    blur
        Narrowest and widest blur across the rows in pixels (full width at half maximum), or ``None``.
    known
        Weight of known rows in the loss; 1 with blur, where they are not the truth.
    """

    def __init__(
        self,
        pool: SlicePool,
        *,
        patch: int,
        batch: int,
        seed: int,
        blur: tuple[float, float] | None = None,
        known: float = 0.0,
    ) -> None:
        self.pool, self.patch, self.batch, self.seed = pool, patch, batch, seed
        self.blur, self.known = blur, 1.0 if blur else known

    def __getitem__(self, number: int) -> Arrays:
        rng = np.random.default_rng([self.seed, 7, number])
        members = [self._member(rng) for _ in range(self.batch)]
        return tuple(np.stack(arrays) for arrays in zip(*members, strict=True))

    def _member(self, rng: np.random.Generator) -> Arrays:
        margin = int(np.ceil(1.5 * self.blur[1])) if self.blur else 0
        crop = self.pool.draw(rng, self.patch, margin)
        rows = known_rows(rng, self.patch)
        if self.blur is None:
            return with_known_rows(crop, rows, self.patch, weight=self.known)
        width, noise = rng.uniform(*self.blur), noise_on(crop, MOST_NOISE * rng.random() ** 2, rng)
        return with_known_rows(crop, rows, self.patch, width=width, noise=noise, weight=self.known)


def noise_on(crop: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """White noise of the shape of a crop, float32."""
    return rng.standard_normal(crop.shape, dtype=np.float32) * np.float32(deviation)


def known_rows(rng: np.random.Generator, count: int) -> np.ndarray:
    """Which rows are known: every so many, or as published, random ones; sorted, two at least."""
    if rng.random() < REGULAR:
        factor = int(rng.integers(FACTORS[0], FACTORS[1] + 1))
        rows = np.arange(rng.integers(factor), count, factor)
    else:
        number = max(2, round(rng.uniform(*IRREGULAR) * count))
        rows = np.sort(rng.choice(count, min(number, count), replace=False))
    return rows if len(rows) > 1 else np.array([0, count - 1])


def with_known_rows(
    crop: np.ndarray,
    rows: np.ndarray,
    patch: int,
    *,
    width: float = 0.0,
    noise: np.ndarray | None = None,
    weight: float = 0.0,
) -> Arrays:
    """A member of a batch.

    Parameters
    ----------
    crop
        ``(S, H, patch)``: clean slices, the middle one to be learned, at least ``patch`` high; what is higher only
        serves the blur.
    rows
        Known rows of the middle.
    patch
        Height of the member.
    width
        Full width at half maximum of the blur across the rows, in pixels.
    noise
        Of the shape of the crop, added after the blur; known rows then are not the truth.
    weight
        Of known rows in the loss.

    Returns
    -------
    tuple of ndarray
        Clean patch ``(1, patch, patch)``, interpolated patches ``(S, patch, patch)``, the middle one first, mask of
        known rows and weight of rows ``(patch,)``; float32. Rows before the first known one and after the last have
        no weight.
    """
    top, middle = (crop.shape[1] - patch) // 2, len(crop) // 2
    clean = crop[middle, top : top + patch]
    measured = _blurred(crop, width) if width else crop
    measured = (measured if noise is None else measured + noise)[:, top : top + patch]
    if middle:
        measured = measured[own_first(middle)]
    mask = np.zeros(patch, np.float32)
    mask[rows] = 1
    weights = np.where(mask > 0, np.float32(weight), np.float32(1))
    weights[: rows[0]] = weights[rows[-1] + 1 :] = 0
    return np.ascontiguousarray(clean[None]), interpolated(measured, rows), mask, weights


def _blurred(image: np.ndarray, width: float) -> np.ndarray:
    from scipy.ndimage import gaussian_filter1d

    return np.asarray(gaussian_filter1d(image, width / FWHM_PER_SIGMA, axis=-2, mode="reflect"))


def interpolated(image: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Linear interpolation of images ``(..., Y, X)`` between known rows; beyond them the outermost are repeated."""
    place = np.arange(image.shape[-2])
    upper = np.clip(np.searchsorted(rows, place), 0, len(rows) - 1)
    lower = np.clip(np.searchsorted(rows, place, side="right") - 1, 0, len(rows) - 1)
    low, high = rows[lower], rows[upper]
    weight = np.where(high > low, (place - low) / np.maximum(high - low, 1), 0).astype(np.float32)[:, None]
    found: np.ndarray = image[..., low, :] * (1 - weight) + image[..., high, :] * weight
    return found.astype(np.float32, copy=False)


def kept_batches(recipe: Recipe, pool: SlicePool, device: torch.device) -> dict[int, tuple[Tensors, ...]]:
    """Fixed patches for validation, each with every second, fourth and eighth row."""
    data, plan = recipe.data, recipe.optimisation
    rng = np.random.default_rng([plan.seed, 11])
    margin = int(np.ceil(1.5 * data.blur_fwhm[1])) if data.blur_fwhm else 0
    crops = [pool.draw(rng, data.patch, margin) for _ in range(max(data.validation, 1))]
    width = sum(data.blur_fwhm) / 2 if data.blur_fwhm else 0.0
    noise = [noise_on(crop, VALIDATED_NOISE, rng) if data.blur_fwhm else None for crop in crops]
    batches = {}
    for factor in (factor for factor in VALIDATED if factor < data.patch):
        rows = np.arange(0, data.patch, factor)
        members = [
            with_known_rows(crop, rows, data.patch, width=width, noise=one, weight=float(one is not None))
            for crop, one in zip(crops, noise, strict=True)
        ]
        batches[factor] = tuple(
            tuple(
                torch.as_tensor(np.stack(arrays), device=device)
                for arrays in zip(*members[first : first + plan.batch], strict=True)
            )
            for first in range(0, len(members), plan.batch)
        )
    return batches
