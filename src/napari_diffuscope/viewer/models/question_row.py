"""One question about a checkpoint in the dialog of the import: its answer, what it means, and why it is likely."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.viewer.widgets import choice, choose, note
from napari_diffuscope.weights.answers import answers_from_words, parsed_answers
from napari_diffuscope.weights.question import Asked


class QuestionRow(QWidget):
    """A question with a box of answers, the likely one chosen.

    Parameters
    ----------
    asked
        The question.
    """

    changed = Signal()

    def __init__(self, asked: Asked) -> None:
        super().__init__()
        self.asked, question = asked, asked.question
        entries = [(one.words, one.value) for one in question.choices]
        if not asked.needed and asked.likely.value is None:
            entries.insert(0, (asked.likely.why, None))
        self.box = choice(entries, question.explanation)
        likely = asked.likely.value
        if likely is not None and not self._choose(likely):
            self.box.insertItem(0, _words(likely), likely)
            self.box.setCurrentIndex(0)
        if question.form:
            self.box.setEditable(True)
            self.box.lineEdit().setToolTip(f"{question.explanation}\nOther answers: {question.form}.")
        title, explanation = QLabel(f"<b>{question.title}</b>"), note(question.explanation)
        title.setToolTip(question.explanation)
        self.why = note(f"Likely: {asked.likely.why}." if likely is not None else "")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 4)
        for part in (title, explanation, self.box, self.why):
            layout.addWidget(part)
        self.box.currentIndexChanged.connect(lambda _: self.changed.emit())

    @property
    def name(self) -> str:
        """Name of the question."""
        return self.asked.question.name

    @property
    def candidates(self) -> list[tuple[str, Any]]:
        """Answers that may be compared, in words and as values."""
        boxed = [(self.box.itemText(index), self.box.itemData(index)) for index in range(self.box.count())]
        return [(words, value) for words, value in boxed if value is not None]

    def answer(self) -> Any:
        """The answer that is chosen or typed; ``None`` for none.

        Raises
        ------
        DiffuscopeError
            If what was typed is no answer.
        """
        index, text = self.box.currentIndex(), self.box.currentText().strip()
        if index >= 0 and text == self.box.itemText(index):
            return self.box.itemData(index)
        if not text or text == "not known":
            return None
        try:
            value = answers_from_words([f"{self.name}={text}"])[self.name]
            parsed_answers({self.name: value}, "The answer")
        except DiffuscopeError as error:
            title, form = self.asked.question.title, self.asked.question.form
            sentence = f"{title} The answer is {form}, not {quoted(text)}." if form else str(error)
            raise DiffuscopeError(sentence) from error
        return value

    def give(self, value: Any) -> None:
        """Choose an answer."""
        self._choose(value)

    def _choose(self, value: Any) -> bool:
        for index in range(self.box.count()):
            if self.box.itemData(index) == value:
                self.box.setCurrentIndex(index)
                return True
        return choose(self.box, value)


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value['kind']} {value['count']}"
    return ",".join(f"{one:g}" for one in value) if isinstance(value, list | tuple) else str(value)
