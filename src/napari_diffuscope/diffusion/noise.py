"""Noise that belongs to the image: the value at a pixel depends on the seed and on where the pixel is.

Drawn on the CPU with the counter-based Philox generator (Salmon et al. 2011), block by block: a part of an image
gets the same noise as the whole, in any order, on any device, after any interruption.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

BLOCK = 64


def positioned_noise(
    region: Sequence[tuple[int, int]],
    *,
    seed: int,
    sample: int = 0,
    step: int = 0,
    plane: int = 0,
    block: int = BLOCK,
) -> np.ndarray:
    """Unit normal noise for a region of an image.

    Parameters
    ----------
    region
        ``(start, stop)`` in pixels of the whole image along each of up to three axes; may begin below 0.
    seed, sample, step
        The key: one stream of noise each. ``step`` 0 is the start of a chain.
    plane
        Which plane (or cell, or channel) of the data set.
    block
        Edge of the blocks in pixels.

    Returns
    -------
    numpy.ndarray
        float32, of the region's shape.
    """
    if not 1 <= len(region) <= 3:
        raise ValueError("a region has one to three axes")
    out = np.empty([stop - start for start, stop in region], np.float32)
    key = np.array([seed, (sample << 32) | step], np.uint64)
    ranges = [range(start // block, -(-stop // block)) for start, stop in region]
    for index in product(*ranges):
        values = _block_noise(key, index, plane, block, len(region))
        inside, outside = [], []
        for number, (start, stop) in zip(index, region, strict=True):
            low, high = max(start, number * block), min(stop, (number + 1) * block)
            inside.append(slice(low - number * block, high - number * block))
            outside.append(slice(low - start, high - start))
        out[tuple(outside)] = values[tuple(inside)]
    return out


def _block_noise(key: np.ndarray, index: tuple[int, ...], plane: int, block: int, axes: int) -> np.ndarray:
    # The lowest counter word counts draws inside a block; position takes the others, 21 bits an axis.
    place = sum((number & 0x1FFFFF) << (21 * axis) for axis, number in enumerate(index))
    counter = np.array([0, place, plane, axes], np.uint64)
    generator = np.random.Generator(np.random.Philox(key=key, counter=counter))
    return generator.standard_normal((block,) * axes, dtype=np.float32)
