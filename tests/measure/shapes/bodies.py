"""Bodies of known size on a grid, and their closed forms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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


def ring_hull(ring: float, tube: float) -> float:
    """Volume of the convex hull of a ring: a disc of its radius, thickened by the tube's."""
    return 2 * np.pi * ring**2 * tube + np.pi**2 * ring * tube**2 + 4 / 3 * np.pi * tube**3


@dataclass(frozen=True)
class Known:
    """A body on a grid and what is known of it, in units of x."""

    occupied: np.ndarray
    step: float
    volume: float
    surface: float
    axes: tuple[float, float, float]
    convexity: float = 1.0


def known_ball(radius: float, seed: int) -> Known:
    volume, surface = 4 / 3 * np.pi * radius**3, 4 * np.pi * radius**2
    return Known(ball(radius, places(seed=seed)), 1.0, volume, surface, (2 * radius,) * 3)


def known_ellipsoid(radii: tuple[float, float, float], seed: int, step: float = 1.0) -> Known:
    """Semi-axes from the longest to the shortest, turned at random; planes ``step`` apart."""
    z, y, x = places(seed=seed, shape=(round(64 / step), 64, 64))
    occupied = ellipsoid(radii, turned(np.stack([z * step, y, x]), seed))
    volume = 4 / 3 * np.pi * float(np.prod(radii))
    a, b, c = radii
    return Known(occupied, step, volume, ellipsoid_surface(radii), (2 * a, 2 * b, 2 * c))


def known_ring(ring: float, tube: float, seed: int) -> Known:
    volume, surface = 2 * np.pi**2 * ring * tube**2, 4 * np.pi**2 * ring * tube
    across, along = ring**2 / 2 + 3 * tube**2 / 8, tube**2 / 4
    axes = [float(2 * np.sqrt(5 * variance)) for variance in (across, across, along)]
    occupied = torus(ring, tube, turned(places(seed=seed), seed))
    return Known(occupied, 1.0, volume, surface, (axes[0], axes[1], axes[2]), volume / ring_hull(ring, tube))


KNOWN: dict[str, Callable[[int], Known]] = {
    "ball, radius 4": lambda seed: known_ball(4, seed),
    "ball, radius 8": lambda seed: known_ball(8, seed),
    "ball, radius 20": lambda seed: known_ball(20, seed),
    "ellipsoid 26, 18, 10": lambda seed: known_ellipsoid((26, 18, 10), seed),
    "the same, planes 2 voxels apart": lambda seed: known_ellipsoid((26, 18, 10), seed, 2.0),
    "the same, planes 4 voxels apart": lambda seed: known_ellipsoid((26, 18, 10), seed, 4.0),
    "flat ellipsoid 27, 24, 6": lambda seed: known_ellipsoid((27, 24, 6), seed),
    "ring 20, tube 7": lambda seed: known_ring(20, 7, seed),
}
"""The bodies of the table on the page about shape features; lengths in voxels."""
