"""Commands in processes of their own, which can be killed, and starved of disk without harm to the machine.

Processes are forked from one that has imported torch, so that starting one costs little.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Literal

Starved = Literal["nothing", "full", "limited", "readonly"]
"""``full``: the folder lies on a disk of 48 KiB. ``limited``: no file may grow beyond 4 KiB. ``readonly``: the folder
lies on a disk that takes nothing."""

PRELOADED = (
    "napari_diffuscope.cli",
    "napari_diffuscope.cli.outputs",
    "napari_diffuscope.methods.restore.job",
    "napari_diffuscope.methods.superres.job",
    "napari_diffuscope.methods.storing",
    "napari_diffuscope.methods.shape.destination",
    "napari_diffuscope.training.loop",
    "tests.fuzz.processes",
)

CANNOT_MOUNT = 77
"""Exit code of a process that was to get a disk of its own and may not."""

_NEW_MOUNTS, _NEW_USER = 0x00020000, 0x10000000
_READ_ONLY, _RECURSIVE, _PRIVATE, _REMOUNT = 1, 0x4000, 1 << 18, 32


def server() -> Any:
    """The context whose processes start quickly."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    return context


class Command:
    """One run of ``diffuscope``.

    Parameters
    ----------
    words
        After the program's name.
    folder
        Where it writes.
    log
        File for what it says; ``log`` with the suffix ``.left`` gets the names of what lay in the folder at its end,
        seen from within its own disk.
    starved
        Of what it is deprived.
    """

    def __init__(self, words: Sequence[Any], folder: Path, log: Path, starved: Starved = "nothing") -> None:
        self.log, self._left = log, log.with_suffix(".left")
        arguments = ([str(word) for word in words], str(folder), str(log), str(self._left), starved)
        self.process: ForkServerProcess = server().Process(target=_child, args=arguments)
        self.process.start()

    def until(self, sign: Callable[[], bool], seconds: float = 120) -> bool:
        """Wait for a sign; whether it came before the process ended."""
        ends = time.monotonic() + seconds
        while self.process.is_alive() and time.monotonic() < ends:
            if sign():
                return True
            time.sleep(0.002)
        return False

    def send(self, number: int) -> None:
        """Send a signal, if it still lives."""
        if self.process.is_alive() and self.process.pid is not None:
            os.kill(self.process.pid, number)

    def ended(self, seconds: float = 240) -> int:
        """Its exit code; negative for the signal that ended it."""
        self.process.join(seconds)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
            raise AssertionError(f"still running after {seconds} s: {self.said()[-500:]}")
        return self.process.exitcode

    def said(self) -> str:
        """What it wrote to its screen."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def left(self) -> list[str]:
        """What lay in its folder at the end."""
        return self._left.read_text().splitlines() if self._left.exists() else []


def _child(words: list[str], folder: str, log: str, left: str, starved: Starved) -> None:
    screen = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    report = os.open(left, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number in (1, 2):
        os.dup2(screen, number)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for ignored in (signal.SIGTERM, signal.SIGHUP):  # maybe by what started the tests, and inherited
        signal.signal(ignored, signal.SIG_DFL)
    if starved in ("full", "readonly") and not _own_disk(folder, starved):
        os._exit(CANNOT_MOUNT)
    if starved == "limited":
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    try:
        code = _run(words)
    finally:
        if starved == "limited":
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        os.write(report, "\n".join(sorted(map(str, _names(Path(folder))))).encode())
    sys.exit(code)


def _run(words: list[str]) -> int:
    import torch

    from napari_diffuscope.cli import main
    from napari_diffuscope.cli.signals import late_signals_change_nothing

    torch.set_num_threads(1)
    late_signals_change_nothing()  # as the program does
    try:
        main(words)
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def _names(folder: Path) -> list[Path]:
    return [path.relative_to(folder) for path in folder.rglob("*")]


def _own_disk(folder: str, starved: Starved) -> bool:
    """A small disk on a folder that this process alone sees, and that is gone with it."""
    library = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if library.unshare(_NEW_MOUNTS) != 0:
        if library.unshare(_NEW_MOUNTS | _NEW_USER) != 0:
            return False
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    library.mount(b"none", b"/", None, _RECURSIVE | _PRIVATE, None)
    if library.mount(b"tmpfs", folder.encode(), b"tmpfs", 0, b"size=48k") != 0:
        return False
    return (
        starved == "full" or library.mount(b"none", folder.encode(), None, _REMOUNT | _READ_ONLY, None) == 0
    )
