"""A file from the web: it goes on where it was cut, and can be left at any moment. Free of torch."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import in_bytes, name_of, writing
from napari_diffuscope.imaging.room import check_room

PATIENCE = 30.0
"""Seconds without a byte after which a server is given up."""

TRIES = 4
"""How often a cut connection is made anew without anything having arrived since."""

PAUSE = 0.5
"""Seconds before a cut connection is made anew."""

_CHUNK = 1 << 16
_POLL = 0.05


class _Cut(Exception):
    """The connection ended before the file did."""


@dataclass(frozen=True)
class _Answer:
    """What a server says before the content."""

    status: int
    headers: Mapping[str, str]
    address: str


class _Reader:
    """Reads a response in a thread of its own, so that whoever waits for it can do something else, or go."""

    def __init__(self, address: str, headers: Mapping[str, str], patience: float) -> None:
        self.items: queue.Queue[_Answer | bytes | Exception | None] = queue.Queue(maxsize=64)
        self._gone = threading.Event()
        self._request = (address, dict(headers), patience)
        threading.Thread(target=self._read, daemon=True, name="diffuscope-download").start()

    def close(self) -> None:
        self._gone.set()

    def _read(self) -> None:
        import requests

        address, headers, patience = self._request
        try:
            with requests.get(
                address, headers=headers, stream=True, timeout=(patience, patience)
            ) as response:
                self._put(_Answer(response.status_code, response.headers, response.url))
                if response.status_code in (200, 206):
                    self._read_content(response.raw)
            self._put(None)
        except Exception as error:  # whatever it is, it is said where somebody waits
            self._put(error)

    def _read_content(self, raw: Any) -> None:
        """What has come, as it comes: of a cut connection nothing is lost."""
        read = getattr(raw, "read1", raw.read)  # urllib3 before 2.1 has none
        try:
            while not self._gone.is_set() and (chunk := read(_CHUNK)):
                self._put(chunk)
        except Exception as error:
            raise _Cut("the connection was cut") from error

    def _put(self, item: _Answer | bytes | Exception | None) -> None:
        while not self._gone.is_set():
            with suppress(queue.Full):
                self.items.put(item, timeout=_POLL)
                return


def fetch(
    address: str, part: Path, *, name: str, checked: bool, patience: float = PATIENCE
) -> Generator[tuple[int, int], None, None]:
    """Bring a file from the web to this computer.

    What has arrived lies at ``part`` whatever happens, and is gone on with at the next time where the server allows
    it and it is known to be the same file.

    Parameters
    ----------
    address
        Of the file, ``http`` or ``https``.
    part
        Where it grows; beside it lies what the server said of it.
    name
        What the user calls it, for sentences.
    checked
        Whether it is compared with a checksum afterwards: then a server that does not say which version it
        gives may be asked for the rest.
    patience
        Seconds without a byte after which a server is given up.

    Yields
    ------
    tuple of int
        Bytes that are there, and of the whole file; 0 while that is unknown. Several times a second, so that the
        generator can be closed at any moment.

    Raises
    ------
    DiffuscopeError
        One sentence: what the server said, that it says nothing, that the disk is full.
    """
    failures = 0
    while True:
        before = _size_of(part)
        try:
            return (yield from _fetch_once(address, part, name, checked, patience))
        except _Cut as cut:
            failures = 0 if _size_of(part) > before else failures + 1
            if failures >= TRIES:
                raise DiffuscopeError(_cut_sentence(address, part, name, str(cut))) from cut
        began = time.monotonic()
        while time.monotonic() - began < PAUSE:
            yield _size_of(part), 0
            time.sleep(_POLL)


def _cut_sentence(address: str, part: Path, name: str, why: str) -> str:
    arrived = _size_of(part)
    rest = f"; {in_bytes(arrived)} are here, and the next try goes on from there" if arrived else ""
    return f"{host_of(address)} does not give {name} away ({why}){rest}; check the connection and try again."


def _fetch_once(
    address: str, part: Path, name: str, checked: bool, patience: float
) -> Generator[tuple[int, int], None, None]:
    with writing(part):
        part.parent.mkdir(parents=True, exist_ok=True)
    start, wanted = _resume(address, part, checked)
    reader = _Reader(
        address, {"Accept-Encoding": "identity", "User-Agent": "napari-diffuscope", **wanted}, patience
    )
    try:
        answer = yield from _next(reader, start, 0, patience)
        assert isinstance(answer, _Answer)
        if answer.status == 416 and start:
            if answer.headers.get("Content-Range", "").rpartition("/")[2] == str(start):
                return  # all of it had arrived
            forget(part)
            raise _Cut("what had arrived is another file")
        _check_answer(answer, address, name)
        if answer.status == 200:
            start = 0
        length = answer.headers.get("Content-Length", "")
        total = start + int(length) if length.isdigit() else 0
        check_room(
            part.parent,
            total - start,
            what=name,
            where=f"in {name_of(part.parent)}",
            instead="choose another folder for downloads (DIFFUSCOPE_CACHE, or the preferences)",
        )
        with writing(part):
            _note(part, address, answer)
            file = part.open("r+b" if start else "wb")
        with file:
            file.seek(start)
            yield from _written(reader, file, start, total, patience, part)
    finally:
        reader.close()
    if total and _size_of(part) != total:
        raise _Cut("the connection ended too early")


def _written(
    reader: _Reader, file: BinaryIO, done: int, total: int, patience: float, part: Path
) -> Generator[tuple[int, int], None, None]:
    while (chunk := (yield from _next(reader, done, total, patience))) is not None:
        assert isinstance(chunk, bytes)
        with writing(part):
            file.write(chunk)
            if reader.items.empty():
                file.flush()
        done += len(chunk)
        if total and done > total:
            raise DiffuscopeError(f"The server sends more of {name_of(part)} than it said; try again later.")
        yield done, total


def _next(
    reader: _Reader, done: int, total: int, patience: float
) -> Generator[tuple[int, int], None, _Answer | bytes | None]:
    """The next thing that a server says; waits no longer than it is patient."""
    began = time.monotonic()
    while True:
        try:
            item = reader.items.get(timeout=_POLL)
        except queue.Empty:
            if time.monotonic() - began > patience:
                raise _Cut(f"nothing has come for {patience:.0f} s") from None
            yield done, total
            continue
        if isinstance(item, Exception):
            raise _failure(item) from item
        return item


def _failure(error: Exception) -> Exception:
    """What a library raised, as a cut that may mend itself or as a sentence."""
    import requests

    if isinstance(error, requests.exceptions.TooManyRedirects):
        return DiffuscopeError(
            "The address leads on without an end; look for another one on the page of the model."
        )
    if isinstance(error, requests.exceptions.SSLError):
        return DiffuscopeError(
            "The certificate of the server is not trusted here, so that nothing was downloaded; ask who looks after "
            "your network, or download it in a browser and import the file."
        )
    if isinstance(error, requests.exceptions.Timeout):
        return _Cut("it does not answer")
    if isinstance(error, requests.exceptions.ConnectionError):
        return _Cut("the connection was cut, or there is none")
    if isinstance(error, requests.exceptions.RequestException):
        return DiffuscopeError("The address cannot be read; correct it.")
    return error


def _check_answer(answer: _Answer, address: str, name: str) -> None:
    """Refuse what is not the file."""
    host = host_of(address)
    if address.startswith("https:") and not answer.address.startswith("https:"):
        raise DiffuscopeError(
            f"{host} leads to an address without encryption for {name}, which is not followed; download it by hand."
        )
    match answer.status:
        case 200 | 206:
            if answer.headers.get("Content-Type", "").startswith("text/html"):
                raise DiffuscopeError(
                    f"{host} answers with a web page instead of {name}; open the address in a browser, download the "
                    "file there and import it."
                )
        case 401 | 403:
            raise DiffuscopeError(
                f"{host} does not give {name} away to everybody ({answer.status}); open its page in a browser, sign in "
                "or accept its terms, download the file there and import it."
            )
        case 404 | 410:
            raise DiffuscopeError(
                f"{host} has {name} no more at this address ({answer.status}); look on its page for where it went."
            )
        case 429:
            raise DiffuscopeError(f"{host} was asked too often for {name} (429); try again in some minutes.")
        case status if status >= 500:
            raise DiffuscopeError(f"{host} cannot give {name} away just now ({status}); try again later.")
        case status:
            raise DiffuscopeError(f"{host} answers {status} instead of {name}; check the address.")


def _note_of(part: Path) -> Path:
    return part.with_name(part.name + ".from")


def _note(part: Path, address: str, answer: _Answer) -> None:
    """Keep which version of the file grows."""
    tags = {name: answer.headers.get(name, "") for name in ("ETag", "Last-Modified")}
    _note_of(part).write_text(json.dumps({"address": address, **tags}), encoding="utf-8")


def _resume(address: str, part: Path, checked: bool) -> tuple[int, dict[str, str]]:
    """Where to go on, and how to ask for that; from the beginning where nobody can tell that it is the same file."""
    start = _size_of(part)
    try:
        noted = json.loads(_note_of(part).read_text(encoding="utf-8"))
        same = noted["address"] == address
        tag, date = str(noted["ETag"]), str(noted["Last-Modified"])
    except (OSError, ValueError, LookupError, TypeError):
        return 0, {}
    version = tag if tag and not tag.startswith("W/") else date
    if not start or not same or not (version or checked):
        return 0, {}
    wanted = {"Range": f"bytes={start}-"}
    return start, wanted | ({"If-Range": version} if version else {})


def forget(part: Path) -> None:
    """Delete what has arrived of a file."""
    for path in (part, _note_of(part)):
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def host_of(address: str) -> str:
    """The server of an address."""
    return urlsplit(address).hostname or address
