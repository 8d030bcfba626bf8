"""The images whose numbers were recorded: made of the sample images of the package and of seeded noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

Read = Callable[[str], np.ndarray]
Images = list[np.ndarray]


def _pair(read: Read) -> tuple[Images, Images]:
    return [read("pair_clean.ome.tif").astype(float)], [read("pair_noisy.ome.tif").astype(float)]


def _rescaled(read: Read) -> tuple[Images, Images]:
    """A blurred image in other units, with an offset: what a network that normalises gives."""
    truth = read("pair_clean.ome.tif").astype(float)
    return [truth], [0.003 * ndimage.gaussian_filter(truth, 2.0) - 0.4]


def _stack(read: Read) -> tuple[Images, Images]:
    truths, images = read("stack_clean.ome.tif"), read("stack_noisy.ome.tif")
    return list(truths[3:7].astype(float)), list(images[3:7].astype(float))


MICRO = {"pair": _pair, "rescaled": _rescaled, "stack": _stack}
"""Truths and images, by name."""


def brightest(image: np.ndarray) -> tuple[slice, slice]:
    """40 by 40 pixels around the brightest place."""
    smooth = ndimage.uniform_filter(image, 40)[20:-20, 20:-20]
    y, x = np.unravel_index(smooth.argmax(), smooth.shape)
    return slice(int(y), int(y) + 40), slice(int(x), int(x) + 40)


def _squirrel(factor: int, size: int, *, noise: float = 0.0, missing: bool = False):
    """A finer image and what a microscope of a ``factor`` times coarser pixel would see of it."""

    def made(read: Read) -> tuple[np.ndarray, np.ndarray]:
        fine = read("pair_clean.ome.tif")[:size, :size].astype(float)
        sampled = ndimage.gaussian_filter(fine, 1.6 * factor)[::factor, ::factor]
        random = np.random.default_rng(7).normal(size=sampled.shape)
        reference = 0.5 * sampled + 100 + noise * sampled.std() * random
        if missing:
            fine[brightest(fine)] = np.median(fine)
        return reference, fine

    return made


SQUIRREL = {
    "equal": _squirrel(1, 256, noise=0.1),
    "twice": _squirrel(2, 256, noise=0.05),
    "twice, a part missing": _squirrel(2, 256, missing=True),
    "four times": _squirrel(4, 512, noise=0.05),
    "four times, no power of two": _squirrel(4, 400, noise=0.05),
}
"""Reference and finer image, by name."""


def _blurred(sigma: float, noise: float, size: int = 256) -> Callable[[Read], np.ndarray]:
    """Points under a Gaussian and noise that differs from pixel to pixel."""

    def made(read: Read) -> np.ndarray:
        random = np.random.default_rng(3)
        points = (random.random((size, size)) < 0.02) * random.random((size, size))
        image = ndimage.gaussian_filter(points, sigma)
        return 1000 * (image / image.std() + noise * random.normal(size=image.shape))

    return made


def _sample(name: str, *index: int) -> Callable[[Read], np.ndarray]:
    return lambda read: read(name)[index].astype(float) if index else read(name).astype(float)


DECORRELATION = {
    "points, sigma 2, noise 0.1": _blurred(2.0, 0.1),
    "points, sigma 3, noise 0.1": _blurred(3.0, 0.1),
    "points, sigma 1.5, noise 0.3": _blurred(1.5, 0.3),
    "points, sigma 2, 512 pixels": _blurred(2.0, 0.05, 512),
    "pair, some noise": lambda read: (
        read("pair_clean.ome.tif") + 2 * np.random.default_rng(5).normal(size=(512, 512))
    ),
    "cells": lambda read: read("cells_image.ome.tif")[:256, :256].astype(float),
    "time-lapse": _sample("timelapse_noisy.ome.tif", 0),
}
