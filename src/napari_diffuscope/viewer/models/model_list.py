"""The list of models, with what they are for and how near they are; searched by words."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QBrush, QColor
from qtpy.QtWidgets import QLineEdit, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from napari_diffuscope.viewer.models.card_text import BADGES
from napari_diffuscope.viewer.widgets import ERROR_COLOUR
from napari_diffuscope.weights.catalogue import ListedModel, told_apart

_NAME = Qt.ItemDataRole.UserRole


class ModelList(QWidget):
    """A line to search in, and the models that have all its words."""

    chosen_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._models: dict[str, ListedModel] = {}
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search: denoise, shape, EM, shipped…")
        self.search.setClearButtonEnabled(True)
        self.search.setToolTip(
            "Show the models that have all these words in their name, task, purpose, licence, citation or state."
        )
        self.search.setAcceptDrops(False)
        self.list = QListWidget()
        self.list.setToolTip(
            "All models that are known of, on this computer or not; choose one to read its card."
        )
        self.list.setAcceptDrops(False)
        self.list.setSpacing(3)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.search)
        layout.addWidget(self.list)
        self.search.textChanged.connect(lambda _: self._search())
        self.list.currentItemChanged.connect(lambda *_: self.chosen_changed.emit())

    @property
    def chosen(self) -> ListedModel | None:
        """The model whose card is shown."""
        item = self.list.currentItem()
        return None if item is None else self._models.get(item.data(_NAME))

    @property
    def shown(self) -> list[str]:
        """Names of the models that the search leaves."""
        items = (self.list.item(index) for index in range(self.list.count()))
        return [item.data(_NAME) for item in items if not item.isHidden()]

    def fill(self, models: Sequence[ListedModel]) -> None:
        """List models anew; the chosen one stays chosen while it is there."""
        before = self.chosen.name if self.chosen is not None else ""
        self._models = {model.name: model for model in models}
        self.list.blockSignals(True)
        self.list.clear()
        titles = told_apart({model.name: model.title for model in models})
        for model in models:
            self.list.addItem(_item(model, titles[model.name]))
        self.list.blockSignals(False)
        self._filter()
        self.choose(before)
        self.chosen_changed.emit()

    def choose(self, name: str) -> None:
        """Choose a model by name, else the first that is shown."""
        items = [self.list.item(index) for index in range(self.list.count())]
        visible = [item for item in items if not item.isHidden()]
        wanted = [item for item in visible if item.data(_NAME) == name]
        self.list.setCurrentItem((wanted or visible or [None])[0])

    def _search(self) -> None:
        """Hide what has not all words; a model that is hidden is not the chosen one."""
        before = self.chosen.name if self.chosen is not None else ""
        self._filter()
        self.choose(before)

    def _filter(self) -> None:
        words = self.search.text().lower().split()
        for index in range(self.list.count()):
            item = self.list.item(index)
            text = _searched(self._models[item.data(_NAME)])
            item.setHidden(not all(word in text for word in words))


def _item(model: ListedModel, title: str) -> QListWidgetItem:
    item = QListWidgetItem(f"{title}\n{model.task or 'any task'} · {model.badge}")
    item.setData(_NAME, model.name)
    item.setToolTip(f"{model.name}: {BADGES[model.badge]}" + (f". {model.problem}" if model.problem else ""))
    if model.problem:
        item.setForeground(QBrush(QColor(ERROR_COLOUR)))
    return item


def _searched(model: ListedModel) -> str:
    about = model.about
    words = [model.name, model.title, model.task or "", model.badge, model.problem]
    if about is not None:
        words += [about.purpose, about.licence, *about.citation]
    return " ".join(words).lower()
