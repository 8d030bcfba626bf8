"""Choice of a model, with its card."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from napari.utils.notifications import show_info
from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QMenu, QPushButton, QVBoxLayout, QWidget

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.units import same_length
from napari_diffuscope.methods.registry import task_in_words
from napari_diffuscope.viewer.background import Background
from napari_diffuscope.viewer.limits import limit_of
from napari_diffuscope.viewer.widgets import choice, choose, fill, note, say
from napari_diffuscope.weights.card import CARD_FILE, WEIGHTS_FILE, ModelCard, Task, read_card
from napari_diffuscope.weights.catalogue import find_model, list_models, told_apart

#: Files by which a folder is known that diffusers wrote; such models have no card of ours.
DIFFUSERS_FILES = ("model_index.json", "config.json")


class Catalogue(QObject):
    """Tells all docks that the models at hand were looked for anew."""

    changed = Signal()


CATALOGUE = Catalogue()


class ModelChoice(QWidget):
    """A combo box of the models at hand, a button to open others, and the chosen model's card.

    Below the card stands the limit of the model, in one line; `judge` colours it where an image lies outside.

    Parameters
    ----------
    task
        Which models to list.
    on_error
        Called with a sentence when a folder or file is no model.
    default
        Name of the model that is chosen at first, where it is at hand.
    """

    model_changed = Signal()

    def __init__(
        self,
        task: Task,
        on_error: Callable[[str], None],
        default: str = "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._task: Task = task
        self._default = default
        self._on_error = on_error
        self._cards: dict[str, ModelCard] = {}
        self._checking = Background(self)
        self._checking.failed.connect(self._refuse)
        self._looked_at = ""
        tooltip = (
            "The trained network that does the work. Take one that was made for images like yours: "
            "the same kind of microscope and a similar pixel size."
        )
        self.box = choice([], tooltip)
        self.setToolTip(tooltip)
        self.box.currentIndexChanged.connect(lambda _: self._show_card())
        self.open_button, self.remove_action = _open_button(self)
        self.card_note, self.limit_note = note(), note()
        self.card_note.setTextFormat(Qt.TextFormat.RichText)
        self.limit_note.setToolTip(
            "Where this model ends; in colour where your image lies outside, so that its answers may be wrong."
        )
        self.refresh()
        choose(self.box, default)
        CATALOGUE.changed.connect(self.refresh)
        self._lay_out()

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        row = QHBoxLayout()
        row.addWidget(self.box)
        row.addWidget(self.open_button)
        layout.addLayout(row)
        layout.addWidget(self.card_note)
        layout.addWidget(self.limit_note)

    @property
    def model(self) -> str:
        """Name or path of the chosen model, empty when there is none."""
        return self.box.currentData() or ""

    @property
    def card(self) -> ModelCard | None:
        """Card of the chosen model; ``None`` for a checkpoint that has none."""
        return self._cards.get(self.model)

    @property
    def checking(self) -> bool:
        """Whether a file that was opened is still being looked at."""
        return self._checking.busy

    def refresh(self) -> None:
        """List the models at hand anew; those that were opened stay."""
        opened = {key: self._cards.get(key) for key in self._opened()}
        before, before_in_words = self.model, self.box.currentText()
        self._cards = {card.name: card for card in list_models(self._task)}
        self._cards |= {key: card for key, card in opened.items() if card is not None}
        titles = told_apart({key: card.title for key, card in self._cards.items()})
        entries = [(title, key) for key, title in titles.items()]
        fill(self.box, entries + [(Path(key).name, key) for key, card in opened.items() if card is None])
        if before and self.model != before:
            choose(self.box, self._default)
            show_info(f"{before_in_words} is no longer there; {self.box.currentText()} is chosen instead.")
        if not self.box.count():
            self.box.setPlaceholderText("No model installed")
        self._show_card()

    def _opened(self) -> list[str]:
        """Paths of the entries that are not in the catalogue."""
        keys = [str(self.box.itemData(index)) for index in range(self.box.count())]
        return [key for key in keys if Path(key).is_absolute()]

    def choose(self, model: str) -> None:
        """Choose a model by name or path; what is no model folder is looked through meanwhile.

        Raises
        ------
        DiffuscopeError
            If there is no such model, or its folder is damaged.
        """
        if choose(self.box, model):
            return
        path = _place(model)
        if self._has_card(path):
            self._take(path, self._checked(read_card(path), path))
        else:
            self._list(path, None)
            self._look_at(path)

    def open(self, path: str) -> None:
        """List and choose a model folder or a checkpoint, once it is known to be one for this task."""
        try:
            place = _place(path)
            if self._has_card(place):
                self._take(place, self._checked(read_card(place), place))
            else:
                self._look_at(place)
        except DiffuscopeError as error:
            self._on_error(str(error))

    def remove(self) -> None:
        """Take the chosen entry out of the list, if it was opened by hand; its files stay."""
        key = self.model
        if Path(key).is_absolute():
            self._cards.pop(key, None)
            self.box.removeItem(self.box.currentIndex())
            self._show_card()

    def judge(self, remarks: Iterable[str]) -> None:
        """Say where the image lies outside of what the model was made for.

        Parameters
        ----------
        remarks
            Parts of a sentence; empty ones say nothing.
        """
        outside = "; ".join(remark for remark in remarks if remark)
        limit = limit_of(self.card)
        text = f"Outside its limits: {outside}. {limit}" if outside else f"Limit: {limit}"
        say(self.limit_note, text if self.model else "", error=bool(outside))

    def ask_folder(self) -> None:
        """Let the user open a model folder."""
        self._open(QFileDialog.getExistingDirectory(self, "Open model folder"))

    def ask_checkpoint(self) -> None:
        """Let the user open a published checkpoint."""
        filters = "Checkpoints (*.safetensors *.pt *.pth *.ckpt *.bin);;All files (*)"
        self._open(QFileDialog.getOpenFileName(self, "Open checkpoint", filter=filters)[0])

    def _open(self, path: str) -> None:
        if path:
            self.open(path)

    def _has_card(self, path: Path) -> bool:
        """Whether it is a model folder, or meant to be one."""
        return path.is_dir() and not any((path / name).is_file() for name in DIFFUSERS_FILES)

    def _checked(self, card: ModelCard, path: Path) -> ModelCard:
        if card.task != self._task:
            raise DiffuscopeError(
                f"{card.title!r} is a model for {task_in_words(card.task)}, not for "
                f"{task_in_words(self._task)}; open another one."
            )
        if self._has_card(path) and not (path / WEIGHTS_FILE).is_file():
            raise DiffuscopeError(
                f"{path} has a card, but no weights ({WEIGHTS_FILE}); get the folder again."
            )
        return card

    def _take(self, path: Path, card: ModelCard) -> None:
        self._cards[str(path)] = card
        self._list(path, card)

    def _list(self, path: Path, card: ModelCard | None) -> None:
        key = str(path)
        if not choose(self.box, key):
            self.box.addItem(card.title if card else path.name, key)
            choose(self.box, key)
        self._show_card()

    def _look_at(self, path: Path) -> None:
        """Look through all weights of a checkpoint, where nobody waits."""
        self._looked_at = str(path)
        say(self.limit_note, f"Looking at {path.name}…")

        def work() -> Generator[None, None, ModelCard]:
            from napari_diffuscope.weights.describe import inspect

            yield
            return self._checked(inspect(path).card, path)

        self._checking.start(work, partial(self._found, path))

    def _found(self, path: Path, card: ModelCard) -> None:
        index = self.box.findData(str(path))
        if index >= 0:
            self.box.setItemText(index, card.title)
        self._take(path, card)

    def _refuse(self, error: DiffuscopeError) -> None:
        """A file that is no model is not listed, or no longer."""
        index = self.box.findData(self._looked_at)
        if index >= 0 and self._looked_at not in self._cards:
            self.box.removeItem(index)
        self._show_card()
        self._on_error(str(error))

    def _show_card(self) -> None:
        self.card_note.setText(_card_text(self.card) if self.model else _no_model(self._task))
        self.card_note.setToolTip(_card_details(self.card))
        self.remove_action.setEnabled(Path(self.model).is_absolute())
        self.judge(())
        self.model_changed.emit()


def _place(model: str) -> Path:
    """The folder or checkpoint that is meant; a file in a model folder means the folder."""
    path = find_model(model).resolve()
    return path.parent if path.is_file() and (path.parent / CARD_FILE).is_file() else path


def _open_button(owner: ModelChoice) -> tuple[QPushButton, Any]:
    opener = QPushButton("…")
    opener.setFixedWidth(36)
    opener.setToolTip(
        "Use a model that is not in the list: a model folder, or a checkpoint that somebody published; or take one "
        "that you opened out of the list."
    )
    menu = QMenu(opener)
    menu.addAction("Open model folder…", owner.ask_folder)
    menu.addAction("Open checkpoint…", owner.ask_checkpoint)
    menu.addSeparator()
    remove = menu.addAction("Remove from the list", owner.remove)
    opener.setMenu(menu)
    return opener, remove


def _no_model(task: Task) -> str:
    """How to get a model where there is none."""
    return (
        f"No model for {escape(task_in_words(task))} is installed: train one with <b>diffuscope train</b>, "
        "or open a model folder or checkpoint with the button <b>…</b>"
    )


def _card_text(card: ModelCard | None) -> str:
    if card is None:
        return "A published checkpoint without a card; what it was made for stands in its paper."
    lines = [escape(card.purpose), f"<b>Licence</b> {escape(card.licence)}"]
    if card.pixel_size:
        lines.insert(1, f"<b>Pixel size</b> {pixel_sizes(card.pixel_size)}")
    return "<br>".join(lines)


def pixel_sizes(limits: tuple[float, float]) -> str:
    """``0.02 µm``, or from which to which."""
    low, high = limits
    return f"{low:g} µm" if same_length(low, high) else f"{low:g} – {high:g} µm"


def _card_details(card: ModelCard | None) -> str:
    """For those who linger: limits and what to cite."""
    if card is None:
        return ""
    parts = [f"When not to trust it: {card.limits}"] if card.limits else []
    return "\n".join([*parts, *(f"Cite: {entry}" for entry in card.citation)])
