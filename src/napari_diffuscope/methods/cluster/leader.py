"""The process of a run whose pieces others make: gives them out, takes what comes back, keeps the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.blocks import BlockPlan
from napari_diffuscope.jobs import Job, Update
from napari_diffuscope.methods.cluster import member
from napari_diffuscope.methods.cluster.member import Made, RunStopped
from napari_diffuscope.methods.cluster.workers import Workers

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
class Leader:
    """The crew of a job in the process of the run.

    Parameters
    ----------
    workers
        Who make the pieces.
    run
        Name of the run on the cluster.
    """

    workers: Workers
    run: str
    _inbox: SimpleQueue[Any] = field(default_factory=SimpleQueue)
    _flying: dict[int, _Flying] = field(default_factory=dict)
    _sent: int = 0
    _count: int = 0
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
        self.workers.tell(self.run, options)

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
            while more and len(self._flying) < AHEAD * max(self._count, 1):
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
        client, flying = self.workers.client, [each.future for each in self._flying.values()]
        self._flying.clear()
        if client.status != "running":
            return
        self.workers.forget(self.run, told=self._told)
        with suppress(Exception):
            client.cancel(flying, force=True)
        with suppress(Exception):
            client.unsubscribe_topic(self.run)

    def _look(self, work: Any) -> Job[None]:
        """How many workers there are, now and then."""
        if monotonic() - self._looked < LOOK_EVERY and self._looked:
            return
        self._looked = monotonic()
        count = self.workers.count()
        if count == self._count:
            if count == 0:
                yield work.update(message="Waiting for workers")
            return
        if count < self._count:
            yield work.update(message=f"A worker is gone; {count} go on with its pieces")
        else:
            yield work.update(message=f"{count} worker{'s' * (count > 1)} at work")
        self._count = count

    def _give(self, stage: str, piece: Any, tries: int = 1) -> None:
        number = self._sent = self._sent + 1
        future = self.workers.client.submit(
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
            made: Made = self.workers.answer(self.workers.client.gather(future, asynchronous=True))
        except (CancelledError, RunStopped) as error:
            if self.workers.client.status != "running" or flying.tries >= MOST_TRIES:
                raise self.workers.lost() from error
            del self._flying[number]
            self._give(stage, flying.piece, flying.tries + 1)
            return None
        except CommClosedError as error:
            raise self.workers.lost() from error
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
        work.record["cluster"] = self.workers.name
        work.record |= made.facts
        yield from note(piece, made.found)

    def _update(self, work: Any) -> Update:
        """How far the run is, with what is known of the pieces at work; never less than before."""
        done = work.done + sum(flying.done for flying in self._flying.values())
        self._shown = max(self._shown, min(done, work.total))
        return Update(self._shown, work.total)
