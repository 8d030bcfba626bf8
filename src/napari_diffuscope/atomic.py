"""Files that are replaced all or nothing."""

from __future__ import annotations

from pathlib import Path


def replace_text(path: Path, text: str, *, newline: str | None = None) -> None:
    """Write a file beside its place, then give it its name: a reader sees the old text or the new one.

    Parameters
    ----------
    path
        Of the file; its folder exists.
    text
        All of it, in UTF-8.
    newline
        As of :func:`open`.

    Raises
    ------
    OSError
        If it cannot be written; nothing is left behind then.
    """
    temporary = _beside(path)
    try:
        temporary.write_text(text, encoding="utf-8", newline=newline)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def replace_bytes(path: Path, content: bytes) -> None:
    """The same for a file of bytes.

    Raises
    ------
    OSError
        If it cannot be written; nothing is left behind then.
    """
    temporary = _beside(path)
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")
