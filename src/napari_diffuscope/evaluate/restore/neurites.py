"""Nerve cells: dendrites that fork and taper, with spines, and thin axons with boutons."""

from __future__ import annotations

import numpy as np

from napari_diffuscope.simulate.curves import normals, wormlike_curves
from napari_diffuscope.simulate.emitters import splat

Shape = tuple[int, int]


def neurites(rng: np.random.Generator, shape: Shape, pixel_um: float) -> np.ndarray:
    """Dendrites that fork and taper, with spines, and thin axons with boutons: density (Y, X) float32."""
    size = np.asarray(shape) * pixel_um
    total = np.zeros(shape, np.float32)
    for _ in range(int(rng.integers(1, 4))):
        angle = rng.uniform(0, 2 * np.pi)
        heading = np.array([np.sin(angle), np.cos(angle)])
        start = size * rng.uniform(0.25, 0.75, 2) - 0.8 * heading * size.max()
        brightness = np.exp(rng.normal(0, 0.3))
        total += brightness * _dendrite(rng, start, heading, rng.uniform(0.7, 1.4), shape, pixel_um, forks=2)
    for _ in range(int(rng.integers(2, 6))):
        total += 0.6 * np.exp(rng.normal(0, 0.4)) * _axon(rng, size, shape, pixel_um)
    return total


def _dendrite(
    rng: np.random.Generator,
    start: np.ndarray,
    heading: np.ndarray,
    width: float,
    shape: Shape,
    pixel: float,
    forks: int,
) -> np.ndarray:
    """One branch, its spines, and the branches that leave it."""
    step = pixel / 2
    steps = int(1.9 * max(shape) * pixel / step)
    path = wormlike_curves(
        rng, start[None], steps=steps, step_um=step, persistence_um=30, direction=heading[None]
    )
    place = np.linspace(0, 1, steps)
    knots = np.interp(place, np.linspace(0, 1, 25), rng.normal(0, 0.12, 25))
    diameter = width * (1 - 0.5 * place) * np.exp(knots)
    density = _tube(rng, path[0], diameter, shape, pixel)
    density += _spines(rng, path, diameter, shape, pixel)
    for _ in range(forks):
        at = int(rng.uniform(0.3, 0.7) * steps)
        along = path[0, at + 1] - path[0, at]
        turn = rng.choice([-1, 1]) * rng.uniform(0.4, 1.1)
        cos, sin = np.cos(turn), np.sin(turn)
        branch = np.array([cos * along[0] - sin * along[1], sin * along[0] + cos * along[1]])
        density += _dendrite(rng, path[0, at], branch, 0.65 * diameter[at], shape, pixel, forks - 1)
    return density


def _spines(
    rng: np.random.Generator, path: np.ndarray, diameter: np.ndarray, shape: Shape, pixel: float
) -> np.ndarray:
    """Thin necks with round heads to both sides of a branch."""
    step = float(np.linalg.norm(path[0, 1] - path[0, 0]))
    count = rng.poisson(rng.uniform(0.5, 1.3) * step * path.shape[1])
    at = rng.integers(0, path.shape[1], count)
    side = rng.choice([-1.0, 1.0], count)
    away = side[:, None] * normals(path)[0, at]
    away += rng.normal(0, 0.35, away.shape)
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    total = np.zeros(shape, np.float32)
    for base, direction, radius in zip(path[0, at], away, diameter[at] / 2, strict=True):
        length, head = rng.gamma(6, 0.13), rng.uniform(0.25, 0.6)
        first, last = base + 0.8 * radius * direction, base + (radius + length) * direction
        neck = np.linspace(first, last, max(3, int(2 * length / pixel)))
        total += _tube(rng, neck, np.full(len(neck), 0.14), shape, pixel)
        total += _ball(rng, last, head, shape, pixel)
    return total


def _axon(rng: np.random.Generator, size: np.ndarray, shape: Shape, pixel: float) -> np.ndarray:
    """A thin winding fibre with swellings."""
    step = pixel / 2
    steps = int(2 * size.max() / step)
    angle = rng.uniform(0, 2 * np.pi)
    heading = np.array([np.sin(angle), np.cos(angle)])
    start = size * rng.uniform(0.1, 0.9, 2) - heading * size.max()
    path = wormlike_curves(
        rng, start[None], steps=steps, step_um=step, persistence_um=12, direction=heading[None]
    )
    along = np.arange(steps) * step
    diameter = np.full(steps, 0.16)
    for _ in range(rng.poisson(along[-1] / rng.uniform(3, 7))):
        diameter += rng.uniform(0.2, 0.6) * np.exp(
            -(((along - rng.uniform(0, along[-1])) / rng.uniform(0.2, 0.45)) ** 2)
        )
    return _tube(rng, path[0], diameter, shape, pixel)


def _tube(
    rng: np.random.Generator, path: np.ndarray, diameter: np.ndarray, shape: Shape, pixel: float
) -> np.ndarray:
    """A filled tube seen from above: brightness in proportion to its volume."""
    step = np.linalg.norm(np.diff(path, axis=0), axis=1).mean()
    margin = diameter.max()
    seen = np.all((path > -margin) & (path < np.asarray(shape) * pixel + margin), axis=1)
    if not seen.any():
        return np.zeros(shape, np.float32)
    repeats = int(np.clip(np.ceil(4 * diameter.max() / pixel), 6, 40))
    across = (np.arange(repeats) + rng.uniform(size=(int(seen.sum()), repeats))) * 2 / repeats - 1
    offset = across * diameter[seen, None] / 2
    points = path[seen, None] + offset[..., None] * normals(path[None])[0, seen, None]
    # Less than the volume (its square), so that thin fibres stay visible beside thick ones.
    weight = np.sqrt(1 - across**2) * (diameter[seen, None] ** 1.5 * step / repeats)
    return splat(points.reshape(-1, 2) / pixel - 0.5, weight.ravel(), shape)


def _ball(
    rng: np.random.Generator, centre: np.ndarray, diameter: float, shape: Shape, pixel: float
) -> np.ndarray:
    points = rng.normal(size=(150, 3))
    points *= (np.cbrt(rng.uniform(size=150)) / np.linalg.norm(points, axis=1))[:, None] * diameter / 2
    weight = np.full(150, 1.2 * diameter**2.5 / 150)
    return splat((centre + points[:, :2]) / pixel - 0.5, weight, shape)
