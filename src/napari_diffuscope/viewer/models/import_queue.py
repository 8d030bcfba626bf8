"""Imports one after the other: files wait while something runs, and what they leave open is asked in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari import current_viewer
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QWidget

from napari_diffuscope.jobs import Job
from napari_diffuscope.viewer.models.import_dialog import ImportDialog, import_model
from napari_diffuscope.viewer.models.works import Imported, importing
from napari_diffuscope.viewer.runner import JobRunner, Outcome
from napari_diffuscope.weights.kept_archives import ArchiveKeeper

Start = Callable[[Callable[[], Job[Any]], Callable[[Any], None]], None]


class ImportQueue(QObject):
    """Takes files, folders and archives into the user's models.

    ``imported`` brings what became of them, a sequence of `Imported`; ``refused`` a sentence.

    Parameters
    ----------
    window
        What dialogs belong to.
    runner
        Where imports run, and what they wait for.
    start
        Starts a job there, and says who takes its result.
    """

    imported = Signal(object)
    refused = Signal(str)

    def __init__(self, window: QWidget, runner: JobRunner, start: Start) -> None:
        super().__init__(window)
        self._window, self._runner, self._start = window, runner, start
        self.asking: ImportDialog | None = None
        self._waiting: list[Path] = []
        self._archives = ArchiveKeeper()
        self._closed = False

    def add(self, paths: Sequence[Path]) -> None:
        """Import some files, folders or archives, now or after what is under way."""
        self._waiting += list(paths)
        if not self._runner.running and self._waiting:
            sources, self._waiting = self._waiting, []
            self._archives.keep()
            self._start(lambda: importing(sources), self._take)

    def go_on(self, outcome: Outcome) -> None:
        """Begin with what waits, after something ended."""
        if outcome.state != "done":
            self._archives.let_go()
        if not self._closed:
            self.add([])

    def close(self) -> None:
        """Ask and begin nothing more."""
        self._closed = True
        if self.asking is not None:
            self.asking.reject()
        self._archives.let_go()

    def _take(self, results: Sequence[Imported]) -> None:
        self.imported.emit(results)
        self._ask_about([result.source for result in results if result.open])

    def _ask_about(self, paths: Sequence[Path]) -> None:
        """Ask what checkpoints do not tell, one after the other."""
        if not paths or self._closed:
            self._archives.let_go()
            return
        self.asking = dialog = import_model(current_viewer(), paths[0], self._window)
        dialog.imported.connect(lambda name: self._take([Imported(Path(name), name)]))
        dialog.refused.connect(self.refused)
        dialog.finished.connect(lambda _: self._ask_about(paths[1:]))
