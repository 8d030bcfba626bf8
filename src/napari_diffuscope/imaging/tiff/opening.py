"""TIFF files opened with care: nothing on stderr, and no description believed that cannot be true."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import unpack
from typing import Any

from napari_diffuscope.errors import DiffuscopeError, one_line, shortened
from napari_diffuscope.imaging.failures import reading
from napari_diffuscope.imaging.memory import free_memory
from napari_diffuscope.imaging.tiff.ome import check_ome

KIND = "TIFF"
DESCRIPTION = 270
"""Code of the tag that holds OME-XML or ImageJ's metadata."""

_ALWAYS = 64 * 2**20
"""Bytes of a page that are believed, however small the file is."""
_RATIO = 5000
"""How many times larger than its file a compressed page may be; deflate reaches 1032."""

_ORDERED = tuple(f"is_{kind}" for kind in ("ome", "imagej", "shaped", "lsm", "mmstack", "ndtiff", "fluoview", "stk",
                                           "sis", "scanimage", "nih", "uniform"))  # fmt: skip
"""Kinds of files whose description puts pages into an order."""

_log = logging.getLogger(__name__)


class _ThisThread(logging.Filter):
    """Takes what one thread says from a logger; other threads, another reader's, keep theirs."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.thread != self._thread:
            return True
        _log.debug("tifffile: %s", record.getMessage())
        return False


@contextmanager
def quietly() -> Iterator[None]:
    """Keep tifffile's log off stderr: what matters in it is said by a note or an error of ours."""
    logger, aside = logging.getLogger("tifffile"), _ThisThread()
    logger.addFilter(aside)
    try:
        yield
    finally:
        logger.removeFilter(aside)


@contextmanager
def opened_tiff(path: Path) -> Iterator[tuple[Any, list[str]]]:
    """A file while it is open.

    Parameters
    ----------
    path
        The file.

    Yields
    ------
    tif : tifffile.TiffFile
        Whose series may be taken.
    notes : list of str
        What the user must be told; more may be added.

    Raises
    ------
    DiffuscopeError
        If the file is missing, no TIFF, cut off or damaged; also for what the block raises.
    """
    import tifffile

    notes: list[str] = []
    with reading(path, KIND), quietly(), tifffile.TiffFile(path) as tif:
        if not len(tif.pages):
            raise ValueError("it holds no image")
        _check_complete(tif)
        if tif.is_ome and (problem := check_ome(tif, path)):
            tif.is_ome = False
            notes.append(_as_they_lie(path, "OME description", problem))
        if problem := _order_fails(tif):
            with tifffile.TiffFile(path, **dict.fromkeys(_ORDERED, False)) as plain:
                notes.append(_as_they_lie(path, "description", problem))
                yield plain, notes
                return
        yield tif, notes


def _as_they_lie(path: Path, what: str, problem: str) -> str:
    return (
        f"The {what} of {path.name!r} is not used, for {problem}: its pages are read as they lie in the file, and "
        "sizes and channels that it names are not known."
    )


def _order_fails(tif: Any) -> str:
    """Why the pages cannot be put into the order of the description; empty where they can."""
    try:
        ordered = bool(tif.series)
    except Exception as error:  # whatever tifffile stumbles over
        return f"it does not fit the pages ({shortened(one_line(error))})"
    return "" if ordered else "it names no page"


def check_page(page: Any, path: Path) -> None:
    """Refuse a page that claims to be larger than its file or the memory can hold, before it is decoded.

    Raises
    ------
    DiffuscopeError
        If it is.
    """
    size, file = int(page.nbytes), int(page.parent.filehandle.size)
    most = max(_ALWAYS, file * (1 if page.compression == 1 else _RATIO))
    if size > most:
        raise ValueError(f"a page claims {size / 2**30:.1f} GiB in a file of {file / 2**20:.3g} MiB")
    if size > _ALWAYS and page.compression != 1 and size > (free := free_memory("cpu")):
        raise DiffuscopeError(
            f"A page of {path.name!r} is compressed as one piece of {size / 2**30:.1f} GiB, but only "
            f"{free / 2**30:.1f} GiB of memory are free; close other programs or convert the file to smaller pages."
        )


def _check_complete(tif: Any) -> None:
    """Refuse a file that was cut off, of which tifffile would show fewer pages or forget the description."""
    first, last = tif.pages[0], tif.pages[len(tif.pages) - 1]
    _, following = _directory(tif, last.offset)
    if following > last.offset:  # 0 at a proper end, an earlier page in some files of microscopes
        raise ValueError("the file ends before its last page")
    codes, _ = _directory(tif, first.offset)
    if DESCRIPTION in codes and DESCRIPTION not in first.tags:
        raise ValueError("the file ends before its description")


def _directory(tif: Any, offset: int) -> tuple[list[int], int]:
    """Codes of the tags of a page and the place of the next page, as they stand in the file."""
    layout, handle = tif.tiff, tif.filehandle
    handle.seek(offset)
    (count,) = unpack(layout.tagnoformat, handle.read(layout.tagnosize))
    tags = handle.read(count * layout.tagsize)
    (following,) = unpack(layout.offsetformat, handle.read(layout.offsetsize))
    starts = range(0, len(tags), layout.tagsize)
    return [unpack(layout.byteorder + "H", tags[start : start + 2])[0] for start in starts], following
