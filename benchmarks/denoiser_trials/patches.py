"""Patches of the denoising starter's recipe, made once, so that every trial sees the same ones in the same order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from napari_diffuscope.measure.noise_model import noise_correlation, noise_model
from napari_diffuscope.training.clean import VALIDATION, real_images, simulated_images
from napari_diffuscope.training.kept_out import expand, keep_out
from napari_diffuscope.training.kinds import task_of
from napari_diffuscope.training.pairs import Batch, CleanPool, DenoisingBatches, crop
from napari_diffuscope.training.reading import opened_sources
from napari_diffuscope.training.recipe import Recipe
from napari_diffuscope.training.task import Part

PATCH = 128
PER_STEP = 4
MEASURED = 6
"""Gain, darkest signal, deviation there, least variance; correlation of the noise of neighbours along Y and X."""

KEPT_SEED = 1_000_000


@dataclass(frozen=True)
class Patches:
    """Patches and what was measured on the images that they are of.

    Parameters
    ----------
    pairs
        float16 ``(N, 2, PATCH, PATCH)``: noisy and clean, in the range of the network.
    measured
        float32 ``(N, MEASURED)``.
    """

    pairs: np.ndarray
    measured: np.ndarray

    def batch(self, first: int, stop: int) -> tuple[Batch, Tensor]:
        """Some of them."""
        noisy, clean = torch.from_numpy(np.array(self.pairs[first:stop], np.float32))[:, :, None].unbind(1)
        spread = (noisy - clean).square().mean((1, 2, 3)).sqrt()
        return Batch(noisy, clean, spread), torch.from_numpy(np.array(self.measured[first:stop]))


class MeasuredBatches(Dataset[tuple[np.ndarray, np.ndarray]]):
    """As :class:`DenoisingBatches` draws them, one image at a time, with what is measured on the image.

    Parameters
    ----------
    batches
        Of a recipe.
    seed
        Of the images.
    """

    def __init__(self, batches: DenoisingBatches, seed: int) -> None:
        self.batches, self.seed = batches, seed

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Two patches of image ``number``: pairs ``(2, 2, PATCH, PATCH)`` and ``(2, MEASURED)``."""
        rng = np.random.default_rng([self.seed, number])
        pair = self.batches._pair(rng)
        pairs = np.stack([crop(rng, pair, PATCH) for _ in range(2)])
        measured = np.array(_measured(pair[0]), np.float32)
        return pairs.astype(np.float16), np.stack([measured] * 2)


def _measured(noisy: np.ndarray) -> tuple[float, ...]:
    noise = noise_model([noisy])
    correlations = (noise_correlation([noisy], axis, lags=1)[0] for axis in (0, 1))
    return noise.gain, noise.dark, noise.deviation, noise.least, *correlations


def make_patches(recipe: Recipe, folder: Path, *, count: int, kept: int, workers: int) -> None:
    """Patches to train on, and two sets that are kept out: of simulated specimens, and of real images.

    Parameters
    ----------
    recipe
        Says what of.
    folder
        Where to put them; complete sets in it are left as they are.
    count, kept
        Patches to train on, and of each set that is kept out; even numbers.
    workers
        Processes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    seed = recipe.optimisation.seed
    for name, batches in _kept_out(recipe).items():
        _write(folder / name, MeasuredBatches(batches, KEPT_SEED + seed), kept, workers)
    task = task_of(recipe, folder, torch.device("cpu"))
    _write(folder / "training", MeasuredBatches(task.batches(Part(0, 2, 2)).pieces, seed), count, workers)


def read_patches(folder: Path, name: str) -> Patches:
    """A set that :func:`make_patches` made."""
    return Patches(*(np.load(folder / f"{name}-{part}.npy", mmap_mode="r") for part in ("pairs", "measured")))


def _kept_out(recipe: Recipe) -> dict[str, DenoisingBatches]:
    data, seed = recipe.data, recipe.optimisation.seed
    _, sources = keep_out(expand(data.images), share=0.0, seed=seed)
    images = opened_sources(sources)
    real = [(plane, s.weight) for s in sources for plane in real_images(s, images[s.path], smallest=PATCH)]
    specimens = simulated_images(data, seed=seed, purpose=VALIDATION, count=data.validation)
    none = np.empty((0, 1, 1), np.float16)
    pools = {
        "simulated": CleanPool(specimens),
        "images": CleanPool(none, [plane for plane, _ in real], [weight for _, weight in real], 0.0),
    }
    return {
        name: DenoisingBatches(pool, batch=2, patch=PATCH, size=data.size, seed=seed)
        for name, pool in pools.items()
    }


def _write(place: Path, batches: MeasuredBatches, count: int, workers: int) -> None:
    """Both arrays of a set; the measured ones last, which says that it is complete."""
    pairs_file, measured_file = (
        place.with_name(f"{place.name}-{part}.npy") for part in ("pairs", "measured")
    )
    if measured_file.is_file():
        return
    pairs = np.lib.format.open_memmap(pairs_file, "w+", np.float16, (count, 2, PATCH, PATCH))
    measured = np.zeros((count, MEASURED), np.float32)
    loader = DataLoader(
        batches, batch_size=None, sampler=range(count // 2), num_workers=workers, prefetch_factor=8
    )
    for number, (pair, values) in enumerate(loader):
        pairs[2 * number : 2 * number + 2] = pair
        measured[2 * number : 2 * number + 2] = values
    pairs.flush()
    np.save(measured_file, measured)
