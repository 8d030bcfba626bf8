"""Failing files explained in one sentence."""

from __future__ import annotations

import errno
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_diffuscope.errors import DiffuscopeError

_BROKEN = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    NotImplementedError,
    EOFError,
    OSError,
    struct.error,
    zlib.error,
)
"""What readers raise on files that are not what they seem; a library's choice, not ours."""


def _short(error: BaseException) -> str:
    """The reason in a few words without a full stop, to be put into a sentence."""
    text = " ".join(str(error).split()).rstrip(".").replace(". ", "; ")
    return text[:200] or type(error).__name__


@contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Turn what goes wrong while a file is read into a `DiffuscopeError`.

    Parameters
    ----------
    path
        The file.
    kind
        What it should be, ``"TIFF"``.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise DiffuscopeError(f"There is no file {str(path)!r}; check the path.") from error
    except PermissionError as error:
        raise DiffuscopeError(f"The file {str(path)!r} may not be read; check its permissions.") from error
    except IsADirectoryError as error:
        raise DiffuscopeError(f"{str(path)!r} is a folder, not a {kind} file; choose a file.") from error
    except _BROKEN as error:
        if "imagecodecs" in str(error):
            raise DiffuscopeError(
                f"The compression of {str(path)!r} needs another package; run: pip install imagecodecs."
            ) from error
        raise DiffuscopeError(
            f"{str(path)!r} cannot be read as a {kind} file ({_short(error)}); "
            "it may be damaged, incomplete or of another type."
        ) from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what goes wrong while a file is written into a `DiffuscopeError`."""
    try:
        yield
    except OSError as error:
        reason = (
            "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror or error
        )
        raise DiffuscopeError(
            f"{str(path)!r} could not be written ({reason}); choose another folder or make room."
        ) from error
