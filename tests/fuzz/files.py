"""Image files of all kinds, and how they are damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import tifffile


def write_tiff(path: Path, values: np.ndarray, rng: Random) -> Path:
    path = path.with_suffix(".tif")
    compression = rng.choice([None, "zlib"])
    tile = (16, 16) if rng.random() < 0.3 and min(values.shape[-2:]) >= 16 and values.shape[-1] > 4 else None
    tifffile.imwrite(path, values, compression=compression, tile=tile, photometric="minisblack")
    return path


def write_ome(path: Path, values: np.ndarray, rng: Random) -> Path:
    path = path.with_suffix(".ome.tif")
    axes = "TCZYX"[-values.ndim :]
    sizes = {"PhysicalSizeX": 0.1, "PhysicalSizeY": 0.1, "PhysicalSizeZ": 0.4}
    tifffile.imwrite(path, values, metadata={"axes": axes, **sizes}, photometric="minisblack")
    return path


def write_npy(path: Path, values: np.ndarray, rng: Random) -> Path:
    path = path.with_suffix(".npy")
    np.save(path, values)
    return path


def write_zarr(path: Path, values: np.ndarray, rng: Random) -> Path:
    import zarr

    path = path.with_suffix(".zarr")
    chunks = tuple(max(1, rng.choice([n, n // 2])) for n in values.shape)
    made = zarr.create_array(
        path, shape=values.shape, chunks=chunks, dtype=values.dtype, zarr_format=rng.choice([2, 3])
    )
    made[...] = values
    return path


def write_png(path: Path, values: np.ndarray, rng: Random) -> Path:
    import imageio.v3

    path = path.with_suffix(".png")
    imageio.v3.imwrite(path, values.astype(np.uint8))
    return path


WRITERS: dict[str, Callable[[Path, np.ndarray, Random], Path]] = {
    "tiff": write_tiff,
    "ome": write_ome,
    "npy": write_npy,
    "zarr": write_zarr,
    "png": write_png,
}


def draw_file(path: Path, values: np.ndarray, rng: Random) -> Path:
    """The pixels in a file of some kind that can hold them."""
    kinds = ["tiff", "npy", "zarr"]
    if values.ndim <= 5 and values.dtype.kind in "ui" and values.itemsize <= 4:
        kinds.append("ome")
    if values.ndim == 2 and values.dtype == np.uint8:
        kinds.append("png")
    return WRITERS[rng.choice(kinds)](path, values, rng)


# --- damage ---


def flip_bits(content: bytearray, rng: Random) -> bytearray:
    for _ in range(rng.choice([1, 1, 2, 5, 30])):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return content


def flip_header(content: bytearray, rng: Random) -> bytearray:
    """Most of what a reader trusts stands at the beginning or at the end."""
    for _ in range(rng.choice([1, 2, 4])):
        place = rng.randrange(min(len(content), 200))
        content[place if rng.random() < 0.6 else -1 - place] = rng.choice(
            [0, 1, 127, 255, rng.randrange(256)]
        )
    return content


def truncate(content: bytearray, rng: Random) -> bytearray:
    return content[: rng.randrange(len(content))]


def blank(content: bytearray, rng: Random) -> bytearray:
    start = rng.randrange(len(content))
    end = min(len(content), start + rng.choice([4, 64, 4096]))
    content[start:end] = bytes(end - start)
    return content


def empty(content: bytearray, rng: Random) -> bytearray:
    return bytearray()


def swap(content: bytearray, rng: Random) -> bytearray:
    middle = rng.randrange(len(content))
    return content[middle:] + content[:middle]


DAMAGES = (flip_bits, flip_bits, flip_header, flip_header, truncate, truncate, blank, empty, swap)


def damage(path: Path, rng: Random) -> str:
    """Damage a file, or one file of a folder; returns how, in words."""
    inside = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    victim = rng.choice(inside)
    if victim != path and rng.random() < 0.15:
        victim.unlink()
        return f"without {victim.relative_to(path)}"
    content = bytearray(victim.read_bytes())
    how = rng.choice(DAMAGES) if content else empty
    victim.write_bytes(how(content, rng))
    return f"{how.__name__} in {victim.name}"
