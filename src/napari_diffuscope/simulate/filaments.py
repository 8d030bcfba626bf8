"""Microtubule-like filaments and actin-like bundles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_diffuscope.simulate.curves import normals, wormlike_curves
from napari_diffuscope.simulate.emitters import Emitters, PixelSize, field_of_view, pixel_sizes
from napari_diffuscope.simulate.fields import log_uniform


def microtubules(
    rng: np.random.Generator,
    shape: Sequence[int],
    pixel_size_um: PixelSize,
    *,
    count: int | None = None,
    persistence_um: float | None = None,
    labelling: float | None = None,
) -> Emitters:
    """Long thin filaments, crossing freely or spreading from an organising centre.

    Parameters
    ----------
    rng
        Source of all randomness.
    shape, pixel_size_um
        The image: two or three axes.
    count
        Number of filaments; drawn so that the field is sparse to dense where not given.
    persistence_um
        Persistence length, 5 to 60 µm where not given.
    labelling
        Evenness of the labelling along the filaments: the shape of a gamma distribution per half pixel.
    """
    size, step = field_of_view(shape, pixel_size_um), pixel_sizes(pixel_size_um, len(shape))[-1] / 2
    count = count or int(log_uniform(rng, 3, 10 + max(shape) / 3))
    persistence_um = persistence_um or log_uniform(rng, 5, 60)
    start = rng.uniform(-0.2, 1.2, (count, len(shape))) * size
    length = np.linalg.norm(size[-2:]) * rng.uniform(0.4, 1.2)
    if rng.uniform() < 0.3:
        start = rng.uniform(-0.3, 1.3, len(shape)) * size + rng.normal(0, 0.3, start.shape)
        length = 1.3 * np.linalg.norm(size[-2:])
    curves = wormlike_curves(
        rng, start, steps=int(length / step), step_um=step, persistence_um=persistence_um
    )
    return emitters_on_curves(rng, curves, size, labelling=labelling, brightness_spread=0.25)


def actin_bundles(
    rng: np.random.Generator,
    shape: Sequence[int],
    pixel_size_um: PixelSize,
    *,
    bundles: int | None = None,
    width_um: float | None = None,
) -> Emitters:
    """Stress fibres, bundles of parallel filaments in one or two directions, in a mesh of fine ones."""
    ndim = len(shape)
    size, step = field_of_view(shape, pixel_size_um), pixel_sizes(pixel_size_um, ndim)[-1] / 2
    bundles = bundles or int(log_uniform(rng, 6, 12 + max(shape) / 5))
    width_um = width_um or log_uniform(rng, 0.1, 0.6)
    axis = rng.uniform(0, np.pi) + rng.choice([0.0, 1.0], bundles) * rng.uniform(0, 1.5)
    angle = axis + rng.normal(0, 0.15, bundles) + np.pi * rng.integers(0, 2, bundles)
    direction = np.zeros((bundles, ndim))
    direction[:, -2], direction[:, -1] = np.sin(angle), np.cos(angle)
    steps = int(np.linalg.norm(size[-2:]) * rng.uniform(0.3, 1.2) / step)
    start = rng.uniform(-0.1, 1.1, (bundles, ndim)) * size - direction * steps * step / 2
    spine = wormlike_curves(rng, start, steps=steps, step_um=step, persistence_um=80.0, direction=direction)
    strands = int(np.clip(np.ceil(2 * width_um / (2 * step)), 2, 8))
    spine = np.repeat(spine, strands, axis=0)
    offset = (
        rng.normal(0, width_um / 2, (len(spine), 1, 1))
        * np.sin(np.linspace(0.3, np.pi - 0.3, steps))[:, None]
    )
    offset = offset + rng.normal(0, width_um / 6, (len(spine), steps, 1))
    thick = emitters_on_curves(rng, spine + offset * normals(spine), size, brightness_spread=0.7)
    fine = microtubules(rng, shape, pixel_size_um, persistence_um=8.0)
    share = log_uniform(rng, 0.1, 0.6)
    return Emitters(
        np.concatenate([thick.position_um, fine.position_um]),
        np.concatenate([thick.weight, share * fine.weight]),
        np.concatenate([thick.owner // strands, fine.owner + bundles]),
    )


def emitters_on_curves(
    rng: np.random.Generator,
    curves: np.ndarray,
    size_um: np.ndarray,
    *,
    labelling: float | None = None,
    brightness_spread: float = 0.3,
) -> Emitters:
    """Emitters along curves (N, steps, D), in 3D folded back into the depth of the field.

    ``labelling`` is the shape of the gamma distribution of the brightness of one point (large: even);
    ``brightness_spread`` the standard deviation of the logarithm of the brightness of one curve.
    """
    count, steps, ndim = curves.shape
    labelling = labelling or log_uniform(rng, 0.15, 10)
    brightness = np.exp(rng.normal(0, brightness_spread, (count, 1)))
    weight = brightness * rng.gamma(labelling, 1 / labelling, (count, steps))
    position = fold_depth(curves, size_um).reshape(-1, ndim)
    return Emitters(position, weight.ravel(), np.repeat(np.arange(count), steps))


def fold_depth(position_um: np.ndarray, size_um: np.ndarray) -> np.ndarray:
    """Positions (..., D) with the axes before the last two mirrored at the ends of the field."""
    folded = position_um.copy()
    depth = size_um[:-2]
    folded[..., :-2] = depth - np.abs(np.mod(position_um[..., :-2], 2 * depth) - depth)
    return folded
