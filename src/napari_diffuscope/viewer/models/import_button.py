"""The button that asks what is to be imported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QMenu, QPushButton

_FILTERS = "Models (*.safetensors *.pt *.pth *.ckpt *.bin *.zip *.tar *.tgz *.tar.gz);;All files (*)"


class ImportButton(QPushButton):
    """A button with a menu: files, or a folder.

    Parameters
    ----------
    on_chosen
        Called with what was chosen.
    """

    def __init__(self, on_chosen: Callable[[list[Path]], None]) -> None:
        super().__init__("Import…")
        self._on_chosen = on_chosen
        self.setToolTip(
            "Take a model into your own: a checkpoint of a paper, a model folder, a diffusers folder, or a zip file "
            "with one. You can also drop them here. Nothing in a file is run."
        )
        menu = QMenu(self)
        menu.addAction("Files…", self._ask_files)
        menu.addAction("Folder…", self._ask_folder)
        self.setMenu(menu)

    def _ask_files(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Import models", filter=_FILTERS)
        self._on_chosen([Path(path) for path in paths])

    def _ask_folder(self) -> None:
        if path := QFileDialog.getExistingDirectory(self, "Import a model folder"):
            self._on_chosen([Path(path)])
