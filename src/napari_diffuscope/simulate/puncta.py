"""Puncta: vesicles, synapses, beads, single molecules."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_diffuscope.simulate.emitters import Emitters, PixelSize, field_of_view, pixel_sizes
from napari_diffuscope.simulate.fields import log_uniform
from napari_diffuscope.simulate.filaments import fold_depth


def puncta(
    rng: np.random.Generator,
    shape: Sequence[int],
    pixel_size_um: PixelSize,
    *,
    count: int | None = None,
    diameter_um: float | None = None,
    brightness_spread: float | None = None,
    clustering: float | None = None,
) -> Emitters:
    """Small round or ring-like spots of varied size and brightness, scattered or in clusters.

    Parameters
    ----------
    rng
        Source of all randomness.
    shape, pixel_size_um
        The image: two or three axes.
    count
        Number of spots; from a handful to crowded where not given.
    diameter_um
        Median diameter, 0.05 to 0.8 µm where not given.
    brightness_spread
        Standard deviation of the logarithm of the brightness.
    clustering
        Share of the spots that sit in clusters, 0 to 1.
    """
    size, pixel = field_of_view(shape, pixel_size_um), pixel_sizes(pixel_size_um, len(shape))[-1]
    area = float(np.prod(np.asarray(shape[-2:])))
    count = count or max(3, int(area * log_uniform(rng, 2e-4, 8e-3)))
    diameter_um = diameter_um or log_uniform(rng, 0.05, 0.8)
    spread = rng.uniform(0.1, 0.9) if brightness_spread is None else brightness_spread
    clustering = rng.choice([0.0, rng.uniform()]) if clustering is None else clustering
    centre = _centres(rng, size, count, clustering)
    radius = diameter_um / 2 * np.exp(rng.normal(0, 0.3, count))
    brightness = np.exp(rng.normal(0, spread, count)) * (radius / radius.mean()) ** 2
    points = int(np.clip((2 * diameter_um / pixel) ** 2 * 2, 4, 300))
    owner = np.repeat(np.arange(count), points)
    offset = _in_ball(rng, len(owner), len(shape), hollow=bool(rng.uniform() < 0.2))
    position = centre[owner] + radius[owner, None] * offset
    return Emitters(fold_depth(position, size), brightness[owner] / points, owner)


def _centres(rng: np.random.Generator, size: np.ndarray, count: int, clustering: float) -> np.ndarray:
    centre = rng.uniform(-0.02, 1.02, (count, len(size))) * size
    clustered = rng.uniform(size=count) < clustering
    homes = rng.uniform(0, 1, (max(1, count // 15), len(size))) * size
    near = homes[rng.integers(0, len(homes), count)]
    near = near + log_uniform(rng, 0.02, 0.1) * size[-1] * rng.standard_normal(centre.shape)
    return np.asarray(np.where(clustered[:, None], near, centre))


def _in_ball(rng: np.random.Generator, count: int, ndim: int, *, hollow: bool) -> np.ndarray:
    """Points in (or on) a unit ball, the last ``ndim`` coordinates of three: (count, ndim)."""
    points = rng.standard_normal((count, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    if not hollow:
        points *= np.cbrt(rng.uniform(size=(count, 1)))
    return np.asarray(points[:, -ndim:])
