"""A server of models on this computer that misbehaves as servers do."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class ModelServer(ThreadingHTTPServer):
    """Gives one file away under several addresses; counts what it was asked for."""

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = content
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.asked: list[tuple[str, str]] = []
        self.ended = threading.Event()
        self.record: dict[str, Any] = {}

    def address(self, place: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{place}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that leave are no fault."""


class _Handler(BaseHTTPRequestHandler):
    server: ModelServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        place = self.path.strip("/").partition(".")[0].partition("/")[0]
        self.server.asked.append((place, self.headers.get("Range", "")))
        with suppress(OSError):
            getattr(self, f"_{place}", self._number)()

    def _file(self, *, until: int | None = None, pause: float = 0.0) -> None:
        content, start = self.server.content, 0
        wanted = self.headers.get("Range", "")
        if wanted and self.headers.get("If-Range", '"one"') == '"one"':
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", '"one"')
        self.end_headers()
        part = content[start:until]
        for piece in (part[i : i + 4096] for i in range(0, len(part), 4096)):
            self.wfile.write(piece)
            time.sleep(pause)
        if until is not None:
            self._hang_up()

    def _hang_up(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _whole(self) -> None:
        self._file()

    def _cut(self) -> None:
        """Half of what is asked for, then the line is dead."""
        wanted = self.headers.get("Range", "")
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        self._file(
            until=(start + len(self.server.content)) // 2 if start < len(self.server.content) * 0.8 else None
        )

    def _dead(self) -> None:
        """Nothing but the beginning, whatever is asked for."""
        if self.headers.get("Range"):
            self._hang_up()
        else:
            self._file(until=1000)

    def _drip(self) -> None:
        self._file(pause=0.005)

    def _silent(self) -> None:
        self.server.ended.wait(20)

    def _doi(self) -> None:
        """What doi.org says: it leads to the page of the archive, or knows nothing."""
        known = "10.5281/zenodo.7" in self.path
        self._answer(302 if known else 404, b"", Location=self.server.address("page/7"))

    def _page(self) -> None:
        self._answer(200, b"<html>", **{"Content-Type": "text/html"})

    def _api(self) -> None:
        """What an archive says of a record."""
        links = {"self": self.server.address("whole/content")}
        record = {"id": 7, "files": [{"key": "model.zip", "links": links}]}
        self._answer(200, json.dumps(self.server.record or record).encode())

    def _answer(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _moved(self) -> None:
        self.send_response(302)
        self.send_header("Location", "/whole.zip")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _round(self) -> None:
        self.send_response(302)
        self.send_header("Location", "/round.zip")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _page(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"<html")

    def _number(self) -> None:
        """The status that the address names."""
        self.send_response(int(self.path.strip("/").partition(".")[0]))
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def serving(content: bytes) -> Iterator[ModelServer]:
    """A server as long as the block runs."""
    server = ModelServer(content)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
