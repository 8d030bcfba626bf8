"""Small works in the background: segmenting around a click, computing surfaces, writing files."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_diffuscope.jobs import Update, relayed
from napari_diffuscope.viewer.runner import JobRunner, Outcome

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
        self._current: _Task | None = None
        self._closed = False
        self._runner = JobRunner(self, needs_torch=False)
        self._runner.ended.connect(self._on_ended)

    @property
    def busy(self) -> bool:
        """Whether something is under way or waits."""
        return self._runner.running or bool(self._waiting)

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
        self._runner.cancel()

    def _next(self) -> None:
        if self._runner.running or not self._waiting or self._closed:
            return
        self._current = task = self._waiting.pop(0)
        self._runner.start(lambda: relayed(task.work(), lambda _: Update(0, 0)))

    def _on_ended(self, outcome: Outcome) -> None:
        task, self._current = self._current, None
        if self._closed or task is None:
            return
        if outcome.error is not None:
            self.failed.emit(outcome.error)
        elif outcome.state == "done":
            task.then(outcome.result)
        self._next()
