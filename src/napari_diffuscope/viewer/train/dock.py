"""Plugins › Diffuscope › Train: a model learns from one's own images while the window stays free."""

from __future__ import annotations

import shlex
from collections.abc import Generator
from pathlib import Path
from shutil import rmtree
from typing import Any

from napari.utils.notifications import show_info
from qtpy.QtCore import QSize, Signal
from qtpy.QtWidgets import QApplication, QFileDialog, QTabWidget, QVBoxLayout

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.outputs import check_free
from napari_diffuscope.training.learnable import learnable_of
from napari_diffuscope.training.run_files import CHECKPOINT, RECIPE_FILE
from napari_diffuscope.training.teaching import (
    begun_recipe,
    check_new,
    further_job,
    new_model_job,
    trainings_folder,
)
from napari_diffuscope.training.watching import Ended
from napari_diffuscope.viewer.background import Background
from napari_diffuscope.viewer.model_choice import CATALOGUE
from napari_diffuscope.viewer.run_bar import RunBar
from napari_diffuscope.viewer.runner import JobRunner, Outcome, available_cores
from napari_diffuscope.viewer.tabs import TabbedWidget
from napari_diffuscope.viewer.train.form import Asked, TrainForm
from napari_diffuscope.viewer.train.progress_page import ProgressPage
from napari_diffuscope.viewer.widgets import DOCK_WIDTH, button, in_a_row, scrolled
from napari_diffuscope.weights.card import read_card
from napari_diffuscope.weights.catalogue import find_model


class TrainDock(TabbedWidget):
    """Trains a model on open layers or on folders; what ``diffuscope train`` does.

    Parameters
    ----------
    napari_viewer
        The viewer, given by napari; its layers are read and never changed.
    """

    tab_title = "Train"
    _validated = Signal(object)

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.form = TrainForm(napari_viewer)
        self.page = ProgressPage()
        self.runner = JobRunner(self)
        self.bar = RunBar(self.runner, self.run)
        self.bar.run_button.setText("Train")
        self.bar.cancel_button.setToolTip(
            "Stop after the present step. What was learned is kept: Go on takes it up."
        )
        self.bar.activity = lambda: "Training…"
        self.run_folder: Path | None = None
        self._recipe_file: Path | None = None
        self._background = Background(self)
        self._background.failed.connect(self.bar.fail)
        self._make_buttons()
        self._lay_out()
        self.runner.ended.connect(self._on_ended)
        self.runner.warned.connect(self.page.remark)
        self._validated.connect(self.page.take)
        self.form.changed.connect(self._changed)
        self._changed()

    def sizeHint(self) -> QSize:
        """As wide as the other docks."""
        return QSize(DOCK_WIDTH, 640)

    # What the buttons do

    def run(self) -> None:
        """Train a new model in the background.

        Raises
        ------
        DiffuscopeError
            If something is lacking, or the name is taken.
        """
        asked = self.form.asked()
        run = self.form.run_folder(asked.chosen.name)
        check_new(asked.chosen.name, run)
        self._begin(asked, run)
        what, chosen, stage = asked.what, asked.chosen, asked.stage
        self.runner.start(lambda: new_model_job(what, chosen, stage, run, watch=self._validated.emit))

    def go_on(self, run: Path) -> None:
        """Go on with the training in a folder, for as long again as is chosen where it was at its end.

        Raises
        ------
        DiffuscopeError
            If there is none.
        """
        if self.runner.running:
            raise DiffuscopeError("A training is already under way; cancel it or wait for its end.")
        recipe, chosen = begun_recipe(run), self.form.chosen()
        timed = recipe.optimisation.time_budget_minutes is not None
        self.page.begin(learnable_of(recipe.data.kind), start=_title(recipe.start_from), timed=timed)
        self._show_progress(run)
        self.runner.start(lambda: further_job(run, chosen, watch=self._validated.emit))

    def save_recipe(self, path: Path) -> None:
        """Write a recipe that trains the same model, and layers beside it as OME-TIFF, in the background.

        Raises
        ------
        DiffuscopeError
            If something is lacking, or there is something already.
        """
        asked = self.form.asked()
        images = path.with_name(f"{path.stem} images")
        check_free(path, overwrite=False)
        check_free(images, overwrite=False)
        self.bar.say("Writing the recipe…")

        def work() -> Generator[Any, None, Path]:
            from napari_diffuscope.training.own_recipe import own_recipe
            from napari_diffuscope.training.recipe_file import write_recipe

            try:
                learned = yield from asked.stage(images)
                write_recipe(path, own_recipe(asked.what, asked.chosen, learned))
            except BaseException:
                rmtree(images, ignore_errors=True)  # there was none before
                raise
            return path

        self._background.start(work, self._tell_saved)

    def copy_command(self) -> None:
        """Put the command of the last recipe on the clipboard.

        Raises
        ------
        DiffuscopeError
            If there is none yet.
        """
        if self._recipe_file is None or not self._recipe_file.is_file():
            raise DiffuscopeError(
                "There is no recipe yet that a command could run: train, or save the recipe first."
            )
        threads = max(1, available_cores() - 1)
        words = ["diffuscope", "train", str(self._recipe_file), "--threads", str(threads)]
        if self.form.chosen().device != "auto":
            words += ["--device", self.form.chosen().device]
        QApplication.clipboard().setText(shlex.join(words))
        self.bar.say(
            "The command is in the clipboard; the model goes into the folder runs of the terminal's folder."
        )

    def leave(self) -> None:
        """Let go of the viewer; a training stops with a checkpoint."""
        if self.runner.running:
            show_info(f"The training stops with its dock. {self._stopping()}")
        self.runner.cancel()
        self._background.close()
        self.form.material.disconnect_viewer()

    # While it runs

    def _begin(self, asked: Asked, run: Path) -> None:
        self.bar.forget_warnings()
        self.page.begin(asked.what, start=asked.start_title, timed=asked.chosen.until == "minutes")
        self._show_progress(run)

    def _show_progress(self, run: Path) -> None:
        self.run_folder, self._recipe_file = run, run / RECIPE_FILE
        self.pages.setCurrentIndex(1)
        self.go_on_button.setEnabled(False)

    def _on_ended(self, outcome: Outcome) -> None:
        self.bar.ended()
        self.go_on_button.setEnabled(True)
        self._changed()
        if outcome.state != "done" and not self.page.rows:
            self.page.forget()
            self.pages.setCurrentIndex(0)
        if outcome.error is not None:
            self.bar.fail(outcome.error)
        elif outcome.state == "cancelled":
            self.bar.say(self._stopped())
        else:
            ended: Ended = outcome.result
            CATALOGUE.changed.emit()
            self.page.end(ended)
            self.pages.setCurrentIndex(1)
            self.bar.say(ended.headline)

    def _stopped(self) -> str:
        if not (self._folder() / CHECKPOINT).is_file():
            return "Stopped before the first step; nothing is kept."
        return "Stopped; what was learned is kept, and Go on takes it up. No model was made yet."

    def _stopping(self) -> str:
        if not self.page.rows:
            return "It had hardly begun."
        return f"What was learned is kept in {self._folder()}: open Train again, and Go on with it."

    def _folder(self) -> Path:
        assert self.run_folder is not None
        return self.run_folder

    def _changed(self) -> None:
        lacking = self.form.lacking()
        self.bar.set_ready(not lacking)
        if not self.runner.running:
            self.bar.say(f"To begin, {lacking}." if lacking else "")

    def _tell_saved(self, path: Path) -> None:
        def tell() -> None:
            self.copy_command()
            self.bar.say(f"{path.name} is written, and the command that trains by it is in the clipboard.")

        self._recipe_file = path
        self.bar.guarded(tell)

    def _ask_folder(self) -> None:
        last = self.run_folder
        if last is not None and (last / CHECKPOINT).is_file():
            self.go_on(last)
            return
        folder = QFileDialog.getExistingDirectory(self, "Folder of a training", str(trainings_folder()))
        if folder:
            self.go_on(Path(folder))

    def _ask_file(self) -> None:
        self.form.asked()
        name = f"{self.form.chosen().name}.toml"
        path, _ = QFileDialog.getSaveFileName(self, "Save the recipe", name, "Recipes (*.toml)")
        if path:
            self.save_recipe(Path(path).with_suffix(".toml"))

    def _make_buttons(self) -> None:
        guarded = self.bar.guarded
        self.go_on_button = button(
            "Go on…",
            "Go on with the last training, or with one in a folder: to its end, or for longer if it was there.",
            lambda: guarded(self._ask_folder),
        )
        self.save_button = button(
            "Save recipe…",
            "Write all that is chosen into a file, with copies of the layers beside it, from which diffuscope train "
            "makes the same model.",
            lambda: guarded(self._ask_file),
        )
        self.copy_button = button(
            "Copy command",
            "Copy the command line that trains by the recipe of the last training, or by the one that was saved.",
            lambda: guarded(self.copy_command),
        )

    def _lay_out(self) -> None:
        self.pages = QTabWidget()
        self.pages.addTab(scrolled(self.form), "Set up")
        self.pages.addTab(scrolled(self.page), "Progress")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.pages, 1)
        foot = QVBoxLayout()
        foot.setContentsMargins(8, 4, 8, 8)
        foot.addWidget(self.bar)
        foot.addLayout(in_a_row(self.go_on_button, self.save_button, self.copy_button))
        layout.addLayout(foot)


def _title(model: str | None) -> str:
    """What a model is called by which a training began; empty for none."""
    if model is None:
        return ""
    try:
        return read_card(find_model(model)).title
    except DiffuscopeError:
        return Path(model).name
