"""Bodies of known size on a grid, and their closed forms."""

from __future__ import annotations

import numpy as np
from scipy import special, stats


def places(edge: int = 64, *, seed: int = 0, shape: tuple[int, int, int] | None = None) -> np.ndarray:
    """(3, Z, Y, X) voxels from a centre that does not lie on the grid."""
    shape = shape or (edge, edge, edge)
    off = np.random.default_rng(seed).uniform(-0.5, 0.5, 3)
    axes = [np.arange(n) - (n - 1) / 2 - o for n, o in zip(shape, off, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"))


def turned(position: np.ndarray, seed: int) -> np.ndarray:
    """The same places in axes turned at random."""
    rotation = stats.special_ortho_group.rvs(3, random_state=seed)
    return np.tensordot(rotation, position, axes=1)


def ball(radius: float, position: np.ndarray) -> np.ndarray:
    return (position**2).sum(axis=0) <= radius**2


def ellipsoid(radii: tuple[float, float, float], position: np.ndarray) -> np.ndarray:
    return sum((p / r) ** 2 for p, r in zip(position, radii, strict=True)) <= 1


def torus(ring: float, tube: float, position: np.ndarray) -> np.ndarray:
    z, y, x = position
    return (np.hypot(y, x) - ring) ** 2 + z**2 <= tube**2


def ellipsoid_surface(radii: tuple[float, float, float]) -> float:
    """Legendre's formula, with incomplete elliptic integrals; three different semi-axes."""
    a, b, c = sorted(radii, reverse=True)
    phi = np.arccos(c / a)
    m = (a * a * (b * b - c * c)) / (b * b * (a * a - c * c))
    integrals = special.ellipeinc(phi, m) * np.sin(phi) ** 2 + special.ellipkinc(phi, m) * np.cos(phi) ** 2
    return float(2 * np.pi * (c * c + a * b / np.sin(phi) * integrals))
