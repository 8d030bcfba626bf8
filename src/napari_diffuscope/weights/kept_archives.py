"""Archives stay unpacked while somebody is at work on them: once for all looks, comparisons and the import."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from napari_diffuscope.imaging.failures import writing
from napari_diffuscope.locks import RUNNING, lock, open_alone, take_away
from napari_diffuscope.weights.unpack import unpack

PREFIX = "diffuscope-archive-"
SECONDS_UNTOUCHED = 60.0
"""How old a folder is at least that counts as left behind: one that is being made has no lock for a moment."""

_Key = tuple[str, int, int]


@dataclass(eq=False)
class _Unpacked:
    temporary: tempfile.TemporaryDirectory[str]
    running: BinaryIO
    users: int = 0

    @property
    def folder(self) -> Path:
        return Path(self.temporary.name) / "content"

    def remove(self) -> None:
        take_away(self.running, Path(self.temporary.name) / RUNNING)
        self.temporary.cleanup()


class _Shelf:
    """What is unpacked in this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.keepers = 0
        self.archives: dict[_Key, _Unpacked] = {}

    def take_unused(self) -> list[_Unpacked]:
        """Take away what nobody uses: all, or, where archives are kept, all but the newest."""
        unused = [key for key, archive in self.archives.items() if not archive.users]
        if self.keepers and unused and unused[-1] == list(self.archives)[-1]:
            unused.pop()
        return [self.archives.pop(key) for key in unused]


_shelf = _Shelf()


@contextmanager
def keeping_archives() -> Iterator[None]:
    """Keep the archive that is used last unpacked until this ends, and then remove it."""
    with _shelf.lock:
        _shelf.keepers += 1
    try:
        yield
    finally:
        with _shelf.lock:
            _shelf.keepers -= 1
            unused = _shelf.take_unused()
        for archive in unused:
            archive.remove()


class ArchiveKeeper:
    """Keeps archives unpacked from :meth:`keep` until :meth:`let_go`, where no block of code holds them."""

    def __init__(self) -> None:
        self._kept = ExitStack()

    def keep(self) -> None:
        """As :func:`keeping_archives` does, from now on."""
        self._kept.enter_context(keeping_archives())

    def let_go(self) -> None:
        """Remove what was kept: in a thread, for what is large takes a moment."""
        threading.Thread(target=self._kept.pop_all().close).start()


@contextmanager
def unpacked_folder(source: Path) -> Iterator[Path]:
    """A folder with what is in an archive; nothing may be written to it.

    Parameters
    ----------
    source
        The archive. One that changed since it was unpacked is unpacked anew.

    Raises
    ------
    DiffuscopeError
        As :func:`~napari_diffuscope.weights.unpack.unpack` does.
    """
    archive = _taken(source)
    try:
        yield archive.folder
    finally:
        with _shelf.lock:
            archive.users -= 1
            unused = _shelf.take_unused()
        for one in unused:
            one.remove()


def _taken(source: Path) -> _Unpacked:
    status = source.stat()
    key = (str(source.resolve()), status.st_size, status.st_mtime_ns)
    with _shelf.lock:
        if key in _shelf.archives:
            _shelf.archives[key].users += 1
            return _shelf.archives[key]
    fresh = _unpacked_now(source)
    with _shelf.lock:
        archive = _shelf.archives.setdefault(key, fresh)
        archive.users += 1
    if archive is not fresh:  # another thread was faster
        fresh.remove()
    return archive


def _unpacked_now(source: Path) -> _Unpacked:
    remove_left_behind()
    with writing(Path("the folder for temporary files")):
        temporary = tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True)
        archive = _Unpacked(temporary, open_alone(Path(temporary.name) / RUNNING, Path(temporary.name)))
    try:
        archive.folder.mkdir()
        unpack(source, archive.folder)
    except BaseException:
        archive.remove()
        raise
    return archive


def remove_left_behind() -> None:
    """Remove what processes left that were killed: nobody has it locked any more."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # another user's
            if time.time() - folder.stat().st_mtime < SECONDS_UNTOUCHED:
                continue
            with (folder / RUNNING).open("r+b") as running:
                ended = lock(running)
            if ended:
                shutil.rmtree(folder, ignore_errors=True)
