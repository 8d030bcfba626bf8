"""Worm-like curves: the shape of a thread with a bending stiffness in a warm bath."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d


def wormlike_curves(
    rng: np.random.Generator,
    start_um: np.ndarray,
    *,
    steps: int,
    step_um: float,
    persistence_um: float,
    direction: np.ndarray | None = None,
) -> np.ndarray:
    """Curves of the worm-like chain model (Kratky & Porod 1949), drawn step by step.

    The direction turns by a normal angle of variance ``step / persistence`` at every step, so the mean cosine
    between directions a distance s apart is exp(-s / 2P) in the plane and exp(-s / P) in space.

    Parameters
    ----------
    start_um
        (N, D) first points, D 2 or 3.
    steps, step_um
        Number of points per curve and the distance between them.
    persistence_um
        Persistence length P.
    direction
        (N, D) first directions (any length); random where not given, in space close to the last two axes.

    Returns
    -------
    ndarray
        (N, steps, D) positions in µm.
    """
    start_um = np.asarray(start_um, dtype=np.float64)
    if direction is None:
        direction = _flat_directions(rng, *start_um.shape)
    bend = np.sqrt(step_um / persistence_um)
    tangents = (_turn_plane if start_um.shape[1] == 2 else _turn_space)(rng, direction, steps, bend)
    return np.asarray(start_um[:, None] + step_um * (np.cumsum(tangents, axis=1) - tangents[:, :1]))


def normals(curves: np.ndarray, *, smooth: float = 0.0) -> np.ndarray:
    """Unit vectors across curves (N, steps, D), in the plane of the last two axes: (N, steps, D).

    Parameters
    ----------
    curves
        Points at equal distances.
    smooth
        Steps over which the direction is averaged (standard deviation). The direction of a worm-like curve turns at
        every step, however small, so that what is laid out far from the curve is fanned out and bunched in stripes.
    """
    along = np.gradient(curves, axis=1)
    if smooth > 0:
        along = gaussian_filter1d(along, smooth, axis=1, mode="nearest")
    across = np.zeros_like(along)
    across[..., -2], across[..., -1] = along[..., -1], -along[..., -2]
    return np.asarray(across / np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-12))


def _flat_directions(rng: np.random.Generator, count: int, ndim: int) -> np.ndarray:
    vectors = rng.standard_normal((count, ndim))
    vectors[:, :-2] *= 0.06
    return vectors


def _turn_plane(rng: np.random.Generator, direction: np.ndarray, steps: int, bend: float) -> np.ndarray:
    turns = bend * rng.standard_normal((len(direction), steps))
    turns[:, 0] = np.arctan2(direction[:, 0], direction[:, 1])
    angles = np.cumsum(turns, axis=1)
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1)


def _turn_space(rng: np.random.Generator, direction: np.ndarray, steps: int, bend: float) -> np.ndarray:
    tangents = np.empty((len(direction), steps, direction.shape[1]))
    kicks = bend * rng.standard_normal(tangents.shape)
    tangent = direction / np.linalg.norm(direction, axis=1, keepdims=True)
    for step in range(steps):
        tangents[:, step] = tangent
        kick = kicks[:, step] - (kicks[:, step] * tangent).sum(axis=1, keepdims=True) * tangent
        angle = np.linalg.norm(kick, axis=1, keepdims=True)
        tangent = np.cos(angle) * tangent + np.sinc(angle / np.pi) * kick
    return tangents
