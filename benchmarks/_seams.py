"""Can the borders of tiles be told in a generated field? ``python benchmarks/generate.py --field FIELD.tif``.

The steps across tile borders are compared with those half a tile away by two tests: Mann-Whitney, whether they are
larger or smaller, and Kolmogorov-Smirnov, whether they are spread otherwise. Above 0.05 they cannot be told apart.
"""

from __future__ import annotations

import numpy as np

PIECE = 32
"""Pixels along a border that make one value, their mean absolute step."""

BORDERS = 1000


def border_steps(field: np.ndarray, tile: int, offset: int = 0) -> np.ndarray:
    """Mean absolute steps of pieces of all borders of tiles ``(N,)``, shuffled.

    Parameters
    ----------
    field
        Plane ``(Y, X)``.
    tile
        Edge of the tiles in pixels.
    offset
        How far from the borders the steps are taken.
    """
    steps = []
    for plane in (field, field.T):
        step = np.abs(np.diff(plane.astype(np.float64), axis=0))
        rows = np.arange(tile, plane.shape[0] - tile // 2, tile) - 1 + offset
        steps += [
            step[row, x : x + PIECE].mean()
            for row in rows
            for x in range(0, plane.shape[1] - PIECE + 1, PIECE)
        ]
    return np.random.default_rng(0).permutation(steps)[:BORDERS]


def seams(field: np.ndarray, tile: int) -> tuple[float, float, int]:
    """p of Mann-Whitney and of Kolmogorov-Smirnov, and the number of pieces.

    Parameters
    ----------
    field
        Plane ``(Y, X)`` of at least two tiles along an edge.
    tile
        Edge of the tiles in pixels.
    """
    from scipy.stats import ks_2samp, mannwhitneyu

    across, inside = border_steps(field, tile), border_steps(field, tile, tile // 2)
    return float(mannwhitneyu(across, inside).pvalue), float(ks_2samp(across, inside).pvalue), len(across)


def seams_in_words(field: np.ndarray, tile: int) -> str:
    """A line to print."""
    ranks, spread, count = seams(field, tile)
    found = f"p = {ranks:.2f} (Mann-Whitney), {spread:.2f} (Kolmogorov-Smirnov)"
    return f"{count} pieces of borders of {tile} pixel tiles: {found}"
