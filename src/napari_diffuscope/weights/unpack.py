"""Unpacking an archive that somebody else made. Free of torch.

Nothing may be written outside of the folder, nothing but plain files and folders, and not much more than the
archive is large: weights hardly compress, so an archive that swells has another purpose.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import writing
from napari_diffuscope.weights.ways_on import GET_AGAIN

MOST_ENTRIES = 10_000
MOST_SWELLING = 20
LEAST_LIMIT = 64 * 1024 * 1024
_CHUNK = 1 << 20

_PACKERS: tuple[tuple[bytes, Callable[..., Any]], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ", lzma.open),
)
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError)


def is_archive(path: Path) -> bool:
    """Whether a file is a zip or tar archive, and no checkpoint: torch's are zip archives too."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith(b"PK"):
        try:
            with zipfile.ZipFile(path) as archive:
                return not any(PurePosixPath(name).name == "data.pkl" for name in archive.namelist())
        except _DAMAGE:
            return False
    return head[257:262] == b"ustar" or any(head.startswith(magic) for magic, _ in _PACKERS)


def leads_out(name: str) -> bool:
    """Whether the name of an entry leads out of the folder that it is in, on any system."""
    posix = PurePosixPath(name.replace("\\", "/"))
    return posix.is_absolute() or ".." in posix.parts or ":" in name or "\0" in name


def unpack(path: Path, folder: Path) -> None:
    """Unpack a zip or tar archive into an empty folder.

    Parameters
    ----------
    path
        The archive.
    folder
        Where to; if this fails, what was unpacked so far lies there: use a temporary folder.

    Raises
    ------
    DiffuscopeError
        If it is damaged, would write outside of the folder, holds links or devices, or swells beyond 20 times
        its size.
    """
    budget = _Budget(path, max(LEAST_LIMIT, MOST_SWELLING * path.stat().st_size), MOST_ENTRIES)
    try:
        if zipfile.is_zipfile(path):
            _unpack_zip(path, folder, budget)
        else:
            _unpack_tar(path, folder, budget)
    except _DAMAGE as error:
        raise DiffuscopeError(f"{path} is damaged or cut short ({error}); get the file again.") from error


@dataclass
class _Budget:
    """How many bytes and entries may still come out of an archive."""

    path: Path
    left: int
    entries: int

    def spend(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise DiffuscopeError(
                f"{self.path} was refused: it unpacks to more than {MOST_SWELLING} times its "
                f"size, which weights do not; {GET_AGAIN} from its authors."
            )

    def entry(self) -> None:
        self.entries -= 1
        if self.entries < 0:
            raise DiffuscopeError(
                f"{self.path} was refused: it holds more than {MOST_ENTRIES} files; "
                "unpack it and import the model in it."
            )


def _unpack_zip(path: Path, folder: Path, budget: _Budget) -> None:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            budget.entry()
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refused(path, info.filename, "is a link or device")
            if info.flag_bits & 1:
                raise _refused(path, info.filename, "is encrypted")
            target = _target(path, folder, info.filename)
            if target is None or info.is_dir():
                continue
            with archive.open(info) as source:
                _copy(source, target, budget)


def _unpack_tar(path: Path, folder: Path, budget: _Budget) -> None:
    with _plain(path) as source, tarfile.open(fileobj=_Counted(source, budget), mode="r|") as archive:  # type: ignore[call-overload]
        for member in archive:
            budget.entry()
            if not (member.isfile() or member.isdir()):
                raise _refused(path, member.name, "is a link or device")
            target = _target(path, folder, member.name)
            content = archive.extractfile(member) if member.isfile() else None
            if target is not None and content is not None:
                _copy(content, target, None)


@contextmanager
def _plain(path: Path) -> Iterator[IO[bytes]]:
    """The archive, unpacked as it is read."""
    with path.open("rb") as file:
        head = file.read(8)
        file.seek(0)
        for magic, opener in _PACKERS:
            if head.startswith(magic):
                with opener(file) as unpacked:
                    yield unpacked
                return
        yield file


class _Counted:
    """A stream that stops where the budget ends, so that not even a table of contents can fill the memory."""

    def __init__(self, source: IO[bytes], budget: _Budget) -> None:
        self._source, self._budget = source, budget

    def read(self, count: int) -> bytes:
        data = self._source.read(count)
        self._budget.spend(len(data))
        return data


def _target(path: Path, folder: Path, name: str) -> Path | None:
    """Where an entry goes; ``None`` for what macOS adds."""
    posix = PurePosixPath(name.replace("\\", "/"))
    if leads_out(name):
        raise _refused(path, name, "would be written outside of the folder")
    if not posix.parts or posix.parts[0] == "__MACOSX" or posix.name.startswith("._"):
        return None
    return folder.joinpath(*posix.parts)


def _copy(source: IO[bytes], target: Path, budget: _Budget | None) -> None:
    with writing(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        file = target.open("xb")
    try:
        while chunk := source.read(_CHUNK):
            if budget is not None:
                budget.spend(len(chunk))
            with writing(target.parent):  # not to be taken for damage of the archive
                file.write(chunk)
                file.flush()
    finally:
        with writing(target.parent):
            file.close()


def _refused(path: Path, name: str, why: str) -> DiffuscopeError:
    way_on = f"{GET_AGAIN} from its authors" if "outside" in why else "unpack it and import the model in it"
    return DiffuscopeError(f"{path} was refused: its entry {name!r} {why}; {way_on}.")
