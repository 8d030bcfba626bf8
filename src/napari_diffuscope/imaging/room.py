"""Whether there is room on the disk for what is going to be written."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.blocks import VolumeSpec, partial_path
from napari_diffuscope.imaging.failures import in_bytes

COMPRESSED = 0.5
"""Share of its pixels that an OME-Zarr needs at least: float32 images of cells shrink to two thirds or more."""


def free_at(path: Path) -> int:
    """Bytes that are free where a file will be, in a folder that may be missing yet."""
    place = path.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free


def needed(path: Path, spec: VolumeSpec) -> int:
    """Bytes that a result still needs at least; what an unfinished one of its name takes is counted."""
    share = COMPRESSED if path.suffix.lower() == ".zarr" else 1.0
    return max(0, int(share * spec.nbytes) - _taken(partial_path(path)))


def check_disk(files: Mapping[Path, VolumeSpec]) -> None:
    """Refuse results for which the disk has no room.

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
        folder = next(place for place in (path.absolute().parent, *path.absolute().parents) if place.exists())
        disk = folder.stat().st_dev
        wanted[disk] = wanted.get(disk, 0) + needed(path, spec)
        if wanted[disk] > (free := free_at(path)):
            raise DiffuscopeError(
                f"{path} needs {in_bytes(wanted[disk])}, but {in_bytes(free)} are free there; make room, choose "
                "another disk or a part of the image."
            )


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
