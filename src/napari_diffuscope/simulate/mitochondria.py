"""Mitochondria-like tubes: networks, snakes and fragments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_diffuscope.simulate.curves import normals, wormlike_curves
from napari_diffuscope.simulate.emitters import Emitters, PixelSize, field_of_view, pixel_sizes
from napari_diffuscope.simulate.fields import log_uniform
from napari_diffuscope.simulate.filaments import fold_depth

FINE_UM = 0.05
"""Pixel size below which one sees that a wall follows no bend finer than the tube is wide."""


def mitochondria(
    rng: np.random.Generator,
    shape: Sequence[int],
    pixel_size_um: PixelSize,
    *,
    count: int | None = None,
    width_um: float | None = None,
    branching: float | None = None,
    hollow: bool | None = None,
) -> Emitters:
    """Bent tubes, some of which branch off others, some in fragments.

    Parameters
    ----------
    rng
        Source of all randomness.
    shape, pixel_size_um
        The image: two or three axes.
    count
        Number of tubes; drawn so that 4 to 30 % of the field is covered where not given.
    width_um
        Mean diameter, 0.25 to 0.7 µm where not given.
    branching
        Share of the tubes that start on another one, 0 to 1.
    hollow
        Whether the wall is labelled (outer membrane) instead of the inside (matrix).
    """
    ndim = len(shape)
    size, step = field_of_view(shape, pixel_size_um), pixel_sizes(pixel_size_um, ndim)[-1] / 2
    width_um = width_um or log_uniform(rng, 0.25, 0.7)
    branching = rng.uniform(0, 0.7) if branching is None else branching
    hollow = rng.uniform() < 0.3 if hollow is None else hollow
    mean_um = log_uniform(rng, 2.5, 25) * width_um
    if count is None:
        covered = log_uniform(rng, 0.04, 0.3) * float(np.prod(size[-2:]))
        count = int(np.clip(covered / (mean_um * width_um), 2, 600))
    spines = _spines(rng, size, count, mean_um, step, branching)
    return _tubes(rng, spines, size, mean_um, width_um, step, hollow)


def _spines(
    rng: np.random.Generator, size: np.ndarray, count: int, mean_um: float, step: float, branching: float
) -> np.ndarray:
    """Centre lines (count, steps, D): the free tubes first, then branches that start on them."""
    free = max(1, round(count * (1 - branching)))
    centres = rng.uniform(-0.05, 1.05, (max(1, free // 4), len(size))) * size
    spread = np.where(np.arange(len(size)) < len(size) - 2, 0.3 * size, log_uniform(rng, 2, 12))
    start = centres[rng.integers(0, len(centres), free)] + spread * rng.standard_normal((free, len(size)))
    steps, persistence = max(4, int(2.5 * mean_um / step)), log_uniform(rng, 1.0, 8.0)
    spines = wormlike_curves(rng, start, steps=steps, step_um=step, persistence_um=persistence)
    if count > free:
        base = spines[rng.integers(0, free, count - free), rng.integers(0, steps, count - free)]
        twigs = wormlike_curves(rng, base, steps=steps, step_um=step, persistence_um=persistence)
        spines = np.concatenate([spines, twigs])
    return spines


def _tubes(
    rng: np.random.Generator,
    spines: np.ndarray,
    size: np.ndarray,
    mean_um: float,
    width_um: float,
    step: float,
    hollow: bool,
) -> Emitters:
    """Emitters in (or on) tubes around centre lines, each cut to its own length."""
    count, steps, ndim = spines.shape
    length = np.clip(rng.gamma(2.0, mean_um / 2 / step, count), 2, steps)
    inside = np.arange(steps) < length[:, None]
    radius = (width_um / 2) * np.exp(rng.normal(0, 0.15, (count, 1)))
    radius = radius * _beading(rng, count, steps, width_um / step)
    radius = radius * _rounded_ends(length, steps, width_um / step)
    # Enough points to fill the cross-section, the fewer the more tubes there are.
    most = 80_000 / max(int(inside.sum()), 1)
    repeats = int(np.clip(np.ceil(3 * width_um / step), 3, max(most, 3)))
    owner, place = (np.repeat(index, repeats) for index in np.nonzero(inside))
    centre, r = spines[owner, place], radius[owner, place]
    out = r if hollow else r * np.sqrt(rng.uniform(size=len(r)))
    turn = rng.uniform(0, 2 * np.pi, len(r))
    across = normals(spines, smooth=width_um / step / 2 if 2 * step < FINE_UM else 0.0)
    position = centre + (out * np.cos(turn))[:, None] * across[owner, place]
    if ndim == 3:
        position[:, 0] += out * np.sin(turn)
    brightness = np.exp(rng.normal(0, 0.35, count))
    return Emitters(fold_depth(position, size), brightness[owner] / repeats, owner)


def _beading(rng: np.random.Generator, count: int, steps: int, width_steps: float) -> np.ndarray:
    """Slow changes of the width along each tube, around 1: (count, steps)."""
    phase = rng.uniform(0, 2 * np.pi, (count, 1))
    wave = rng.uniform(2, 6, (count, 1)) * max(width_steps, 1.0)
    swelling = rng.uniform(0, 0.35, (count, 1))
    return 1 + swelling * np.sin(2 * np.pi * np.arange(steps) / wave + phase)


def _rounded_ends(length: np.ndarray, steps: int, width_steps: float) -> np.ndarray:
    """Factor that closes tubes of ``length`` steps with half circles: (count, steps), 0.1 to 1."""
    place = np.arange(steps) + 0.5
    to_end = np.minimum(place, length[:, None] - place) / max(width_steps / 2, 1e-9)
    return np.asarray(np.sqrt(np.clip(1 - np.clip(1 - to_end, 0, 1) ** 2, 0.01, 1)))
