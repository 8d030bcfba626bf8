"""A job is a generator of updates that returns a result; everything long-running is one."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Result = TypeVar("Result")
Item = TypeVar("Item")

Index = tuple[int | slice, ...]


@dataclass(frozen=True)
class Update:
    """How far a job is, and what can be shown.

    Parameters
    ----------
    done, total
        Work finished and work planned, in the job's own unit (network evaluations of one tile).
        ``total`` may grow when a job has to fall back on smaller tiles.
    message
        One sentence for the status line, empty when nothing changed.
    output
        Name of the output that changed (``"restored"``, ``"deviation"``), empty for none.
    region
        Where in that output: integers for leading axes, slices for the others.
    preview
        The current estimate of that region in the input's units, float32; ``None`` when nothing is to show.
    final
        Whether ``region`` is finished: a preview may be replaced, a final value stays.
    warning
        Whether ``message`` is something the user must be told (a fallback, a resampling).
    """

    done: int
    total: int
    message: str = ""
    output: str = ""
    region: Index | None = None
    preview: np.ndarray | None = None
    final: bool = False
    warning: bool = False


Job = Generator[Update, None, Result]


def announce(messages: Iterable[str]) -> Job[None]:
    """Tell the user something before the work begins: one warning for each message, none of them twice."""
    for message in dict.fromkeys(messages):
        yield Update(0, 0, message, warning=True)


def run(job: Job[Result], on_update: Callable[[Update], None] | None = None) -> Result:
    """Run a job to its end and return its result.

    Parameters
    ----------
    job
        Any job, fresh.
    on_update
        Called with every update; an exception that it raises ends the job, whose cleanup still runs.
    """
    try:
        while True:
            update = next(job)
            if on_update is not None:
                on_update(update)
    except StopIteration as stop:
        result: Result = stop.value
        return result
    finally:
        job.close()


def relayed(inner: Generator[Item, None, Result], change: Callable[[Item], Update | None]) -> Job[Result]:
    """A generator inside a job: what it yields becomes updates of the job, its result that of the relay.

    Parameters
    ----------
    inner
        Any generator, fresh; closed with the outer job.
    change
        From what it yields to an update, or ``None`` for nothing to be told.
    """
    try:
        while True:
            update = change(next(inner))
            if update is not None:
                yield update
    except StopIteration as stop:
        result: Result = stop.value
        return result
    finally:
        inner.close()
