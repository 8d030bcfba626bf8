"""How much memory is free, and the largest tiles that fit into it."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from napari_diffuscope.errors import DiffuscopeError, OutOfMemory
from napari_diffuscope.imaging.tiles import tile_count, window_shape

LIMIT_VARIABLE = "DIFFUSCOPE_MEMORY_LIMIT"
"""Environment variable: memory that this process may use on the CPU, in bytes or like ``3GiB``."""

LADDER = (1024, 768, 512, 384, 256, 192, 128, 96, 64)
"""Edges of tiles in pixels, from the most efficient to the smallest that is still of use."""

SHARE = 0.8
"""Part of the free memory that may be planned for."""

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_DECIMAL = {"K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_NO_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "defaultcpuallocator",
    "not enough memory",
    "alloc_failed",
)
_ALWAYS_FITS = 64 * 2**20
_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class TileChoice:
    """How a plane is cut and how many pieces go through the network at once.

    Parameters
    ----------
    tile
        Longest edge of a core in pixels.
    batch
        Tiles per network call.
    """

    tile: int
    batch: int = 1


def parse_bytes(text: str) -> int:
    """Number of bytes meant by ``"1073741824"``, ``"1GiB"``, ``"1G"`` (both 2**30) or ``"1GB"`` (10**9).

    Raises
    ------
    DiffuscopeError
        If it is none of these.
    """
    matched = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(iB|B)?\s*", text, flags=re.IGNORECASE)
    if not matched:
        raise DiffuscopeError(
            f"{text!r} is no amount of memory; write bytes or a number with a unit, like 3GiB."
        )
    number, prefix, suffix = float(matched[1]), matched[2].upper(), (matched[3] or "").lower()
    return int(number * (_DECIMAL if suffix == "b" and prefix else _UNITS)[prefix])


def free_memory(device: str) -> int:
    """Bytes that can still be used on a device.

    Parameters
    ----------
    device
        ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``. On a CPU the limits of a container (cgroup) and of
        the environment variable ``DIFFUSCOPE_MEMORY_LIMIT`` are respected, the latter less what this process
        holds already.

    Raises
    ------
    DiffuscopeError
        If the device is unknown or the variable is no amount of memory.
    """
    kind = device.partition(":")[0]
    if kind == "cpu":
        return _free_on_cpu()
    if kind == "cuda":
        import torch

        return int(torch.cuda.mem_get_info(torch.device(device))[0])
    if kind == "mps":
        import torch

        return max(0, torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    raise DiffuscopeError(f"Device {device!r} is unknown; choose cpu, cuda, cuda:1 or mps.")


def check_room(size: int, what: str) -> None:
    """Refuse to read more than fits into memory, before it is tried.

    Parameters
    ----------
    size
        Bytes that are to be read at once.
    what
        What they are, to begin a sentence with.

    Raises
    ------
    DiffuscopeError
        If fewer bytes are free.
    """
    if size < _ALWAYS_FITS:
        return
    free = free_memory("cpu")
    if size > free:
        raise DiffuscopeError(
            f"{what} takes {size / 2**30:,.1f} GiB, but {free / 2**30:,.1f} GiB of memory are free; "
            "the file may be damaged, else take a smaller part of it or a computer with more memory."
        )


def _free_on_cpu() -> int:
    import psutil

    free = [int(psutil.virtual_memory().available), *_cgroup_free()]
    if text := os.environ.get(LIMIT_VARIABLE):
        free.append(parse_bytes(text) - int(psutil.Process().memory_info().rss))
    return max(0, min(free))


def _cgroup_free(root: Path = _CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> list[int]:
    """Bytes left under every limit that a container sets; none outside Linux."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:  # no Linux, or hidden: then there is no limit to know of
        return []
    free = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            free += _below(root, path, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            old = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
            free += _below(root / "memory", path, *old)
    return free


def _below(root: Path, path: str, limit: str, usage: str, cache: str) -> list[int]:
    """Bytes left in a group and in those around it; file cache is given back on demand and counts as free."""
    free = []
    group = root / path.strip("/")
    for folder in (group, *(parent for parent in group.parents if parent.is_relative_to(root))):
        try:
            most = (folder / limit).read_text().strip()
            used = int((folder / usage).read_text())
            lines = (folder / "memory.stat").read_text().splitlines()
        except OSError:  # the group is not visible from inside its container: its root stands for it
            continue
        if most != "max":
            cached = next((int(line.split()[1]) for line in lines if line.split()[0] == cache), 0)
            free.append(int(most) - used + cached)
    return free


def choose_tiles(
    shape: Sequence[int],
    *,
    halo: int,
    stride: int,
    bytes_per_pixel: float,
    fixed_bytes: float = 0.0,
    free: int,
    default_tile: int = 512,
    most_batch: int = 1,
    region: Sequence[Sequence[int]] | None = None,
) -> TileChoice:
    """Largest tiles, then largest batch, whose predicted memory stays below 80 % of what is free.

    The prediction is ``fixed_bytes + bytes_per_pixel * pixels of the window * batch``.

    Parameters
    ----------
    shape
        Lengths of the plane (or block).
    halo, stride, region
        As for `napari_diffuscope.imaging.tiles.tile_boxes`.
    bytes_per_pixel
        Memory of the network per pixel of a window.
    fixed_bytes
        Memory needed whatever the tile.
    free
        Bytes free on the device.
    default_tile
        Largest edge to choose: 512 on a CPU, where larger tiles only delay progress and cancelling.
    most_batch
        Most tiles per network call.

    Raises
    ------
    OutOfMemory
        If not even one tile of the smallest size fits into all that is free.
    """

    def predicted(tile: int, batch: int) -> float:
        pixels = prod(window_shape(shape, tile=tile, halo=halo, stride=stride, region=region))
        return fixed_bytes + bytes_per_pixel * pixels * batch

    ladder = _ladder(shape if region is None else [stop - start for start, stop in region], default_tile)
    tile = next((edge for edge in ladder if predicted(edge, 1) <= SHARE * free), ladder[-1])
    if (least := predicted(tile, 1)) > free:
        raise OutOfMemory(
            f"A tile of {tile} pixels needs {least / 2**30:.1f} GiB, but only {free / 2**30:.1f} GiB are "
            "free; close other programs or choose another device."
        )
    most = min(most_batch, tile_count(shape, tile=tile, halo=halo, stride=stride, region=region))
    batch = max((n for n in range(1, most + 1) if predicted(tile, n) <= SHARE * free), default=1)
    return TileChoice(tile, batch)


def _ladder(extent: Sequence[int], largest: int) -> list[int]:
    """Edges to try, from the first that makes a difference: one tile cannot hold more than everything."""
    edges = [edge for edge in LADDER if edge <= largest] or [largest]
    covering = [edge for edge in edges if edge >= max(extent)]
    return edges[max(len(covering) - 1, 0) :]


def smaller_tiles(choice: TileChoice) -> TileChoice | None:
    """The next smaller choice after memory ran out: half the batch, then smaller tiles, then ``None``."""
    if choice.batch > 1:
        return TileChoice(choice.tile, choice.batch // 2)
    smaller = [edge for edge in LADDER if edge < choice.tile]
    return TileChoice(smaller[0], 1) if smaller else None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception means that memory ran out: of Python, numpy or torch, on any device."""
    if isinstance(error, MemoryError | OutOfMemory) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _NO_MEMORY)
