"""Files and folders to choose and to drop: what a batch works on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent, QPaintEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QVBoxLayout,
    QWidget,
)

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.viewer.widgets import button, paint_hint

HEIGHT = 90


def whole_path(text: str) -> Path:
    """A path as it was typed, ``~`` for one's home.

    Raises
    ------
    DiffuscopeError
        If it does not say where: a window has no folder in which it is.
    """
    try:
        path = Path(text).expanduser()
    except RuntimeError:  # no such user
        path = Path(text)
    if not path.is_absolute():
        raise DiffuscopeError(
            f"{text!r} does not say in which folder it lies; choose it with the button beside it."
        )
    return path


class FileList(QListWidget):
    """Paths, added by dropping files and folders as well. ``edited`` tells that they changed."""

    edited = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAcceptDrops(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setFixedHeight(HEIGHT)
        self.setToolTip("Images to work on, one after the other. Files and folders can be dropped here.")

    @property
    def paths(self) -> list[Path]:
        """In their order."""
        return [Path(self.item(row).text()) for row in range(self.count())]

    def add(self, paths: Iterable[str | Path]) -> None:
        """Add what is not there yet."""
        there = set(map(str, self.paths))
        new = [str(path) for path in paths if str(path) not in there]
        if new:
            self.addItems(list(dict.fromkeys(new)))
            self.edited.emit()

    def remove_selected(self) -> None:
        """Take the selected ones away, or all if none is selected."""
        chosen = self.selectedItems() or [self.item(row) for row in range(self.count())]
        for item in chosen:
            self.takeItem(self.row(item))
        self.edited.emit()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The list; an empty one says what it is for."""
        super().paintEvent(event)
        if not self.count():
            paint_hint(self, "Drop files or folders here")

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        """Take files."""
        event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Add the files; they are not opened in the viewer."""
        self.add(url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile())
        event.acceptProposedAction()


class FileChoice(QWidget):
    """The list with its buttons."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.list = FileList()
        self.setToolTip(self.list.toolTip())
        self.files_button = button("Add files…", "Add images one by one.", self._ask_files)
        self.folder_button = button("Add folder…", "Add all images of a folder.", self._ask_folder)
        self.remove_button = button(
            "Remove", "Take the selected images off the list, or all of them. No file is touched.",
            self.list.remove_selected,
        )  # fmt: skip
        buttons = QHBoxLayout()
        for each in (self.files_button, self.folder_button, self.remove_button):
            buttons.addWidget(each)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.list)
        layout.addLayout(buttons)

    def _ask_files(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Images to work on")
        self.list.add(paths)

    def _ask_folder(self) -> None:
        if path := QFileDialog.getExistingDirectory(self, "Folder of images"):
            self.list.add([path])


class FolderChoice(QWidget):
    """A path to type, and a button that asks for a folder. ``edited`` tells that it changed."""

    edited = Signal()

    def __init__(self, tooltip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setToolTip(tooltip)
        self.line = QLineEdit()
        self.line.setToolTip(tooltip)
        self.line.textChanged.connect(lambda _: self.edited.emit())
        self.button = button("…", f"Choose a folder. {tooltip}", self._ask)
        self.button.setFixedWidth(32)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.line)
        layout.addWidget(self.button)

    @property
    def path(self) -> str:
        """What was typed or chosen."""
        return self.line.text().strip()

    def _ask(self) -> None:
        if path := QFileDialog.getExistingDirectory(self, "Folder"):
            self.line.setText(path)
