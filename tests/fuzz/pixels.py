"""Pixels of all kinds, and what carries them: arrays of several libraries, files, damaged files."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np

SHAPES = (
    (1, 1), (1, 40), (40, 1), (3, 2), (17, 33), (32, 32), (45, 38), (2, 24, 31), (1, 20, 20), (5, 16, 18), (3, 9, 8),
    (4, 16, 16), (2, 2, 12, 16), (1, 2, 3, 16, 17), (20, 24, 3), (20, 24, 4), (2, 12, 12, 3),
)  # fmt: skip
ODD_SHAPES = ((0, 5), (5, 0), (7,), (), (2, 0, 8), (1, 1, 1, 1, 8, 8), (2, 2, 2, 2, 2, 2, 2))
TYPES = ("u1", "u2", "u4", "i1", "i2", "i4", "f4", "f8")
ODD_TYPES = ("?", "u8", "i8", "f2", ">u2", ">f4", "c8", "S3", "U2", "O", "M8[s]")


def noise(shape: tuple[int, ...], dtype: np.dtype, rng: np.random.Generator) -> np.ndarray:
    """Photon noise on a pattern, in any type of number."""
    values = np.asarray(rng.poisson(5 + 20 * rng.random(shape) ** 4))
    if dtype.kind == "O":
        return values.astype(object)
    return values.astype(dtype)


def constant(values: np.ndarray, rng: np.random.Generator) -> None:
    values[...] = rng.choice([0, 1, 7, 100])


def missing(values: np.ndarray, rng: np.random.Generator) -> None:
    values[rng.random(values.shape) < 0.1] = np.nan


def all_missing(values: np.ndarray, rng: np.random.Generator) -> None:
    values[...] = np.nan


def missing_plane(values: np.ndarray, rng: np.random.Generator) -> None:
    values[..., 0, :, :] = np.nan


def infinite(values: np.ndarray, rng: np.random.Generator) -> None:
    values[rng.random(values.shape) < 0.05] = rng.choice([np.inf, -np.inf])


def hot(values: np.ndarray, rng: np.random.Generator) -> None:
    values.flat[int(rng.integers(values.size))] = rng.choice([1e4, 1e9, 1e30, -1e9, 3e38])


def tiny(values: np.ndarray, rng: np.random.Generator) -> None:
    values *= rng.choice([1e-30, 1e-38, 1e-44, 1e-300])


def huge(values: np.ndarray, rng: np.random.Generator) -> None:
    values *= rng.choice([1e9, 1e30, 1e37, 1e300])


def one_tiny(values: np.ndarray, rng: np.random.Generator) -> None:
    values[...] = 0
    values.flat[-1] = 1e-45


def whole_range(values: np.ndarray, rng: np.random.Generator) -> None:
    values[...] = np.where(rng.random(values.shape) < 0.5, -3e38, 3e38)


def on_a_pedestal(values: np.ndarray, rng: np.random.Generator) -> None:
    values += rng.choice([1e6, 1e15, -1e7])


SPOILERS: tuple[Callable[[np.ndarray, np.random.Generator], None], ...] = (
    constant, missing, all_missing, missing_plane, infinite, hot, tiny, huge, one_tiny, whole_range, on_a_pedestal,
)  # fmt: skip


def draw_pixels(rng: Random, shapes: tuple[tuple[int, ...], ...] = SHAPES) -> np.ndarray:
    """An array; one in four has unusual values, one in twelve an unusual shape or type."""
    numbers = np.random.default_rng(rng.getrandbits(32))
    shape = rng.choice(ODD_SHAPES if rng.random() < 0.04 else shapes)
    dtype = np.dtype(rng.choice(ODD_TYPES if rng.random() < 0.08 else TYPES))
    if rng.random() < 0.25 and dtype.kind == "f" and np.prod(shape) and len(shape) > 2:
        values = noise(shape, dtype, numbers)
        with np.errstate(all="ignore"):
            rng.choice(SPOILERS)(values, numbers)
        return values
    values = noise(shape, dtype, numbers)
    if rng.random() < 0.1 and values.size and dtype.kind in "uif":
        values[...] = values.flat[0]
    return values


def draw_labels(shape: tuple[int, ...], rng: Random) -> np.ndarray:
    """Labels of cells for a plane: discs, some of them odd; or what are no labels at all."""
    numbers = np.random.default_rng(rng.getrandbits(32))
    if rng.random() < 0.1:
        return draw_pixels(rng)
    height, width = shape
    labels = np.zeros(shape, rng.choice(["u1", "u2", "i4", "i8", "f4"]))
    y, x = np.mgrid[:height, :width]
    for label in range(1, rng.randint(1, 3) + 1):
        centre, radius = numbers.random(2) * shape, 1 + numbers.random() * min(shape) / 3
        labels[np.hypot(y - centre[0], x - centre[1]) < radius] = label
    return labels


# --- what carries them ---


def masked(values: np.ndarray, rng: Random) -> Any:
    hidden = np.random.default_rng(rng.getrandbits(32)).random(values.shape) < 0.1
    return np.ma.masked_array(values, hidden)


def lazy(values: np.ndarray, rng: Random) -> Any:
    import dask.array

    return dask.array.from_array(values, chunks=tuple(max(1, rng.choice([n, n // 2])) for n in values.shape))


def stored(values: np.ndarray, rng: Random) -> Any:
    import zarr

    chunks = tuple(max(1, rng.choice([n, n // 2])) for n in values.shape)
    array = zarr.create_array({}, shape=values.shape, chunks=chunks, dtype=values.dtype)
    array[...] = values
    return array


def turned(values: np.ndarray, rng: Random) -> Any:
    return np.ascontiguousarray(values[..., ::-1])[..., ::-1]


def frozen(values: np.ndarray, rng: Random) -> Any:
    values.flags.writeable = False
    return values


def listed(values: np.ndarray, rng: Random) -> Any:
    return values.tolist()


def levels(values: np.ndarray, rng: Random) -> Any:
    return [values, values[..., ::2, ::2]]


PLAIN = "plain"
CARRIERS: dict[str, Callable[[np.ndarray, Random], Any]] = {
    function.__name__: function for function in (masked, lazy, stored, turned, frozen, listed, levels)
}


def carried(values: np.ndarray, rng: Random) -> tuple[str, Any]:
    """The array as some library holds it, and by which name that is called here; itself where that fails."""
    kind = rng.choice(sorted(CARRIERS)) if rng.random() < 0.5 else PLAIN
    if kind == PLAIN or values.ndim < 2 or not values.size or values.dtype.kind not in "buif":
        return PLAIN, values
    return kind, CARRIERS[kind](values, rng)
