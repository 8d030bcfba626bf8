"""What denoising is learned from: simulated noise on clean images, or pairs of images; and what is kept out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.training.batched_pairs import CleanBatches, noisy_patches
from napari_diffuscope.training.clean import TEXTURES, TRAINING, VALIDATION, real_images, simulated_images
from napari_diffuscope.training.kept_out import expand, keep_out, named, source_notes
from napari_diffuscope.training.pair_folders import PairBatches, read_pairs
from napari_diffuscope.training.pairs import PATCHES_PER_IMAGE, Batch, CleanPool, DenoisingBatches, to_batch
from napari_diffuscope.training.reading import opened_sources
from napari_diffuscope.training.recipe import ImageSource, Recipe
from napari_diffuscope.training.restore.denoising import DenoisingTask
from napari_diffuscope.training.task import Arrays, Tensors


def denoising_task(recipe: Recipe, run: Path, device: torch.device) -> DenoisingTask:
    """Simulate or read what a recipe learns from, and keep some of it out.

    Raises
    ------
    DiffuscopeError
        For unreadable or too small images, pairs that do not fit, or nothing to validate on.
    """
    return _from_pairs(recipe, device) if recipe.data.kind == "pairs" else _from_clean(recipe, run, device)


def _from_clean(recipe: Recipe, run: Path, device: torch.device) -> DenoisingTask:
    data, seed = recipe.data, recipe.optimisation.seed
    training, kept_sources = keep_out(expand(data.images), share=data.validation_share or 0.0, seed=seed)
    images = opened_sources((*training, *kept_sources))
    simulated = _bank(recipe, run / "specimens.npy", purpose=TRAINING, count=data.simulated)
    textures = _bank(
        recipe, run / "textures.npy", purpose=TEXTURES, count=data.textures if data.texture_share else 0
    )
    read = [(source, real_images(source, images[source.path], smallest=data.patch)) for source in training]
    real = [(plane, source.weight) for source, planes in read for plane in planes]
    if not len(simulated) and not real and data.texture_share < 1:
        raise DiffuscopeError("The recipe has nothing to train on: neither simulated specimens nor images.")
    share = data.simulated_share if real and len(simulated) else float(not real)
    pool = CleanPool(
        simulated,
        [plane for plane, _ in real],
        [weight for _, weight in real],
        share,
        textures=textures if len(textures) else None,
        texture_share=data.texture_share,
        shrunk_share=data.shrunk_share,
        shrunk_textures=data.blur_fwhm is not None,
    )
    kept = _kept_specimens(recipe) | _kept_images(recipe, kept_sources, images)
    if not kept:
        raise DiffuscopeError("The recipe has nothing to validate on; set validation under [data].")
    pieces, piece, finish = _pieces(recipe, pool, device)
    return DenoisingTask(
        recipe,
        pieces,
        piece,
        {name: _cut(batches, recipe, device) for name, batches in kept.items()},
        notes=source_notes(read, kept_sources, images),
        finish=finish,
        known={
            "simulated": data.simulated,
            "images": [named(s) for s in training],
            "kept_out": [named(s) for s in kept_sources],
        },
    )


def _pieces(
    recipe: Recipe, pool: CleanPool, device: torch.device
) -> tuple[Dataset[Arrays], int, Callable[[Tensors], Tensors] | None]:
    """Small batches, their size, and what makes their noise where that is left to the device."""
    data, seed = recipe.data, recipe.optimisation.seed
    if data.noise == "workers" or (data.noise == "auto" and device.type != "cuda"):
        return _noisy_batches(recipe, pool, batch=PATCHES_PER_IMAGE, seed=seed), PATCHES_PER_IMAGE, None
    clean = CleanBatches(pool, patch=data.patch, size=data.size, seed=seed, blur=data.blur_fwhm)
    return clean, 1, partial(made_noisy, patch=data.patch)


def made_noisy(batch: Tensors, *, patch: int) -> Tensors:
    """Noisy patches, clean patches and the spread of the noise, of a batch of :class:`CleanBatches`."""
    images, plans, rows = batch
    return noisy_patches(images, plans, rows, patch=patch)


def _bank(recipe: Recipe, cache: Path, *, purpose: int, count: int) -> np.ndarray:
    """Simulated images to draw from, kept in a file of the run."""
    data = recipe.data
    if not count:
        return np.empty((0, data.size, data.size), np.float16)
    try:
        return simulated_images(
            data, seed=recipe.optimisation.seed, purpose=purpose, count=count, cache=cache
        )
    except OSError as error:
        raise DiffuscopeError(
            f"The simulated images {cache} cannot be written ({error.strerror}); make room or choose another folder."
        ) from error


def _kept_specimens(recipe: Recipe) -> dict[str, DenoisingBatches]:
    data, plan = recipe.data, recipe.optimisation
    if not data.validation or not (data.simulated or not data.images):
        return {}
    kept = simulated_images(data, seed=plan.seed, purpose=VALIDATION, count=data.validation)
    sharp = data.shrunk_share if data.blur_fwhm else 0.0  # what is to be deblurred must have been sharp
    return {"simulated": _validation_batches(recipe, CleanPool(kept, shrunk_share=sharp))}


def _kept_images(
    recipe: Recipe, sources: tuple[ImageSource, ...], images: Mapping[str, Image]
) -> dict[str, DenoisingBatches]:
    real = [
        (plane, source.weight)
        for source in sources
        for plane in real_images(source, images[source.path], smallest=recipe.data.patch)
    ]
    if not real:
        return {}
    none = np.empty((0, 1, 1), np.float16)
    pool = CleanPool(none, [plane for plane, _ in real], [weight for _, weight in real], 0.0)
    return {"images": _validation_batches(recipe, pool)}


def _validation_batches(recipe: Recipe, pool: CleanPool) -> DenoisingBatches:
    plan = recipe.optimisation
    return _noisy_batches(recipe, pool, batch=plan.batch, seed=plan.seed + 1)


def _noisy_batches(recipe: Recipe, pool: CleanPool, *, batch: int, seed: int) -> DenoisingBatches:
    """Noise as the recipe says, to train on as to validate on."""
    data = recipe.data
    return DenoisingBatches(
        pool, batch=batch, patch=data.patch, size=data.size, seed=seed, blur=data.blur_fwhm
    )


def _cut(batches: Dataset[Arrays], recipe: Recipe, device: torch.device) -> tuple[Batch, ...]:
    """About as many patches for validation as the recipe says."""
    count = -(-recipe.data.validation // recipe.optimisation.batch)
    return tuple(to_batch(_three(batches[number]), device) for number in range(max(count, 1)))


def _three(arrays: Arrays) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    noisy, clean, spread = arrays
    return noisy, clean, spread


def _from_pairs(recipe: Recipe, device: torch.device) -> DenoisingTask:
    data, plan = recipe.data, recipe.optimisation
    pairs = read_pairs(data, seed=plan.seed)
    kept = PairBatches(pairs.kept, batch=plan.batch, patch=data.patch, seed=plan.seed + 1)
    return DenoisingTask(
        recipe,
        PairBatches(pairs.training, batch=1, patch=data.patch, seed=plan.seed, varied=True),
        1,
        {"pairs": _cut(kept, recipe, device)},
        pairs.notes,
        pairs.facts,
        up_to_a_line=pairs.facts["match"] == "percentiles",
    )
