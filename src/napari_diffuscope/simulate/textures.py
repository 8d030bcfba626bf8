"""Images of no particular specimen: overlapping shapes and textures of all sizes.

Overlapping shapes whose sizes follow a power law ("dead leaves": Lee, Mumford & Huang, Int. J. Comput. Vis. 41
(2001) 35) have the edges and the statistics over scales of pictures of the world. A network that also learns from
them keeps structures that none of the simulated specimens has.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_diffuscope.simulate.fields import log_uniform, rough_field, soft_step


def texture_image(rng: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    """A random image of shapes, of a texture, or of both.

    Returns
    -------
    numpy.ndarray
        ``shape``, float32, values from 0 to 1; sharp to the pixel, or blurred by up to 1.5 pixels.
    """
    kind = rng.uniform()
    if kind < 0.55:
        image = leaves(rng, shape)
    elif kind < 0.8:
        image = power_law_texture(rng, shape)
    else:
        image = leaves(rng, shape) * np.exp(0.6 * _standardised(power_law_texture(rng, shape)))
    image = image - image.min()
    if rng.uniform() < 0.5:  # as in the dark field of a fluorescence image
        where = rough_field(rng, shape, max(shape) * rng.uniform(0.1, 0.5))
        image = image * soft_step(
            where - np.quantile(where, rng.uniform(0.2, 0.8)), log_uniform(rng, 0.02, 0.4)
        )
    if rng.uniform() < 0.6:
        image = gaussian_filter(image, rng.uniform(0.3, 1.5))
    scaled: np.ndarray = (image / max(float(image.max()), 1e-6)).astype(np.float32)
    return np.asarray(np.power(scaled, np.float32(log_uniform(rng, 0.7, 3.0))))


def leaves(rng: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    """Ellipses, bars and rings of radii from 1.5 pixels up, one over the other: float32, about 0 to 1."""
    rows, columns = shape
    image = np.full((rows, columns), rng.uniform(0, 1), np.float32)
    count = int(log_uniform(rng, 60, 1500))
    largest = log_uniform(rng, 0.05, 0.4) * max(shape)
    for _ in range(count):
        # Density of radii ~ r^-3, as where the picture is the same at every magnification.
        radius = 1.5 / np.sqrt(1 - rng.uniform() * (1 - (1.5 / largest) ** 2))
        _draw_leaf(rng, image, float(radius))
    return image


def _draw_leaf(rng: np.random.Generator, image: np.ndarray, radius: float) -> None:
    """Paint one shape over the image, its edge soft over a pixel."""
    long = radius * log_uniform(rng, 1, 6)
    centre = rng.uniform(0, 1, 2) * image.shape
    reach = int(np.ceil(long)) + 2
    low = np.maximum(centre.astype(int) - reach, 0)
    high = np.minimum(centre.astype(int) + reach + 1, image.shape)
    if (high <= low).any():
        return
    y, x = np.mgrid[low[0] : high[0], low[1] : high[1]] - centre[:, None, None]
    angle = rng.uniform(0, np.pi)
    along, across = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    if rng.uniform() < 0.3:  # a bar
        distance = np.maximum(np.abs(along) - long, np.abs(across) - radius)
    else:
        distance = (np.hypot(along / long, across / radius) - 1) * radius
    if rng.uniform() < 0.2:  # hollow
        distance = np.abs(distance) - max(0.7, 0.2 * radius)
    cover = np.clip(0.5 - distance, 0, 1).astype(np.float32)
    value = rng.uniform(0, 1) + rng.normal(0, 0.2) * along / long
    part = image[low[0] : high[0], low[1] : high[1]]
    part += cover * (np.float32(value) - part)


def power_law_texture(rng: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    """Gaussian field whose amplitudes fall as a power of the frequency, maybe along one direction: float32."""
    y, x = np.meshgrid(np.fft.fftfreq(shape[0]), np.fft.rfftfreq(shape[1]), indexing="ij")
    angle, stretch = rng.uniform(0, np.pi), log_uniform(rng, 1, 4)
    along, across = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    frequency = np.hypot(along * stretch, across)
    amplitude = np.maximum(frequency, 1 / max(shape)) ** -rng.uniform(0.8, 2.2)
    noise = np.fft.rfft2(rng.standard_normal(tuple(shape)))
    return _standardised(np.fft.irfft2(noise * amplitude, tuple(shape)))


def _standardised(image: np.ndarray) -> np.ndarray:
    return np.asarray(((image - image.mean()) / max(float(image.std()), 1e-6)).astype(np.float32))
