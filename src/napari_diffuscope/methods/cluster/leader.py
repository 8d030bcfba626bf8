"""The process of a run whose pieces others make: gives them out, takes what comes back, keeps the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any
from uuid import uuid4

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.blocks import BlockPlan
from napari_diffuscope.jobs import Job, Update
from napari_diffuscope.methods.cluster import member
from napari_diffuscope.methods.cluster.member import Made, RunStopped
from napari_diffuscope.methods.cluster.sending import MethodProgram
from napari_diffuscope.methods.work import Work

AHEAD = 2
"""Pieces given out per worker: one at work, one that waits there."""

LOOK_EVERY = 2.0
"""Seconds between two looks at how many workers there are."""

PATIENCE = 0.25
"""Seconds that nothing may be heard before an update is given, at which a run can be stopped."""

MOST_TRIES = 3
"""How often a piece is given out again that got lost."""

_NOTHING = object()


class WorkersEnded(DiffuscopeError):
    """Workers cannot make a piece."""


@dataclass
class _Flying:
    """A piece that was given out."""

    future: Any
    piece: Any
    tries: int = 1
    done: int = 0


@dataclass
class Team:
    """A connected cluster.

    Parameters
    ----------
    client
        A ``distributed.Client``.
    name
        What to call it: as it was typed.
    """

    client: Any
    name: str

    @property
    def dashboard(self) -> str:
        """Address of the page that shows what the workers do; empty where there is none."""
        with suppress(Exception):
            return str(self.client.dashboard_link or "")
        return ""

    def count(self) -> int:
        """How many workers there are.

        Raises
        ------
        DiffuscopeError
            If the scheduler is gone.
        """
        try:
            return len(self.answer(self.client.scheduler.identity(n_workers=-1))["workers"])
        except OSError as error:
            raise self.lost() from error

    def answer(self, asked: Awaitable[Any]) -> Any:
        """What the scheduler answers: distributed waits half a minute for one that is gone, which this does not.

        Raises
        ------
        DiffuscopeError
            If it is gone.
        """

        async def answered() -> Any:
            return await asked

        answer = asyncio.run_coroutine_threadsafe(answered(), self.client.loop.asyncio_loop)
        while True:
            finished, _ = wait([answer], PATIENCE)
            if finished:
                return answer.result()
            if self.client.status != "running":
                answer.cancel()
                raise self.lost()

    def running(self, work: Work) -> Any:
        """A context in which the pieces of a run are made here: gives its crew.

        Raises
        ------
        DiffuscopeError
            If the method has no pieces, or the workers cannot begin.
        """
        if not work.method.pieces:
            raise DiffuscopeError(
                f"{work.method.title} is not made of pieces that a cluster could share; leave the cluster out."
            )
        return self.leading(MethodProgram.of(work))

    @contextmanager
    def leading(self, program: Any) -> Iterator[Leader]:
        """A context in which workers know a program.

        Raises
        ------
        DiffuscopeError
            If they cannot begin.
        """
        run = f"diffuscope-{uuid4().hex}"
        leader = Leader(self, run)
        self._register(run, program)
        self.client.subscribe_topic(run, leader.hear)
        try:
            yield leader
        finally:
            leader.stop()

    def tell(self, run: str, options: Mapping[str, Any]) -> None:
        """Give options to all workers of a run, those that join later too.

        Raises
        ------
        DiffuscopeError
            If the scheduler is gone.
        """
        self._plug(_notes(run, options), told_name(run))

    def _register(self, run: str, program: Any) -> None:
        from distributed.protocol import pickle

        try:
            sent: bytes = pickle.dumps(program)  # type: ignore[no-untyped-call]
        except Exception as error:
            raise DiffuscopeError(
                f"The input cannot be sent to workers ({error}); write it to a file that all of them see."
            ) from error
        self._plug(_plugin(run, sent), run)

    def _plug(self, plugin: Any, name: str) -> None:
        try:
            self.client.register_plugin(plugin, name=name)
        except ImportError as error:
            raise DiffuscopeError(
                f"The workers of {self.name} have no napari-diffuscope of this version ({error}); install it there."
            ) from error
        except Exception as error:
            raise self.lost() from error

    def lost(self) -> DiffuscopeError:
        """What to say when the scheduler is gone."""
        return DiffuscopeError(
            f"The scheduler of {self.name} is gone; what is finished is kept, and the same command goes on from there "
            "once a scheduler runs."
        )


def _plugin(run: str, program: bytes) -> Any:
    """Tells every worker of the run, those that join later too, and tells them when it is over."""
    from distributed import WorkerPlugin

    class Run(WorkerPlugin):
        def setup(self, worker: Any) -> None:
            from napari_diffuscope.methods.cluster import member

            member.begin(run, program, worker.state.nthreads)

        def teardown(self, worker: Any) -> None:
            from napari_diffuscope.methods.cluster import member

            member.end(run)

    return Run()


def _notes(run: str, options: Mapping[str, Any]) -> Any:
    """Tells every worker of the run what was found out for all of them."""
    from distributed import WorkerPlugin

    class Notes(WorkerPlugin):
        def setup(self, worker: Any) -> None:
            from napari_diffuscope.methods.cluster import member

            member.tell(run, options)

        def teardown(self, worker: Any) -> None:
            from napari_diffuscope.methods.cluster import member

            member.tell(run, {})

    return Notes()


def told_name(run: str) -> str:
    """Under which name workers are told more of a run."""
    return f"{run}-told"


@dataclass
class Leader:
    """The crew of a job in the process of the run.

    Parameters
    ----------
    team
        Who works.
    run
        Name of the run on the cluster.
    """

    team: Team
    run: str
    _inbox: SimpleQueue[Any] = field(default_factory=SimpleQueue)
    _flying: dict[int, _Flying] = field(default_factory=dict)
    _sent: int = 0
    _workers: int = 0
    _looked: float = 0.0
    _shown: int = 0
    _told: bool = False

    shares_states = False

    def device(self, wish: str) -> str:
        """The processor: this process computes nothing."""
        return "cpu"

    def tell(self, options: Mapping[str, Any]) -> None:
        """Give further options to all workers."""
        self._told = True
        self.team.tell(self.run, options)

    def hear(self, event: Any) -> None:
        """Take a report of a worker; called in another thread."""
        _, message = event
        self._inbox.put((message["number"], message["done"]))

    def each(
        self,
        work: Any,
        stage: str,
        pieces: Iterable[Any],
        make: Callable[[Any], Job[Any]],
        note: Callable[[Any, Any], Job[None]],
    ) -> Job[None]:
        """Give out pieces, and take them as they are finished; see `Work.each`.

        Raises
        ------
        DiffuscopeError
            As the job on a worker; if workers died over a piece, or the scheduler is gone.
        """
        waiting, more = iter(pieces), True
        while True:
            yield from self._look(work)
            while more and len(self._flying) < AHEAD * max(self._workers, 1):
                piece = next(waiting, _NOTHING)
                if more := piece is not _NOTHING:
                    self._give(stage, piece)
            if not self._flying:
                return
            for number in self._heard():
                yield from self._finished(work, stage, number, note)
            yield self._update(work)

    def stop(self) -> None:
        """Stop what is at work, and let the workers forget the run."""
        client, flying = self.team.client, [each.future for each in self._flying.values()]
        self._flying.clear()
        if client.status != "running":
            return
        with suppress(Exception):
            client.unregister_worker_plugin(self.run)
        if self._told:
            with suppress(Exception):
                client.unregister_worker_plugin(told_name(self.run))
        with suppress(Exception):
            client.cancel(flying, force=True)
        with suppress(Exception):
            client.unsubscribe_topic(self.run)

    def _look(self, work: Any) -> Job[None]:
        """How many workers there are, now and then."""
        if monotonic() - self._looked < LOOK_EVERY and self._looked:
            return
        self._looked = monotonic()
        count = self.team.count()
        if count == self._workers:
            if count == 0:
                yield work.update(message="Waiting for workers")
            return
        if count < self._workers:
            yield work.update(message=f"A worker is gone; {count} go on with its pieces")
        else:
            yield work.update(message=f"{count} worker{'s' * (count > 1)} at work")
        self._workers = count

    def _give(self, stage: str, piece: Any, tries: int = 1) -> None:
        number = self._sent = self._sent + 1
        future = self.team.client.submit(
            member.work_on, self.run, number, stage, piece, key=f"{self.run}-{number}", pure=False
        )
        self._flying[number] = _Flying(future, piece, tries)
        future.add_done_callback(lambda _, number=number: self._inbox.put((number, None)))

    def _heard(self) -> list[int]:
        """Numbers of pieces that are finished; waits a little for the first news."""
        finished, wait = list[int](), PATIENCE
        while True:
            try:
                number, done = self._inbox.get(timeout=wait) if wait else self._inbox.get_nowait()
            except Empty:
                return finished
            wait = 0.0
            if number not in self._flying:
                continue
            if done is None:
                finished.append(number)
            else:
                self._flying[number].done = done

    def _finished(
        self, work: Any, stage: str, number: int, note: Callable[[Any, Any], Job[None]]
    ) -> Job[None]:
        """Take what came of a piece."""
        flying, rescue = self._flying[number], getattr(work, "rescue", None)
        try:
            made = self._result(stage, number, flying)
        except WorkersEnded as error:
            if rescue is None:
                raise
            del self._flying[number]
            yield from note(flying.piece, rescue(flying.piece, error))
            return
        if made is not None:
            del self._flying[number]
            yield from self._taken(work, flying.piece, made, note)

    def _result(self, stage: str, number: int, flying: _Flying) -> Made | None:
        """What came of a piece; ``None`` if it got lost and was given out again."""
        from distributed import KilledWorker
        from distributed.comm.core import CommClosedError

        future = flying.future
        try:
            if future.status in ("cancelled", "lost"):
                raise CancelledError
            made: Made = self.team.answer(self.team.client.gather(future, asynchronous=True))
        except (CancelledError, RunStopped) as error:
            if self.team.client.status != "running" or flying.tries >= MOST_TRIES:
                raise self.team.lost() from error
            del self._flying[number]
            self._give(stage, flying.piece, flying.tries + 1)
            return None
        except CommClosedError as error:
            raise self.team.lost() from error
        except KilledWorker as error:
            raise WorkersEnded(
                "Several workers in a row ended while they worked on the same piece, as they do when memory runs out; "
                "give them more memory, or choose smaller tiles or blocks."
            ) from error
        except MemoryError as error:
            raise WorkersEnded(
                "The memory of a worker ran out; give it more, or choose smaller tiles or blocks."
            ) from error
        finally:
            if future.status in ("finished", "error"):
                future.release()
        return made

    def _taken(self, work: Any, piece: Any, made: Made, note: Callable[[Any, Any], Job[None]]) -> Job[None]:
        """Take a piece into the run: its blocks first, then what is noted of it."""
        for message in made.messages:
            yield work.warn(message)
        for name, index, pixels, facts in made.blocks:
            work.check_inputs()
            sink = work.sinks[name]
            block = BlockPlan(sink.spec.shape, sink.block)[index]
            if sink.done(block):
                continue
            if pixels is None:
                sink.note_block(block, facts)
            else:
                sink.write_block(block, pixels, facts)
            yield work.update(output=name, region=block.region, preview=pixels, final=True)
        work.done += made.done
        work.record["cluster"] = self.team.name
        work.record |= made.facts
        yield from note(piece, made.found)

    def _update(self, work: Any) -> Update:
        """How far the run is, with what is known of the pieces at work; never less than before."""
        done = work.done + sum(flying.done for flying in self._flying.values())
        self._shown = max(self._shown, min(done, work.total))
        return Update(self._shown, work.total)
