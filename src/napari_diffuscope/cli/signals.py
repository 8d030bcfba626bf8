"""Being told to stop: by Ctrl-C, SIGTERM or SIGHUP, all of which clean up."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

_told: list[int] = []
"""The first signal to stop that came, if one did."""

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


class Stopped(KeyboardInterrupt):
    """The process was told to stop by a signal.

    Parameters
    ----------
    number
        Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def exit_code(stop: KeyboardInterrupt) -> int:
    """What shells expect of a program that ended so: 128 and the number of the signal."""
    return 128 + getattr(stop, "number", int(signal.SIGINT))


@contextmanager
def handling(handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Let a function handle the signals to stop, but for those that the process was started to ignore."""
    before: dict[int, Any] = {}
    try:
        for number in _numbers():
            before[number] = signal.signal(number, handler)
    except ValueError:  # not in the main thread, which alone is told
        pass
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def late_signals_change_nothing() -> None:
    """Let a signal that comes when the command is over not disturb Python's own clearing up.

    To be called before the command takes the signals to itself, so that at its end they come here.
    """
    for number in _numbers():
        signal.signal(number, _nothing)


def _nothing(number: int, frame: Any) -> None:
    """Unlike ``SIG_IGN`` not inherited by processes that are started."""


def _numbers() -> list[int]:
    """Of the signals to stop, but for those that the process was started to ignore (``nohup``, a shell's ``&``)."""
    numbers = (getattr(signal, name) for name in _NAMES if hasattr(signal, name))
    return [number for number in numbers if signal.getsignal(number) not in (None, signal.SIG_IGN)]


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise :class:`Stopped` at the first signal to stop.

    Those that follow do not interrupt the cleaning up, until Ctrl-C was pressed thrice.
    """
    count = 0
    _told.clear()

    def stop(number: int, frame: Any) -> None:
        nonlocal count
        count += 1
        if count == 1:
            _told.append(number)
            raise Stopped(number)
        if count > 2 and number == signal.SIGINT:
            end_at_once(number)

    with handling(stop):
        try:
            yield
        except Exception as error:
            if not _told:
                raise
            # It was raised in the middle of some library, which took it for a fault of its own.
            raise Stopped(_told[0]) from error


def stop_if_told() -> None:
    """Raise :class:`Stopped` again if a library swallowed it: a signal stops what no failure stops."""
    if _told:
        raise Stopped(_told[0])


def end_at_once(number: int) -> NoReturn:
    """End this process and those that it started, now; what is left of unfinished files the next run deletes."""
    for child in multiprocessing.active_children():
        child.kill()
    with suppress(OSError):
        sys.stderr.write("diffuscope: stopped.\n")
        sys.stderr.flush()
    os._exit(128 + number)
