"""Smooth random fields and draws from wide ranges: the stuff of textures, hazes and uneven labelling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Mean over all phases of the summed squares of a cubic B-spline at unit spacing: its variance per axis.
_SPLINE_VARIANCE = 151 / 315


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """One number between ``low`` and ``high`` (> 0), its logarithm uniformly distributed."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def spline_basis(length: int, spacing: float, phase: float = 0.0) -> np.ndarray:
    """Cubic B-spline interpolation matrix (length, knots) float32 from knots every ``spacing`` pixels.

    Every row sums to 1. ``phase``, 0 to 1, shifts the knots by that share of the spacing.
    """
    place = np.arange(length) / spacing + phase
    knots = int(np.floor(place[-1])) + 4
    distance = np.abs(place[:, None] - (np.arange(knots) - 1))
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = np.clip(2 - distance, 0, None) ** 3 / 6
    return np.where(distance < 1, near, far).astype(np.float32)


def smooth_field(
    rng: np.random.Generator, shape: Sequence[int], scale_px: float | Sequence[float] | np.ndarray
) -> np.ndarray:
    """Random field of mean 0 and variance about 1, smooth over ``scale_px`` pixels (per axis): float32."""
    scales = np.maximum(np.broadcast_to(np.asarray(scale_px, dtype=np.float64), (len(shape),)), 1.0)
    bases = [spline_basis(n, s, rng.uniform()) for n, s in zip(shape, scales, strict=True)]
    field = rng.standard_normal([basis.shape[1] for basis in bases], dtype=np.float32)
    for axis, basis in enumerate(bases):
        field = np.moveaxis(np.tensordot(basis, field, (1, axis)), 0, axis)
    return np.ascontiguousarray(field) / np.float32(_SPLINE_VARIANCE ** (len(shape) / 2))


def rough_field(
    rng: np.random.Generator,
    shape: Sequence[int],
    scale_px: float | Sequence[float] | np.ndarray,
    *,
    octaves: int = 3,
    roughness: float = 0.6,
) -> np.ndarray:
    """Random field with detail at ``scale_px`` and, ever weaker, at every half of it: variance about 1."""
    scale = np.broadcast_to(np.asarray(scale_px, dtype=np.float64), (len(shape),))
    total = np.zeros(tuple(shape), np.float32)
    power = 0.0
    for octave in range(octaves):
        if octave and scale.max() / 2**octave < 1:
            break
        total += roughness**octave * smooth_field(rng, shape, scale / 2**octave)
        power += roughness ** (2 * octave)
    return total / np.float32(np.sqrt(power))


def soft_step(values: np.ndarray, softness: float) -> np.ndarray:
    """0 below, 1 above zero, with a smooth edge about ``softness`` wide."""
    return 0.5 + 0.5 * np.tanh(values / np.float32(max(softness, 1e-6)))
