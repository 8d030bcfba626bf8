"""What a 3D shape can be guessed from its outline alone: cylinders, ellipsoids and inflated outlines, tuned on cells.

Each gives a half height at every pixel; the shape fills what is at most so far from a middle plane. The free
parameters are those that overlap best with the true shapes of the training cells, so these are the best such fits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.ndimage import distance_transform_edt

Parameters = tuple[float, ...]


class OutlinedShape(Protocol):
    """An outline and the shape that belongs to it."""

    @property
    def mask(self) -> np.ndarray:
        """``(Y, X)`` bool."""
        ...

    @property
    def occupied(self) -> np.ndarray:
        """``(Z, Y, X)`` bool."""
        ...


@dataclass(frozen=True)
class OutlineMeasures:
    """What the fits know of a mask.

    Parameters
    ----------
    inside
        ``(Y, X)``, 1 in the mask.
    radius
        Of the circle of equal area, in pixels.
    typical
        Mean of that over the cells that a fit is tuned on.
    squared
        ``(Y, X)``: squared distance from the middle of the ellipse with the moments of the mask, 1 on that ellipse.
    depth
        ``(Y, X)``: distance to the outline, 1 where it is largest, 0 outside.
    """

    inside: np.ndarray
    radius: float
    typical: float
    squared: np.ndarray
    depth: np.ndarray


def radius_of(mask: np.ndarray) -> float:
    """Radius of the circle of equal area, in pixels."""
    return float(np.sqrt(mask.sum() / np.pi))


def outline_of(mask: np.ndarray, typical: float) -> OutlineMeasures:
    """Measure a mask; ``typical`` is the mean radius of the cells that a fit is tuned on."""
    mask = np.asarray(mask, bool)
    points = np.argwhere(mask).astype(float)
    centre = points.mean(0)
    # A pixel is a square: its own variance of 1/12 keeps a line of pixels from being degenerate.
    spread = np.cov(points.T, bias=True) + np.eye(2) / 12 if len(points) > 1 else np.eye(2) / 12
    away = np.moveaxis(np.indices(mask.shape), 0, -1) - centre
    squared = np.einsum("yxi,ij,yxj->yx", away, np.linalg.inv(4 * spread), away)
    depth = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    return OutlineMeasures(mask.astype(float), radius_of(mask), typical, squared, depth / depth.max())


@dataclass(frozen=True)
class Family:
    """A kind of fit.

    Parameters
    ----------
    name
        For tables.
    half_height
        From outline and parameters to ``(Y, X)`` in voxels; the last parameter is the middle plane, relative to
        that of the image.
    names
        Of the parameters.
    starts
        Parameters that the search begins with.
    steps
        First change of each parameter.
    """

    name: str
    half_height: Callable[[OutlineMeasures, Parameters], np.ndarray]
    names: tuple[str, ...]
    starts: tuple[Parameters, ...]
    steps: Parameters


def _height(outline: OutlineMeasures, height: float, slope: float) -> float:
    """A line through the typical radius, so that one of the two can be changed without the other."""
    return height * outline.typical + slope * (outline.radius - outline.typical)


def _cylinder(outline: OutlineMeasures, values: Parameters) -> np.ndarray:
    height, slope, _ = values
    return _height(outline, height, slope) * outline.inside


def _ellipsoid(outline: OutlineMeasures, values: Parameters) -> np.ndarray:
    height, slope, width, _ = values
    within = np.maximum(1 - outline.squared / max(width, 0.1) ** 2, 0)
    return np.asarray(_height(outline, height, slope) * np.sqrt(within))


def _inflated(outline: OutlineMeasures, values: Parameters) -> np.ndarray:
    height, slope, power, _ = values
    full = _height(outline, height, slope)
    return np.asarray(full * outline.depth ** max(power, 0.01) * outline.inside)


FITS = (
    Family(
        "cylinder",
        _cylinder,
        ("height", "slope", "middle"),
        ((0.5, 0.5, 0.0), (0.8, 0.0, 0.0), (1.0, 1.0, 0.0)),
        (0.2, 0.2, 2.0),
    ),
    Family(
        "ellipsoid",
        _ellipsoid,
        ("height", "slope", "width", "middle"),
        ((0.5, 0.5, 1.0, 0.0), (0.8, 0.0, 1.0, 0.0), (1.0, 1.0, 1.1, 0.0)),
        (0.2, 0.2, 0.1, 2.0),
    ),
    Family(
        "inflated outline",
        _inflated,
        ("height", "slope", "power", "middle"),
        ((0.5, 0.5, 0.5, 0.0), (0.8, 0.0, 0.3, 0.0), (1.0, 1.0, 0.5, 0.0)),
        (0.2, 0.2, 0.2, 2.0),
    ),
)


@dataclass(frozen=True)
class Fit:
    """A tuned fit.

    Parameters
    ----------
    family
        Its kind.
    values
        Of the parameters: height (half of it, in typical radii) of a cell of the typical radius, how much it grows
        with the radius, …, and the middle plane in voxels from that of the image.
    typical
        Mean radius of the cells it was tuned on.
    overlap
        Mean intersection over union with these cells.
    """

    family: Family
    values: Parameters
    typical: float
    overlap: float

    def shape_of(self, mask: np.ndarray, planes: int) -> np.ndarray:
        """``(Z, Y, X)`` bool for an outline."""
        low, high = _limits(
            self.family.half_height(outline_of(mask, self.typical), self.values), self.values[-1], planes
        )
        z = np.arange(planes)[:, None, None]
        return np.asarray((z >= low) & (z < high))

    @property
    def setting(self) -> str:
        """Parameters in words."""
        words = [f"{n} {v:.2f}" for n, v in zip(self.family.names, self.values, strict=True)]
        return ", ".join([f"typical radius {self.typical:.1f}", *words])


def tune(family: Family, cells: Sequence[OutlinedShape]) -> Fit:
    """The parameters that overlap best with known shapes: a pattern search from several starts (Hooke & Jeeves).

    Parameters
    ----------
    family
        Kind of fit.
    cells
        To tune on.
    """
    typical = float(np.mean([radius_of(cell.mask) for cell in cells]))
    columns = [_Columns.of(cell, typical) for cell in cells]

    def overlap(values: Parameters) -> float:
        return float(
            np.mean([one.overlap(family.half_height(one.outline, values), values[-1]) for one in columns])
        )

    optima = [_search(overlap, start, family.steps) for start in family.starts]
    best, value = max(optima, key=lambda pair: pair[1])
    return Fit(family, best, typical, value)


def _search(
    score: Callable[[Parameters], float], start: Parameters, steps: Parameters
) -> tuple[Parameters, float]:
    """Change one parameter at a time while that helps, then two together, then by half as much."""
    best, value = start, score(start)
    for halving in range(5):
        moves = _moves(tuple(step / 2**halving for step in steps))
        place = 0
        while place < len(moves):
            tried = tuple(v + change for v, change in zip(best, moves[place], strict=True))
            if (reached := score(tried)) > value:
                best, value, place = tried, reached, 0
            else:
                place += 1
    return best, value


def _moves(steps: Parameters) -> list[Parameters]:
    """Changes of one parameter, up and down, and then of every two."""
    units = [tuple(step * (i == place) for i in range(len(steps))) for place, step in enumerate(steps)]
    single = [tuple(sign * v for v in unit) for unit in units for sign in (1, -1)]
    return single + [
        tuple(a + sign * b for a, b in zip(one, other, strict=True))
        for place, other in enumerate(units)
        for one in single[: 2 * place]
        for sign in (1, -1)
    ]


def _limits(half: np.ndarray, middle: float, planes: int) -> tuple[np.ndarray, np.ndarray]:
    """First plane of each column, and the one after its last."""
    low = np.ceil(planes // 2 + middle - half - 1e-9)
    high = np.floor(planes // 2 + middle + half + 1e-9) + 1
    empty = half <= 0
    low, high = (np.clip(np.where(empty, 0, limit), 0, planes).astype(np.intp) for limit in (low, high))
    return low, np.maximum(low, high)


@dataclass(frozen=True)
class _Columns:
    """A true shape as running sums along z, from which an overlap is read off quickly."""

    outline: OutlineMeasures
    sums: np.ndarray
    volume: int

    @classmethod
    def of(cls, cell: OutlinedShape, typical: float) -> _Columns:
        occupied = np.asarray(cell.occupied, bool)
        sums = np.concatenate([np.zeros((1, *occupied.shape[1:]), int), occupied.cumsum(0)])
        return cls(outline_of(cell.mask, typical), sums, int(occupied.sum()))

    def overlap(self, half: np.ndarray, middle: float) -> float:
        low, high = _limits(half, middle, len(self.sums) - 1)
        rows, columns = np.nonzero(high > low)
        low, high = low[rows, columns], high[rows, columns]
        both = int((self.sums[high, rows, columns] - self.sums[low, rows, columns]).sum())
        return both / (self.volume + int((high - low).sum()) - both)
