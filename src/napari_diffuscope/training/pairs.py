"""Batches of noisy and clean patches, each decided by the seed and its number alone: a training can be resumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from napari_diffuscope.imaging.intensity import intensity_from_planes
from napari_diffuscope.imaging.shrink import averaged_down
from napari_diffuscope.simulate.degrade import draw_noise, noisy, recorded_mean
from napari_diffuscope.simulate.spots import blurred_pair

PATCHES_PER_IMAGE = 2


@dataclass(frozen=True)
class Batch:
    """Patches in the network's range.

    Parameters
    ----------
    noisy, clean
        float32 ``(B, 1, patch, patch)``.
    spread
        Root mean square of the noise of each patch, ``(B,)``.
    """

    noisy: Tensor
    clean: Tensor
    spread: Tensor


@dataclass(frozen=True)
class CleanPool:
    """Clean images to draw from.

    Parameters
    ----------
    simulated
        ``(N, size, size)``.
    real, weights
        Real planes, and how often each is drawn.
    simulated_share
        Share drawn from ``simulated``.
    textures, texture_share
        Shapes and textures of no specimen, ``(N, size, size)``, and the share drawn from them.
    shrunk_share
        Share that is averaged down to half its size, so that structures may be as small as a pixel.
    shrunk_textures
        Whether textures are averaged down as often: for what is to be deblurred, which must have been sharp.
    """

    simulated: np.ndarray
    real: Sequence[np.ndarray] = ()
    weights: Sequence[float] = ()
    simulated_share: float = 1.0
    textures: np.ndarray | None = None
    texture_share: float = 0.0
    shrunk_share: float = 0.0
    shrunk_textures: bool = False

    def draw(self, rng: np.random.Generator, size: int, *, smallest: int = 0) -> np.ndarray:
        """A crop of at most ``size``², flipped and turned at random, with a random contrast curve.

        It is not averaged down where that would leave less than ``smallest`` pixels.
        """
        texture = self.textures is not None and rng.uniform() < self.texture_share
        image = self._texture(rng) if texture else self._specimen(rng)
        may_shrink = self.shrunk_textures or not texture
        shrunk = self.shrunk_share and may_shrink and min(image.shape) >= 2 * smallest
        if shrunk and rng.uniform() < self.shrunk_share:
            image = averaged_down(np.asarray(crop(rng, image, 2 * size), np.float32), 2)
        turned = _turned(rng, crop(rng, np.asarray(image), size))
        return np.asarray(np.power(turned.astype(np.float32), np.float32(rng.uniform(0.8, 1.4))))

    def _texture(self, rng: np.random.Generator) -> np.ndarray:
        assert self.textures is not None
        return np.asarray(self.textures[rng.integers(len(self.textures))])

    def _specimen(self, rng: np.random.Generator) -> np.ndarray:
        if not self.real or rng.uniform() < self.simulated_share:
            image: np.ndarray = self.simulated[rng.integers(len(self.simulated))]
            return image
        weights = np.asarray(self.weights) / np.sum(self.weights)
        return self.real[rng.choice(len(self.real), p=weights)]


class DenoisingBatches(Dataset[tuple[np.ndarray, np.ndarray, np.ndarray]]):
    """Batch number ``i`` for any ``i``: simulated noise on crops of clean images.

    Parameters
    ----------
    pool
        Clean images.
    batch, patch, size
        Patches per batch, their edge, and the edge of the images on which noise and intensity map are drawn:
        as in use, the map knows more than the patch.
    seed
        Of everything.
    blur
        Narrowest and widest point spread function in pixels (full width at half maximum) to blur with; the target
        then has half that width. ``None``: the target is at equal blur.
    """

    def __init__(
        self,
        pool: CleanPool,
        *,
        batch: int,
        patch: int,
        size: int,
        seed: int,
        blur: tuple[float, float] | None = None,
    ) -> None:
        self.pool, self.batch, self.patch, self.size, self.seed = pool, batch, patch, size, seed
        self.blur = blur

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng = np.random.default_rng([self.seed, number])
        taken: list[np.ndarray] = []
        clean: list[np.ndarray] = []
        while len(taken) < self.batch:
            pair = self._pair(rng)
            for _ in range(min(self._patches_of(pair), self.batch - len(taken))):
                both = crop(rng, pair, self.patch)
                taken.append(both[:1])
                clean.append(both[1:])
        a, b = np.stack(taken), np.stack(clean)
        return a, b, np.sqrt(np.square(a - b).mean((1, 2, 3)))

    def _patches_of(self, pair: np.ndarray) -> int:
        """Several of one image share its cost; of a small image they would be nearly the same."""
        return PATCHES_PER_IMAGE if min(pair.shape[1:]) >= 1.5 * self.patch else 1

    def _pair(self, rng: np.random.Generator) -> np.ndarray:
        image = self.pool.draw(rng, self.size, smallest=self.patch)
        target = None
        if self.blur is not None:
            image, target = blurred_pair(rng, image, narrowest=self.blur[0], widest=self.blur[1])
        measured, truth = noisy(image, draw_noise(rng), rng, target01=target)
        if target is None:
            truth = recorded_mean(measured, truth)
        line = intensity_from_planes([measured])
        both = np.stack([line.forward(measured), line.forward(truth)])
        # The map of a stack is not exactly that of a plane.
        both = both * np.exp(rng.normal(0, 0.15)) + rng.normal(0, 0.05)
        finite: np.ndarray = np.nan_to_num(both.astype(np.float32), posinf=0, neginf=0)
        return finite.clip(-30, 30)


def to_batch(arrays: tuple[np.ndarray, np.ndarray, np.ndarray], device: torch.device) -> Batch:
    """Arrays as tensors on a device."""
    return Batch(*(torch.as_tensor(a, dtype=torch.float32, device=device) for a in arrays))


def crop(rng: np.random.Generator, image: np.ndarray, size: int) -> np.ndarray:
    """A random part of an image ``(…, Y, X)``, ``size`` wide, or all of it along an axis that is shorter."""
    corner = [int(rng.integers(max(edge - size, 0) + 1)) for edge in image.shape[-2:]]
    return image[..., corner[0] : corner[0] + size, corner[1] : corner[1] + size]


def _turned(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    image = np.rot90(image, int(rng.integers(4)), axes=(-2, -1))
    return np.flip(image, -1) if rng.uniform() < 0.5 else image
