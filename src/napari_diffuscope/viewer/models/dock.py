"""Plugins › Diffuscope › Models: find, get, check, share and remove models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari import current_viewer
from napari.utils.notifications import show_warning
from qtpy.QtCore import QSize, Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QApplication,
    QFileDialog,
    QGridLayout,
    QMenu,
    QMessageBox,
    QPushButton,
    QSplitter,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.jobs import Job
from napari_diffuscope.shared_preferences import cache_folder, why_offline
from napari_diffuscope.viewer.model_choice import CATALOGUE
from napari_diffuscope.viewer.models.card_text import card_html
from napari_diffuscope.viewer.models.example_view import ExampleView
from napari_diffuscope.viewer.models.export_button import ExportButton
from napari_diffuscope.viewer.models.import_dialog import ImportDialog, import_model
from napari_diffuscope.viewer.models.model_list import ModelList
from napari_diffuscope.viewer.models.works import (
    Imported,
    downloading,
    exporting,
    importing,
    removing,
    storing_trial,
    trying,
    verifying,
)
from napari_diffuscope.viewer.preferences import follow_preferences, preferences
from napari_diffuscope.viewer.run_bar import RunBar
from napari_diffuscope.viewer.runner import JobRunner, Outcome
from napari_diffuscope.viewer.tabs import TabbedWidget
from napari_diffuscope.viewer.widgets import DOCK_WIDTH, button, note
from napari_diffuscope.weights.catalogue import listed_models, user_folder
from napari_diffuscope.weights.citing import bibtex_of
from napari_diffuscope.weights.entries import kind_of
from napari_diffuscope.weights.kept_archives import ArchiveKeeper
from napari_diffuscope.weights.place import ExportFormat
from napari_diffuscope.weights.removal import planned_removal

if TYPE_CHECKING:
    from napari_diffuscope.weights.trial import Tried

_LINKS = "#3d8fe0"
"""Colour of links that can be read on black and on white."""

_FILTERS = "Models (*.safetensors *.pt *.pth *.ckpt *.bin *.zip *.tar *.tgz *.tar.gz);;All files (*)"


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
        self.asking: ImportDialog | None = None
        self._waiting: list[Path] = []
        self._archives = ArchiveKeeper()
        self._then: Callable[[Any], None] = self._say_done
        self._make_buttons()
        self._lay_out()
        self.runner.ended.connect(self._on_ended)
        self.models.chosen_changed.connect(self._show_chosen)
        CATALOGUE.changed.connect(self.refresh)
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
        model, idle = self.models.chosen, not self.runner.running
        here = model is not None and model.at_hand
        own = model is not None and model.badge != "shipped" and (model.folder is not None or model.own_entry)
        for control, possible in (
            (self.import_button, idle),
            (self.download_button, idle and model is not None and not here and self._address() != ""),
            (self.export_button, idle and here),
            (self.verify_button, idle and model is not None and model.folder is not None),
            (self.test_button, idle and here),
            (self.remove_button, idle and own),
            (self.reveal_button, model is not None and model.folder is not None),
            (self.cite_button, model is not None and bool(self._citation())),
        ):
            control.setEnabled(possible)
        reason = why_offline()
        if reason and not here and kind_of(self._address()) in ("web", "doi"):
            self.download_button.setEnabled(False)
        if here:
            tip = "This model is on this computer already."
        elif model is not None and not self._address():
            tip = "There is no address to get this model from; its card says what to do by hand."
        else:
            tip = f"Nothing may be asked of the web, for {reason}." if reason else DOWNLOAD_TIP
        self.download_button.setToolTip(tip)

    def _address(self) -> str:
        entry = self.models.chosen.entry if self.models.chosen is not None else None
        return entry.address if entry is not None else ""

    def _citation(self) -> tuple[str, ...]:
        model = self.models.chosen
        about = None if model is None else model.card or model.entry
        return about.citation if about is not None else ()

    # What the buttons do

    def import_paths(self, paths: Sequence[Path]) -> None:
        """Take files, folders and archives into the user's models, one after the other.

        Parameters
        ----------
        paths
            What was dropped or chosen; while something runs they wait for its end.
        """
        self._waiting += list(paths)
        if not self.runner.running and self._waiting:
            sources, self._waiting = self._waiting, []
            self._archives.keep()
            self._start(lambda: importing(sources), self._tell_imported, needs_torch=True)

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
        QApplication.clipboard().setText(bibtex_of(self._citation()) + "\n")
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
        self.question = question
        question.accepted.connect(lambda: self._start(lambda: removing(name)))
        question.finished.connect(lambda _: question.deleteLater())
        question.open()

    def _ask_file(self) -> None:
        self.import_paths(
            [Path(path) for path in QFileDialog.getOpenFileNames(self, "Import models", filter=_FILTERS)[0]]
        )

    def _ask_folder(self) -> None:
        if path := QFileDialog.getExistingDirectory(self, "Import a model folder"):
            self.import_paths([Path(path)])

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
        if outcome.state != "done":
            self._archives.let_go()
        if not self._left:
            self.import_paths([])
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
        self.question = question
        question.accepted.connect(lambda: self._start(lambda: storing_trial(name), needs_torch=True))
        question.finished.connect(lambda _: question.deleteLater())
        question.open()

    def _tell_imported(self, results: Sequence[Imported]) -> None:
        """List what was taken in, and say of each other file why it was not."""
        self.look_again()
        good = [result for result in results if not result.problem]
        bad = [result for result in results if result.problem and not result.open]
        self._ask_about([result.source for result in results if result.open])
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

    def _ask_about(self, paths: Sequence[Path]) -> None:
        """Ask what checkpoints do not tell, one after the other."""
        if not paths:
            self._archives.let_go()
            return
        dialog = import_model(current_viewer(), paths[0], self)
        self.asking = dialog
        dialog.imported.connect(self._tell_answered)
        dialog.refused.connect(lambda sentence: self.bar.fail(DiffuscopeError(sentence)))
        dialog.finished.connect(lambda _: self._ask_about(paths[1:]))

    def _tell_answered(self, name: str) -> None:
        self._tell_imported([Imported(Path(name), name)])

    # Coming and going

    _left = False

    def leave(self) -> None:
        """Stop what runs when napari takes the dock away."""
        self._left = True
        if self.asking is not None:
            self.asking.reject()
        self.runner.cancel()
        self._archives.let_go()

    def takes(self, paths: Sequence[Path]) -> bool:
        """Whatever is dropped here is meant to be a model."""
        return bool(paths)

    def take(self, paths: Sequence[Path]) -> None:
        """Import what was dropped."""
        if self.runner.running:
            show_warning("Something is under way; what you dropped is imported after it.")
        self.import_paths(paths)

    def _make_buttons(self) -> None:
        self.import_button = QPushButton("Import…")
        self.import_button.setToolTip(
            "Take a model into your own: a checkpoint of a paper, a model folder, a diffusers folder, or a zip file "
            "with one. You can also drop them here. Nothing in a file is run."
        )
        menu = QMenu(self.import_button)
        menu.addAction("Files…", self._ask_file)
        menu.addAction("Folder…", self._ask_folder)
        self.import_button.setMenu(menu)
        self.download_button = self._button("Download", DOWNLOAD_TIP, self.download)
        self.export_button = ExportButton(self._folder, self.export_to, self.bar.guarded)
        self.verify_button = self._button(
            "Verify", "Read the model through: that every weight is there, finite, and the one that its card names.",
            self.verify,
        )  # fmt: skip
        self.test_button = self._button(
            "Test", "Run the model on its small stored example, and compare with what it gave where it was made.",
            self.test,
        )  # fmt: skip
        self.reveal_button = self._button(
            "Reveal", "Show the folder of the model in the file manager.", self.reveal
        )
        self.cite_button = self._button(
            "Cite", "Copy what to cite for this model, as BibTeX.", self.copy_citation
        )
        self.remove_button = self._button(
            "Remove…", "Delete the model from this computer for good, after asking. Models of the package stay.",
            self.ask_to_remove,
        )  # fmt: skip
        self.refresh_button = self._button(
            "Look again", "List the models anew after you copied one into a folder, here and in all open docks.",
            self.look_again,
        )  # fmt: skip

    def _button(self, text: str, tooltip: str, action: Callable[[], None]) -> QPushButton:
        return button(text, tooltip, lambda: self.bar.guarded(action))

    def _lay_out(self) -> None:
        grid = QGridLayout()
        grid.setSpacing(3)
        rows = (
            (self.import_button, self.download_button, self.export_button),
            (self.verify_button, self.test_button, self.remove_button),
            (self.reveal_button, self.cite_button, self.refresh_button),
        )
        for y, row in enumerate(rows):
            for x, control in enumerate(row):
                grid.addWidget(control, y, x)
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
        layout.addLayout(grid)
        layout.addWidget(self.bar)
        layout.addWidget(self.places)


DOWNLOAD_TIP = (
    "Get the chosen model from the web, into the folder for downloads. Nothing is asked of the web before."
)
