"""Bodies in the forms of red blood cells, as functions that are positive inside.

Each takes positions ``(3, …)`` in µm, as (z, y, x) from the centre of the cell, and gives ``(…)`` values: positive
inside, 0 on the outline, smooth across it. At rest, flat bodies lie in the plane of y and x.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

Solid: TypeAlias = Callable[[np.ndarray], np.ndarray]

EVANS_FUNG = (0.81, 7.83, -4.39)
"""Coefficients c₀, c₂, c₄, in µm, of the thickness of the mean red blood cell."""

DISC_RADIUS_UM = 3.91
"""Its radius."""


def biconcave_disc(position: np.ndarray, *, radius_um: float = DISC_RADIUS_UM) -> np.ndarray:
    """The mean red blood cell of Evans & Fung, Microvascular Research 4, 335 (1972), at 300 mOsm.

    Thickness √(1 - q) (c₀ + c₂ q + c₄ q²) with q = (r / radius)². Another radius scales all of it.
    """
    z, y, x = position * (DISC_RADIUS_UM / radius_um)
    q = np.minimum((y**2 + x**2) / DISC_RADIUS_UM**2, 1.2)  # the polynomial has zeros further out
    first, second, third = EVANS_FUNG
    return np.asarray((1 - q) * (first + second * q + third * q**2) ** 2 / 4 - z**2)


def ellipsoid(position: np.ndarray, *, radii_um: Sequence[float]) -> np.ndarray:
    """Ellipsoid of three semi-axes (z, y, x); a sphere where they are alike."""
    return np.asarray(1 - sum((p / r) ** 2 for p, r in zip(position, radii_um, strict=True)))


def cup(
    position: np.ndarray, *, radius_um: float, hollow_um: float, shift_um: float, blend_um: float = 0.3
) -> np.ndarray:
    """A ball out of which another ball, shifted along z, was taken; its rim is rounded."""
    ball = radius_um - np.sqrt((position**2).sum(axis=0))
    shifted = position - np.array([shift_um, 0, 0]).reshape(-1, *[1] * (position.ndim - 1))
    hollow = hollow_um - np.sqrt((shifted**2).sum(axis=0))
    return -_soft_maximum([-ball, hollow], blend_um)


def lobes(
    position: np.ndarray, *, arms_um: Sequence[Sequence[float]], radius_um: float, blend_um: float
) -> np.ndarray:
    """Rods of round section from the centre to the given points (z, y, x), grown together where they meet.

    Two opposite arms with thick ends make a dumb-bell; the section widens from ``0.6 radius_um`` at the
    centre to ``radius_um`` at the ends.
    """
    rods = []
    for arm in arms_um:
        end = np.asarray(arm, dtype=np.float64)
        along = np.clip(np.tensordot(end, position, axes=1) / (end**2).sum(), 0, 1)
        nearest = end.reshape(-1, *[1] * (position.ndim - 1)) * along
        rods.append(radius_um * (0.6 + 0.4 * along) - np.sqrt(((position - nearest) ** 2).sum(axis=0)))
    return _soft_maximum(rods, blend_um)


def lumps(
    position: np.ndarray, *, radius_um: float, lumps_um: Sequence[Sequence[float]], lump_um: float
) -> np.ndarray:
    """A ball with smaller balls of radius ``lump_um`` at points (z, y, x), grown together."""
    balls = [radius_um - np.sqrt((position**2).sum(axis=0))]
    for point in lumps_um:
        shifted = position - np.asarray(point, dtype=np.float64).reshape(-1, *[1] * (position.ndim - 1))
        balls.append(lump_um - np.sqrt((shifted**2).sum(axis=0)))
    return _soft_maximum(balls, 0.25)


def turned(solid: Solid, *, tilt: float, spin: float = 0.0) -> Solid:
    """The same body, tilted about the x axis and then spun about the z axis, both in degrees."""
    tilt, spin = np.deg2rad([tilt, spin])
    about_x = np.array([[np.cos(tilt), -np.sin(tilt), 0], [np.sin(tilt), np.cos(tilt), 0], [0, 0, 1]])
    about_z = np.array([[1, 0, 0], [0, np.cos(spin), -np.sin(spin)], [0, np.sin(spin), np.cos(spin)]])
    back = (about_z @ about_x).T
    return lambda position: solid(np.tensordot(back, position, axes=1))


def _soft_maximum(values: Sequence[np.ndarray], blend: float) -> np.ndarray:
    """The larger of values, without a crease where they cross: log-sum-exp over a length ``blend``."""
    stacked = np.stack(values) / blend
    highest = stacked.max(axis=0)
    return np.asarray(blend * (highest + np.log(np.exp(stacked - highest).sum(axis=0))))
