"""Generated images whose power at each size of detail is brought to that of the training images. Free of torch.

A network that learned for an hour draws some sizes of detail too faint and others too strong. How much, its card may
say for each class: a smooth gain that depends on the frequency alone. It is applied as a small kernel to the values of
the network, so that a pixel gets the same value in every block, and their mean stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
from scipy.ndimage import correlate

from napari_diffuscope.imaging.tiles import Region
from napari_diffuscope.methods.generate.settings import GenerateSettings, class_weights
from napari_diffuscope.weights.card import ModelCard

RADIUS = 12
"""Pixels that a kernel reaches to each side."""

_ROWS = 256
"""Rows that are filtered at a time, for the sake of memory."""

_GRID = 64
"""Edge of the transform that a kernel is cut out of."""


class SpectrumFilter:
    """A symmetric kernel of unit sum.

    Parameters
    ----------
    gains_db
        Gains in dB at frequencies evenly spaced from 0 to half a cycle per pixel, where the last one goes on.
    """

    def __init__(self, gains_db: Sequence[float]) -> None:
        axis = np.fft.fftfreq(_GRID)
        frequency = np.hypot(axis[:, None], axis)
        gain = 10 ** (np.interp(frequency, np.linspace(0, 0.5, len(gains_db)), gains_db) / 20)
        response = np.fft.fftshift(np.fft.ifft2(gain).real)
        reach = slice(_GRID // 2 - RADIUS, _GRID // 2 + RADIUS + 1)
        taper = np.cos(0.5 * np.pi * np.arange(-RADIUS, RADIUS + 1) / (RADIUS + 1)) ** 2
        kernel = response[reach, reach] * np.outer(taper, taper)
        self.kernel: np.ndarray = kernel / kernel.sum()

    @classmethod
    def of(cls, card: ModelCard, settings: GenerateSettings, *, from_noise: bool) -> Self | None:
        """The filter of what is made; ``None`` where the card has none, or none was measured for such images.

        Parameters
        ----------
        card, settings
            Of the model and of the run.
        from_noise
            Whether images are made from noise alone: an image to start from has a spectrum of its own.
        """
        weights = class_weights(card, settings.class_)
        known = card.spectrum_gains
        if not known or settings.as_drawn or settings.mode != "fast" or not from_noise:
            return None
        if weights is not None and sum(weights) == 0:
            return None
        mixed = np.average(np.array(known), axis=0, weights=weights if weights is not None else (1.0,))
        return cls(tuple(mixed)) if mixed.any() else None

    def applied(
        self, read: Callable[[Region], np.ndarray], region: Region, shape: tuple[int, int]
    ) -> np.ndarray:
        """Filtered values of a region of an image, float32 ``(h, w)``.

        Parameters
        ----------
        read
            Gives the values of a region ``(h, w)``, those of dark pixels already cut off.
        region
            What is wanted.
        shape
            Of the image, which is mirrored at its borders.
        """
        (top, bottom), columns = region
        made = np.empty((bottom - top, columns[1] - columns[0]), np.float32)
        for row in range(top, bottom, _ROWS):
            rows = row, min(row + _ROWS, bottom)
            made[row - top : rows[1] - top] = self._filtered(read, (rows, columns), shape)
        return made

    def _filtered(
        self, read: Callable[[Region], np.ndarray], region: Region, shape: tuple[int, int]
    ) -> np.ndarray:
        """Pixel by pixel in one order, so that every block gets the same bits."""
        around = [(first - RADIUS, stop + RADIUS) for first, stop in region]
        there = [
            (max(first, 0), min(stop, length)) for (first, stop), length in zip(around, shape, strict=True)
        ]
        lacking = [(a - first, stop - b) for (first, stop), (a, b) in zip(around, there, strict=True)]
        values = np.pad(read((there[0], there[1])).astype(np.float64), lacking, mode="symmetric")
        whole = correlate(values, self.kernel, mode="constant")
        return np.asarray(whole[RADIUS:-RADIUS, RADIUS:-RADIUS])
