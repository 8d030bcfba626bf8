"""Failing files explained in one sentence: the one edge at which what libraries raise is caught."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_diffuscope.errors import DiffuscopeError, OutOfRoom, one_line, quoted, shortened

_LONGEST_PATH = 120
_LONGEST_REASON = 90
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SPECIAL = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@contextmanager
def reading(path: str | os.PathLike[str], kind: str) -> Iterator[None]:
    """Turn whatever is raised while a file is read into a `DiffuscopeError` that names it.

    Wrap every piece of code that reads a file or looks into what was read, late readings of lazy images included.
    Libraries raise what they like on damaged files, so everything is caught but the wish to stop. A
    `DiffuscopeError` from inside passes; if it does not name the file, the file is put before it.

    Parameters
    ----------
    path
        The file or folder. Anything but these, a pipe or a device, is refused before it is opened: reading it
        might never end.
    kind
        What it should be, ``"TIFF"``, ``"image"``, ``"training images"``.

    Raises
    ------
    DiffuscopeError
        One sentence of at most 300 characters.
    """
    with _named(path, lambda error: _reading_failed(path, kind, error)):
        refuse_special(path)
        yield


@contextmanager
def reading_pixels(name: str) -> Iterator[None]:
    """Turn whatever is raised while pixels of a lazy image are read into a `DiffuscopeError` that names it.

    Parameters
    ----------
    name
        The file, or what the image is called.
    """

    def sentence(error: BaseException) -> str:
        return (
            f"The pixels of {name_of(name)} cannot be read ({_reason(error)}); "
            "the file behind them may be damaged, incomplete or gone."
        )

    with _named(name, sentence):
        yield


@contextmanager
def _named(path: str | os.PathLike[str], sentence: Callable[[BaseException], str]) -> Iterator[None]:
    """Whatever is raised inside becomes a `DiffuscopeError` that names the file."""
    try:
        yield
    except DiffuscopeError as error:
        named = _naming(path, error)
        if named is error:
            raise
        raise named from error
    except BaseException as error:
        if not _is_failure(error):
            raise
        raise DiffuscopeError(sentence(error)) from error


def _is_failure(error: BaseException) -> bool:
    """Whether an error is one, and not Ctrl-C or a generator that is closed."""
    # What a library written in Rust raises where it meets a fault of its own is no Exception.
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def refuse_special(path: str | os.PathLike[str]) -> None:
    """Refuse pipes, sockets and devices; what is not there is left to those who open it.

    Raises
    ------
    DiffuscopeError
        If it is no regular file or folder.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    if special := _SPECIAL.get(stat.S_IFMT(mode)):
        raise DiffuscopeError(
            f"{name_of(path)} is {special}, not a file, so reading it might never end; choose a file."
        )


def refuse_address(path: str | os.PathLike[str]) -> None:
    """Refuse addresses of the web: only files of this computer are read.

    Raises
    ------
    DiffuscopeError
        If it is one, be it that a slash was lost when it became a path.
    """
    if address := re.match(r"([a-z][a-z0-9+.-]+):/{1,2}(?=[^/])", os.fspath(path), re.IGNORECASE):
        whole = f"{address[1]}://{os.fspath(path)[address.end() :]}"
        raise DiffuscopeError(
            f"{quoted(whole, _LONGEST_PATH)} is an address, but only files of this computer are read; "
            "download it and choose the file or folder."
        )


def name_of(path: str | os.PathLike[str]) -> str:
    """A path as a sentence shows it: in quotes, its middle left out where it is long."""
    return quoted(os.fspath(path), _LONGEST_PATH)


def _naming(path: str | os.PathLike[str], error: DiffuscopeError) -> DiffuscopeError:
    """The error itself if it names the file, else one that does."""
    name = Path(path).name
    if name in str(error) or name_of(path) in str(error) or quoted(name)[1:-1] in str(error):
        return error
    return type(error)(f"{name_of(path)}: {error}")


def _reading_failed(path: str | os.PathLike[str], kind: str, error: BaseException) -> str:
    file = name_of(path)
    match error:
        case FileNotFoundError() if _is_about(error, path):
            return f"There is no file {file}; check the path."
        case FileNotFoundError():
            return (
                f"There is no file {name_of(error.filename)}, which {file} needs; put it back in its place."
            )
        case PermissionError():
            return f"The file {file} may not be read; check its permissions."
        case IsADirectoryError() if _is_about(error, path):
            return f"{file} is a folder, not {_a_file(kind)}; choose a file."
        case MemoryError():
            return (
                f"{file} needs more memory than there is ({_reason(error)}); "
                "it may be damaged, or take a smaller part of it."
            )
        case OSError(errno=errno.ELOOP):
            return f"{file} is a link that leads back to itself; mend the link."
        case ImportError():
            return f"{file} needs a package that is missing ({_reason(error)}); install it with pip."
    if "imagecodecs" in _said(error):
        return f"The compression of {file} needs another package; run: pip install imagecodecs."
    return (
        f"{file} cannot be read as {_a_file(kind)} ({_reason(error)}); "
        "it may be damaged, incomplete or of another type."
    )


def _a_file(kind: str) -> str:
    """``a TIFF file``, ``an image file``, ``an ND2 file``, ``a file of real images``."""
    if kind.endswith("images"):
        return f"a file of {kind}"
    spelled = re.split(r"[ -]", kind)[0].isupper()
    vowel = kind[:1] in "AEFHILMNORSX" if spelled else kind[:1].lower() in "aeiou"
    return f"{'an' if vowel else 'a'} {kind} file"


def _is_about(error: OSError, path: str | os.PathLike[str]) -> bool:
    """Whether it is the file itself that is missing, and not one that it points to."""
    return error.filename is None or os.fspath(error.filename) == os.fspath(path) or not os.path.exists(path)


def _reason(error: BaseException) -> str:
    """What a library says, in a few words without a full stop, to be put into a sentence."""
    return shortened(_said(error), _LONGEST_REASON) or type(error).__name__


def _said(error: BaseException) -> str:
    if isinstance(error, KeyError) and error.args:
        return one_line(f"there is no {quoted(error.args[0])} in it")
    try:
        return one_line(error).rstrip(".").replace(". ", "; ")
    except Exception:  # an error that cannot describe itself
        return ""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what goes wrong while a file is written into a `DiffuscopeError`.

    Parameters
    ----------
    path
        The file or folder.
    """
    try:
        yield
    except OSError as error:
        raise unwritten(path, error) from error
    except Exception as error:
        if not _is_full(error):
            raise
        raise unwritten(path, error) from error


def unwritten(path: Path, error: BaseException) -> DiffuscopeError:
    """The sentence for a file that could not be written."""
    kind = OutOfRoom if _is_full(error) else DiffuscopeError
    return kind(
        f"{name_of(path)} could not be written ({reason(error)}); choose another folder or make room."
    )


def reason(error: BaseException) -> str:
    """Why a file could not be written, in a few words."""
    if _is_full(error):
        return "the disk is full"
    return error.strerror or _reason(error) if isinstance(error, OSError) else _reason(error)


def _is_full(error: BaseException) -> bool:
    """Whether there was no room; libraries say so in words alone, or stumble over what did not get written."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _FULL
    if "No space left on device" in str(error) or "File too large" in str(error):
        return True
    before = error.__cause__ or error.__context__
    return before is not None and _is_full(before)


def in_bytes(count: int) -> str:
    """A number of bytes in words, ``1.2 GB``."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
