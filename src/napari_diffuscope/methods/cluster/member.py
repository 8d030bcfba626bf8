"""A worker: begins a run once, and makes the pieces that it is asked for."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Lock
from time import monotonic
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.blocks.sink import BlockFacts
from napari_diffuscope.jobs import Job, Update
from napari_diffuscope.methods.cluster.sending import ended_here, on_worker

THREADS = "DIFFUSCOPE_THREADS"
"""Environment variable: threads of torch in a worker; those of the worker by default."""

TELL_EVERY = 0.5
"""Seconds between two reports on a piece at work."""


@dataclass(frozen=True)
class Made:
    """What came of a piece.

    Parameters
    ----------
    found
        The result of the job's ``make``.
    done
        Work, in the job's own unit.
    blocks
        Name of the output, number of the block, its pixels where they are not in the file already, and what was found
        in it.
    messages
        What the user must be told.
    facts
        What the record says of the process: device and threads.
    """

    found: Any
    done: int
    blocks: tuple[tuple[str, int, np.ndarray | None, BlockFacts], ...]
    messages: tuple[str, ...]
    facts: dict[str, Any]


class RunStopped(Exception):
    """The run was stopped, or this process never heard of it."""


class Member:
    """The crew of a job on a worker: of every stage, the pieces that were asked for."""

    shares_states = True

    def __init__(self) -> None:
        self._asked: tuple[str, Any] | None = None
        self._work: Any = None
        self._begun = 0
        self.made: Made | None = None

    def device(self, wish: str) -> str:
        """The device that was wished for."""
        return wish

    def tell(self, options: Mapping[str, Any]) -> None:
        """Not the business of this process."""

    def ask(self, stage: str, piece: Any) -> None:
        """Say which piece is wanted next."""
        self._asked, self.made = (stage, piece), None

    @property
    def done(self) -> int:
        """Work on the piece so far."""
        return 0 if self._work is None else self._work.done - self._begun

    def each(
        self,
        work: Any,
        stage: str,
        pieces: Iterable[Any],
        make: Callable[[Any], Job[Any]],
        note: Callable[[Any, Any], Job[None]],
    ) -> Job[None]:
        """Make those pieces of a stage that are asked for; ends when one of another stage is."""
        while self._asked is not None and self._asked[0] == stage:
            piece, self._asked = self._asked[1], None
            self._work, self._begun = work, work.done
            told = len(work.record["messages"])
            found = yield from make(piece)
            self.made = self._answer(work, found, tuple(work.record["messages"][told:]))
            yield work.update()
            self._work = None

    def _answer(self, work: Any, found: Any, messages: tuple[str, ...]) -> Made:
        blocks = tuple((name, *sent) for name, sink in work.sinks.items() for sent in sink.taken())
        facts = {key: work.record[key] for key in ("device", "threads") if key in work.record}
        return Made(found, self.done, blocks, messages, facts)


class Session:
    """One run in this process.

    It has a thread of its own, so that its job is always in the same one, and works on one piece at a time.

    Parameters
    ----------
    run
        Its name.
    program
        Pickled.
    threads
        Of torch.
    """

    def __init__(self, run: str, program: bytes, threads: int) -> None:
        self._run, self._program, self._threads = run, program, threads
        self._thread = ThreadPoolExecutor(1, "diffuscope")
        self._member = Member()
        self._job: Job[Any] | None = None
        self._stopped = False

    def make(self, stage: str, piece: Any, tell: Callable[[int], None]) -> Made:
        """Make a piece.

        Raises
        ------
        DiffuscopeError
            As the job.
        RunStopped
            If the run was stopped meanwhile.
        """
        if self._stopped:
            raise RunStopped
        return self._thread.submit(self._made, stage, piece, tell).result()

    def stop(self) -> None:
        """End the run, between two updates of the piece at work."""
        self._stopped = True
        self._thread.submit(self._forget)
        self._thread.shutdown(wait=False)

    def _forget(self) -> None:
        if self._job is not None:
            self._job.close()
        self._job, self._member = None, Member()

    def _made(self, stage: str, piece: Any, tell: Callable[[int], None]) -> Made:
        for _ in (1, 2):
            if self._job is None:
                self._job = self._begin()
            try:
                made = self._driven(stage, piece, tell)
            except BaseException as error:
                self._forget()
                if (ended := ended_here(error)) is not None:
                    raise ended from None
                raise
            if made is not None:
                return made
            self._forget()  # the run is beyond that stage here: from the beginning once more
        raise RuntimeError(f"The run has no stage {stage!r}.")

    def _begin(self) -> Job[Any]:
        import torch

        torch.set_num_threads(self._threads)
        try:
            program = pickle.loads(self._program)
            if told := _TOLD.get(self._run):
                program = replace(program, options={**program.options, **told})
            job: Job[Any] = program.begun(self._member, the_shelf())
        except DiffuscopeError as problem:
            raise on_worker(problem) from None
        return job

    def _driven(self, stage: str, piece: Any, tell: Callable[[int], None]) -> Made | None:
        """Go on with the job until the piece is made; ``None`` if the job ends before."""
        assert self._job is not None
        self._member.ask(stage, piece)
        last = monotonic()
        for _ in self._updates(self._job):
            if self._stopped:
                raise RunStopped
            if self._member.made is not None:
                return self._member.made
            if monotonic() - last > TELL_EVERY:
                last = monotonic()
                tell(self._member.done)
        return None

    @staticmethod
    def _updates(job: Job[Any]) -> Iterable[Update]:
        """What a job tells, without closing it when nobody listens any longer."""
        while True:
            try:
                yield next(job)
            except StopIteration:
                return


_SESSIONS: dict[str, Session] = {}
_TOLD: dict[str, Mapping[str, Any]] = {}
_LOCK = Lock()
_shelf: Any = None


def the_shelf() -> Any:
    """The one model of this process."""
    global _shelf
    if _shelf is None:
        from napari_diffuscope.weights.shelf import Shelf

        _shelf = Shelf()
    return _shelf


def begin(run: str, program: bytes, threads: int) -> None:
    """Take a run into this process; nothing of it is computed before a piece is asked for."""
    with _LOCK:
        _SESSIONS[run] = Session(run, program, int(os.environ.get(THREADS, threads)))


def tell(run: str, options: Mapping[str, Any]) -> None:
    """Take further options of a run into this process, before its first piece; none forgets them."""
    with _LOCK:
        if options:
            _TOLD[run] = options
        else:
            _TOLD.pop(run, None)


def end(run: str) -> None:
    """Stop a run in this process, if it is here."""
    with _LOCK:
        session = _SESSIONS.pop(run, None)
    if session is not None:
        session.stop()


def work_on(run: str, number: int, stage: str, piece: Any) -> Made:
    """The task: a piece of a run, on a worker.

    Raises
    ------
    DiffuscopeError
        As the job.
    RunStopped
        If the run is not in this process, or no longer.
    """
    from distributed import get_worker

    worker = get_worker()
    session = _SESSIONS.get(run)
    if session is None:
        raise RunStopped
    return session.make(stage, piece, lambda done: worker.log_event(run, {"number": number, "done": done}))
