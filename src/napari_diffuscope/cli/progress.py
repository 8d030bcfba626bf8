"""A job's progress on stderr: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress

    from napari_diffuscope.jobs import Update

OnUpdate = Callable[["Update"], None]

LINE_EVERY = 0.1
"""Share of the work between two lines where there is no terminal."""

SECONDS = 10.0
"""Between two lines of one kind there, which differ in their numbers alone."""

MOST_KINDS = 20
"""Kinds of lines that are written at once; what is said of many files is of many kinds."""


@contextmanager
def show_progress(
    label: str, *, quiet: bool = False, stream: TextIO | None = None, counted: bool = True
) -> Iterator[OnUpdate]:
    """Show what a job reports while the block runs.

    Parameters
    ----------
    label
        What is being done.
    quiet
        Show warnings alone.
    stream
        Where; stderr by default.
    counted
        Whether the units of the work say something by themselves.

    Yields
    ------
    Callable
        To be called with every update of the job.
    """
    stream = sys.stderr if stream is None else stream
    if quiet:
        yield _warnings(lambda line: print(line, file=stream))
    elif stream.isatty():
        with _bar(stream) as bar:
            yield _on_bar(bar, label)
    else:
        yield _in_lines(label, stream, counted)


def _warnings(write: Callable[[str], None]) -> OnUpdate:
    """Passes on each warning once."""
    seen: set[str] = set()

    def on_update(update: Update) -> None:
        if update.warning and update.message not in seen:
            seen.add(update.message)
            write(f"Note: {update.message}")

    return on_update


def _bar(stream: TextIO) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=Console(file=stream),
        transient=True,
    )


def _on_bar(bar: Progress, label: str) -> OnUpdate:
    task = bar.add_task(label, total=None)
    warn = _warnings(lambda line: bar.console.print(line, markup=False, highlight=False))

    def on_update(update: Update) -> None:
        warn(update)
        message = "" if update.warning else update.message
        if message:
            bar.update(task, description=f"{label}: {message}")
        bar.update(task, completed=update.done, total=update.total or None)

    return on_update


def _in_lines(label: str, stream: TextIO, counted: bool) -> OnUpdate:
    warn = _warnings(lambda line: print(line, file=stream, flush=True))
    sparing = _Sparing()
    began: float | None = None
    first_done = 0
    printed, said = -1.0, ""

    def on_update(update: Update) -> None:
        nonlocal began, first_done, printed, said
        warn(update)
        if update.message and not update.warning:
            # That a step is over needs no line of its own.
            if not said.startswith(update.message) and sparing.may(update.message):
                print(f"{label}: {update.message}", file=stream, flush=True)
            said = update.message
        if update.total == 0:
            return
        if update.done > 0 and began is None:
            # What came before (loading weights, reading the file) happens once and says nothing of the pace.
            began, first_done = monotonic(), update.done
        share = update.done / update.total
        if share - printed >= LINE_EVERY or share == 1.0 > printed:
            printed = share
            left = _left(began, update.done - first_done, update.total - update.done)
            count = f" ({update.done} of {update.total})" if counted else ""
            print(f"{label}: {share:.0%}{count}{left}", file=stream, flush=True)

    return on_update


class _Sparing:
    """Lets through what is said for the first time, and the rest now and then."""

    def __init__(self) -> None:
        self._kinds: set[str] = set()
        self._last = -SECONDS

    def may(self, message: str) -> bool:
        """Whether a message is worth a line."""
        kind, now = re.sub(r"\d+", "", message), monotonic()
        is_new = kind not in self._kinds and len(self._kinds) < MOST_KINDS
        if not is_new and now - self._last < SECONDS:
            return False
        self._kinds.add(kind)
        self._last = now
        return True


def _left(began: float | None, done: int, remaining: int) -> str:
    if began is None or done <= 0 or remaining <= 0:
        return ""
    seconds = (monotonic() - began) / done * remaining
    return f", {timedelta(seconds=round(seconds))} left"
