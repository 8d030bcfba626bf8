"""Plugins › Diffuscope › Models: find, get, check, share and remove models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_warning
from qtpy.QtCore import QSize, Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QApplication, QMessageBox, QSplitter, QTextBrowser, QVBoxLayout, QWidget

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.jobs import Job
from napari_diffuscope.shared_preferences import cache_folder
from napari_diffuscope.viewer.model_choice import CATALOGUE
from napari_diffuscope.viewer.models.buttons import ModelButtons
from napari_diffuscope.viewer.models.card_text import card_html
from napari_diffuscope.viewer.models.example_view import ExampleView
from napari_diffuscope.viewer.models.export_button import ExportButton
from napari_diffuscope.viewer.models.import_button import ImportButton
from napari_diffuscope.viewer.models.import_queue import ImportQueue
from napari_diffuscope.viewer.models.model_list import ModelList
from napari_diffuscope.viewer.models.works import (
    Imported,
    downloading,
    exporting,
    removing,
    storing_trial,
    trying,
    verifying,
)
from napari_diffuscope.viewer.preferences import follow_preferences, preferences
from napari_diffuscope.viewer.run_bar import RunBar
from napari_diffuscope.viewer.runner import JobRunner, Outcome
from napari_diffuscope.viewer.tabs import TabbedWidget
from napari_diffuscope.viewer.widgets import DOCK_WIDTH, note
from napari_diffuscope.weights.catalogue import listed_models, user_folder
from napari_diffuscope.weights.citing import bibtex_of
from napari_diffuscope.weights.place import ExportFormat
from napari_diffuscope.weights.removal import planned_removal

if TYPE_CHECKING:
    from napari_diffuscope.weights.trial import Tried

_LINKS = "#3d8fe0"
"""Colour of links that can be read on black and on white."""


class ModelsDock(TabbedWidget):
    """All models that are known of, the card of one, and what can be done with it."""

    tab_title = "Models"

    def __init__(self) -> None:
        super().__init__()
        self.models = ModelList()
        self.cards = QTextBrowser()
        self.cards.setOpenExternalLinks(True)
        self.cards.document().setDefaultStyleSheet(f"a {{ color: {_LINKS}; }}")
        self.cards.setAcceptDrops(False)
        self.cards.setToolTip("Everything that is known about the chosen model")
        self.example = ExampleView()
        self.places = note()
        self.places.setToolTip("Where models lie that you add, and those that you download")
        self.runner = JobRunner(self, needs_torch=False)
        self.bar = RunBar(self.runner, lambda: None)
        self.bar.run_button.hide()
        self.bar.cancel_button.setToolTip(
            "Stop; what has arrived of a download is kept, and gone on with next time."
        )
        self.question: QMessageBox | None = None
        self.imports = ImportQueue(self, self.runner, partial(self._start, needs_torch=True))
        self._then: Callable[[Any], None] = self._say_done
        self.buttons = ModelButtons(
            ImportButton(self.import_paths), ExportButton(self._folder, self.export_to, self.bar.guarded)
        )
        self._lay_out()
        self._connect()
        follow_preferences()
        self.refresh()

    def sizeHint(self) -> QSize:
        """As wide as the other docks."""
        return QSize(DOCK_WIDTH, 640)

    # The list and the card

    def look_again(self) -> None:
        """List the models anew, here and in all open docks."""
        CATALOGUE.changed.emit()

    def refresh(self) -> None:
        """List the models anew."""
        self.models.fill(listed_models())
        self.places.setText(f"Your own models: {user_folder()}\nDownloads: {cache_folder()}")

    def _show_chosen(self) -> None:
        model = self.models.chosen
        self.cards.setHtml(card_html(model) if model is not None else "<p>No model has these words.</p>")
        self.example.show_of(model.folder if model is not None else None)
        self._update_buttons()

    def _update_buttons(self) -> None:
        self.buttons.show_for(self.models.chosen, idle=not self.runner.running)

    # What the buttons do

    def import_paths(self, paths: Sequence[Path]) -> None:
        """Take files, folders and archives into the user's models, one after the other.

        Parameters
        ----------
        paths
            What was dropped or chosen; while something runs they wait for its end.
        """
        self.imports.add(paths)

    def download(self) -> None:
        """Get the chosen model."""
        name = self._name()
        self._start(lambda: downloading(name))

    def export_to(self, target: Path, format: ExportFormat = "zip", authors: Sequence[str] = ()) -> None:
        """Write the chosen model where others can take it: as a folder, a zip file, or a package of the zoo."""
        folder = self._folder()
        self._start(lambda: exporting(folder, target, format, authors), needs_torch=True)

    def verify(self) -> None:
        """Read the chosen model through."""
        name = self._name()
        self._start(lambda: verifying(name), needs_torch=True)

    def test(self) -> None:
        """Run the chosen model on its example."""
        name, device = self._name(), preferences().device
        self._start(
            lambda: trying(name, device), lambda tried: self._tell_tried(name, tried), needs_torch=True
        )

    def reveal(self) -> None:
        """Show the folder of the chosen model in the file manager."""
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._folder())))

    def copy_citation(self) -> None:
        """Put what to cite on the clipboard."""
        about = self.models.chosen.about if self.models.chosen is not None else None
        QApplication.clipboard().setText(bibtex_of(about.citation if about is not None else ()) + "\n")
        self.bar.say("What to cite is on the clipboard, as BibTeX.")

    def ask_to_remove(self) -> None:
        """Ask whether the chosen model is to go, and remove it."""
        name = self._name()
        removal = planned_removal(name)
        question = QMessageBox(
            QMessageBox.Icon.Warning, "Remove a model", removal.sentence,
            QMessageBox.StandardButton.Cancel | QMessageBox.StandardButton.Yes, self,
        )  # fmt: skip
        question.setDefaultButton(QMessageBox.StandardButton.Cancel)
        self._ask(question, lambda: self._start(lambda: removing(name)))

    def _name(self) -> str:
        if self.models.chosen is None:
            raise DiffuscopeError("No model is chosen; choose one in the list.")
        return self.models.chosen.name

    def _folder(self) -> Path:
        model = self.models.chosen
        if model is None or model.folder is None:
            raise DiffuscopeError("The model is not on this computer; choose another one, or download it.")
        return model.folder

    # While it works

    def _start(
        self,
        make_job: Callable[[], Job[Any]],
        then: Callable[[Any], None] | None = None,
        *,
        needs_torch: bool = False,
    ) -> None:
        self._then = then or self._say_done
        self.runner.start(make_job, needs_torch=needs_torch)
        self._update_buttons()

    def _on_ended(self, outcome: Outcome) -> None:
        self.bar.ended()
        if outcome.state == "failed" and outcome.error is not None:
            self.bar.fail(outcome.error)
        elif outcome.state == "cancelled":
            self.look_again()
            self.bar.say("Stopped; what has arrived of a download is kept.")
        else:
            self._then(outcome.result)
        self.imports.go_on(outcome)
        self._update_buttons()

    def _say_done(self, sentence: str) -> None:
        self.look_again()
        self.bar.say(sentence)

    def _tell_tried(self, name: str, tried: Tried) -> None:
        """Say how a test went, and offer to keep the result of a model of the user's that has none to compare with."""
        self._say_done(tried.sentence)
        model = self.models.chosen
        if tried.difference is not None or model is None or model.name != name or model.badge == "shipped":
            return
        question = QMessageBox(
            QMessageBox.Icon.Question, "Store an example",
            f"{name} runs, but has no stored example to compare with. Store what it gives now? Then a test on another "
            "computer tells whether it gives the same there.",
            QMessageBox.StandardButton.No | QMessageBox.StandardButton.Yes, self,
        )  # fmt: skip
        self._ask(question, lambda: self._start(lambda: storing_trial(name), needs_torch=True))

    def _ask(self, question: QMessageBox, then: Callable[[], None]) -> None:
        self.question = question
        question.accepted.connect(then)
        question.finished.connect(lambda _: question.deleteLater())
        question.open()

    def _tell_imported(self, results: Sequence[Imported]) -> None:
        """List what was taken in, and say of each other file why it was not."""
        self.look_again()
        good = [result for result in results if not result.problem]
        bad = [result for result in results if result.problem and not result.open]
        if good:
            self.models.search.clear()
            self.models.choose(good[-1].name)
        taken = f"Imported: {', '.join(result.name for result in good)}." if good else ""
        if not bad:
            self.bar.say(taken)
        elif len(bad) == len(results) == 1:
            self.bar.fail(DiffuscopeError(bad[0].problem))
        else:
            sentence = f"{len(bad)} of {len(results)} were not imported; the card says why. {taken}"
            self.bar.fail(DiffuscopeError(sentence.strip()))
            lines = "".join(f"<p><b>{escape(r.source.name)}</b><br>{escape(r.problem)}</p>" for r in bad)
            self.cards.setHtml(f"<h3>Not imported</h3>{lines}")
            self.example.show_of(None)

    # Coming and going

    def leave(self) -> None:
        """Stop what runs when napari takes the dock away."""
        self.runner.cancel()
        self.imports.close()

    def takes(self, paths: Sequence[Path]) -> bool:
        """Whatever is dropped here is meant to be a model."""
        return bool(paths)

    def take(self, paths: Sequence[Path]) -> None:
        """Import what was dropped."""
        if self.runner.running:
            show_warning("Something is under way; what you dropped is imported after it.")
        self.import_paths(paths)

    def _connect(self) -> None:
        buttons = self.buttons
        for control, action in (
            (buttons.download_button, self.download),
            (buttons.verify_button, self.verify),
            (buttons.test_button, self.test),
            (buttons.remove_button, self.ask_to_remove),
            (buttons.reveal_button, self.reveal),
            (buttons.cite_button, self.copy_citation),
            (buttons.refresh_button, self.look_again),
        ):
            control.clicked.connect(partial(self._do, action))
        self.imports.imported.connect(self._tell_imported)
        self.imports.refused.connect(lambda sentence: self.bar.fail(DiffuscopeError(sentence)))
        self.runner.ended.connect(self._on_ended)
        self.models.chosen_changed.connect(self._show_chosen)
        CATALOGUE.changed.connect(self.refresh)

    def _do(self, action: Callable[[], None], checked: bool = False) -> None:
        self.bar.guarded(action)

    def _lay_out(self) -> None:
        below = QWidget()
        column = QVBoxLayout(below)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.cards, 1)
        column.addWidget(self.example)
        splitter = QSplitter(Qt.Orientation.Vertical)
        splitter.addWidget(self.models)
        splitter.addWidget(below)
        splitter.setStretchFactor(0, 2)
        splitter.setStretchFactor(1, 3)
        splitter.setChildrenCollapsible(False)
        layout = QVBoxLayout(self)
        layout.addWidget(splitter, 1)
        layout.addWidget(self.buttons)
        layout.addWidget(self.bar)
        layout.addWidget(self.places)
