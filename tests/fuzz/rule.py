"""The rule for every call, and a watch that sees where it is broken.

A call gives a result of the right shape, finite where the input is finite; or it says in one sentence of at most 300
characters what is wrong. It warns of nothing, changes no input and no file but its outputs, leaves nothing behind
where it fails, and takes less than 20 seconds.
"""

from __future__ import annotations

import hashlib
import logging
import resource
import signal
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LONGEST_SENTENCE = 300
LONGEST_SECONDS = 20
"""Of computing, all threads together, so that a busy machine makes no faults."""
LONGEST_WAIT = 120
"""By the clock: for what waits and computes nothing."""
MOST_MEMORY = 2 * 1024**3
"""By how much a call of these tiny inputs may raise the peak of the process."""


class TooSlow(BaseException):
    """Raised in the middle of a call; no handler of ordinary errors may take it for one."""


@dataclass
class Watch:
    """What was seen during a call."""

    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0
    error: BaseException | None = None

    def fault(self, text: str) -> None:
        """Note that the rule was broken."""
        self.faults.append(text)


@contextmanager
def watched(folder: Path, *, allowed: str = "") -> Iterator[Watch]:
    """Watch what happens to a folder, to warnings and to the clock; what is raised ends up in ``error``.

    Parameters
    ----------
    folder
        Holds everything that the call is given.
    allowed
        How names of its outputs begin, if it writes any.
    """
    watch, before, peak = Watch(), snapshot(folder), _peak()
    log = _Log()
    logging.getLogger().addHandler(log)
    signal.signal(signal.SIGALRM, _too_slow)
    signal.signal(signal.SIGPROF, _too_slow)
    signal.alarm(LONGEST_WAIT)
    signal.setitimer(signal.ITIMER_PROF, LONGEST_SECONDS)
    started = time.monotonic()
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            yield watch
    except BaseException as error:
        watch.error = error
        if isinstance(error, KeyboardInterrupt):
            raise
    finally:
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        logging.getLogger().removeHandler(log)
        watch.seconds = time.monotonic() - started
    watch.faults += [f"warning: {one.category.__name__}: {str(one.message)[:200]}" for one in told]
    watch.faults += [f"log: {line[:200]}" for line in log.lines]
    if _peak() - peak > MOST_MEMORY:
        watch.fault(f"memory: {(_peak() - peak) / 1024**3:.1f} GiB")
    _compare(before, snapshot(folder), watch, allowed)


def snapshot(folder: Path) -> dict[str, str]:
    """Content of every file below a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha1(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def check_sentence(text: str, watch: Watch) -> None:
    """A message for a user is a short sentence, not a dump."""
    if not text.strip():
        watch.fault("sentence: empty")
    if len(text) > LONGEST_SENTENCE:
        watch.fault(f"sentence: {len(text)} characters: {text[:150]} …")
    if "\n" in text or not text.isprintable():
        watch.fault(f"sentence: not printable: {text[:150]!r}")


def where(error: BaseException) -> str:
    """Type of an error and the innermost line of the package that it passed through."""
    place = "outside"
    for frame in traceback.extract_tb(error.__traceback__):
        if "napari_diffuscope" in frame.filename:
            place = f"{frame.filename.split('napari_diffuscope/')[-1]}:{frame.lineno}"
    return f"{type(error).__name__} at {place}: {str(error)[:160]}"


def _compare(before: dict[str, str], after: dict[str, str], watch: Watch, allowed: str) -> None:
    for name in sorted(before.keys() - after.keys()):
        watch.fault(f"removed: {name}")
    for name in sorted(name for name in before.keys() & after.keys() if before[name] != after[name]):
        watch.fault(f"changed: {name}")
    for name in sorted(after.keys() - before.keys()):
        if not (allowed and name.startswith(allowed)):
            watch.fault(f"left behind: {name}")


def _too_slow(*_: Any) -> None:
    raise TooSlow


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class _Log(logging.Handler):
    """Collects what libraries log; it would appear on the user's screen."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name}: {record.getMessage()}")
