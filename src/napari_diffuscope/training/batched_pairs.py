"""Noisy and clean patches made on the training device, from clean images and noise models that come in a batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from napari_diffuscope.imaging.intensity import HIGH, LEAST_SHARE, LOW, TOP
from napari_diffuscope.simulate.batched_noise import noisy_batch
from napari_diffuscope.simulate.degrade import draw_noise
from napari_diffuscope.simulate.lossy import quantiles
from napari_diffuscope.simulate.noise_rows import to_model, to_row
from napari_diffuscope.simulate.spots import blurred_pair
from napari_diffuscope.training.pairs import CleanPool, crop
from napari_diffuscope.training.task import Tensors

EDGE_STEP = 64
"""Images are cut to multiples of this, so that many have equal sizes and share each computation."""

SEED_PART = 2**20
"""Seeds travel as two numbers below this, which float32 holds exactly."""

KNOTS = 12


@dataclass(frozen=True)
class Plan:
    """What else is drawn for a patch, as numbers: how it is cut out, mapped, and the seed of its noise."""

    edge: int
    top: int
    left: int
    factor: float
    shift: float
    seed: int

    def row(self) -> np.ndarray:
        """float32 ``(7,)``."""
        high, low = divmod(self.seed, SEED_PART)
        numbers = [self.edge, self.top, self.left, self.factor, self.shift, high, low]
        return np.array(numbers, np.float32)

    @classmethod
    def of(cls, row: list[float]) -> Plan:
        """Back from a row."""
        edge, top, left, factor, shift, high, low = row
        return cls(int(edge), int(top), int(left), factor, shift, int(high) * SEED_PART + int(low))


class CleanBatches(Dataset[tuple[np.ndarray, ...]]):
    """Clean image number ``i`` for any ``i``, and all that decides the noisy patch that is made of it.

    Parameters
    ----------
    pool, patch, size, seed, blur
        As of :class:`~napari_diffuscope.training.pairs.DenoisingBatches`.
    """

    def __init__(
        self, pool: CleanPool, *, patch: int, size: int, seed: int, blur: tuple[float, float] | None = None
    ) -> None:
        self.pool, self.patch, self.size, self.seed, self.blur = pool, patch, size, seed, blur

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Images ``(1, 1 or 2, size, size)`` float16, in the corner; plan ``(1, 7)``; noise ``(1, WIDTH)``."""
        rng = np.random.default_rng([self.seed, 1, number])
        image = self.pool.draw(rng, self.size, smallest=self.patch)
        edge = max(min(image.shape) // EDGE_STEP * EDGE_STEP, self.patch)
        image = crop(rng, image, edge)
        images = (
            [image]
            if self.blur is None
            else blurred_pair(rng, image, narrowest=self.blur[0], widest=self.blur[1])
        )
        canvas = np.zeros((1, len(images), self.size, self.size), np.float16)
        canvas[0, :, :edge, :edge] = np.stack(images)
        model = draw_noise(rng)
        plan = Plan(
            edge=edge,
            top=int(rng.integers(edge - self.patch + 1)),
            left=int(rng.integers(edge - self.patch + 1)),
            # The map of a stack is not exactly that of a plane.
            factor=float(np.exp(rng.normal(0, 0.15))),
            shift=float(rng.normal(0, 0.05)),
            seed=int(rng.integers(SEED_PART**2)),
        )
        return canvas, plan.row()[None], to_row(model)[None]


def noisy_patches(images: Tensor, plans: Tensor, rows: Tensor, *, patch: int) -> Tensors:
    """Noisy patches, clean patches, and the spread of the noise, as of :class:`DenoisingBatches`.

    Parameters
    ----------
    images, plans, rows
        A batch of :class:`CleanBatches`; the images on the device where the noise is made.
    patch
        Edge of the patches.
    """
    drawn = [Plan.of(row) for row in plans.tolist()]
    models = [to_model(row) for row in rows.tolist()]
    both = images.new_empty((len(drawn), 2, patch, patch), dtype=torch.float32)
    for edge in sorted({plan.edge for plan in drawn}):
        chosen = [index for index, plan in enumerate(drawn) if plan.edge == edge]
        clean = images[chosen, :, :edge, :edge].float()
        taken, truth = noisy_batch(
            clean[:, 0],
            [models[index] for index in chosen],
            [drawn[index].seed for index in chosen],
            target01=clean[:, 1] if clean.shape[1] == 2 else None,
        )
        if clean.shape[1] == 1:
            truth = recorded_means(taken, truth)
        for index, pair in zip(chosen, mapped(taken, truth), strict=True):
            plan = drawn[index]
            cut = pair[:, plan.top : plan.top + patch, plan.left : plan.left + patch]
            both[index] = cut * plan.factor + plan.shift
    both = both.nan_to_num_(posinf=0, neginf=0).clamp_(-30, 30)
    noisy, clean = both[:, :1], both[:, 1:]
    return noisy, clean, (noisy - clean).square().mean((1, 2, 3)).sqrt()


def recorded_means(noisy: Tensor, clean: Tensor) -> Tensor:
    """As :func:`~napari_diffuscope.simulate.degrade.recorded_mean`, for images ``(B, Y, X)``."""
    levels, order = clean.flatten(1).sort(dim=1)
    residual = (noisy - clean).flatten(1)
    limit = 8 * residual.abs().median(dim=1, keepdim=True).values + 1e-12
    tame = torch.minimum(torch.maximum(residual, -limit), limit).gather(1, order)
    places = torch.stack([group.mean(1) for group in levels.tensor_split(KNOTS, 1)], 1)
    shifts = torch.stack([group.mean(1) for group in tame.tensor_split(KNOTS, 1)], 1)
    for knot in range(1, KNOTS):  # of equal places the first counts
        again = places[:, knot] <= places[:, knot - 1]
        places[:, knot] = torch.maximum(places[:, knot], places[:, knot - 1])
        shifts[:, knot] = torch.where(again, shifts[:, knot - 1], shifts[:, knot])
    flat = clean.flatten(1)
    right = torch.searchsorted(places, flat, right=True).clamp_(1, KNOTS - 1)
    (low, high), (first, second) = (
        (knots.gather(1, right - 1), knots.gather(1, right)) for knots in (places, shifts)
    )
    share = ((flat - low) / (high - low).clamp(min=1e-30)).clamp_(0, 1)
    return clean + torch.lerp(first, second, share).view_as(clean)


def mapped(taken: Tensor, truth: Tensor) -> Tensor:
    """Both in the range of the network, by the map that :func:`intensity_from_planes` measures: ``(B, 2, Y, X)``."""
    rows, columns = (n // 2 * 2 for n in taken.shape[1:])
    blocks = taken[:, :rows, :columns].reshape(len(taken), rows // 2, 2, columns // 2, 2)
    pool = blocks.mean((2, 4)).flatten(1)
    low, high, top = quantiles(pool, (LOW / 100, HIGH / 100, TOP / 100))
    high = torch.maximum(high, low + LEAST_SHARE * (top - low))
    farthest = (pool - low[:, None]).abs().amax(1)
    half = torch.where(high > low, high - low, LEAST_SHARE * farthest) / 2
    half = torch.where(half > 0, half, 1.0)
    offset = torch.where(farthest > 0, low + half, low)
    both = torch.stack((taken, truth), 1)
    return (both - offset[:, None, None, None]) / half[:, None, None, None]
