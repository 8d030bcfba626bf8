"""The dialog that asks what a checkpoint does not tell, and tries the answers on the open image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QDialog, QHBoxLayout, QVBoxLayout, QWidget

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.jobs import Job
from napari_diffuscope.viewer.model_choice import CATALOGUE
from napari_diffuscope.viewer.models.candidate_strip import CandidateStrip
from napari_diffuscope.viewer.models.open_image import piece_of_open_image
from napari_diffuscope.viewer.models.question_row import QuestionRow
from napari_diffuscope.viewer.models.works import LOOKING, answered, comparing, looking
from napari_diffuscope.viewer.run_bar import RunBar
from napari_diffuscope.viewer.runner import JobRunner, Outcome
from napari_diffuscope.viewer.widgets import button, choice, fill, note, say, scrolled
from napari_diffuscope.weights.kept_archives import ArchiveKeeper

if TYPE_CHECKING:
    from napari_diffuscope.methods.trying import TriedAnswer
    from napari_diffuscope.weights.interview import Interview

_VOLUMES = (
    "Answers about a network of volumes cannot be tried on an image: it makes shapes of cells, which no image shows. "
    "Take the answers from the paper or its code, import the model, and try it on a cell that you know."
)
_HOW_TO_TELL = (
    "Noise was added to a piece of the open image and taken away again, once for each answer. The right answer "
    "gives back clean structures in their places; press its picture to take it."
)
_WHILE = (
    "Noise is added to a piece of the open image and taken away again, once for each answer, the chosen one first. "
    "You need not wait: press a picture to take its answer, Stop, or Import."
)
_COMPARE = "Press Compare to try the answers to this question on the open image."
_VERDICTS = {
    "alike": "Here they hardly differ: this image does not tell which is right.",
    "none": "Here none gives back more than a flat grey: another answer may be wrong, or it is for other images.",
}


def import_model(viewer: Any, path: Path, parent: QWidget | None = None) -> ImportDialog:
    """Take a checkpoint into the user's models: straight away, or after questions that it leaves open.

    Parameters
    ----------
    viewer
        The napari viewer on whose image answers are tried.
    path
        A checkpoint, a model folder, a diffusers folder, or an archive with one of these.
    parent
        The window that the dialog belongs to.

    Returns
    -------
    ImportDialog
        Not shown where nothing is open; its ``imported`` tells the name of the model.
    """
    dialog = ImportDialog(viewer, path, parent)
    dialog.look()
    return dialog


class ImportDialog(QDialog):
    """Questions about a checkpoint, with likely answers, and pictures of what each answer makes of the open image.

    Signals: ``imported`` with the name of the model; ``refused`` with a sentence where the file is no model.

    Parameters
    ----------
    viewer
        The napari viewer, or ``None``.
    path
        The checkpoint.
    parent
        The window that it belongs to.
    """

    imported = Signal(str)
    refused = Signal(str)

    def __init__(self, viewer: Any, path: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Import {path.name}")
        self.viewer, self.path = viewer, path
        self.rows: list[QuestionRow] = []
        self._then: Callable[[Any], None] = lambda _: None
        self.runner = JobRunner(self)
        self.runner.progressed.connect(lambda _: self._show_new())
        self.runner.ended.connect(self._on_ended)
        self._archives = ArchiveKeeper()
        self._archives.keep()
        self.destroyed.connect(self._archives.let_go)  # with its window, without being closed
        self._results: list[TriedAnswer] = []
        self.bar = RunBar(self.runner, lambda: None)
        self.bar.run_button.hide()
        self.bar.cancel_button.setText("Stop")
        self.bar.cancel_button.setToolTip("Stop what is under way; the dialog stays.")
        self.what = note(LOOKING.format(name=path.name))
        self.how = note()
        self.strip = CandidateStrip(self._take_answer)
        self.compared = choice([], "The question whose answers are compared on the open image")
        self.compare_button = button(
            "Compare", "Try each answer to this question on a piece of the open image.", self.compare
        )
        self.import_button = button(
            "Import",
            "Take the model into your own, with these answers; they are kept beside the file.",
            self.take_in,
        )
        self.cancel_button = button("Cancel", "Import nothing.", self.reject)
        self.compared.currentIndexChanged.connect(lambda _: self._forget_pictures())
        self._lay_out()

    @property
    def answers(self) -> dict[str, Any]:
        """The answers as they stand.

        Raises
        ------
        DiffuscopeError
            If something that was typed is no answer.
        """
        given = {row.name: row.answer() for row in self.rows}
        return {name: value for name, value in given.items() if value is not None}

    def look(self) -> None:
        """Look at the file in the background; then ask, or import it straight away."""
        self._start(lambda: looking(self.path, {}), self._ask)

    def compare(self) -> None:
        """Try each answer to the chosen question on the open image, in the background."""
        row = next((row for row in self.rows if row.name == self.compared.currentData()), None)
        read = piece_of_open_image(self.viewer)
        if row is None or self.runner.running:
            return
        if read is None:
            say(self.how, "Open an image like those that the model is for, to try the answers on it.")
            return
        self._forget_pictures()
        try:
            chosen = row.answer()
            candidates = sorted(row.candidates, key=lambda one: one[1] != chosen)
            answers = [{**self.answers, row.name: value} for _, value in candidates]
        except DiffuscopeError as error:
            self.bar.fail(error)
            return
        self._shown, self._results, self._comparing = row, [], True
        self.strip.begin(candidates)
        say(self.how, _WHILE)
        results = self._results
        self._start(lambda: comparing(self.path, answers, read, results.append), lambda _: self._judge())

    def take_in(self) -> None:
        """Import the model with these answers, in the background; a comparison that is under way is stopped."""
        try:
            answers = self.answers
        except DiffuscopeError as error:
            self.bar.fail(error)
            return
        if self._comparing:
            self._import_next = True
            self.runner.cancel()
        if not self.runner.running:
            self._start(lambda: answered(self.path, answers), self._taken_in)

    def done(self, result: int) -> None:
        """Close, and stop what runs."""
        self._import_next = False
        self.runner.cancel()
        self._archives.let_go()
        super().done(result)

    # What came of it

    def _ask(self, result: Interview) -> None:
        if not result.needed:
            self.take_in()
            return
        self.what.setText(
            f"{self.path.name} is {result.what}. Its file does not tell the following; likely answers are chosen."
        )
        again = [one for one in result.needed if one.question.name in {row.name for row in self.rows}]
        self._add_rows(result)
        tried = [row for row in self.rows if row.asked.question.tried and len(row.candidates) > 1]
        fill(self.compared, [(row.asked.question.title, row.name) for row in tried])
        self.show()
        self.bar.say("")
        self._volumes = result.volumes
        if self._volumes:
            say(self.how, _VOLUMES)
            self.compared.setEnabled(False)
        elif not again:
            self.compare()
        if again:
            self.bar.fail(DiffuscopeError(f"{again[0].question.title} It needs an answer."))

    def _add_rows(self, result: Interview) -> None:
        """Ask what was not asked yet; what was answered before stays as it is."""
        known = {row.name for row in self.rows}
        for one in result.asked:
            if one.question.name not in known:
                row = QuestionRow(one)
                self.rows.append(row)
                self._questions.addWidget(row)

    _volumes = False

    _comparing = False
    _import_next = False

    def _show_new(self) -> None:
        """Show the answers that were tried since."""
        if self._comparing:
            for tried in self._results[self.strip.shown :]:
                self.strip.add(tried)

    def _judge(self) -> None:
        self.strip.judge()
        say(self.how, f"{_HOW_TO_TELL} {_VERDICTS.get(self.strip.verdict, '')}".rstrip())
        self.bar.say("")

    _shown: QuestionRow | None = None

    def _forget_pictures(self) -> None:
        """Take away pictures that answer another question than the chosen one."""
        if self._shown is not None:
            self._shown = None
            self.strip.clear()
            say(self.how, _COMPARE)

    def _take_answer(self, value: Any) -> None:
        if self._shown is not None:
            self._shown.give(value)

    def _taken_in(self, result: str | Interview) -> None:
        if not isinstance(result, str):  # an answer opened a question
            self._ask(result)
            return
        CATALOGUE.changed.emit()
        self.imported.emit(result)
        self.accept()

    def _start(self, make_job: Callable[[], Job[Any]], then: Callable[[Any], None]) -> None:
        self._then = then
        self.runner.start(make_job)
        self._update_buttons()

    def _on_ended(self, outcome: Outcome) -> None:
        self.bar.ended()
        self._show_new()
        self._comparing, import_next, self._import_next = False, self._import_next, False
        if outcome.state == "failed" and outcome.error is not None:
            self.bar.fail(outcome.error)
            if not self.rows:
                self.refused.emit(str(outcome.error))
                self.reject()
        elif outcome.state == "cancelled":
            self.bar.say("Stopped; nothing was imported.")
            if self.strip.shown:
                say(self.how, _HOW_TO_TELL)
        elif outcome.state == "done":
            self._then(outcome.result)
        if import_next:
            self.take_in()
        self._update_buttons()

    def _update_buttons(self) -> None:
        for control in (self.compared, self.compare_button):
            control.setEnabled(not self.runner.running and not self._volumes)
        self.import_button.setEnabled(self._comparing or not self.runner.running)

    def _lay_out(self) -> None:
        questions = QWidget()
        self._questions = QVBoxLayout(questions)
        row = QHBoxLayout()
        row.addWidget(self.compared, 1)
        row.addWidget(self.compare_button)
        ending = QHBoxLayout()
        ending.addStretch(1)
        ending.addWidget(self.cancel_button)
        ending.addWidget(self.import_button)
        right = QVBoxLayout()
        right.addLayout(row)
        right.addWidget(self.how)
        right.addWidget(self.strip)
        right.addStretch(1)
        right.addWidget(self.bar)
        right.addLayout(ending)
        middle = QHBoxLayout()
        middle.addWidget(scrolled(questions), 1)
        middle.addLayout(right, 1)
        layout = QVBoxLayout(self)
        layout.addWidget(self.what)
        layout.addLayout(middle, 1)
        self.resize(1020, 700)
