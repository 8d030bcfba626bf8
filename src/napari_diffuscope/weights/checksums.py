"""SHA-256 of large files: computed once and remembered, as long as nobody writes to the file. Free of torch."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

from napari_diffuscope.atomic import replace_text
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.shared_preferences import cache_folder

REMEMBERED = "checksums.json"
LEAST_BYTES = 1 << 24
"""Smaller files are read through each time: that takes no longer than looking it up."""

_CHUNK = 1 << 22
_RECENT = 2.0
_MOST = 1000

_known: dict[str, str] = {}


def hashed(path: Path) -> Generator[tuple[int, int], None, str]:
    """SHA-256 of a file, hexadecimal; yields bytes done and of the whole file."""
    digest, done, total = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            yield done, total
    return digest.hexdigest()


def checked_once(path: Path) -> str:
    """SHA-256 of a file, which is read through at the first time alone.

    It is known again by its place, size, time of writing and number on the disk; one that was written in these seconds
    is not remembered, since it might be written once more without a trace.
    """
    status = path.stat()
    if status.st_size < LEAST_BYTES:
        return _through(path)
    key = f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}|{status.st_ino}"
    if key not in _known:
        _known.update(_stored())
    if key not in _known:
        digest = _through(path)
        if time.time() - status.st_mtime < _RECENT or path.stat().st_mtime_ns != status.st_mtime_ns:
            return digest
        _remember(key, digest)
    return _known[key]


def _through(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stored() -> dict[str, str]:
    with suppress(OSError, ValueError, AttributeError):
        values = json.loads((cache_folder() / REMEMBERED).read_text(encoding="utf-8"))
        return {str(key): str(value) for key, value in values.items()}
    return {}


def _remember(key: str, digest: str) -> None:
    """In this process and for those that follow; a file that cannot be written is no loss."""
    _known[key] = digest
    kept = dict(list((_stored() | {key: digest}).items())[-_MOST:])
    with suppress(OSError, DiffuscopeError):
        cache_folder().mkdir(parents=True, exist_ok=True)
        replace_text(cache_folder() / REMEMBERED, json.dumps(kept, indent=1) + "\n")
