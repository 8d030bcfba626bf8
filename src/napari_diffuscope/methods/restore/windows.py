"""Parts of an image that a restoration learns from, as its network sees them, and the noise that they hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from napari_diffuscope.diffusion.schedule import NoiseLevel
from napari_diffuscope.methods.restore.resampling import resampled
from napari_diffuscope.weights.model import Model

CROP = 128
"""Edge of what is learned from at a time, in pixels of the network."""

LEAST_CROP = 16
"""The same at least, in pixels of the image."""

LIGHT = 3
"""Edge of the square over which the estimate is averaged, for the variance of the noise."""

HALF, PERIODS = 8, 64
"""Pixels before and behind a pixel that decide noise of a colour, and the length over which its spectrum is taken."""

LEAST_POWER = 0.02
"""Power of coloured noise at any frequency, as a share of its mean: where less was measured, that was chance."""


@dataclass(frozen=True)
class Sampling:
    """How many pixels of the network a pixel of the image becomes along Y and X."""

    times: tuple[float, float] = (1.0, 1.0)

    @classmethod
    def between(cls, shape: Sequence[int], there: Sequence[int]) -> Sampling:
        """From a plane in pixels of the image to that in pixels of the network."""
        return cls((there[0] / shape[0], there[1] / shape[1]))

    def edges(self, length: int, least: int) -> tuple[int, int]:
        """Edges in pixels of the image, for one in pixels of the network."""
        height, width = (max(round(length / times), least) for times in self.times)
        return height, width

    @property
    def crop(self) -> tuple[int, int]:
        """Edges of what is learned from at a time, in pixels of the image."""
        return self.edges(CROP, LEAST_CROP)

    def estimate(self, model: Model, values: Tensor) -> Tensor:
        """Best estimate of windows in one evaluation, with gradients where they are switched on."""
        if self.times == (1.0, 1.0):
            return _estimate(model, values)
        shape = tuple(values.shape[-2:])
        there = [max(round(length * times), 1) for length, times in zip(shape, self.times, strict=True)]
        return resampled(_estimate(model, resampled(values, there)), shape)


@dataclass(frozen=True)
class Colour:
    """Noise that neighbours along one axis share: white noise under a filter.

    Parameters
    ----------
    axis
        0 for Y, 1 for X.
    correlation
        Of pixels 1, 2, … apart.
    """

    axis: int
    correlation: tuple[float, ...]

    def of(self, white: Tensor) -> Tensor:
        """White noise ``(B, 1, h, w)`` of variance 1, coloured; its variance stays."""
        shape, pad = (
            ((1, 1, -1, 1), (0, 0, HALF, HALF)) if self.axis == 0 else ((1, 1, 1, -1), (HALF, HALF, 0, 0))
        )
        taps = torch.from_numpy(self._taps()).to(white).reshape(shape)
        return functional.conv2d(functional.pad(white, pad, mode="circular"), taps)

    def _taps(self) -> np.ndarray:
        """The even filter of that spectrum."""
        power = np.ones(PERIODS // 2 + 1)
        for distance, share in enumerate(self.correlation, 1):
            power += 2 * share * np.cos(2 * np.pi * distance * np.fft.rfftfreq(PERIODS))
        taps = np.fft.irfft(np.sqrt(np.maximum(power, LEAST_POWER)), PERIODS)
        middle = np.roll(taps, HALF)[: 2 * HALF + 1]
        return np.asarray(middle / np.sqrt(np.sum(middle**2)), np.float32)


@dataclass(frozen=True)
class Window:
    """A part of a plane, in values of the network.

    Parameters
    ----------
    values
        ``(1, 1, h, w)``, noisy.
    variance
        Of the noise, likewise.
    """

    values: Tensor
    variance: Tensor


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread: sums are then taken in one order, wherever it is learned."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def drawn(variance: Tensor, colour: Colour | None, random: torch.Generator) -> Tensor:
    """Noise of a variance, white or of a colour."""
    white = torch.randn(variance.shape, generator=random).to(variance.device)
    return (white if colour is None else colour.of(white)) * variance.sqrt()


def smoothed(values: Tensor) -> Tensor:
    """Averaged over a small square."""
    padded = functional.pad(values, (LIGHT // 2,) * 4, mode="replicate")
    return functional.avg_pool2d(padded, LIGHT, 1)


def _estimate(model: Model, values: Tensor) -> Tensor:
    stride = int(max(model.network.total_stride))  # type: ignore[arg-type]
    height, width = values.shape[-2:]
    padded = functional.pad(values, (0, -width % stride, 0, -height % stride), mode="replicate")
    level: NoiseLevel = model.schedule.highest()
    return model.estimate(torch.zeros_like(padded), level, padded)[..., :height, :width]
