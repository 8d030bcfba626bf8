"""One process at a time: locks that end with the process that holds them, however it ends.

The locked file is the one that is written anyway, or lies in the folder that is, and is taken away at the end: beside
a user's images nothing stays.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from napari_diffuscope.errors import DiffuscopeError

RUNNING = ".diffuscope-running"
"""Name of the locked file in a folder that is worked in."""


def lock(file: BinaryIO) -> bool:
    """Lock an open file against others; whether that worked.

    Where the file system knows no locks, as on some network drives, nothing guards it, and it counts as locked.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(2**30)  # beyond the content, which others may read
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True


def open_alone(path: Path, what: Path) -> BinaryIO:
    """Open a file for reading and writing, made where missing, that nobody else has open this way.

    Parameters
    ----------
    path
        The file; what is in it stays.
    what
        What the user calls it, for the sentence.

    Raises
    ------
    DiffuscopeError
        If another process has it.
    OSError
        If it cannot be opened.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    while True:
        file = open(  # noqa: SIM115 - it stays open
            path, "r+b", opener=lambda name, _: os.open(name, flags, 0o666)
        )
        if not lock(file):
            file.close()
            raise DiffuscopeError(
                f"{str(what)!r} is being written by another process; wait for it or choose another name."
            )
        if is_at(file, path):
            return file
        file.close()  # who had it gave it another name, or took it away, in this moment


def is_at(file: BinaryIO, path: Path) -> bool:
    """Whether an open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def take_away(file: BinaryIO, path: Path) -> None:
    """Close and delete a file of :func:`open_alone`; nothing else that has its name by now."""
    with suppress(OSError):
        there = is_at(file, path)
        if sys.platform == "win32":
            file.close()
        if there:
            path.unlink(missing_ok=True)
    with suppress(OSError):  # what a full disk did not take is not missed
        file.close()


@contextmanager
def only_one(folder: Path, name: str = "") -> Iterator[None]:
    """Work in a folder while no other process does, or on something of that name in it.

    Raises
    ------
    DiffuscopeError
        If another process does.
    OSError
        If the folder may not be written to.
    """
    place = folder / (f".{name}{RUNNING}" if name else RUNNING)
    file = open_alone(place, folder / name)
    try:
        yield
    finally:
        take_away(file, place)
