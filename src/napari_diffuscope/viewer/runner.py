"""The one runner of all docks: start, cancel, progress and time left, errors, cleanup.

A job runs in a napari worker. The worker only writes into a mailbox; the window reads it a few times a second,
so that a job of a thousand updates per second costs the event loop no more than one of five.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
import traceback
import warnings
import weakref
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Literal

from napari.qt.threading import GeneratorWorker, create_worker
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QObject, QThreadPool, QTimer, Signal

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.memory import is_out_of_memory
from napari_diffuscope.jobs import Job, Update
from napari_diffuscope.progress import Pace, Progress, TimeLeft
from napari_diffuscope.viewer.torch_loading import load_torch

#: Milliseconds that a leaving Python waits for a worker that is inside one network evaluation.
EXIT_PATIENCE = 60_000
FRAMES_PER_SECOND = 5.0

State = Literal["done", "cancelled", "failed"]


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its state, and the job's result or the error, one sentence.

    ``pace`` is the share of the whole work done in a second, without what came before the first evaluation;
    ``None`` where nothing was done.
    """

    state: State
    result: Any = None
    error: DiffuscopeError | None = None
    seconds: float = 0.0
    pace: float | None = None


class _Mailbox:
    """What the worker and the window share; every field is replaced, never changed in place."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.update: Update | None = None
        self.message = ""
        self.outcome: Outcome | None = None
        self.bug: Exception | None = None
        self.pace = Pace()
        self._warnings: list[str] = []
        self._lock = threading.Lock()

    def put(self, update: Update) -> None:
        self.update = update
        self.pace.take(update.done, update.total)
        if update.message or update.done:  # what was said of the preparations is over once work is done
            self.message = update.message
        if update.message and update.warning:
            with self._lock:
                self._warnings.append(update.message)

    def take_warnings(self) -> list[str]:
        with self._lock:
            taken, self._warnings = self._warnings, []
        return taken


class _JobWorker(GeneratorWorker):
    """A worker that, asked to quit, lets its job end and clean up in its own thread."""

    def __init__(self, function: Callable[..., Any], *args: Any, mailbox: _Mailbox) -> None:
        super().__init__(function, *args, mailbox)
        self._mailbox = mailbox

    def quit(self) -> None:
        self._mailbox.stop.set()


class JobRunner(QObject):
    """Runs one job at a time in the background of the window.

    Signals, all in the thread of the window: ``started``; ``progressed`` with a `Progress`, at most
    ``frames_per_second`` times a second; ``warned`` with a sentence; ``ended`` with an `Outcome`, exactly once per run.

    Parameters
    ----------
    frames_per_second
        How often the window is told of progress, at most.
    needs_torch
        Whether its jobs compute with torch, which is then loaded and kept off one core.
    """

    started = Signal()
    progressed = Signal(object)
    warned = Signal(str)
    ended = Signal(object)

    def __init__(
        self,
        parent: QObject | None = None,
        *,
        frames_per_second: float = FRAMES_PER_SECOND,
        needs_torch: bool = True,
    ) -> None:
        super().__init__(parent)
        self._needs_torch = needs_torch
        self._mailbox: _Mailbox | None = None
        self._worker: Any = None
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._read_mailbox)
        self.frames_per_second = frames_per_second

    @property
    def running(self) -> bool:
        """Whether a job is under way, including the moment between a cancel and its end."""
        return self._mailbox is not None

    @property
    def frames_per_second(self) -> float:
        """How often the window is told of progress."""
        return 1000.0 / self._timer.interval()

    @frames_per_second.setter
    def frames_per_second(self, rate: float) -> None:
        self._timer.setInterval(round(1000.0 / rate))

    def start(
        self,
        make_job: Callable[[], Job[Any]],
        *,
        on_update: Callable[[Update], None] | None = None,
        needs_torch: bool | None = None,
    ) -> None:
        """Run a job.

        Parameters
        ----------
        make_job
            Returns the job; called in the worker, because making a job imports torch.
        on_update
            Called in the worker with every update; may write arrays, must not touch the viewer.
        needs_torch
            Whether this job computes with torch, where that differs from what was said of all.
        """
        if self.running:
            raise DiffuscopeError("A run is already under way; cancel it or wait for its end.")
        self._mailbox = mailbox = _Mailbox()
        self._time_left = TimeLeft()
        self._began = time.monotonic()
        self._worker = create_worker(
            _drive,
            make_job,
            on_update,
            self._needs_torch if needs_torch is None else needs_torch,
            mailbox=mailbox,
            _worker_class=_JobWorker,
            _ignore_errors=True,
        )
        self._worker.finished.connect(self._on_finished)
        _running.add(mailbox)
        self._timer.start()
        self.started.emit()
        self._worker.start()

    def cancel(self) -> None:
        """Ask the job to stop; it does so after the network evaluation that is under way."""
        if self._mailbox is not None:
            self._mailbox.stop.set()

    def _read_mailbox(self) -> None:
        mailbox = self._mailbox
        if mailbox is None:
            return
        for sentence in mailbox.take_warnings():
            self.warned.emit(sentence)
        update = mailbox.update
        done, total = (update.done, update.total) if update else (0, 0)
        left = self._time_left.estimate(done, total) if update else None
        self.progressed.emit(Progress(done, total, left, mailbox.message))

    def _on_finished(self) -> None:
        mailbox, self._mailbox, self._worker = self._mailbox, None, None
        self._timer.stop()
        if mailbox is None:
            return
        for sentence in mailbox.take_warnings():
            self.warned.emit(sentence)
        release_memory()
        if mailbox.bug is not None:  # napari shows where it came from
            notification_manager.receive_error(type(mailbox.bug), mailbox.bug, mailbox.bug.__traceback__)
        outcome = mailbox.outcome or Outcome("cancelled")
        seconds = time.monotonic() - self._began
        self.ended.emit(
            Outcome(outcome.state, outcome.result, outcome.error, seconds, mailbox.pace.share_per_second)
        )


def _drive(
    make_job: Callable[[], Job[Any]],
    on_update: Callable[[Update], None] | None,
    needs_torch: bool,
    mailbox: _Mailbox,
) -> Generator[None, None, None]:
    """What the worker runs; leaves its outcome in the mailbox and lets no error out: workers swallow some."""
    job: Job[Any] | None = None
    try:
        _quiet_warnings()
        if needs_torch:
            if "torch" not in sys.modules:
                mailbox.message = "Loading torch, once per session…"
                yield
            _leave_a_core()
        job = make_job()
        mailbox.message = "Starting…"
        while not mailbox.stop.is_set():
            update = next(job)
            if on_update is not None:
                on_update(update)
            mailbox.put(update)
            yield
        mailbox.outcome = Outcome("cancelled")
    except StopIteration as stop:
        mailbox.outcome = Outcome("done", stop.value)
    except DiffuscopeError as error:
        mailbox.outcome = Outcome("failed", error=error)
    except (RuntimeError, MemoryError, OSError) as error:
        mailbox.outcome = Outcome("failed", error=explain(error))
    except Exception as error:
        mailbox.bug = error
        sentence = f"Something unforeseen went wrong ({type(error).__name__}: {error}); please report it."
        mailbox.outcome = Outcome("failed", error=DiffuscopeError(sentence))
    finally:
        if job is not None:
            _close(job, mailbox)
        _forget_values(mailbox.bug or (mailbox.outcome.error if mailbox.outcome else None))


def _close(job: Job[Any], mailbox: _Mailbox) -> None:
    """Let a job clean up; what goes wrong then, a checkpoint for which there is no room, is how it ended."""
    try:
        job.close()
    except (DiffuscopeError, RuntimeError, MemoryError, OSError) as error:
        known = error if isinstance(error, DiffuscopeError) else explain(error)
        mailbox.outcome = Outcome("failed", error=known)


def explain(error: BaseException) -> DiffuscopeError:
    """Say in one sentence what a torch or operating system error means and what to do."""
    text = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    if is_out_of_memory(error):
        sentence = "There is too little memory for this run; choose a smaller region, or a smaller tile under Advanced."
    elif isinstance(error, OSError):
        sentence = (
            f"A file could not be read or written ({text}); check that it is there and the disk is not full."
        )
    else:
        sentence = (
            f"The computation failed ({text}); try the device CPU, and report it if that fails as well."
        )
    explained = DiffuscopeError(sentence)
    explained.__cause__ = error
    return explained


def release_memory() -> None:
    """Give cached device memory back; call it when a job and its generator are gone.

    Looking for garbage would not do: among the objects of a window that takes up to seconds, in which it stands still.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        return
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()


def _forget_values(error: BaseException | None) -> None:
    """Let go of what the functions held that an error went through: tensors, where memory ran out."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _leave_a_core() -> None:
    """Keep one core for the window: late events fall from 4 ms to 0.4 ms for a fifth of the speed."""
    load_torch()
    import torch

    torch.set_num_threads(max(1, available_cores() - 1))


def _quiet_warnings() -> None:
    """Say each warning once, and torch's own never.

    The worker relays every warning to the window as a notification: thousands would stall it. The worker's own
    ``catch_warnings`` undoes these filters when it ends.
    """
    warnings.simplefilter("once")
    warnings.filterwarnings("ignore", module=r"torch(\.|$)")


_running: weakref.WeakSet[_Mailbox] = weakref.WeakSet()


@atexit.register
def _join_all() -> None:
    """Stop all jobs and wait for their threads before Python leaves: a thread inside torch would abort the process."""
    if not _running:
        return
    for mailbox in list(_running):
        mailbox.stop.set()
    QThreadPool.globalInstance().waitForDone(EXIT_PATIENCE)
