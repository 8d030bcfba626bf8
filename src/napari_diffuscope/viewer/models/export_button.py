"""The button that asks where a model is to be written, and as what."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QInputDialog, QMenu, QPushButton

from napari_diffuscope.weights.place import ExportFormat


class ExportButton(QPushButton):
    """A button with a menu of the formats that a model is handed on in.

    Parameters
    ----------
    folder
        Gives the folder of the model.
    on_chosen
        Called with the place, the format, and the names of who made the model.
    guarded
        Calls an action, and says what went wrong.
    """

    def __init__(
        self,
        folder: Callable[[], Path],
        on_chosen: Callable[[Path, ExportFormat, list[str]], None],
        guarded: Callable[[Callable[[], None]], None],
    ) -> None:
        super().__init__("Export…")
        self._folder, self._on_chosen = folder, on_chosen
        self.setToolTip(
            "Write the model for a colleague or an archive: as a zip file, as a folder, or as a package of the "
            "BioImage Model Zoo. Each can be imported again."
        )
        menu = QMenu(self)
        for text, action in (
            ("Zip file…", self._ask_zip),
            ("Folder…", self._ask_folder),
            ("BioImage Model Zoo package…", self._ask_package),
        ):
            menu.addAction(text, partial(guarded, action))
        self.setMenu(menu)

    def _ask_zip(self) -> None:
        if target := self._asked_zip("Export the model", self._folder().name):
            self._on_chosen(target, "zip", [])

    def _ask_folder(self) -> None:
        name = self._folder().name
        if path := QFileDialog.getExistingDirectory(self, f"Export the model as a folder {name} in this one"):
            self._on_chosen(Path(path) / name, "folder", [])

    def _ask_package(self) -> None:
        name, title = self._folder().name, "Export a package of the BioImage Model Zoo"
        words, agreed = QInputDialog.getText(
            self, title, "Who made the model? Names, with commas between them:"
        )
        if agreed and (target := self._asked_zip(title, f"{name}-bioimageio")):
            self._on_chosen(target, "bioimageio", [one for part in words.split(",") if (one := part.strip())])

    def _asked_zip(self, title: str, name: str) -> Path | None:
        path, _ = QFileDialog.getSaveFileName(self, title, f"{name}.zip", "Zip file (*.zip)")
        if not path:
            return None
        return Path(path) if path.lower().endswith(".zip") else Path(f"{path}.zip")
