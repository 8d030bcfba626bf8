"""The dialog that asks what a checkpoint does not tell, and tries the answers on the open image."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QDialog, QHBoxLayout, QVBoxLayout, QWidget

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.jobs import Job, Update
from napari_diffuscope.viewer.model_choice import CATALOGUE
from napari_diffuscope.viewer.models.candidate_strip import CandidateStrip
from napari_diffuscope.viewer.models.open_image import piece_of_open_image
from napari_diffuscope.viewer.models.question_row import QuestionRow
from napari_diffuscope.viewer.run_bar import RunBar
from napari_diffuscope.viewer.runner import JobRunner, Outcome
from napari_diffuscope.viewer.widgets import button, choice, fill, note, say, scrolled

if TYPE_CHECKING:
    from napari_diffuscope.weights.interview import Interview

_LOOKING = "Looking at {name}; nothing in it is run."
_VOLUMES = (
    "Answers about a network of volumes cannot be tried on an image: it makes shapes of cells, which no image shows. "
    "Take the answers from the paper or its code, import the model, and try it on a cell that you know."
)
_HOW_TO_TELL = (
    "Noise was added to the middle of the open image and taken away again, once for each answer. The right answer "
    "gives back clean structures in their places; press its picture to take it."
)
_COMPARE = "Press Compare to try the answers to this question on the open image."
_ALIKE = "Here they hardly differ: this image does not tell which is right."


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
        self.runner.ended.connect(self._on_ended)
        self.bar = RunBar(self.runner, lambda: None)
        self.bar.run_button.hide()
        self.bar.cancel_button.setText("Stop")
        self.bar.cancel_button.setToolTip("Stop what is under way; the dialog stays.")
        self.what = note(_LOOKING.format(name=path.name))
        self.how = note()
        self.strip = CandidateStrip(self._take_answer)
        self.compared = choice([], "The question whose answers are compared on the open image")
        self.compare_button = button(
            "Compare", "Try each answer to this question on the middle of the open image.", self.compare
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
        self._start(lambda: _asking(self.path, {}), self._ask)

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
        candidates = row.candidates
        try:
            answers = [{**self.answers, row.name: value} for _, value in candidates]
        except DiffuscopeError as error:
            self.bar.fail(error)
            return
        self._start(
            lambda: _trying(self.path, answers, read),
            lambda tried: self._show_tried(row, candidates, tried),
        )

    def take_in(self) -> None:
        """Import the model with these answers, in the background."""
        try:
            answers = self.answers
        except DiffuscopeError as error:
            self.bar.fail(error)
            return
        if not self.runner.running:
            self._start(lambda: _importing(self.path, answers), self._taken_in)

    def done(self, result: int) -> None:
        """Close, and stop what runs."""
        self.runner.cancel()
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

    def _show_tried(self, row: QuestionRow, candidates: list[tuple[str, Any]], tried: list[Any]) -> None:
        self.strip.show_tried(candidates, tried)
        self._shown = row
        say(self.how, f"{_HOW_TO_TELL} {_ALIKE}" if self.strip.undecided else _HOW_TO_TELL)
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
        if outcome.state == "failed" and outcome.error is not None:
            self.bar.fail(outcome.error)
            if not self.rows:
                self.refused.emit(str(outcome.error))
                self.reject()
        elif outcome.state == "cancelled":
            self.bar.say("Stopped; nothing was imported.")
        elif outcome.state == "done":
            self._then(outcome.result)
        self._update_buttons()

    def _update_buttons(self) -> None:
        for control in (self.compared, self.compare_button):
            control.setEnabled(not self.runner.running and not self._volumes)
        self.import_button.setEnabled(not self.runner.running)

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


def _asking(path: Path, answers: dict[str, Any]) -> Job[Interview]:
    from napari_diffuscope.weights.interview import interview

    yield Update(0, 0, _LOOKING.format(name=path.name))
    return interview(path, answers)


def _trying(path: Path, answers: list[dict[str, Any]], read: Callable[[], np.ndarray]) -> Job[Any]:
    from napari_diffuscope.methods.trying import try_answers

    yield Update(0, 0, "Reading the open image")
    return (yield from try_answers(path, list(answers), read()))


def _importing(path: Path, answers: dict[str, Any]) -> Generator[Update, None, str | Interview]:
    from napari_diffuscope.viewer.models.works import free_name
    from napari_diffuscope.weights.describe import import_model, model_name
    from napari_diffuscope.weights.folders import user_folder
    from napari_diffuscope.weights.sidecar import UnansweredError

    yield Update(0, 0, f"Importing {path.name}")
    folder = user_folder() / free_name(model_name(path))
    try:
        import_model(path, folder, answers=answers)
    except UnansweredError:
        return (yield from _asking(path, answers))
    return folder.name
