"""What tells that an image file is still the one that it was: size, time of change, and samples of its content."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from napari_diffuscope.imaging.formats import METADATA

SAMPLES, SAMPLE_BYTES = 16, 4096
"""Places of a file that are looked at, and bytes at each; of metadata the first bytes alone."""

MOST_ARRAYS = 32
"""Folders in a Zarr group whose metadata count, at most."""


@dataclass(frozen=True)
class FileStamp:
    """One file.

    Parameters
    ----------
    name
        Below the place of the stamp; ``.`` for the place itself.
    size, modified
        Bytes, and time of change in nanoseconds.
    node
        Number that the file system gives it; other machines may see another.
    """

    name: str
    size: int
    modified: int
    node: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Stamp:
    """An image file, or a Zarr folder by its metadata; equal where it is the same, also seen from another machine.

    Parameters
    ----------
    place
        Where it is.
    files
        What it is known by.
    sample
        Checksum of samples of their content.
    """

    place: str = field(compare=False)
    files: tuple[FileStamp, ...]
    sample: str

    @classmethod
    def of(cls, path: str | Path, scene: str = "") -> Stamp | None:
        """That of a file or folder as it is now; ``None`` if there is none.

        Parameters
        ----------
        path
            File or Zarr folder.
        scene
            Image inside of a Zarr folder.
        """
        place = Path(path).resolve()
        try:
            names = [str(name) for name in _known_by(place, scene)]
            return cls(str(place), tuple(_stamp(place, name) for name in names), _sampled(place, names))
        except OSError:
            return None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form, for records."""
        modified = max((each.modified for each in self.files), default=0)
        return {"bytes": sum(each.size for each in self.files), "modified": modified, "sample": self.sample}

    @property
    def changed(self) -> bool:
        """Whether another file lies there now; not where there is none at the moment, for then nothing can be read."""
        place, moved = Path(self.place), False
        for each in self.files:
            try:
                now = _stamp(place, each.name)
            except OSError:
                continue
            if now != each:
                return True
            moved |= now.node != each.node
        # Some file systems give new numbers to what was not touched.
        return moved and _sampled(place, [each.name for each in self.files]) not in (self.sample, "")


def _known_by(place: Path, scene: str) -> Iterator[Path]:
    """Files below a place that say what it is."""
    if not place.is_dir():
        yield Path()
        return
    folders = dict.fromkeys((Path(), Path(scene)))
    for folder in folders:
        inside = (each for each in sorted((place / folder).iterdir()) if each.is_dir())
        arrays = [each.relative_to(place) for each in islice(inside, MOST_ARRAYS)]
        for one in (folder, *arrays):
            yield from (one / name for name in METADATA if (place / one / name).is_file())


def _stamp(place: Path, name: str) -> FileStamp:
    status = os.stat(place / name)
    return FileStamp(name, status.st_size, status.st_mtime_ns, status.st_ino)


def _sampled(place: Path, names: list[str]) -> str:
    """Checksum of samples of files; empty where they cannot be read."""
    digest = sha256()
    count = SAMPLES if len(names) == 1 else 1
    try:
        for name in names:
            with (place / name).open("rb") as file:
                last = max(0, os.fstat(file.fileno()).st_size - SAMPLE_BYTES)
                for begin in np.linspace(0, last, count).astype(int):
                    file.seek(int(begin))
                    digest.update(file.read(SAMPLE_BYTES))
    except OSError:
        return ""
    return digest.hexdigest()[:16]
