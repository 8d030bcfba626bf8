"""Small works in the background: segmenting around a click, computing surfaces, writing files."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from napari.qt.threading import create_worker
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QObject, Signal

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.viewer.runner import explain

Work = Callable[[], Generator[Any, None, Any]]


@dataclass(frozen=True, eq=False)
class _Task:
    key: str
    work: Work
    then: Callable[[Any], None]


class Background(QObject):
    """Does one work after the other in a thread; their ends are told in the thread of the window.

    ``failed`` brings a `DiffuscopeError`. After `close` nothing is told.
    """

    failed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._waiting: list[_Task] = []
        self._worker: Any = None
        self._current: tuple[_Task, _Outcome] | None = None
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether something is under way or waits."""
        return self._worker is not None or bool(self._waiting)

    def start(self, work: Work, then: Callable[[Any], None], *, key: str = "") -> None:
        """Do something.

        Parameters
        ----------
        work
            Gives a generator, run in the thread; what it yields is not looked at, it only lets the window go on.
        then
            Called in the window with what the generator returned.
        key
            A work that still waits under the same key is replaced: only the newest position of a slider counts.
        """
        if key:
            self._waiting = [task for task in self._waiting if task.key != key]
        self._waiting.append(_Task(key, work, then))
        self._next()

    def close(self) -> None:
        """Drop what waits, and tell nothing of what is under way."""
        self._closed = True
        self._waiting.clear()
        if self._worker is not None:
            self._worker.quit()

    def _next(self) -> None:
        if self._worker is not None or not self._waiting or self._closed:
            return
        task, outcome = self._waiting.pop(0), _Outcome()
        self._current = (task, outcome)
        self._worker = create_worker(_drive, task.work, outcome, _ignore_errors=True)
        self._worker.finished.connect(self._on_finished)
        self._worker.start()

    def _on_finished(self) -> None:
        current, self._current, self._worker = self._current, None, None
        if self._closed or current is None:
            return
        task, outcome = current
        if outcome.bug is not None:
            notification_manager.receive_error(type(outcome.bug), outcome.bug, outcome.bug.__traceback__)
        if outcome.error is not None:
            self.failed.emit(outcome.error)
        elif outcome.done:
            task.then(outcome.result)
        self._next()


@dataclass
class _Outcome:
    """What the thread leaves for the window."""

    done: bool = False
    result: Any = None
    error: DiffuscopeError | None = None
    bug: Exception | None = None


def _drive(work: Work, outcome: _Outcome) -> Generator[None, None, None]:
    """Run a work and let no error out: workers swallow some."""
    try:
        steps = work()
        while True:
            try:
                next(steps)
            except StopIteration as stop:
                outcome.result, outcome.done = stop.value, True
                return
            yield
    except DiffuscopeError as error:
        outcome.error = error
    except (RuntimeError, MemoryError, OSError) as error:
        outcome.error = explain(error)
    except Exception as error:
        outcome.bug = error
        outcome.error = DiffuscopeError(
            f"Something unforeseen went wrong ({type(error).__name__}: {error}); please report it."
        )
