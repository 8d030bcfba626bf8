"""The hidden folder beside an output in which the output grows until it is complete."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from hashlib import sha256
from json import dumps
from pathlib import Path
from typing import Any

from napari_diffuscope.atomic import partial_path
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.blocks.journal import Journal, sync_folder
from napari_diffuscope.imaging.failures import writing
from napari_diffuscope.imaging.outputs import is_replaceable_zarr

JOURNAL = "journal"
COMPLETE = "complete"
CREATED = "created"
FORMAT = 1
"""Of the journal and of what lies beside it; a folder of another format is not continued."""


def identity_hash(identity: Mapping[str, Any]) -> str:
    """SHA-256 of settings that decide the content of an output, JSON-able, whatever their order."""
    return sha256(dumps(identity, sort_keys=True).encode()).hexdigest()


def discard(path: str | Path) -> bool:
    """Delete the unfinished output of that name, if there is one; what is finished stays.

    Returns
    -------
    bool
        Whether there was one.

    Raises
    ------
    DiffuscopeError
        If another process is writing it.
    """
    folder = partial_path(path)
    if not folder.is_dir():
        return False
    with writing(folder):
        journal = Journal(folder / JOURNAL, {})
        _remove(folder, journal)
    return True


class Partial:
    """An unfinished output: what is there of it, and the journal of what is done.

    Parameters
    ----------
    path
        Where the output will be.
    identity
        What decides its content, JSON-able.
    details
        What the first run chose and later runs keep (lengths of blocks), JSON-able.
    overwrite
        Whether an existing output is replaced, when the new one is complete, and whether an unfinished
        output of another identity is given up.

    Attributes
    ----------
    data
        Path of the file or folder that becomes the output.
    journal
        What is done.
    details
        Those of the first run.
    finished
        Whether the output already has its name.

    Raises
    ------
    DiffuscopeError
        If there is an output already, or an unfinished one of another identity, or the folder is missing; if what
        would be replaced is a folder that this program did not write, or has something else in it.
    """

    def __init__(
        self, path: Path, identity: Mapping[str, Any], details: Mapping[str, Any], *, overwrite: bool
    ) -> None:
        if not path.parent.is_dir():
            raise DiffuscopeError(
                f"The folder {str(path.parent)!r} does not exist; create it or choose another."
            )
        self.path = path.resolve()
        self.folder = partial_path(self.path)
        self.data = self.folder / "image"
        self._old = self.folder / "old"
        self._overwrite = overwrite
        header = {"format": FORMAT, "identity": identity_hash(identity), "details": dict(details)}
        with writing(self.path):
            begun = self.folder.is_dir()
        if not begun:
            self._check_free()
        with writing(self.folder):
            self.journal = self._opened(header)
        self.details: dict[str, Any] = self.journal.header["details"]
        self.finished = False
        try:
            with writing(self.folder):
                self._continue(header)
        except BaseException:
            self.journal.close()
            raise

    def _check_free(self) -> None:
        if not self.path.exists():
            return
        if not self._overwrite:
            raise DiffuscopeError(
                f"{str(self.path)!r} exists already; replace it with --overwrite (overwrite=True in Python), or "
                "choose another name."
            )
        if self.path.is_dir() and not is_replaceable_zarr(self.path):
            raise DiffuscopeError(
                f"{str(self.path)!r} is a folder that holds no Zarr image written by this program, or more than that, "
                "and is not replaced; choose another name."
            )

    def _opened(self, header: Mapping[str, Any]) -> Journal:
        """The journal, of this identity; anything beside a journal that has just begun is a leftover."""
        self.folder.mkdir(exist_ok=True)
        if os.listdir(self.folder) and not (self.folder / JOURNAL).is_file():
            raise DiffuscopeError(
                f"{str(self.folder)!r} is where the output would grow, but something else lies in it; "
                "choose another name."
            )
        journal = Journal(self.folder / JOURNAL, header)
        found = journal.header
        same = all(found.get(key) == header[key] for key in ("format", "identity"))
        if not same and not self._overwrite:
            journal.close()
            raise DiffuscopeError(
                f"An unfinished {str(self.path)!r} of other settings or another input is there; run it again as it was "
                "begun, start over with --overwrite (overwrite=True in Python), or choose another name."
            )
        if not same:
            journal.restart(header)
        if not journal.has(CREATED):
            self._clear()
        return journal

    def _continue(self, header: Mapping[str, Any]) -> None:
        """Finish what was interrupted while the output was given its name, or go on."""
        moved = self.journal.has(COMPLETE) and not self.data.exists()
        if moved and self.path.exists():
            _remove(self.folder, self.journal)
            self.finished = True
        elif moved:  # somebody took the finished output away: it is made again
            self.journal.restart(header)
            self._clear()
        else:
            self._check_free()

    def _clear(self) -> None:
        for one in (self.data, self._old):
            delete(one)

    def commit(self) -> None:
        """Give the output its name, and only then delete what it replaces."""
        self.check_there()
        if not self.path.exists() or self._overwrite:
            self.journal.add(COMPLETE)
        self._check_free()
        with writing(self.path):
            if self.path.exists():
                delete(self._old)
                os.replace(self.path, self._old)
            os.replace(self.data, self.path)
            sync_folder(self.path.parent)
            _remove(self.folder, self.journal)
        self.finished = True

    def check_there(self) -> None:
        """Refuse to go on where the unfinished output was deleted: what was written before is lost.

        Raises
        ------
        DiffuscopeError
            If it was.
        """
        if not self.journal.there:
            raise DiffuscopeError(
                f"The unfinished {str(self.path)!r} was deleted while it was being made; run it again."
            )

    def give_up(self) -> None:
        """Delete the unfinished output."""
        _remove(self.folder, self.journal)

    def close(self) -> None:
        """Leave the unfinished output to be continued."""
        self.journal.close()


def _remove(folder: Path, journal: Journal) -> None:
    """Delete a folder, its journal last: a folder without one is known to be worth nothing."""
    for one in folder.iterdir():
        if one.name != JOURNAL:
            delete(one)
    journal.close()
    journal.path.unlink()
    folder.rmdir()


def delete(path: Path) -> None:
    """Delete a file or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
