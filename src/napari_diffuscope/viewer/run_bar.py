"""Run, Cancel, progress and status: the foot of every dock."""

from __future__ import annotations

from collections.abc import Callable

from napari.utils.notifications import show_error, show_warning
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QVBoxLayout, QWidget

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.progress import Progress, in_words
from napari_diffuscope.viewer.runner import JobRunner
from napari_diffuscope.viewer.widgets import button, guarded, note, say

GOING_ON = "What is going on, and how long it still takes"


class RunBar(QWidget):
    """Shows how a runner fares, and starts and stops it.

    Parameters
    ----------
    runner
        The dock's runner.
    on_run
        Called by Run; a `DiffuscopeError` that it raises is shown.
    """

    def __init__(self, runner: JobRunner, on_run: Callable[[], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self._on_run = on_run
        self._ready = True
        self._told: set[str] = set()
        self._notes: list[str] = []
        #: What to say while the job itself says nothing.
        self.activity: Callable[[], str] = lambda: "Working…"
        self.run_button = button(
            "Run", "Start with these settings. Your own layers are never changed.", self._run
        )
        self.cancel_button = button(
            "Cancel", "Stop after the current step; what is finished stays.", self._cancel
        )
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(8)
        self.progress.setToolTip("How much of the work is done")
        self.status = note()
        self.status.setToolTip(GOING_ON)
        self._lay_out()
        runner.started.connect(self._on_started)
        runner.progressed.connect(self._on_progress)
        runner.warned.connect(self.warn)
        self._show_running(False)
        self.say("")

    def say(self, sentence: str) -> None:
        """Show a sentence."""
        say(self.status, sentence)

    def fail(self, error: DiffuscopeError) -> None:
        """Show an error, here and as a notification of napari."""
        say(self.status, str(error), error=True)
        show_error(str(error))

    def forget_warnings(self) -> None:
        """Another image: what is amiss with it is told anew."""
        self._told.clear()

    def warn(self, sentence: str) -> None:
        """Tell a warning once, not with every cell or run; it stands in the record of each."""
        if sentence not in self._notes:
            self._notes.append(sentence)
        if sentence not in self._told:
            self._told.add(sentence)
            show_warning(sentence)

    def tell_end(self, sentence: str) -> None:
        """Show how a run ended; what it told on the way can be read as long as that stands there."""
        if self._notes and sentence:
            notes = "1 note" if len(self._notes) == 1 else f"{len(self._notes)} notes"
            sentence += f" {notes}: rest the mouse here to read."
            self.status.setToolTip("\n\n".join(self._notes))
        self.say(sentence)

    def set_ready(self, ready: bool) -> None:
        """Whether the settings allow a run."""
        self._ready = ready
        self.run_button.setEnabled(ready and not self._runner.running)

    def ended(self) -> None:
        """Return to rest after a run."""
        self._show_running(False)

    def guarded(self, action: Callable[[], None]) -> None:
        """Do something for the user; what goes wrong is shown in a sentence."""
        guarded(self.fail, action)

    def _run(self) -> None:
        self.guarded(self._on_run)

    def _cancel(self) -> None:
        self._runner.cancel()
        self.cancel_button.setEnabled(False)
        self.say("Cancelling…")

    def _on_started(self) -> None:
        self._notes = []
        self.status.setToolTip(GOING_ON)
        self._show_running(True)
        self.say("Starting…")

    def _on_progress(self, progress: Progress) -> None:
        self.progress.setRange(0, progress.total)  # 0, 0 shows a busy bar
        self.progress.setValue(progress.done)
        if self.cancel_button.isEnabled():
            left = (
                f"about {in_words(progress.seconds_left)} left" if progress.seconds_left is not None else ""
            )
            self.say(" – ".join(part for part in (progress.message or self.activity(), left) if part))

    def _show_running(self, running: bool) -> None:
        self.run_button.setEnabled(self._ready and not running)
        self.cancel_button.setEnabled(running)
        self.progress.setRange(0, 0 if running else 1)
        self.progress.setValue(0)
        # Kept in the layout, so that the buttons do not jump.
        policy = self.progress.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.progress.setSizePolicy(policy)
        self.progress.setVisible(running)

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        buttons.addWidget(self.run_button, 2)
        buttons.addWidget(self.cancel_button, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(buttons)
        layout.addWidget(self.progress)
        layout.addWidget(self.status)
