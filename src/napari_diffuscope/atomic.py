"""Files that appear all or nothing, and are written by one process at a time."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.locks import open_alone, take_away

_ENDING = ".diffuscope-part"


def part_of(path: Path) -> Path:
    """Where a file grows until it is complete: hidden, beside its place."""
    return path.with_name(f".{path.name}{_ENDING}")


def partial_path(path: str | Path) -> Path:
    """Where an output that is written by blocks grows: ``.OUT.ome.zarr.partial`` beside ``OUT.ome.zarr``."""
    found = Path(path)
    return found.with_name(f".{found.name}.partial")


class GrowingFile:
    """A file that grows beside its place and gets its name when it is complete.

    What a process that was killed left of it is taken over by the next one.

    Parameters
    ----------
    path
        Where it will be; the folder exists.
    overwrite
        Whether a file of that name is replaced in the end.

    Attributes
    ----------
    file
        Open for reading and writing, empty at first.

    Raises
    ------
    DiffuscopeError
        If another process writes it.
    OSError
        If it cannot be made.
    """

    def __init__(self, path: Path, *, overwrite: bool = True) -> None:
        self.path, self._overwrite = path, overwrite
        self.part = part_of(path)
        self.file: BinaryIO = open_alone(self.part, path)
        self.file.truncate(0)

    def commit(self, *, sync: bool = True) -> None:
        """Close the file and give it its name.

        Parameters
        ----------
        sync
            Whether to wait until the pixels are on the disk, which takes a moment.

        Raises
        ------
        DiffuscopeError
            If a file of that name has appeared and is not to be replaced.
        OSError
            If the last bytes cannot be written, or the folder is gone.
        """
        self.file.flush()
        if sync:
            os.fsync(self.file.fileno())
        if sys.platform == "win32":  # where an open file cannot be renamed
            self.file.close()
        if self._overwrite:
            os.replace(self.part, self.path)
        else:
            _rename_new(self.part, self.path)
        self.file.close()

    def discard(self) -> None:
        """Delete what was written; nothing appears under the name."""
        if not self.file.closed:
            take_away(self.file, self.part)


def _rename_new(part: Path, path: Path) -> None:
    """Rename a file, but never onto another one, be it made in this very moment."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise DiffuscopeError(
            f"{str(path)!r} has appeared while it was being made, and is not replaced; give another name."
        ) from None
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EDQUOT):
            raise
        if path.exists():  # a file system without hard links
            raise DiffuscopeError(f"{str(path)!r} exists and is not replaced; give another name.") from None
        os.replace(part, path)
    else:
        part.unlink()


def sweep(folder: Path) -> None:
    """Delete files that grew in a folder until their process was killed; those of living processes stay."""
    for part in folder.glob(f".*{_ENDING}"):
        with suppress(OSError, DiffuscopeError):
            take_away(open_alone(part, part), part)


@contextmanager
def replacing(path: Path, *, overwrite: bool = True, sync: bool = False) -> Iterator[BinaryIO]:
    """A file to write into, that gets its name when the block ends without an error.

    Parameters
    ----------
    path, overwrite
        As of `GrowingFile`.
    sync
        As of `GrowingFile.commit`.

    Raises
    ------
    DiffuscopeError, OSError
        As `GrowingFile`; nothing is left behind then.
    """
    growing = GrowingFile(path, overwrite=overwrite)
    try:
        yield growing.file
        growing.commit(sync=sync)
    except BaseException:
        growing.discard()
        raise


def replace_text(path: Path, text: str, *, newline: str | None = None, overwrite: bool = True) -> None:
    """Write a file beside its place, then give it its name: a reader sees the old text or the new one.

    Parameters
    ----------
    path
        Of the file; its folder exists.
    text
        All of it, in UTF-8.
    newline
        As of :func:`open`.
    overwrite
        Whether a file of that name is replaced.

    Raises
    ------
    DiffuscopeError
        If another process writes it, or it exists and is not to be replaced.
    OSError
        If it cannot be written; nothing is left behind then.
    """
    if newline is None:
        text = text.replace("\n", os.linesep)
    elif newline not in ("", "\n"):
        text = text.replace("\n", newline)
    replace_bytes(path, text.encode("utf-8"), overwrite=overwrite)


def replace_table(path: Path, text: str, *, newline: str | None = None, overwrite: bool = True) -> None:
    """The same for a table that people open with Excel, which takes letters beyond ASCII for others without a mark.

    With such letters in it the file begins with that mark (U+FEFF): pandas and ``encoding="utf-8-sig"`` leave it out.

    Raises
    ------
    DiffuscopeError, OSError
        As :func:`replace_text`.
    """
    mark = "" if text.isascii() else "\N{BYTE ORDER MARK}"
    replace_text(path, mark + text, newline=newline, overwrite=overwrite)


def replace_bytes(path: Path, content: bytes, *, overwrite: bool = True) -> None:
    """The same for a file of bytes.

    Raises
    ------
    DiffuscopeError, OSError
        As :func:`replace_text`.
    """
    with replacing(path, overwrite=overwrite) as file:
        file.write(content)
