"""Choice of a model, with its card."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QMenu, QPushButton, QVBoxLayout, QWidget

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.viewer.widgets import choice, choose, fill, note
from napari_diffuscope.weights.card import CARD_FILE, ModelCard, Task, read_card
from napari_diffuscope.weights.catalogue import find_model, list_models

#: Files by which a folder is known that diffusers wrote; such models have no card of ours.
DIFFUSERS_FILES = ("model_index.json", "config.json")
TASK_WORDS: dict[Task, str] = {
    "restoration": "restoration",
    "superresolution": "super-resolution",
    "shape": "shapes",
    "generation": "generating images",
}


class ModelChoice(QWidget):
    """A combo box of the models at hand, a button to open others, and the chosen model's card.

    Parameters
    ----------
    task
        Which models to list.
    on_error
        Called with a sentence when a folder is no model.
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
        self._on_error = on_error
        self._cards: dict[str, ModelCard] = {}
        tooltip = (
            "The trained network that does the work. Take one that was made for images like yours: "
            "the same kind of microscope and a similar pixel size."
        )
        self.box = choice([], tooltip)
        self.setToolTip(tooltip)
        self.box.currentIndexChanged.connect(lambda _: self._show_card())
        self.open_button = _open_button(self)
        self.card_note = note()
        self.card_note.setTextFormat(Qt.TextFormat.RichText)
        self.refresh()
        choose(self.box, default)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        row = QHBoxLayout()
        row.addWidget(self.box)
        row.addWidget(self.open_button)
        layout.addLayout(row)
        layout.addWidget(self.card_note)

    @property
    def model(self) -> str:
        """Name or path of the chosen model, empty when there is none."""
        return self.box.currentData() or ""

    @property
    def card(self) -> ModelCard | None:
        """Card of the chosen model; ``None`` for a checkpoint that has none."""
        return self._cards.get(self.model)

    def refresh(self) -> None:
        """List the models at hand anew."""
        opened = {key: card for key, card in self._cards.items() if Path(key).is_absolute()}
        self._cards = {card.name: card for card in list_models(self._task)} | opened
        fill(self.box, [(card.title, key) for key, card in self._cards.items()])
        if not self._cards:
            self.box.setPlaceholderText("No model installed")
        self._show_card()

    def choose(self, model: str) -> None:
        """Choose a model by name or path.

        Raises
        ------
        DiffuscopeError
            If there is no such model, or its folder is damaged.
        """
        if choose(self.box, model):
            return
        path = find_model(model).resolve()
        path = path.parent if path.is_file() and (path.parent / CARD_FILE).is_file() else path
        key = str(path)
        if path.is_dir() and not any((path / name).is_file() for name in DIFFUSERS_FILES):
            card = read_card(path)
            if card.task != self._task:
                raise DiffuscopeError(
                    f"{card.title!r} is a model for {card.task}, not for {self._task}; open another one."
                )
            self._cards[key] = card
        if not choose(self.box, key):
            self.box.addItem(self._cards[key].title if key in self._cards else path.name, key)
            choose(self.box, key)

    def ask_folder(self) -> None:
        """Let the user open a model folder."""
        self._open(QFileDialog.getExistingDirectory(self, "Open model folder"))

    def ask_checkpoint(self) -> None:
        """Let the user open a published checkpoint."""
        filters = "Checkpoints (*.safetensors *.pt *.pth *.ckpt *.bin);;All files (*)"
        self._open(QFileDialog.getOpenFileName(self, "Open checkpoint", filter=filters)[0])

    def _open(self, path: str) -> None:
        if not path:
            return
        try:
            self.choose(path)
        except DiffuscopeError as error:
            self._on_error(str(error))

    def _show_card(self) -> None:
        self.card_note.setText(_card_text(self.card) if self.model else _no_model(self._task))
        self.card_note.setToolTip(_card_details(self.card))
        self.model_changed.emit()


def _open_button(owner: ModelChoice) -> QPushButton:
    opener = QPushButton("…")
    opener.setFixedWidth(36)
    opener.setToolTip(
        "Use a model that is not in the list: a model folder, or a checkpoint that somebody published."
    )
    menu = QMenu(opener)
    menu.addAction("Open model folder…", owner.ask_folder)
    menu.addAction("Open checkpoint…", owner.ask_checkpoint)
    opener.setMenu(menu)
    return opener


def _no_model(task: Task) -> str:
    """How to get a model where there is none."""
    return (
        f"No model for {escape(TASK_WORDS[task])} is installed: train one with <b>diffuscope train</b>, "
        "or open a model folder or checkpoint with the button <b>…</b>"
    )


def _card_text(card: ModelCard | None) -> str:
    if card is None:
        return "A published checkpoint without a card; what it was made for stands in its paper."
    lines = [escape(card.purpose), f"<b>Licence</b> {escape(card.licence)}"]
    if card.pixel_size:
        low, high = card.pixel_size
        lines.insert(1, f"<b>Pixel size</b> {low:g} – {high:g} µm")
    return "<br>".join(lines)


def _card_details(card: ModelCard | None) -> str:
    """For those who linger: limits and what to cite."""
    if card is None:
        return ""
    parts = [f"When not to trust it: {card.limits}"] if card.limits else []
    return "\n".join([*parts, *(f"Cite: {entry}" for entry in card.citation)])
