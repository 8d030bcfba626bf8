"""Values of compared images along a line."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_diffuscope.comparison.curves import Curves, Line, short_unit
from napari_diffuscope.comparison.placing import Placed
from napari_diffuscope.comparison.singles import pixel_size, pixel_sizes


def profile(
    placed: Sequence[Placed],
    plane: Sequence[int],
    start: Sequence[float],
    stop: Sequence[float],
    *,
    width: float = 1.0,
) -> Curves:
    """Values of all images along a line, in physical units.

    Parameters
    ----------
    placed
        The images, the reference first.
    plane
        Index along the leading axes of the reference.
    start, stop
        Ends of the line, ``(y, x)`` in pixels of the reference.
    width
        Pixels of the reference across which the mean is taken, 1 or more.
    """
    (_, unit), steps = pixel_size(placed[0]), pixel_sizes(placed[0])
    ends = np.array([start, stop], dtype=float)
    length = float(np.linalg.norm(ends[1] - ends[0]))
    count = min(max(2, round(length) + 1), 4096)
    along = np.linspace(0, 1, count)
    points = ends[0][:, None] + (ends[1] - ends[0])[:, None] * along
    across = np.arange(max(1, round(width))) - (max(1, round(width)) - 1) / 2
    normal = np.array([ends[1, 1] - ends[0, 1], ends[0, 0] - ends[1, 0]]) / max(length, 1e-12)
    spread = points[:, None, :] + normal[:, None, None] * across[None, :, None]
    x = along * float(np.linalg.norm((ends[1] - ends[0]) * steps))
    lines = tuple(
        Line(each.name, x, _along(each, plane, spread.reshape(2, -1)).reshape(len(across), -1).mean(0))
        for each in placed
    )
    words = f", mean over {len(across)} pixels across" if len(across) > 1 else ""
    return Curves(f"Line profile{words}", f"distance ({short_unit(unit)})", "intensity", lines)


def _along(placed: Placed, plane: Sequence[int], points: np.ndarray) -> np.ndarray:
    """Values at points ``(2, N)`` of a plane of the reference: linear between pixels, NaN outside."""
    where = np.concatenate(
        [np.repeat(np.array(plane, dtype=float)[:, None], points.shape[1], axis=1), points]
    )
    index = placed.matrix @ where + placed.offset[:, None]
    shape = placed.image.shape
    inside = np.ones(points.shape[1], dtype=bool)
    for at, length in zip(index, shape, strict=True):
        inside &= (at >= -0.5 - 1e-9) & (at < length - 0.5 + 1e-9)
    fixed = tuple(
        int(np.clip(np.rint(np.median(at)), 0, length - 1))
        for at, length in zip(index[:-2], shape, strict=False)
    )
    if not inside.any():
        return np.full(points.shape[1], np.nan)
    pixels = _plane(placed, fixed)
    y, x = (np.clip(at, 0, length - 1) for at, length in zip(index[-2:], shape[-2:], strict=True))
    if placed.labels:
        values = pixels[np.rint(y).astype(np.intp), np.rint(x).astype(np.intp)].astype(np.float64)
        return np.where(inside, values, np.nan)
    top, left = np.floor(y).astype(np.intp), np.floor(x).astype(np.intp)
    bottom, right = np.minimum(top + 1, shape[-2] - 1), np.minimum(left + 1, shape[-1] - 1)
    down, over = y - top, x - left
    upper = pixels[top, left] * (1 - over) + pixels[top, right] * over
    lower = pixels[bottom, left] * (1 - over) + pixels[bottom, right] * over
    return np.where(inside, upper * (1 - down) + lower * down, np.nan)


def plane_at_hand(placed: Placed, plane: Sequence[int]) -> bool:
    """Whether a profile in this plane reads nothing from a file."""
    if isinstance(placed.image.data, np.ndarray):
        return True
    where = np.array([*plane, 0.0, 0.0])
    index = (placed.matrix @ where + placed.offset)[:-2]
    lengths = placed.image.shape
    fixed = tuple(int(np.clip(np.rint(at), 0, n - 1)) for at, n in zip(index, lengths, strict=False))
    return bool(placed._kept.get("plane") == fixed)


def _plane(placed: Placed, index: tuple[int, ...]) -> np.ndarray:
    """One plane as it is stored; of what is no array in memory, the last one is kept."""
    if isinstance(placed.image.data, np.ndarray):
        return np.asarray(placed.image.data[index])
    if placed._kept.get("plane") != index:
        placed._kept["plane pixels"] = np.asarray(placed.image.pixels((*index, slice(None), slice(None))))
        placed._kept["plane"] = index
    return np.asarray(placed._kept["plane pixels"])
