"""Whether there is room on the disk for what is going to be written: the one place that asks, and its one sentence."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from napari_diffuscope.atomic import partial_path
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import in_bytes, name_of, writing

if TYPE_CHECKING:
    from napari_diffuscope.imaging.blocks.spec import VolumeSpec

COMPRESSED = 0.5
"""Share of its pixels that an OME-Zarr needs at least: float32 images of cells shrink to two thirds or more."""


def free_at(path: Path) -> int:
    """Bytes that are free where a file will be, in a folder that may be missing yet."""
    return shutil.disk_usage(_existing(path)).free


def check_room(
    path: Path, size: int, *, what: str = "", instead: str = "choose another folder", where: str = "there"
) -> None:
    """Refuse what the disk has no room for.

    Parameters
    ----------
    path
        Where it will be, a file or folder that may be missing yet.
    size
        Bytes that it takes.
    what
        What needs them; the path by default.
    instead
        What else to do than to make room.
    where
        Where the room is missing, as the sentence says it.

    Raises
    ------
    DiffuscopeError
        If so, with how much is missing.
    """
    with writing(path):
        free = free_at(path)
    if size <= free:
        return
    needed, there = in_bytes(size), in_bytes(free)
    if needed == there:
        needed, there = f"{size} bytes", f"{free} bytes"
    raise DiffuscopeError(
        f"{what or name_of(path)} needs {needed}, but only {there} are free {where}; make room, or {instead}."
    )


def needed(path: Path, spec: VolumeSpec) -> int:
    """Bytes that a result still needs at least; what an unfinished one of its name takes is counted."""
    share = COMPRESSED if path.suffix.lower() == ".zarr" else 1.0
    return max(0, int(share * spec.nbytes) - _taken(partial_path(path)))


def check_disk(files: Mapping[Path, VolumeSpec]) -> None:
    """Refuse results for which the disk has no room, all of them together.

    Parameters
    ----------
    files
        What goes into each file.

    Raises
    ------
    DiffuscopeError
        If so, with how much is missing.
    """
    wanted: dict[int, int] = {}
    for path, spec in files.items():
        disk = _existing(path.absolute().parent).stat().st_dev
        wanted[disk] = wanted.get(disk, 0) + needed(path, spec)
        check_room(path, wanted[disk], instead="choose another disk or a part of the image")


def _existing(path: Path) -> Path:
    """The path, or the folder above it that exists."""
    place = path.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    return place


def _taken(path: Path) -> int:
    """Bytes of an unfinished result; none of one that cannot be looked at, which its writer will tell."""
    try:
        if path.is_dir():
            return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        if not path.is_file():
            return 0
        status = path.stat()
    except OSError:
        return 0
    return getattr(status, "st_blocks", 0) * 512 or status.st_size
