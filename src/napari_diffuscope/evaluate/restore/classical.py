"""The classical methods on many cases, several at a time. Free of torch, as the processes are that run them."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass

from napari_diffuscope.evaluate.restore.baselines import INPUT, METHODS, Best, no_method
from napari_diffuscope.evaluate.restore.cases import Case, CaseName, make_case

MOST_WORKERS = 8
WORTH_PROCESSES = 300
"""Tenths of a second of work from which on starting processes pays."""


@dataclass(frozen=True)
class Searched:
    """The methods of one case.

    Parameters
    ----------
    number
        Which of the cases that were asked for.
    case
        The case.
    best
        Results by method.
    """

    number: int
    case: Case
    best: dict[str, Best]


def workers_for(cost: float) -> int:
    """Number of processes for work of so many tenths of a second."""
    return 1 if cost < WORTH_PROCESSES else max(1, min(MOST_WORKERS, os.cpu_count() or 1))


def search_case(name: CaseName, methods: Sequence[str], seed: int) -> tuple[Case, dict[str, Best]]:
    """Simulate a case and find the best of each method."""
    case = make_case(name, seed=seed)
    return case, {m: no_method(case) if m == INPUT else METHODS[m](case) for m in methods}


def search_cases(
    wanted: Sequence[tuple[CaseName, Sequence[str]]], *, seed: int, workers: int
) -> Generator[Searched | None, None, None]:
    """Find the best of the methods of each case, in the order in which they are finished.

    Processes and not threads: the binaries of BM3D stop the whole program when two threads call them.

    Yields
    ------
    Searched
        Or ``None`` twice a second while nothing is finished. Closing drops what has not begun.
    """
    if workers == 1:
        for number, (name, methods) in enumerate(wanted):
            yield Searched(number, *search_case(name, methods, seed))
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_interrupts)
    try:
        running = {
            pool.submit(search_case, name, tuple(methods), seed): number
            for number, (name, methods) in enumerate(wanted)
        }
        while running:
            finished, _ = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
            for future in finished:
                yield Searched(running.pop(future), *future.result())
            yield None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _leave_interrupts() -> None:
    """Ctrl-C is for the process that collects the results."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
