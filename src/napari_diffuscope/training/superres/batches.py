"""Images whose rows are taken away: crops by number, which rows are known, and what is kept out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import writing
from napari_diffuscope.imaging.intensity import intensity_from_planes
from napari_diffuscope.imaging.shrink import averaged_down
from napari_diffuscope.imaging.tiles import reflect_index
from napari_diffuscope.methods.superres.slices import own_first
from napari_diffuscope.simulate.optics import FWHM_PER_SIGMA
from napari_diffuscope.training.clean import (
    TRAINING,
    VALIDATION,
    check_finite,
    check_size,
    check_varied,
    named_planes,
    simulated_images,
)
from napari_diffuscope.training.kept_out import expand, keep_out, named, source_notes
from napari_diffuscope.training.reading import opened
from napari_diffuscope.training.recipe import Cut, ImageSource, Recipe
from napari_diffuscope.training.superres.stacks import check_stacks, uneven_notes
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


@dataclass(frozen=True)
class SlicePool:
    """Planes to cut patches from, in network values.

    Parameters
    ----------
    planes
        ``(S, Y, X)``, of any size that holds a patch: each with the slices on both sides of it, if any, in order.
    weights
        How often each is drawn.
    upright
        Of each, whether its rows follow each other along z, so that it is turned by half turns alone.
    """

    planes: Sequence[np.ndarray]
    weights: np.ndarray
    upright: np.ndarray

    def draw(self, rng: np.random.Generator, patch: int, margin: int) -> np.ndarray:
        """A random crop ``(S, H, patch)``, turned and mirrored, ``patch`` high and up to the margin on both sides."""
        number, turns = rng.choice(len(self.planes), p=self.weights), int(rng.integers(4))
        turned = np.rot90(self.planes[number], turns - turns % 2 if self.upright[number] else turns, (1, 2))
        height, width = turned.shape[1:]
        high = min(height, patch + 2 * margin)
        top, left = rng.integers(height - high + 1), rng.integers(width - patch + 1)
        crop = turned[:, top : top + high, left : left + patch].astype(np.float32)
        crop = crop if rng.random() < 0.5 else crop[:, :, ::-1]
        if len(crop) > 1 and rng.random() < 0.5:
            crop = crop[::-1]
        gain, offset = np.exp(rng.uniform(-0.25, 0.25)), rng.uniform(-0.15, 0.15)
        return np.asarray(crop * np.float32(gain) + np.float32(offset))


@dataclass(frozen=True)
class Pools:
    """What is trained on, what is kept out, what the card says of both, and what the user must be told."""

    training: SlicePool
    kept: SlicePool
    known: dict[str, Any]
    notes: tuple[str, ...] = ()


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


def slice_pools(recipe: Recipe, run: Path) -> Pools:
    """Planes to train on and to validate on.

    Raises
    ------
    DiffuscopeError
        If there are none, or they are too small.
    """
    data, seed = recipe.data, recipe.optimisation.seed
    training, kept = keep_out(expand(data.images), share=data.validation_share or 0.0, seed=seed)
    check_stacks([*training, *kept], data.beside)
    read = [(source, _planes(source, data.patch)) for source in training]
    real = _weighed(read, data.beside)
    kept_real = _weighed([(source, _planes(source, data.patch)) for source in kept], data.beside)
    simulated: list[np.ndarray] = []
    drawn: list[np.ndarray] = []
    if data.simulated:
        with writing(run):
            run.mkdir(parents=True, exist_ok=True)
            images = simulated_images(
                data, seed=seed, purpose=TRAINING, count=data.simulated, cache=run / "specimens.npy"
            )
        simulated = [_mapped(image) for image in images]
        drawn = [
            _mapped(image)
            for image in simulated_images(data, seed=seed, purpose=VALIDATION, count=data.validation)
        ]
    if not real and not simulated:
        raise DiffuscopeError("The recipe has nothing to train on: neither simulated specimens nor images.")
    if not kept_real and not drawn:
        raise DiffuscopeError(
            "The recipe has nothing to validate on; name planes of a volume with validation = true."
        )
    facts = {
        "simulated": data.simulated,
        "images": [named(source) for source in training],
        "kept_out": [named(source) for source in kept],
    }
    share = data.simulated_share if real and simulated else float(bool(simulated))
    notes = (*source_notes(read, kept), *uneven_notes([*training, *kept], data.beside))
    return Pools(_pool(real, simulated, share), _pool(kept_real, drawn, 0.5), facts, notes)


def _pool(
    real: Sequence[tuple[np.ndarray, float, bool]], simulated: Sequence[np.ndarray], simulated_share: float
) -> SlicePool:
    weights = np.array([weight for _, weight, _ in real], float)
    parts = []
    if len(weights):
        parts.append(weights / weights.sum() * (1 - simulated_share if len(simulated) else 1))
    if len(simulated):
        parts.append(np.full(len(simulated), (simulated_share if len(weights) else 1) / len(simulated)))
    joined = np.concatenate(parts)
    upright = np.array([*(upright for _, _, upright in real), *[False] * len(simulated)], bool)
    planes = [*(plane for plane, _, _ in real), *(image[None] for image in simulated)]
    return SlicePool(planes, joined / joined.sum(), upright)


def _weighed(
    images: Sequence[tuple[ImageSource, list[np.ndarray]]], beside: int
) -> list[tuple[np.ndarray, float, bool]]:
    """Planes with so many on each side, their weights, and whether their rows are along z.

    All planes of a source together weigh what it says.
    """
    return [
        (plane, source.weight / len(planes), source.cut != "xy")
        for source, planes in images
        for plane in _with_beside(planes, beside)
    ]


def _with_beside(planes: list[np.ndarray], beside: int) -> list[np.ndarray]:
    """``(S, Y, X)`` for each plane: it and those on both sides; the stack is mirrored at its ends."""
    if not beside:
        return [plane[None] for plane in planes]
    stack = np.stack(planes)[reflect_index(-beside, len(planes) + beside, len(planes))]
    return [stack[at : at + 1 + 2 * beside] for at in range(len(planes))]


def _planes(source: ImageSource, patch: int) -> list[np.ndarray]:
    """Planes of a source in network values."""
    planes = _cut(list(_read(source)), source.cut)
    check_size(source, planes[0], patch)
    check_varied(source, planes)
    line = intensity_from_planes(planes[:: max(1, len(planes) // 16)])
    return [_stored(line.forward(plane)) for plane in planes]


def _read(source: ImageSource) -> Iterator[np.ndarray]:
    from scipy.ndimage import gaussian_filter

    image = opened(Path(source.path))
    for flat in named_planes(source, image.plane_count):
        plane = image.read_plane(flat)
        check_finite(source, plane)
        plane = averaged_down(plane, source.shrink)
        yield gaussian_filter(plane, source.blur) if source.blur else plane


def _cut(planes: list[np.ndarray], cut: Cut) -> list[np.ndarray]:
    """XY planes of a stack, or its XZ or YZ planes with rows along z."""
    return planes if cut == "xy" else list(np.moveaxis(np.stack(planes), 1 if cut == "xz" else 2, 0))


def _mapped(image: np.ndarray) -> np.ndarray:
    image = np.asarray(image, np.float32)
    return _stored(intensity_from_planes([image]).forward(image))


def _stored(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.clip(np.nan_to_num(values), -4, 8).astype(np.float16))


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
