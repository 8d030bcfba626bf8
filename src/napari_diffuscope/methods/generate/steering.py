"""What an image is steered by: a class, a density, another image, known pixels, two seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_diffuscope.diffusion.noise import positioned_noise
from napari_diffuscope.diffusion.schedule import NoiseLevel
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.stack_intensity import measure_intensities
from napari_diffuscope.imaging.tiles import Region
from napari_diffuscope.methods.generate.settings import GenerateSettings, check_card, class_weights
from napari_diffuscope.methods.generate.values import from_units, to_units
from napari_diffuscope.weights.card import ModelCard
from napari_diffuscope.weights.model import Model

LIKE_BY_DEFAULT = 0.5


@dataclass(frozen=True)
class SteeredModel(Model):
    """A model that is told a class and numbers with every evaluation.

    Parameters
    ----------
    told
        Further arguments of its network.
    untold
        The same for no class, where guidance is wanted.
    guidance
        How strictly the class is followed; Ho & Salimans 2022 (arXiv 2207.12598), their w + 1.
    """

    told: Mapping[str, Tensor] | None = None
    untold: Mapping[str, Tensor] | None = None
    guidance: float = 1.0

    def prediction(self, inputs: Tensor, time: Tensor) -> Tensor:
        """What the network says of its inputs, given what it is told."""
        told: Tensor = self.network(inputs, time, **(self.told or {}))
        if self.untold is None:
            return told
        free: Tensor = self.network(inputs, time, **self.untold)
        return free + self.guidance * (told - free)


def steered(model: Model, settings: GenerateSettings) -> SteeredModel:
    """A model with the class and the density that are asked for.

    Raises
    ------
    DiffuscopeError
        As :func:`~napari_diffuscope.methods.generate.settings.check_card`.
    """
    card = model.card
    check_card(card, settings)
    told: dict[str, Tensor] = {}
    weights = class_weights(card, settings.class_)
    if weights is not None:
        told["labels"] = torch.tensor([weights], device=model.device)
    count = int(card.network.arguments.get("numbers") or 0)
    if card.density is not None and count >= 2:
        numbers = (*card.density.numbers(settings.density), *(0.0,) * (count - 2))
        told["numbers"] = torch.tensor([numbers], device=model.device)
    untold = None
    if settings.guidance != 1:
        untold = told | {"labels": torch.zeros_like(told["labels"])}
    return SteeredModel(card, model.network, model.source, told, untold, settings.guidance)


@dataclass(frozen=True)
class Start:
    """Where the images begin: in noise, or part of the way from another image.

    Parameters
    ----------
    settings
        Seeds and number of images.
    channels
        Of the state.
    like
        An image in the network's range, ``(height, width)`` of the state; ``None`` for noise alone.
    fill
        Where it is to be filled in; ``None`` where all of it is made anew.
    pixels
        The image in its own units, whose known pixels stay as they are; ``(Y, X)``.
    strength
        Share of the chain that is gone through.
    """

    settings: GenerateSettings
    channels: int
    like: Tensor | None = None
    fill: Tensor | None = None
    pixels: np.ndarray | None = None
    strength: float = 1.0

    def noise(self, image: int, step: int, region: Region) -> Tensor:
        """Unit noise ``(C, h, w)`` that depends on seeds, image, step and position alone."""
        other = self.settings.other_seed
        if other is None:
            return self._drawn(self.settings.seed, image, step, region)
        share = image / (self.settings.number - 1)
        turn = 0.5 * math.pi * share
        one, two = (self._drawn(seed, 0, step, region) for seed in (self.settings.seed, other))
        if share in (0, 1):  # the ends of a series are the images of their seeds, bit for bit
            return two if share else one
        return math.cos(turn) * one + math.sin(turn) * two

    def _drawn(self, seed: int, sample: int, step: int, region: Region) -> Tensor:
        planes = range(self.channels)
        drawn = [positioned_noise(region, seed=seed, sample=sample, step=step, plane=c) for c in planes]
        return torch.from_numpy(np.stack(drawn))

    def state(self, image: int, level: NoiseLevel, region: Region) -> Tensor:
        """First state ``(C, h, w)`` of an image."""
        noise = self.noise(image, 0, region)
        if self.like is None:
            return noise
        near = level.alpha * self._part(self.like, region) + level.sigma * noise
        if self.fill is None or self.strength < 1:
            return near
        return torch.where(self._part(self.fill, region), noise, near)

    def imposed(self, clean: Tensor, region: Region) -> Tensor:
        """An estimate ``(B, C, h, w)`` of a region with the known pixels in it."""
        if self.like is None or self.fill is None:
            return clean
        return torch.where(
            self._part(self.fill, region).to(clean.device), clean, self._part(self.like, region).to(clean)
        )

    def finished(self, pixels: np.ndarray, region: Region) -> np.ndarray:
        """Pixels ``(h, w)`` of a region with the known ones as they were given."""
        if self.fill is None or self.pixels is None:
            return pixels
        (y, y1), (x, x1) = region
        fill = self._part(self.fill, region).numpy()
        return np.where(fill, pixels, self.pixels[y:y1, x:x1])

    def _part(self, whole: Tensor, region: Region) -> Tensor:
        (y, y1), (x, x1) = region
        return whole[y:y1, x:x1]


def start_of(
    inputs: Mapping[str, Image],
    settings: GenerateSettings,
    card: ModelCard,
    padded: tuple[int, int],
    tell: Callable[[str], Any],
) -> Start:
    """Where the images begin.

    Parameters
    ----------
    inputs
        ``like``, the image to start from, and ``mask``, where it is to be filled in.
    settings, card
        What is wanted, of which model.
    padded
        Height and width of the state, at least those of the image.
    tell
        Called with what the user must know.

    Raises
    ------
    DiffuscopeError
        For an image with pixels that are no numbers, or a mask that is empty.
    """
    if "like" not in inputs:
        return Start(settings, card.state_channels)
    image = inputs["like"]
    pixels = np.asarray(image.read_plane(0), dtype=np.float32)
    if not np.isfinite(pixels).all():
        raise DiffuscopeError(f"{image.name!r} has pixels that are no numbers; fill them in first.")
    values, remark = _in_range(image, pixels, card)
    if remark:
        tell(remark)
    fill = None
    if "mask" in inputs:
        fill = np.asarray(inputs["mask"].read_plane(0)) > 0
        if not fill.any():
            raise DiffuscopeError(
                "The mask is empty: there is nothing to fill; draw the part to be made anew."
            )
    strength = settings.strength
    if strength is None:
        strength = LIKE_BY_DEFAULT if fill is None else 1.0
    edges = [(0, length - have) for length, have in zip(padded, pixels.shape, strict=True)]
    return Start(
        settings,
        card.state_channels,
        torch.from_numpy(np.pad(values, edges, mode="symmetric")),
        None if fill is None else torch.from_numpy(np.pad(fill, edges, constant_values=True)),
        pixels,
        strength,
    )


def _in_range(image: Image, pixels: np.ndarray, card: ModelCard) -> tuple[np.ndarray, str]:
    """An image in the network's range, and how it got there where that is not plain.

    An image in the units of the training data is taken as it is. Another one, whose brightest pixels are far above or
    below those of the training data, is brought there by its own range.
    """
    low, high = to_units(np.array(card.data_range, np.float32), card)
    bright = float(np.percentile(pixels, 99.9))
    if 0.1 <= (bright - low) / (high - low) <= 2:
        return from_units(pixels, card), ""
    line = measure_intensities(image)[0].map
    shared = np.clip(line.forward(pixels), *card.data_range).astype(np.float32)
    return shared, (
        f"The intensities of {image.name} are not those of the training data ({low:g} to {high:g}); they were "
        "stretched to its range to start from, and the result is in the units of the training data."
    )
