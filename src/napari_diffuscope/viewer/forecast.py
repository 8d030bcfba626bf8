"""The line above Run: how much work the settings mean, and how long it takes here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.effort import Effort
from napari_diffuscope.viewer.pace import forecast_in_words, key_of, note_pace, pace_of
from napari_diffuscope.viewer.runner import Outcome
from napari_diffuscope.viewer.widgets import button, note, say

#: Milliseconds that the settings have to rest before the work is counted anew.
REST = 150


@dataclass(frozen=True)
class Work:
    """What a run would be: the work of one layer, the layers alike, and what its time depends on.

    Parameters
    ----------
    effort, layers
        Work of one layer, and how many there are.
    method, model, device
        What the pace holds for.
    each
        Whether it is the work of one piece, and nobody knows how many there are.
    """

    effort: Effort
    layers: int
    method: str
    model: str
    device: str
    each: bool = False

    @property
    def key(self) -> str:
        """What the pace holds for."""
        return key_of(self.method, self.model, self.device)


class Forecast(QWidget):
    """Says how much work a run is, and how long it takes, from the last run or from a short trial.

    Parameters
    ----------
    work
        Counts the work of the settings as they are; ``None`` where nothing can be said. A `DiffuscopeError` says the
        same: the form tells it already.
    measure
        Called to try a small piece.
    """

    def __init__(self, work: Callable[[], Work | None], measure: Callable[[], None]) -> None:
        super().__init__()
        self._work = work
        self._running: Work | None = None
        self.label = note()
        self.setToolTip("How much work these settings mean, and how long it takes on this device")
        self.label.setToolTip(self.toolTip())
        self.measure_button = button(
            "Measure",
            "Try a small piece of the image, to tell how long the whole takes on this device.",
            measure,
        )
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.label, 1)
        layout.addWidget(self.measure_button, 0, Qt.AlignmentFlag.AlignTop)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST)
        self._rest.timeout.connect(self.refresh)
        self.refresh()

    def later(self, event: object = None) -> None:
        """Count anew when the settings rest."""
        self._rest.start()

    def refresh(self) -> None:
        """Count anew."""
        work = self._counted()
        if work is None:
            say(self.label, "")
            self.measure_button.setVisible(False)
            return
        pace = pace_of(work.key)
        say(self.label, forecast_in_words(work.effort, pace, layers=work.layers, each=work.each))
        self.measure_button.setVisible(pace is None)

    def begin(self, work: Work | None) -> None:
        """A run begins; what it takes will be noted for its work, if that is known."""
        self._running = work

    def end(self, outcome: Outcome) -> None:
        """Learn from a run."""
        work, self._running = self._running, None
        if work is not None and outcome.pace and outcome.state != "failed":
            size = work.effort.times(work.layers).size
            if size:
                note_pace(work.key, 1.0 / (outcome.pace * size))
        self.refresh()

    def _counted(self) -> Work | None:
        try:
            return self._work()
        except DiffuscopeError:
            return None
