"""The page *Report* of the dock: the comparison as one page for a browser."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QWidget

from napari_diffuscope.comparison.job import Scene
from napari_diffuscope.comparison.report import Report, report_job
from napari_diffuscope.comparison.settings import CompareSettings
from napari_diffuscope.jobs import Update
from napari_diffuscope.viewer.compare.comparison import Comparison
from napari_diffuscope.viewer.compare.numbers import NumbersPage
from napari_diffuscope.viewer.compare.saving import ask_file, write_text
from napari_diffuscope.viewer.run_bar import RunBar
from napari_diffuscope.viewer.runner import JobRunner, Outcome
from napari_diffuscope.viewer.widgets import button, column, note, say

WORDS = (
    "One page for a browser with all that is compared here: the images in one contrast with a scale bar, a divider "
    "between any two of them, the worst and the median place, differences, curves, the numbers as the page Numbers "
    "measures them, and how results were made. It needs no network and can be sent as it is."
)


class ReportPage(QWidget):
    """Writes the report of a comparison.

    Parameters
    ----------
    comparison
        The layers.
    numbers
        The page whose controls say what is measured.
    """

    def __init__(self, comparison: Comparison, numbers: NumbersPage, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._comparison, self._numbers = comparison, numbers
        self.written: Path | None = None
        self.runner = JobRunner(self, needs_torch=False)
        self.bar = RunBar(self.runner, self._ask)
        self.bar.run_button.setText("Write report…")
        self.bar.run_button.setToolTip("Choose a file, and write the page with the settings of Numbers.")
        self.open_button = button("Open in browser", "Open the page that was written last.", self._open)
        self.open_button.setEnabled(False)
        self.message = note()
        column(self, note(WORDS), self.bar, self.message, self.open_button, margins=(0, 8, 0, 0))
        self.runner.ended.connect(self._on_ended)
        comparison.changed.connect(self._update)
        self._update()

    def write(self, path: Path) -> None:
        """Write the page into a file, in the background.

        Raises
        ------
        DiffuscopeError
            If nothing can be compared.
        """
        scene, settings = self._numbers.scene(), self._numbers.settings()
        say(self.message, "")
        self.runner.start(lambda: _written(scene, settings, path))

    def disconnect_viewer(self) -> None:
        """Stop what is going on."""
        self.runner.cancel()

    def _ask(self) -> None:
        self._numbers.scene()  # what cannot be compared is told before a file is chosen
        path = ask_file(self, "comparison.html", "Web page (*.html)")
        if path is not None:
            self.write(path)

    def _on_ended(self, outcome: Outcome) -> None:
        self.bar.ended()
        if outcome.state == "done":
            self.written = outcome.result
            self.open_button.setEnabled(True)
            self.bar.say(f"Wrote {self.written}")
        elif outcome.state == "cancelled":
            self.bar.say("Cancelled; nothing was written.")
        elif outcome.error is not None:
            self.bar.fail(outcome.error)

    def _open(self) -> None:
        if self.written is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.written)))

    def _update(self) -> None:
        self.bar.set_ready(self._comparison.ready)
        say(self.message, self._comparison.complaint)


def _written(scene: Scene, settings: CompareSettings, path: Path) -> Generator[Update, None, Path]:
    report: Report = yield from report_job(scene, settings)
    write_text(path, report.html)
    return path
